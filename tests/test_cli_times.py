"""All commands show and read times in the business's zone (`leads.timezone`), whatever the machine's zone."""

import json
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from leadmasterd.cli import cmd_qr
from leadmasterd.clock import Clock
from leadmasterd.listener.profile import Auth
from leadmasterd.settings.paths import find_paths
from leadmasterd.state.files import write_status
from leadmasterd.store.database import open_for_writing
from tests.stories import Customer
from tests.test_cli_leads import PRICE, Shop
from tests.test_cli_leads import shop as shop

ZONE = '[leads]\ncountry = ""\ntimezone = "America/Argentina/Buenos_Aires"\n'
AT = "2026-01-21T13:00:07.000Z"
"""10:00 in Buenos Aires, 22:00 in Tokyo."""


@pytest.fixture
def abroad(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop in Buenos Aires on a machine set to Tokyo."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    (shop.folder / "config.toml").write_text(ZONE)
    connection = open_for_writing(find_paths(None).database)
    connection.execute(
        "INSERT INTO session_events (at, phase, code, value_json) VALUES (?, 'ready', 'ready', '{}')", (AT,)
    )
    connection.close()
    return shop


def test_history_shows_and_takes_the_time_of_the_business(abroad: Shop) -> None:
    """Typing the displayed hour finds the displayed row."""
    shown = abroad.types("history", "--since", "2026-01-21").out
    assert "2026-01-21 10:00:07  " in shown
    assert "since 2026-01-21 00:00:00 (Buenos Aires)" in shown
    for typed, found in (("10:00:07", 1), ("10:00:08", 0), ("13:00:07Z", 1), ("13:00:08Z", 0)):
        events = abroad.types("history", "--since", f"2026-01-21T{typed}", "--json").json["events"]
        assert len(events) == found, typed


def test_status_shows_the_time_of_the_business_and_names_it(abroad: Shop) -> None:
    """In the heading and in the rows."""
    capture = {"live": 1, "sweep": 0, "open_gaps": 0, "last_message_at": AT}
    write_status(find_paths(None), {"v": 1, "phase": "ready", "code": "ready", "since": AT, "capture": capture})
    shown = abroad.types("status").out
    assert shown.count("2026-01-21 10:00 (") == 2
    assert "22:00" not in shown
    assert "  times      in Buenos Aires time (leads.timezone)" in shown.splitlines()


def test_auth_list_shows_the_time_of_the_business(abroad: Shop) -> None:
    """The times are those of the snapshots."""
    paths = find_paths(None)
    for folder in ("IndexedDB", "Local Storage"):
        (paths.profile / "Default" / folder).mkdir(parents=True)
    Auth(paths).take_snapshot(account=None, browser=None, now=datetime.fromisoformat(AT))
    assert "2026-01-21 10:00 (Buenos Aires)  0 MB  good" in abroad.types("auth", "list").out


def test_qr_says_until_when_in_the_time_of_the_business(abroad: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both on the terminal and for the picture."""
    monkeypatch.setattr(cmd_qr, "is_running", lambda _paths: True)
    write_status(find_paths(None), {"v": 1, "phase": "waiting_for_scan", "scan": {"qr": "2@x", "valid_until": AT}})
    assert "good until 10:00:07 (Buenos Aires)" in abroad.types("qr", "--once").out
    assert "good until 10:00:07 (Buenos Aires)" in abroad.types("qr", "--png", "code.png").out


@pytest.mark.parametrize("target", ["nowhere/code.png", "."])
def test_a_picture_of_the_code_that_cannot_be_written_is_1(
    abroad: Shop, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """There is no such folder, or the file is one."""
    monkeypatch.setattr(cmd_qr, "is_running", lambda _paths: True)
    write_status(find_paths(None), {"v": 1, "phase": "waiting_for_scan", "scan": {"qr": "2@x", "valid_until": AT}})
    said = abroad.types("qr", "--png", target)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(f"cannot write {target}: ")
    assert said.err.endswith("; name another --png\n")


def test_replay_takes_the_time_of_the_business(abroad: Shop) -> None:
    """`--at` is read in that zone."""
    (abroad.folder / "lines.jsonl").write_text(
        json.dumps(Customer("5491155550001@c.us").says("17 10:00", PRICE)) + "\n"
    )
    answer = abroad.types("replay", "lines.jsonl", "--at", "2026-01-21T10:00").json
    assert answer["as_of"] == "2026-01-21T13:00:00.000Z"


def test_doctor_tells_the_time_of_the_business(abroad: Shop) -> None:
    """The zone's full name is shown."""
    findings = abroad.types("doctor", "--quick", "--json").json["findings"]
    [clock] = [each["found"] for each in findings if each["check"] == "clock"]
    assert clock.endswith("(America/Argentina/Buenos_Aires)")


@pytest.mark.parametrize(
    ("machine", "business", "named"),
    [
        ("Asia/Tokyo", "America/Argentina/Buenos_Aires", " (Buenos Aires)"),
        ("America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires", ""),
        ("America/Argentina/Cordoba", "America/Argentina/Buenos_Aires", ""),
        ("Europe/London", "Africa/Abidjan", " (Abidjan)"),
    ],
)
def test_the_zone_is_named_where_the_machines_differs(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, machine: str, business: str, named: str
) -> None:
    """A difference in summer only counts too, since old history may be read in winter."""
    monkeypatch.setenv("TZ", machine)
    time.tzset()
    assert Clock(datetime(2026, 11, 23, tzinfo=UTC), ZoneInfo(business)).where() == named
