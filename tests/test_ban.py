"""A temporary ban is remembered until it ends, across restarts."""

import math
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from leadmasterd.daemon.ban import BanFile
from leadmasterd.supervisor.machine import Phase

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
BAN = {"ban": "101", "expires": int((NOW + timedelta(hours=2)).timestamp()), "message": "Too many messages"}
ENDLESS = {"ban": None, "expires": None, "message": "You are banned"}


def test_a_ban_lasts_until_its_end_in_the_next_life_too(tmp_path: Path) -> None:
    """The file is private and is read at the next start."""
    assert BanFile(tmp_path).seconds_left(NOW) is None
    BanFile(tmp_path).keep(BAN)
    assert stat.S_IMODE((tmp_path / "banned.json").stat().st_mode) == 0o600
    file = BanFile(tmp_path)
    assert file.seconds_left(NOW) == 7200
    assert file.values(NOW) == BAN
    assert file.seconds_left(NOW + timedelta(hours=2)) is None
    assert file.values(NOW + timedelta(hours=3)) == {}


def test_a_start_ends_it_and_nothing_else_does(tmp_path: Path) -> None:
    """The supervisor starts only when the ban is over or a person says so."""
    file = BanFile(tmp_path)
    file.keep(BAN)
    for phase in set(Phase) - {Phase.STARTING}:
        file.follow(phase)
        assert BanFile(tmp_path).seconds_left(NOW) == 7200
    file.follow(Phase.STARTING)
    assert file.seconds_left(NOW) is None
    assert BanFile(tmp_path).seconds_left(NOW) is None
    file.follow(Phase.STARTING)


def test_a_ban_without_an_end_has_none_and_replaces_no_end_that_is_known(tmp_path: Path) -> None:
    """The screen knows less than the event and may be seen after it."""
    file = BanFile(tmp_path)
    file.keep(ENDLESS)
    assert file.seconds_left(NOW) == math.inf
    file.keep(BAN)
    file.keep(ENDLESS)
    assert BanFile(tmp_path).seconds_left(NOW) == 7200


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "[" * 100_000, "null", "\0" * 90, "\xff", '{"message": ["Too many"], "ban": {}}']
    + [f'{{"expires": {value}}}' for value in ('"soon"', "true", "NaN", "Infinity", "1e300", "9" * 400, "[]")],
    ids=range(15),
)
def test_a_file_that_says_nothing_is_a_ban_without_an_end(tmp_path: Path, text: str) -> None:
    """One attempt too many can cost the number, so a person decides."""
    (tmp_path / "banned.json").write_text(text, encoding="latin-1")
    file = BanFile(tmp_path)
    assert file.seconds_left(NOW) == math.inf
    assert not any(file.values(NOW).values()), "what the reason of the halt quotes"


def test_a_folder_in_the_files_place_is_a_ban_without_an_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It can't be forgotten or replaced either, and the journal says so."""
    (tmp_path / "banned.json").mkdir()
    file = BanFile(tmp_path)
    assert file.seconds_left(NOW) == math.inf
    file.keep(BAN)
    file.follow(Phase.STARTING)
    assert [record.action for record in caplog.records] == ["ban_unwritten"] * 2  # type: ignore[attr-defined]


def test_a_ban_that_can_not_be_written_holds_for_this_life(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The journal reports the error."""
    file = BanFile(tmp_path / "gone")
    file.keep(BAN)
    assert file.seconds_left(NOW) == 7200
    assert [record.action for record in caplog.records] == ["ban_unwritten"]  # type: ignore[attr-defined]
