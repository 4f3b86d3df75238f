"""The page Sesión: the state and what to do, the code to scan, gaps, feeds, and what is wrong on the machine."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zxingcpp
from PIL import Image

from leadmasterd import times
from leadmasterd.feeds.books import Changes
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import read_status, write_status
from leadmasterd.store.database import open_for_writing
from tests.feeds import AT
from tests.forked import Forked
from tests.test_cli_feeds import HUB, begun, given_up
from tests.waiting import LIMIT, wait_for
from tests.web.browser import Browser
from tests.web.clients import Client, let_in
from tests.web.shops import CHECKOUT, Served, WebShop, tell_a_story

SHOWS_A_CODE = CHECKOUT / "tests" / "programs" / "shows_a_code.sh"
CODE = "2@AbCd,Ef==,Gh==,Ij==,1"
HOSTILE = "<script>alert(1)</script>\u202eevil\x07"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> WebShop:
    """With a listener that shows a code, once somebody starts the daemon, and a feed that has given up two events."""
    listener = f'[listener]\nnode = "{SHOWS_A_CODE}"\nbrowser = "/bin/true"\n'
    made = WebShop(tmp_path_factory.mktemp("shop"), settings=listener + HUB.format(port=1))
    tell_a_story(made)
    begun(made.paths, "hub", hub=Changes(dead=[given_up(1), given_up(2)]))
    return made


@contextmanager
def running(paths: Paths) -> Iterator[None]:
    """As the page sees it: somebody holds the daemon's lock."""
    with paths.lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def status(phase: str, code: str, values: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """What a daemon would have written."""
    capture = {"live": 4, "sweep": 0, "open_gaps": 0, "last_message_at": AT, "alive_at": AT}
    return {
        "v": 1,
        "phase": phase,
        "since": AT,
        "because": code,
        "code": code,
        "values": values or {},
        "pid": 1,
        "account": {"wid": "5491155550100@c.us", "push_name": HOSTILE},
        "capture": capture,
        "waiting": {"conversations": 0, "overdue": 0, "oldest_since": None},
        "trouble": None,
        "concerns": {},
        "scan": None,
        "counters": {},
        "resources": {},
        "next_jobs": [],
        "versions": {},
        "page": None,
        "feeds": None,
        **more,
    }


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (status("ready", "ready", {"account": "5491155550100@c.us"}), ["ready", "listening as 5491155550100"]),
        (
            status("needs_passkey", "passkey_asked", {"step": "code", "code": "ABCD-1234"}),
            ["waiting for a passkey", "WhatsApp shows the code ABCD-1234", "<code>leadmasterd auth pair</code>"],
        ),
        (status("starting", "not_started", since=""), ["starting", "not started yet"]),
        (status("paused", "paused"), ["paused", "<code>leadmasterd resume</code> continues"]),
        (
            status("ready", "ready", trouble={"code": "disk_full", "detail": "x"}),
            ["the disk is full"],
        ),
        (status("halted", "screen", {"name": HOSTILE, "text": HOSTILE}), ["halted", "&lt;script&gt;alert(1)"]),
    ],
)
def test_the_state_says_why_and_what_to_do(
    shop: WebShop, client: Client, written: dict[str, Any], said: list[str]
) -> None:
    """In the words of `status`; text from outside is shown as text."""
    write_status(shop.paths, written)
    with running(shop.paths):
        text = client.asks("/session").text
        line = client.asks("/session/doctor").text
    for each in said:
        assert each in text
    for each in ("<script>alert", "\u202e", "\x07"):
        assert each not in text
        assert each not in line
    assert ("Not listening" in line) is False
    assert ('class="health"' in line) == (written["phase"] != "ready")
    assert client.asks("/session").status == 200, "the daemon has died meanwhile"
    shop.paths.status_file.unlink()


def test_a_code_of_an_earlier_life_is_not_shown(shop: WebShop, client: Client) -> None:
    """It would be scanned in vain."""
    scan = {"qr": CODE, "valid_until": "2030-01-01T00:00:00.000Z"}
    write_status(shop.paths, status("waiting_for_scan", "scan_needed", scan=scan))
    shop.paths.qr_picture.write_bytes(b"picture")
    assert "/qr.png" not in client.asks("/session").text
    assert client.asks("/qr.png").status == 404
    with running(shop.paths):
        assert "/qr.png" in client.asks("/session").text
        assert client.asks("/qr.png").headers["cache-control"] == "no-store"
    shop.paths.qr_picture.unlink()
    shop.paths.status_file.unlink()


def test_what_a_feed_has_given_up_is_tried_again_by_a_tap(shop: WebShop, client: Client) -> None:
    """On behalf of who tapped; a second tap finds nothing left and says so."""
    text = client.asks("/session/feeds").text
    assert "2 events were given up after all their tries." in text
    assert "HTTP 500" in text
    assert "2 events of hub are delivered again." in client.decides("/session/feeds/retry", feed="hub", back="/week")
    assert shop.types("feeds", "dead", "hub", "--json").json["total"] == 0
    assert shop.asks("SELECT kind, feed FROM outbox WHERE feed = 'hub'") == [("message.stored", "hub")] * 2
    text = client.decides("/session/feeds/retry", feed="hub", back="/session/feeds")
    assert "0 events of hub are delivered again." in text
    assert "given up after" not in text
    assert "There is no feed nobody" in client.decides("/session/feeds/retry", feed="nobody", back="/session/feeds")


def test_problems_are_looked_for_when_somebody_asks(client: Client) -> None:
    """As `doctor --quick` finds them."""
    text = client.asks("/session/doctor").text
    assert "What was found in order" in text
    assert "not running" in text


@pytest.mark.parametrize(
    "phone", ["", "abc", "011 15 5555", "0" * 10, "1" * 16, "0054 9 11 5555 0100", "\u0665" * 12, "\u00b2" * 12]
)
def test_a_code_is_not_asked_for_what_is_no_phone(client: Client, phone: str) -> None:
    """The page says how it is written."""
    text = client.decides("/session/pairing-code", phone=phone, back="/session")
    assert "That is no phone number" in text


@pytest.mark.parametrize("number", ["", "x", "\u0663", "999", "9" * 5_000])
def test_a_browser_that_is_not_there_cannot_be_shut_out(client: Client, number: str) -> None:
    """A sentence."""
    assert "That browser is no longer let in." in client.decides("/session/revoke", id=number, back="/session")


def test_without_a_daemon_no_code_can_be_asked_for(client: Client) -> None:
    """A sentence, on the page that one comes back to."""
    text = client.decides("/session/pairing-code", phone="+54 9 11 5555-0100", back="/session")
    assert "the daemon is not running" in text


@pytest.mark.e2e
def test_a_code_appears_by_itself_and_is_scanned_from_the_page(
    browser: Browser, shop: WebShop, site: Served, tmp_path: Path
) -> None:
    """The operator has the page open; the daemon starts, shows its code, and is stopped again."""
    page = browser.opens(let_in(shop.paths, site.port), height=1800)
    page.goes_to("/session")
    assert "leadmasterd is not running" in page.text("#session-state")
    daemon = Forked(
        *("--config", str(shop.config), "run"), cwd=CHECKOUT, env=os.environ, output=tmp_path / "daemon.log"
    )
    page.shows("This code is", "#session-state")
    page.waits_for("() => document.querySelector('img.qr')?.complete")
    page.pictures(tmp_path / "page.png")
    [found] = zxingcpp.read_barcodes(np.asarray(Image.open(tmp_path / "page.png").convert("RGB")))
    assert found.text == CODE
    assert page.accessibility() == []
    page.unfolds("#by-code")
    page.types("#by-code input[name=phone]", "+54 9 11 5555-0100")
    page.follows("#by-code button")
    assert "Asked WhatsApp for a code." in page.text(".notice")
    daemon.terminate()
    assert daemon.wait(LIMIT) == 0
    page.shows("leadmasterd is not running", "#session-state")
    assert page.wrong() == []
    page.closes()
    wait_for(lambda: (read_status(shop.paths) or {}).get("phase") == "stopped", "the daemon's last word")
    shop.paths.status_file.unlink()


def test_a_gap_is_told(shop: WebShop, client: Client) -> None:
    """With how long it was, its cause, and what was fetched. That there is none is said only once it has listened."""
    at = times.iso(datetime.now(UTC))
    with closing(open_for_writing(shop.database)) as connection:
        connection.execute("DELETE FROM gaps")  # of daemons that ran before
        linked = connection.execute("SELECT first_linked_at FROM accounts").fetchone()
        connection.execute("UPDATE accounts SET first_linked_at = '2999-01-01T00:00:00.000Z'")
        assert "None yet: it has not listened to a phone so far." in client.asks("/session").text
        connection.execute("UPDATE accounts SET first_linked_at = ?", linked)
        assert "None: everything that WhatsApp delivered is here." in client.asks("/session").text
        connection.execute(
            "INSERT INTO gaps (account_id, from_at, to_at, closed_at, cause, recovered) "
            "SELECT account_id, ?, ?, ?, 'connection_lost', 3 FROM accounts",
            (at, at, at),
        )
    text = client.asks("/session").text
    assert "3 messages fetched later" in text
    assert "WhatsApp Web lost its connection" in text
