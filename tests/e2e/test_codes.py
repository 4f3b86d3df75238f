"""The QR code and the pairing code as the operator sees them."""

import json
import re
import stat

import pytest
import zxingcpp
from PIL import Image

from leadmasterd.demo.standin import StandIn
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import OUR_PHONE, DaemonUnderTest, wait_long, ways

pytestmark = pytest.mark.e2e

ENDLESS = ways(qr_refs="null")
"""A page without a last code: six as short as the divided time makes them are over before a busy machine acts."""


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


@pytest.mark.parametrize("rotation", [ENDLESS], ids=["endless"])
def test_a_new_code_is_drawn_when_it_changes_and_a_pairing_code_takes_its_place(
    make_daemon: MakeDaemon, standin: StandIn
) -> None:
    """The journal has each code once, and until when it is valid. A command asks for a pairing code instead."""
    daemon = make_daemon()
    daemon.start()
    daemon.await_phase("waiting_for_scan")
    standin.act("rotate_qr")
    wait_long(lambda: daemon.log.read_text().count("good until") >= 3, "three drawings")
    drawings = re.findall(r"(?:^[ ▀▄█]{40,}\n)+", daemon.log.read_text(), re.MULTILINE)
    assert len(drawings) >= 3
    assert len(set(drawings)) == len(drawings), "none was drawn twice"
    assert daemon.command("qr", "--pairing-code", OUR_PHONE, "--once").returncode == 0
    link_by_pairing_code(daemon, standin)


@pytest.mark.parametrize("rotation", [ENDLESS], ids=["endless"])
def test_a_pairing_code_links_instead_of_a_qr(make_daemon: MakeDaemon, standin: StandIn) -> None:
    """From the start, by the setting."""
    daemon = make_daemon(LEADMASTERD_LISTENER__PAIRING_PHONE=OUR_PHONE)
    daemon.start()
    daemon.await_phase("waiting_for_scan")
    link_by_pairing_code(daemon, standin)


def link_by_pairing_code(daemon: DaemonUnderTest, standin: StandIn) -> None:
    """Enter the code that the status shows on the phone."""
    code = wait_long(lambda: (daemon.status["scan"] or {}).get("pairing_code"), "the code")
    assert len(code) == 8
    standin.act("pair", code=code, name="Tienda")
    daemon.await_phase("ready")
    assert json.loads(daemon.command("status", "--json").stdout)["account"]["wid"] == f"{OUR_PHONE}@c.us"
