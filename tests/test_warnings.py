"""Warnings are registered once; the component that notices a problem sets and clears its warning."""

import logging
import re
from pathlib import Path

import pytest

from leadmasterd import health
from leadmasterd.daemon.warnings import ActiveWarnings
from leadmasterd.health import (
    CONTRACT,
    DATABASE_DAMAGED,
    DATABASE_LOCKED,
    DATABASE_UNUSABLE,
    DISK_FULL,
    DISK_LOW,
    HOURS_CHANGED,
    RULES,
    SESSION_ELSEWHERE,
    WARNINGS,
    Severity,
)

ROOT = Path(__file__).resolve().parent.parent


def nothing() -> None:
    """A listener that ignores changes."""


def test_every_warning_says_what_is_wrong_and_what_to_do() -> None:
    """Its detail is shown too, if it has one."""
    for code, warning in WARNINGS.items():
        assert code == warning.code
        text = health.text(code, "1234")
        assert text == f"{health.sentence(code, '1234')}; {health.what_to_do(code)}"
        assert ("1234" in text) == (warning not in (DISK_FULL, DATABASE_LOCKED, SESSION_ELSEWHERE, HOURS_CHANGED))
        assert len(health.what_to_do(code)) > 10


def test_no_number_of_tries_is_told_of_what_was_given_up() -> None:
    """An event that is too large is given up after one."""
    assert health.sentence("feed_dead", "hub (2)") == "events were given up: hub (2)"


def test_the_documented_codes_are_those_that_are_registered() -> None:
    """In docs/json.md: `trouble` for what stops the store, `concerns` for the rest."""
    document = (ROOT / "docs" / "json.md").read_text()
    [trouble] = re.findall(r"^\| `trouble.code` \| text \| (.*) \|$", document, re.MULTILINE)
    [concerns] = re.findall(r"^\| `concerns` \| map \| .*: (.*) \|$", document, re.MULTILINE)
    assert set(trouble.split(", ")) == {code for code, each in WARNINGS.items() if each.of_the_store}
    assert set(concerns.split(", ")) == {code for code, each in WARNINGS.items() if not each.of_the_store}


def test_only_a_full_disk_and_a_damaged_database_need_a_person_at_once() -> None:
    """`status` exits with 4 for them."""
    needed = [each for each in WARNINGS.values() if each.severity is Severity.HIGH]
    assert needed == [DISK_FULL, DATABASE_DAMAGED, DATABASE_UNUSABLE]
    asking = {code for code in (*WARNINGS, "sparkle", None) if health.needs_a_person(code)}
    assert asking == {each.code for each in needed}


def test_every_error_of_the_store_is_registered() -> None:
    """The writer uses these codes; the last is the daemon's, which opens the file."""
    writer = (ROOT / "leadmasterd" / "store" / "writer.py").read_text()
    codes = set(re.findall(r'StoreError\("(\w+)"', writer))
    assert codes | {DATABASE_UNUSABLE.code} == {code for code, each in WARNINGS.items() if each.of_the_store}


def test_a_warning_of_tomorrow_is_shown_as_it_is() -> None:
    """A newer daemon wrote it; control characters are removed."""
    assert health.text("sparkle", "x\x1b[2J") == "sparkle: x\ufffd[2J"
    assert health.sentence("sparkle", "x") == "sparkle: x"
    assert health.what_to_do("sparkle")
    assert health.text("database_error", "\x1b]0;title\x07\x9b2J").isprintable()


def test_what_is_set_is_shown_until_it_is_cleared() -> None:
    """Each change is announced once, and nothing else is."""
    changes = 0

    def changed() -> None:
        nonlocal changes
        changes += 1

    active = ActiveWarnings(changed)
    active.clear(CONTRACT)
    assert (active.concerns(), active.trouble(), changes) == ({}, None, 0)
    active.set(CONTRACT, "qr (a.b)")
    active.set(CONTRACT, "qr (a.b)")
    active.set(DISK_LOW, "12")
    assert (active.concerns(), changes) == ({"contract": "qr (a.b)", "disk_low": "12"}, 2)
    active.clear(CONTRACT)
    assert (active.concerns(), active.trouble(), changes) == ({"disk_low": "12"}, None, 3)


def test_one_error_of_the_store_replaces_another(caplog: pytest.LogCaptureFixture) -> None:
    """The recovery is announced once."""
    caplog.set_level(logging.INFO)
    active = ActiveWarnings(nothing)
    active.store_error(None)
    active.set(RULES, "line 1")
    active.store_error("database_locked", "locked")
    active.store_error("disk_full", "full")
    assert active.trouble() == {"code": "disk_full", "detail": "full"}
    active.store_error(None)
    active.store_error(None)
    assert (active.trouble(), active.concerns()) == (None, {"rules": "line 1"})
    actions = [record.action for record in caplog.records]  # type: ignore[attr-defined]
    assert actions == ["rules", "database_locked", "disk_full", "store_recovered"]


def test_a_figure_that_drifts_is_no_news_but_another_mistake_is(caplog: pytest.LogCaptureFixture) -> None:
    """The journal gets one line per problem, and a changed figure is not a new problem."""
    active = ActiveWarnings(nothing)
    for detail in ("499", "498", "497"):
        active.set(DISK_LOW, detail)
    assert active.concerns() == {"disk_low": "497"}
    for detail in ("line 1", "line 1", "line 2"):
        active.set(RULES, detail)
    actions = [record.action for record in caplog.records]  # type: ignore[attr-defined]
    assert actions == ["disk_low", "rules", "rules"]
