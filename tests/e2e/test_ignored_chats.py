"""Chats that must not be captured leave no trace on disk."""

import pytest

from leadmasterd.demo.standin import StandIn
from tests.e2e.conftest import MakeDaemon
from tests.e2e.customers import ANA
from tests.e2e.daemon import wait_long
from tests.waiting import wait_for

pytestmark = pytest.mark.e2e


def test_groups_status_ignored_chats_and_their_new_numbers_never_reach_the_disk(
    make_daemon: MakeDaemon, standin: StandIn
) -> None:
    """They are in no row, no raw line, no other file and not in the log.

    WhatsApp's notice of a new number comes once. After a restart nothing says whose it is, and it is ignored too.
    """
    daemon = make_daemon(LEADMASTERD_CAPTURE__IGNORE='["+54 9 11 5555-0666"]')
    daemon.start()
    daemon.pair()
    standin.act("deliver", **{"from": "5491155550666", "body": "secreto-ignorado"})
    standin.act("deliver", **{"from": "120363000000000001@g.us", "author": ANA, "body": "secreto-grupo"})
    standin.act("deliver", **{"from": "status@broadcast", "author": ANA, "body": "secreto-estado"})
    standin.act("deliver", **{"from": ANA, "body": "visible"})
    daemon.await_messages(1)
    daemon.await_sweep()
    notice = {"type": "notification_template", "subtype": "change_number", "body": ""}
    ids = ["5491155550666@c.us", "5491155550667@c.us"]
    standin.act("deliver", **{"from": "5491155550666", "templateParams": ids, **notice})
    wait_for(lambda: (daemon.places.state_dir / "ignored.json").is_file(), "the new number to be remembered")
    daemon.stop()
    for file in daemon.places.state_dir.glob("leadmaster.db*"):
        assert b"secreto" not in file.read_bytes()
    assert b"visible" in daemon.places.database.read_bytes()
    assert "secreto" not in daemon.log.read_text()

    daemon.start_again()
    daemon.await_phase("ready")
    standin.act("deliver", **{"from": "5491155550667", "body": "secreto-nuevo"})
    standin.act("deliver", **{"from": ANA, "body": "a la vista"})
    daemon.await_messages(2)
    newest = "SELECT 1 FROM accounts WHERE swept_through_at >= (SELECT max(sent_at) FROM messages)"
    wait_long(lambda: daemon.query(newest), "a sweep of all of it")
    daemon.stop()
    for file in daemon.places.state_dir.glob("leadmaster.db*"):
        assert b"secreto" not in file.read_bytes()
    assert b"a la vista" in daemon.places.database.read_bytes()
    assert "secreto" not in daemon.log.read_text()
