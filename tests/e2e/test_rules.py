"""The rules that make leads, while the daemon runs."""

import json
from pathlib import Path

import pytest

from leadmasterd.demo.standin import StandIn
from tests.e2e.conftest import MakeDaemon
from tests.e2e.customers import ANA, BETO
from tests.e2e.daemon import DaemonUnderTest, wait_for_command, wait_long

pytestmark = pytest.mark.e2e


def test_changed_rules_take_effect_at_once_and_broken_ones_do_not(
    make_daemon: MakeDaemon, standin: StandIn, tmp_path: Path
) -> None:
    """The file may appear after the start. With a mistake in it the old rules stay, and status says where it is."""
    rules = tmp_path / "rules.toml"
    daemon = make_daemon(LEADMASTERD_LEADS__RULES=str(rules))
    daemon.start()
    daemon.pair()
    rules.write_text(
        'extend = true\n[[rule]]\nid = "zorzal"\nintent = "appointment"\nphrases = ["zorzal"]\n'
        'yes = ["hay zorzal?"]\nno = ["hay gorrion?"]\n'
    )
    wait_long(lambda: "new rules" in daemon.log.read_text(), "the rules to be read")
    standin.act("deliver", **{"from": ANA, "notifyName": "Ana", "body": "zorzal", "id": "IN-1"})
    wait_for_command(lambda: [lead["intent"] for lead in listed(daemon)] == ["appointment"], "the rule to match")
    rules.write_text('extend = true\n[[rule]]\nid = "zorzal"\nintent = "apointment"\nphrases = ["zorzal"]\n')
    wait_long(lambda: "rules" in daemon.status["concerns"], "the mistake in the status")
    assert "apointment" in daemon.status["concerns"]["rules"]
    standin.act("deliver", **{"from": BETO, "notifyName": "Beto", "body": "zorzal", "id": "IN-2"})
    wait_for_command(
        lambda: [lead["intent"] for lead in listed(daemon)] == ["appointment"] * 2, "the old rule to match"
    )


def listed(daemon: DaemonUnderTest) -> list[dict[str, object]]:
    """The leads in `leads list`."""
    leads = json.loads(daemon.command("leads", "list", "--json").stdout)["leads"]
    assert isinstance(leads, list)
    return leads
