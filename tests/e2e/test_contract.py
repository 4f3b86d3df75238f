"""WhatsApp Web changes under the library: what is gone is told, and what still works goes on."""

import pytest

from leadmasterd.demo.standin import StandIn
from tests.e2e.conftest import MakeDaemon
from tests.e2e.customers import ANA
from tests.e2e.daemon import OUR_PHONE, wait_long

pytestmark = pytest.mark.e2e


def test_a_module_that_is_gone_is_told_in_status_history_and_doctor(make_daemon: MakeDaemon, standin: StandIn) -> None:
    """Calls are lost, messages are not."""
    daemon = make_daemon()
    standin.act("missing", modules=["WAWebCallCollection"])
    daemon.start()
    daemon.await_phase("waiting_for_scan")
    standin.act("scan", phone=OUR_PHONE, name="Tienda")
    daemon.await_phase("ready")
    concern = wait_long(lambda: daemon.status["concerns"].get("contract"), "the concern")
    assert "calls" in concern
    assert "WAWebCallCollection" in concern
    standin.act("deliver", **{"from": ANA, "body": "igual llega"})
    daemon.await_messages(1)
    assert daemon.query("SELECT captured_via FROM messages")[0]["captured_via"] == "live"
    status = daemon.command("status")
    assert status.returncode == 0
    for told in (status.stdout, daemon.command("history").stdout, daemon.command("doctor", "--quick").stdout):
        assert "WhatsApp Web changed" in told


def test_a_page_that_can_show_no_code_says_so(make_daemon: MakeDaemon, standin: StandIn) -> None:
    """Not linked, and what a QR is made of is gone: a person is told what is missing, not only that it starts again."""
    daemon = make_daemon()
    standin.act("missing", modules=["WAWebUserPrefsMultiDevice"])
    daemon.start()
    concern = wait_long(lambda: (daemon.status.get("concerns") or {}).get("contract"), "the concern")
    assert "qr" in concern
    assert "WAWebUserPrefsMultiDevice.getADVSecretKey" in concern
    assert "WhatsApp Web changed" in daemon.command("history").stdout
    standin.act("missing", modules=[])
    daemon.pair()
    assert daemon.status["concerns"] == {}
