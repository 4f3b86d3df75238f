"""A change of WhatsApp Web that breaks the library: status names what is missing, and everything else works."""

import json

import pytest

from leadmasterd.demo.standin import StandIn
from tests.e2e.conftest import MakeDaemon
from tests.e2e.customers import ANA
from tests.e2e.daemon import DaemonUnderTest, wait_long

pytestmark = pytest.mark.e2e


@pytest.mark.long
def test_a_missing_module_is_named_in_status_history_and_doctor(daemon: DaemonUnderTest, standin: StandIn) -> None:
    """Calls are not captured, but messages still are. When it is back, nothing is said any more."""
    standin.act("missing", modules=["WAWebCallCollection"])
    restart(daemon)
    concern = wait_long(lambda: daemon.status["concerns"].get("contract"), "the concern")
    assert "calls" in concern
    assert "WAWebCallCollection" in concern
    standin.act("deliver", **{"from": ANA, "body": "igual llega"})
    daemon.await_messages(1)
    assert daemon.query("SELECT captured_via FROM messages")[0]["captured_via"] == "live"
    status = daemon.command("status")
    assert status.returncode == 0
    for output in (status.stdout, daemon.command("history").stdout, daemon.command("doctor", "--quick").stdout):
        assert "WhatsApp Web changed" in output
    standin.act("missing", modules=[])
    restart(daemon)
    wait_long(lambda: daemon.status["concerns"] == {}, "the end of the concern")


def restart(daemon: DaemonUnderTest) -> None:
    """Restart the listener, so that the page is loaded anew."""
    mark = daemon.last_event()
    assert daemon.command("restart-listener").returncode == 0
    daemon.await_ready_again(mark)


def test_a_page_that_can_show_no_code_says_so_and_is_compared_when_somebody_asks(
    make_daemon: MakeDaemon, standin: StandIn
) -> None:
    """The account is not linked and the QR code's modules are gone: status names them, not only the restarts.

    `doctor --page` works once the page is ready and sends nothing; before the scan its answer says what to do.
    """
    daemon = make_daemon()
    standin.act("missing", modules=["WAWebUserPrefsMultiDevice"])
    daemon.start()
    concern = wait_long(lambda: (daemon.status.get("concerns") or {}).get("contract"), "the concern")
    assert "qr" in concern
    assert "WAWebUserPrefsMultiDevice.getADVSecretKey" in concern
    assert "WhatsApp Web changed" in daemon.command("history").stdout
    standin.act("missing", modules=[])
    daemon.await_phase("waiting_for_scan")
    refused = daemon.command("doctor", "--page")
    assert refused.returncode == 1
    assert "scan the code first" in refused.stderr
    daemon.pair()
    assert daemon.status["concerns"] == {}

    found = daemon.command("doctor", "--page", "--json")
    assert found.returncode == 0, found.stdout + found.stderr
    page = json.loads(found.stdout)
    assert (page["ok"], page["missing"], page["late"]) == (True, [], [])
    assert page["required"] >= 30
    assert daemon.status["page"]["web_version"] == page["web_version"]
    assert page["web_version"] in daemon.command("doctor", "--quick").stdout
    state = standin.state()
    assert (state["sent"], daemon.status["counters"].get("outbound_blocked", 0)) == ([], 0)
