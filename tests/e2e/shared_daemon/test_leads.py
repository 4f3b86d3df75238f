"""From a message in the page to a lead and a waiting customer, with the real library in the real browser."""

import json
from typing import Any

import pytest

from leadmasterd.demo.standin import StandIn
from tests.e2e.daemon import DaemonUnderTest, wait_for_command

pytestmark = pytest.mark.e2e


def of_this_test(daemon: DaemonUnderTest, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Only entries whose conversation is new since the test began."""
    ours = {row["conversation_id"] for row in daemon.query("SELECT conversation_id FROM conversations")}
    return [entry for entry in entries if entry["conversation_id"] in ours]


def leads(daemon: DaemonUnderTest) -> list[dict[str, Any]]:
    """This test's leads in `leads list`."""
    return of_this_test(
        daemon, json.loads(daemon.command("leads", "list", "--limit", "1000", "--json").stdout)["leads"]
    )


def waiting(daemon: DaemonUnderTest) -> list[str]:
    """Who waits according to `leads waiting`, of this test only."""
    return sorted(entry["who"] for entry in of_this_test(daemon, all_waiting(daemon)))


def all_waiting(daemon: DaemonUnderTest) -> list[dict[str, Any]]:
    """Who waits, including customers of other tests."""
    entries = json.loads(daemon.command("leads", "waiting", "--limit", "1000", "--json").stdout)["waiting"]
    assert isinstance(entries, list)
    return entries


def waiting_in_status(daemon: DaemonUnderTest) -> int:
    """How many wait according to the status."""
    return int((daemon.status.get("waiting") or {}).get("conversations", 0))


def test_a_customer_waits_until_somebody_answers_on_the_phone(
    daemon: DaemonUnderTest, standin: StandIn, ana: str
) -> None:
    """`leads waiting` and the status show it; an answer or a reaction on the phone ends it."""
    beto = str(int(ana) + 1)
    standin.act("deliver", **{"from": ana, "notifyName": "Ana", "body": "hola! cuánto sale el combo?"})
    broken = standin.act("deliver", **{"from": beto, "notifyName": "Beto", "body": "me llegó roto el pedido"})
    wait_for_command(lambda: waiting(daemon) == ["Ana", "Beto"], "two who wait")
    wait_for_command(lambda: waiting_in_status(daemon) == len(all_waiting(daemon)), "the status to count them")
    assert [(lead["stage"], lead["intent"]) for lead in leads(daemon)] == [("new", "price")]
    standin.act("own", to=ana, body="14.500 con envío")
    wait_for_command(lambda: waiting(daemon) == ["Beto"], "Ana to be answered")
    assert [lead["stage"] for lead in leads(daemon)] == ["contacted"]
    standin.act("react", id=broken["ids"][0], emoji="🙏", from_me=True)
    wait_for_command(lambda: waiting(daemon) == [], "nobody to wait")


def test_a_missed_call_waits_and_makes_no_lead(daemon: DaemonUnderTest, standin: StandIn, ana: str) -> None:
    """Its line in the chat makes the caller wait; the line of an answered call ends that."""
    standin.act("call", **{"from": ana})
    wait_for_command(lambda: len(waiting(daemon)) == 1, "the caller to wait")
    assert leads(daemon) == []
    standin.act("call", **{"from": ana, "answered": True})
    wait_for_command(lambda: waiting(daemon) == [], "the call to count as an answer")
