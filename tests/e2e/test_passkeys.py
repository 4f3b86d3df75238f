"""Passkeys: WhatsApp asks for one after a scan or for a linked account, and only a person can answer, elsewhere."""

import time

import pytest

from leadmasterd.demo.standin import StandIn
from tests.e2e.conftest import MakeDaemon
from tests.e2e.customers import Customers
from tests.e2e.daemon import DIVISOR, OUR_PHONE, DaemonUnderTest, wait_for_command, wait_long

pytestmark = pytest.mark.e2e

CODE_PATIENCE = 150 / DIVISOR
"""Seconds after the last code at which the browser would normally be ended, in the divided profile."""


@pytest.mark.long
def test_a_passkey_after_the_scan_is_left_to_a_person(make_daemon: MakeDaemon, standin: StandIn) -> None:
    """It is noticed within ten seconds and the browser is left alone, however long; then the link goes on."""
    daemon = make_daemon()
    daemon.start()
    daemon.await_phase("waiting_for_scan")
    node, asked_at = daemon.node(), time.monotonic()
    standin.act("scan", phone=OUR_PHONE, name="Tienda", passkey=True)
    daemon.await_phase("needs_passkey")
    assert time.monotonic() - asked_at < 10
    status = daemon.command("status")
    assert status.returncode == 4
    assert "leadmasterd auth pair" in status.stdout
    assert daemon.status["scan"] is None
    assert daemon.command("qr", "--once").returncode == 1
    time.sleep(CODE_PATIENCE * 2)
    assert daemon.status["phase"] == "needs_passkey"
    assert daemon.node() == node
    standin.act("passkey", step="continue")
    standin.act("passkey", step="code", code="AB12CD34")
    wait_for_command(lambda: "AB12" in daemon.command("status").stdout, "the code to be compared with the phone's")
    standin.act("passkey", step="done")
    daemon.await_phase("ready")
    assert daemon.node() == node
    assert daemon.events(0, phase="stopping") == []


def test_a_passkey_that_fails_is_asked_for_again_until_the_page_shows_codes(
    make_daemon: MakeDaemon, standin: StandIn
) -> None:
    """The prompt stays, so a person is still needed; after a reload the page waits for a scan."""
    daemon = make_daemon()
    daemon.start()
    daemon.await_phase("waiting_for_scan")
    standin.act("scan", phone=OUR_PHONE, name="Tienda", passkey=True)
    daemon.await_phase("needs_passkey")
    standin.act("passkey", step="error")
    [failed] = daemon.await_events(0, code="passkey_failed")
    daemon.await_events(int(failed["event_id"]), phase="needs_passkey")
    standin.act("reload")
    daemon.await_phase("waiting_for_scan")
    wait_long(lambda: daemon.status["scan"], "a code")
    daemon.pair()


def test_a_check_of_a_linked_account_needs_a_person_and_ends_where_it_began(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """It survives a restart of the daemon, since the page asks again at each start."""
    mark = daemon.last_event()
    standin.act("check_passkey", on=True)
    [event] = daemon.await_events(mark, phase="needs_passkey")
    assert event["code"] == "passkey_check"
    daemon.stop()
    daemon.start_again()
    daemon.await_phase("needs_passkey")
    customers.write("durante")
    assert daemon.command("status").returncode == 4
    standin.act("check_passkey", on=False)
    daemon.await_phase("ready")
    customers.nothing_was_lost("passkey_check")
