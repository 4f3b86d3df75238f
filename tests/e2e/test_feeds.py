"""From WhatsApp's page to another program and to a person, through everything."""

import json
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from leadmasterd.demo.standin import StandIn
from leadmasterd.queries.alert_history import alert_history
from tests.e2e.conftest import MakeDaemon
from tests.e2e.customers import ANA
from tests.e2e.daemon import wait_long
from tests.mailboxes import Mailbox, mail_server_beside

pytestmark = pytest.mark.e2e


@pytest.fixture
def box() -> Iterator[Mailbox]:
    """Of the operator."""
    with mail_server_beside() as started:
        yield started


def test_what_is_captured_reaches_a_feed_and_that_a_scan_is_needed_a_mailbox(
    make_daemon: MakeDaemon, standin: StandIn, box: Mailbox
) -> None:
    """In order, by a process that outlives the listener and ends with the daemon. One mail, and one when it is over."""
    feeds = {"all": {"kind": "jsonl"}, "leads": {"kind": "jsonl", "events": ["lead.*"], "full": True}}
    daemon = make_daemon(
        LEADMASTERD_FEEDS=json.dumps(feeds),
        LEADMASTERD_ALERTS__TO=json.dumps([f"mailto://{box.place}?to=ana@shop.example&from=box@shop.example"]),
        LEADMASTERD_ALERTS__KINDS=json.dumps(["needs_scan", "needs_passkey"]),
        LEADMASTERD_GENERAL__LANGUAGE="es",
    )

    def alerts() -> list[tuple[str, str]]:
        history = reversed(alert_history(daemon.places, limit=9)["alerts"])
        return [(each["kind"], each["what"]) for each in history if each["state"] == "told"]

    def told(feed: str, kind: str) -> list[dict[str, Any]]:
        file = daemon.places.state_dir / "feeds" / f"{feed}.jsonl"
        lines = file.read_bytes().splitlines() if file.exists() else []
        return [event["data"] for event in map(json.loads, lines) if event["type"] == kind]

    def feeds_process() -> psutil.Process:
        assert daemon.process
        children = psutil.Process(daemon.process.pid).children()
        return next(each for each in children if "leadmasterd.feeds" in each.cmdline())

    daemon.start()
    daemon.await_phase("waiting_for_scan")
    began = time.monotonic()
    wait_long(alerts, "the mail that a scan is needed")
    assert time.monotonic() - began < 60
    daemon.pair()
    wait_long(lambda: len(alerts()) > 1, "the mail that it is over")
    process = feeds_process()
    standin.act("deliver", **{"from": ANA, "body": "Hola, precio de la {n}?", "count": 2, "spread": 1})
    wait_long(lambda: len(told("all", "message.stored")) == 2, "two messages at the feed")
    wait_long(lambda: told("leads", "lead.opened"), "a lead at the feed")
    assert daemon.command("restart-listener").returncode == 0
    wait_long(lambda: any(each["code"] == "restart_asked" for each in told("all", "session.changed")), "the restart")
    wait_long(lambda: told("all", "session.changed")[-1]["phase"] == "ready", "its end")
    standin.act("deliver", **{"from": ANA, "body": "sigue?"})
    wait_long(lambda: len(told("all", "message.stored")) == 3, "the third message at the feed")
    assert feeds_process() == process
    stored = [each["message_id"] for each in daemon.query("SELECT message_id FROM messages ORDER BY message_id")]
    assert [each["message_id"] for each in told("all", "message.stored")] == stored
    assert "body" not in told("all", "message.stored")[0]
    assert told("leads", "lead.opened")[0]["phone"] == f"+{ANA}"
    assert "all: está todo entregado" in wait_long(
        lambda: text if "entregado" in (text := daemon.command("status").stdout) else None, "the feeds in `status`"
    )
    code, seconds = daemon.stop()
    assert (code, seconds < 25) == (0, True)
    assert not process.is_running()
    assert alerts() == [("needs_scan", "began"), ("needs_scan", "ended")]
    assert [mail["to"] for mail in box.mails] == ["ana@shop.example"] * 2
    assert box.mails[0]["subject"] == "WhatsApp pide un escaneo"
