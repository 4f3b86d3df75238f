"""From WhatsApp's page to a person's mailbox, through everything."""

import json
import re
import time

import pytest

from leadmasterd.demo.standin import StandIn
from leadmasterd.queries.alert_history import alert_history
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import wait_long
from tests.mailboxes import mail_server_beside

pytestmark = pytest.mark.e2e


def test_a_mail_says_once_that_a_scan_is_needed_and_once_that_it_is_over(
    make_daemon: MakeDaemon, standin: StandIn
) -> None:
    """Within a minute, on a machine that is not busy. Without a feed nothing is written to the outbox."""
    with mail_server_beside() as box:
        daemon = make_daemon(
            LEADMASTERD_ALERTS__TO=json.dumps([f"mailto://{box.place}?to=ana@shop.example&from=box@shop.example"]),
            LEADMASTERD_ALERTS__KINDS=json.dumps(["needs_scan", "down"]),
        )

        def told() -> list[tuple[str, str]]:
            history = reversed(alert_history(daemon.places, limit=9)["alerts"])
            return [(each["kind"], each["what"]) for each in history if each["state"] == "told"]

        daemon.start()
        daemon.await_phase("waiting_for_scan")
        began = time.monotonic()
        wait_long(told, "the mail about the scan")
        assert time.monotonic() - began < 60
        listed = json.loads(daemon.command("alerts", "list", "--json").stdout)
        assert [(each["kind"], each["state"]) for each in listed["open"]] == [("needs_scan", "told")]
        daemon.pair()
        wait_long(lambda: len(told()) > 1, "the mail about its end")
        assert told() == [("needs_scan", "began"), ("needs_scan", "ended")]
        assert daemon.query("SELECT 1 FROM outbox") == []
        assert "alerts_undelivered" not in daemon.status["concerns"]
        code, seconds = daemon.stop()
        assert (code, seconds < 25) == (0, True)
        assert [mail["to"] for mail in box.mails] == ["ana@shop.example"] * 2
        assert re.search("scan", str(box.mails[0]["subject"]), re.IGNORECASE)
