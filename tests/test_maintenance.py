"""When a restart is planned, and which warnings are measured."""

import asyncio
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from leadmasterd import health
from leadmasterd.daemon.maintenance import (
    Limits,
    Maintenance,
    Observation,
    find_warnings,
    restart_reason,
    was_replaced,
)
from leadmasterd.daemon.warnings import ActiveWarnings
from tests.waiting import until

LIMITS = Limits(nightly_restart="", memory_ceiling_mb=1000, disk_floor_mb=500)
FINE = Observation(
    tree_pss=400_000_000,
    disk_free=10_000_000_000,
    browser_replaced=False,
    quiet_seconds=600,
    phone_silent=timedelta(hours=3),
)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, None),
        ({"tree_pss": 1_100_000_000}, "memory"),
        ({"tree_pss": 1_100_000_000, "quiet_seconds": 5}, None),
        ({"tree_pss": 1_300_000_000, "quiet_seconds": 5}, "memory"),
        ({"browser_replaced": True}, "browser_changed"),
        ({"browser_replaced": True, "quiet_seconds": 5}, None),
    ],
)
def test_a_restart_waits_for_a_quiet_moment_unless_it_is_urgent(change: dict[str, object], why: str | None) -> None:
    """It is urgent if memory is over the ceiling or the browser's file was replaced."""
    assert restart_reason(replace(FINE, **change), LIMITS) == why  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"disk_free": 499_000_000}, "disk_low"),
        ({"tree_pss": 1_100_000_000}, "memory_high"),
        ({"phone_silent": timedelta(days=10)}, "phone_silent"),
    ],
)
def test_a_warning_says_how_bad_it_is(change: dict[str, object], code: str) -> None:
    """When all is well there is no warning."""
    assert set(find_warnings(FINE, LIMITS).values()) == {None}
    found = find_warnings(replace(FINE, **change), LIMITS)  # type: ignore[arg-type]
    [(warning, detail)] = [(each, detail) for each, detail in found.items() if detail is not None]
    assert warning.code == code
    assert detail in health.text(code, detail)


def test_a_check_can_give_every_warning_that_is_measured() -> None:
    """All at once; other warnings come from the child, the rules and the store."""
    bad = Observation(2_000_000_000, 1, browser_replaced=True, quiet_seconds=0, phone_silent=timedelta(days=13))
    found = find_warnings(bad, LIMITS)
    assert set(found) == {each for each in health.WARNINGS.values() if each.measured}
    assert None not in found.values()


async def test_a_warning_is_cleared_when_all_is_well_again() -> None:
    """The next check clears it."""
    warnings = ActiveWarnings(lambda: None)
    seen = replace(FINE, disk_free=1)

    async def observe() -> Observation:
        return seen

    maintenance = Maintenance(
        LIMITS, check_every=0.01, observe=observe, restart=lambda _: None, train=idle, warnings=warnings
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(maintenance.run(), name="maintenance")
        await until(lambda: warnings.concerns() == {"disk_low": "0"})
        seen = FINE
        await until(lambda: warnings.concerns() == {})
        task.cancel()


def test_a_running_program_whose_file_was_replaced_is_noticed(tmp_path: Path) -> None:
    """A package upgrade puts a new file under the same name."""
    program = tmp_path / "browser"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as running:
        assert not was_replaced(running.pid)
        shutil.copy("/bin/sleep", tmp_path / "new")
        (tmp_path / "new").replace(program)
        assert was_replaced(running.pid)
        running.kill()
    assert not was_replaced(running.pid)
    assert not was_replaced(None)


async def idle() -> None:
    """No training is running."""


async def test_a_ceiling_that_is_too_low_does_not_restart_in_a_loop() -> None:
    """It restarts once, and then not for hours."""
    restarts: list[str] = []
    looks = 0

    async def look() -> Observation:
        nonlocal looks
        looks += 1
        return replace(FINE, tree_pss=2_000_000_000)

    maintenance = Maintenance(
        LIMITS,
        check_every=0.01,
        observe=look,
        restart=restarts.append,
        train=idle,
        warnings=ActiveWarnings(lambda: None),
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(maintenance.run(), name="maintenance")
        await until(lambda: looks >= 5)
        task.cancel()
    assert restarts == ["memory"]


async def test_the_nightly_restart_is_due_at_the_local_time_that_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """It never happens when it is switched off."""
    monkeypatch.setenv("TZ", "America/Argentina/Buenos_Aires")
    seen = asyncio.Event()

    async def look() -> Observation:
        seen.set()
        return FINE

    for setting, hour in (("03:30", 3), ("", None)):
        seen.clear()
        maintenance = Maintenance(
            replace(LIMITS, nightly_restart=setting),
            check_every=60,
            observe=look,
            restart=lambda _: None,
            train=idle,
            warnings=ActiveWarnings(lambda: None),
        )
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(maintenance.run(), name="maintenance")
            await seen.wait()
            due = maintenance.calendar()
            assert {job["job"] for job in maintenance.next_jobs()} == due.keys()
            assert due.keys() == ({"restart", "learn"} if setting else {"learn"})
            assert all(moment.utcoffset() is not None for moment in due.values())
            assert due["learn"].hour == 4
            assert (due["restart"].hour if setting else None) == hour
            task.cancel()
