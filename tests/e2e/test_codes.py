"""The QR code and the pairing code as the operator sees them."""

import json
import re
import stat

import pytest
import zxingcpp
from PIL import Image

from leadmasterd.demo.standin import StandIn
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import OUR_PHONE, wait_long

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("rotation", [("--qr-first", "120000")], ids=["one code"])
def test_the_code_is_in_the_journal_in_a_picture_and_gone_after_the_scan(
    make_daemon: MakeDaemon, standin: StandIn
) -> None:
    """The picture holds the text that the page shows, only its owner can read it, and a scan removes it."""
    daemon = make_daemon(LEADMASTERD_SUPERVISOR__TIME_DIVISOR="1")  # so that no other code is missed meanwhile
    daemon.start()
    daemon.await_phase("waiting_for_scan")
    assert daemon.command("status").returncode == 4
    picture = daemon.places.qr_picture
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600
    with Image.open(picture) as image:
        [read] = zxingcpp.read_barcodes(image)
    wait_long(lambda: daemon.log.read_text().count("▀") > 100, "the drawing")
    assert "\x1b" not in daemon.log.read_text(), "no cursor tricks and no colours in a journal"
    assert daemon.status["scan"]["qr"] == read.text
    drawn = daemon.command("qr", "--once")
    assert drawn.returncode == 0
    assert "█" in drawn.stdout
    assert max(map(len, drawn.stdout.splitlines())) <= 80
    standin.act("scan", phone=OUR_PHONE, name="Tienda", qr=read.text)
    daemon.await_phase("ready")
    assert not picture.exists()
    assert daemon.status["scan"] is None
    assert daemon.command("qr").returncode == 0


def test_a_new_code_is_drawn_when_it_changes_and_only_then(make_daemon: MakeDaemon, standin: StandIn) -> None:
    """The journal has each code once, and until when it is valid."""
    daemon = make_daemon()
    daemon.start()
    daemon.await_phase("waiting_for_scan")
    standin.act("rotate_qr")
    wait_long(lambda: daemon.log.read_text().count("good until") >= 3, "three drawings")
    drawings = re.findall(r"(?:^[ ▀▄█]{40,}\n)+", daemon.log.read_text(), re.MULTILINE)
    assert len(drawings) >= 3
    assert len(set(drawings)) == len(drawings), "none was drawn twice"


@pytest.mark.parametrize("how", ["setting", "command"])
def test_a_pairing_code_links_instead_of_a_qr(make_daemon: MakeDaemon, standin: StandIn, how: str) -> None:
    """From the start by the setting, or by a command while a QR code is shown."""
    settings = {"LEADMASTERD_LISTENER__PAIRING_PHONE": OUR_PHONE} if how == "setting" else {}
    daemon = make_daemon(**settings)
    daemon.start()
    daemon.await_phase("waiting_for_scan")
    if how == "command":
        shown = daemon.command("qr", "--pairing-code", OUR_PHONE, "--once")
        assert shown.returncode == 0
    code = wait_long(lambda: (daemon.status["scan"] or {}).get("pairing_code"), "the code")
    assert len(code) == 8
    standin.act("pair", code=code, name="Tienda")
    daemon.await_phase("ready")
    assert json.loads(daemon.command("status", "--json").stdout)["account"]["wid"] == f"{OUR_PHONE}@c.us"
