"""From a message in the page to a lead that somebody waits on, with the real library in the real browser."""

import json
from pathlib import Path

import pytest

from leadmasterd.demo.standin import StandIn
from tests.e2e.conftest import DaemonUnderTest, MakeDaemon, wait_for

pytestmark = pytest.mark.e2e

ANA = "5491155550001"
BETO = "5491155550002"


def test_a_customer_waits_until_somebody_answers_by_hand(daemon: DaemonUnderTest, standin: StandIn) -> None:
    """`status` and `leads waiting` say so; the answer from the phone ends it, a reaction from there too."""
    standin.act("deliver", **{"from": ANA, "notifyName": "Ana", "body": "hola! cuánto sale el combo?", "id": "IN-1"})
    standin.act("deliver", **{"from": BETO, "notifyName": "Beto", "body": "me llegó roto el pedido", "id": "IN-2"})
    wait_for(lambda: waiting(daemon) == {"Ana", "Beto"}, "two who wait")
    wait_for(lambda: (daemon.status.get("waiting") or {}).get("conversations") == 2, "the status to know")
    leads = listed(daemon)
    assert {(lead["stage"], lead["intent"]) for lead in leads} == {("new", "price")}
    standin.act("own", to=ANA, body="14.500 con envío", id="OUT-1")
    wait_for(lambda: waiting(daemon) == {"Beto"}, "Ana to be answered")
    assert [lead["stage"] for lead in listed(daemon)] == ["contacted"]
    standin.act("react", id="IN-2", emoji="🙏", from_me=True)
    wait_for(lambda: waiting(daemon) == set(), "nobody to wait")


def test_a_missed_call_waits_and_makes_no_lead(daemon: DaemonUnderTest, standin: StandIn) -> None:
    """Its line in the chat says that nobody answered; one that was answered is an answer."""
    standin.act("call", **{"from": ANA})
    wait_for(lambda: len(waiting(daemon)) == 1, "the caller to wait")
    assert listed(daemon) == []
    standin.act("call", **{"from": ANA, "answered": True})
    wait_for(lambda: waiting(daemon) == set(), "the call to be an answer")


def test_rules_that_change_are_in_force_at_once_and_broken_ones_are_not(
    make_daemon: MakeDaemon, standin: StandIn, tmp_path: Path
) -> None:
    """The file may come later than the daemon; with a mistake in it the rules before it stay, and status says where."""
    rules = tmp_path / "rules.toml"
    daemon = make_daemon(LEADMASTERD_LEADS__RULES=str(rules))
    daemon.start()
    daemon.pair()
    rules.write_text(
        'extend = true\n[[rule]]\nid = "zorzal"\nintent = "appointment"\nphrases = ["zorzal"]\n'
        'yes = ["hay zorzal?"]\nno = ["hay gorrion?"]\n'
    )
    wait_for(lambda: "new rules" in daemon.log.read_text(), "the rules to be read")
    standin.act("deliver", **{"from": ANA, "notifyName": "Ana", "body": "zorzal", "id": "IN-1"})
    wait_for(lambda: [lead["intent"] for lead in listed(daemon)] == ["appointment"], "the rule to hit")
    rules.write_text('extend = true\n[[rule]]\nid = "zorzal"\nintent = "apointment"\nphrases = ["zorzal"]\n')
    wait_for(lambda: "rules" in daemon.status["concerns"], "the mistake to be told")
    assert "apointment" in daemon.status["concerns"]["rules"]
    standin.act("deliver", **{"from": BETO, "notifyName": "Beto", "body": "zorzal", "id": "IN-2"})
    wait_for(lambda: [lead["intent"] for lead in listed(daemon)] == ["appointment"] * 2, "the old rule to hit")


def listed(daemon: DaemonUnderTest) -> list[dict[str, object]]:
    """What `leads list` says."""
    leads = json.loads(daemon.command("leads", "list", "--json").stdout)["leads"]
    assert isinstance(leads, list)
    return leads


def waiting(daemon: DaemonUnderTest) -> set[str]:
    """Who waits, as `leads waiting` says."""
    return {who["who"] for who in json.loads(daemon.command("leads", "waiting", "--json").stdout)["waiting"]}
