"""Chats that must not be captured leave no trace on disk."""

import pytest

from leadmasterd.demo.standin import StandIn
from tests.e2e.conftest import MakeDaemon
from tests.e2e.customers import ANA

pytestmark = pytest.mark.e2e


def test_groups_status_and_ignored_chats_never_reach_the_disk(make_daemon: MakeDaemon, standin: StandIn) -> None:
    """They are in no row, no raw line, no other file and not in the log."""
    daemon = make_daemon(LEADMASTERD_CAPTURE__IGNORE='["+54 9 11 5555-0666"]')
    daemon.start()
    daemon.pair()
    standin.act("deliver", **{"from": "5491155550666", "body": "secreto-ignorado"})
    standin.act("deliver", **{"from": "120363000000000001@g.us", "author": ANA, "body": "secreto-grupo"})
    standin.act("deliver", **{"from": "status@broadcast", "author": ANA, "body": "secreto-estado"})
    standin.act("deliver", **{"from": ANA, "body": "visible"})
    daemon.await_messages(1)
    daemon.await_sweep()
    daemon.stop()
    for file in daemon.places.state_dir.glob("leadmaster.db*"):
        assert b"secreto" not in file.read_bytes()
    assert b"visible" in daemon.places.database.read_bytes()
    assert "secreto" not in daemon.log.read_text()
