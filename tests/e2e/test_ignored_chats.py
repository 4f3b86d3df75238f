"""Chats that must not be captured leave no trace on disk."""

import pytest

from leadmasterd.demo.standin import StandIn
from tests.e2e.conftest import MakeDaemon
from tests.e2e.customers import ANA
from tests.waiting import wait_for

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


def test_a_new_number_of_somebody_ignored_is_ignored_after_a_restart_too(
    make_daemon: MakeDaemon, standin: StandIn
) -> None:
    """WhatsApp's notice comes once; nothing says later whose the new number is."""
    daemon = make_daemon(LEADMASTERD_CAPTURE__IGNORE='["+54 9 11 5555-0666"]')
    daemon.start()
    daemon.pair()
    notice = {"type": "notification_template", "subtype": "change_number", "body": ""}
    ids = ["5491155550666@c.us", "5491155550667@c.us"]
    standin.act("deliver", **{"from": "5491155550666", "templateParams": ids, **notice})
    wait_for(lambda: (daemon.places.state_dir / "ignored.json").is_file(), "the new number to be remembered")
    daemon.stop()
    daemon.start()
    daemon.await_phase("ready")
    standin.act("deliver", **{"from": "5491155550667", "body": "secreto-nuevo"})
    standin.act("deliver", **{"from": ANA, "body": "visible"})
    daemon.await_messages(1)
    daemon.await_sweep()
    daemon.stop()
    for file in daemon.places.state_dir.glob("leadmaster.db*"):
        assert b"secreto" not in file.read_bytes()
    assert b"visible" in daemon.places.database.read_bytes()
