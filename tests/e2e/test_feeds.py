"""From WhatsApp's message to another program, through everything."""

import json
from typing import Any

import psutil
import pytest

from leadmasterd.demo.standin import StandIn
from tests.e2e.conftest import MakeDaemon
from tests.e2e.customers import ANA
from tests.e2e.daemon import wait_long

pytestmark = pytest.mark.e2e


def test_what_is_captured_reaches_a_feed_across_restarts_of_the_listener(
    make_daemon: MakeDaemon, standin: StandIn
) -> None:
    """In order, by a process that outlives the listener and ends with the daemon."""
    feeds = {"all": {"kind": "jsonl"}, "leads": {"kind": "jsonl", "events": ["lead.*"], "full": True}}
    daemon = make_daemon(LEADMASTERD_FEEDS=json.dumps(feeds))

    def told(feed: str, kind: str) -> list[dict[str, Any]]:
        file = daemon.places.state_dir / "feeds" / f"{feed}.jsonl"
        lines = file.read_bytes().splitlines() if file.exists() else []
        return [event["data"] for event in map(json.loads, lines) if event["type"] == kind]

    def feeds_process() -> psutil.Process:
        assert daemon.process
        children = psutil.Process(daemon.process.pid).children()
        return next(each for each in children if "leadmasterd.feeds" in each.cmdline())

    daemon.start()
    daemon.pair()
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
    assert "all: everything is delivered" in wait_long(
        lambda: text if "delivered" in (text := daemon.command("status").stdout) else None, "the feeds in `status`"
    )
    code, seconds = daemon.stop()
    assert (code, seconds < 25) == (0, True)
    assert not process.is_running()
