"""When a restart is planned, and which warnings are measured."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import pytest

from leadmasterd import health
from leadmasterd.daemon.maintenance import (
    Daily,
    Limits,
    Maintenance,
    Observation,
    find_warnings,
    restart_reason,
    was_replaced,
)
from leadmasterd.daemon.warnings import ActiveWarnings
from tests.waiting import until, until_true

ROOT = Path(__file__).resolve().parent.parent
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
    """All at once; other warnings come from the child, the rules, the store and the feeds."""
    bad = Observation(2_000_000_000, 1, browser_replaced=True, quiet_seconds=0, phone_silent=timedelta(days=13))
    found = find_warnings(bad, LIMITS)
    assert set(found) == {each for each in health.WARNINGS.values() if each.measured} - {health.FEED_DOWN}
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


async def _memory_around_a_check() -> tuple[int, int, int]:
    """The bytes of this process before and after a check when it keeps little of what it had, and how much it keeps."""
    blocks = [bytes(1_000) for _ in range(30_000)]  # too large for Python's own blocks: malloc has them
    kept = blocks[::1_000]
    del blocks
    before, checked = psutil.Process().memory_info().rss, asyncio.Event()

    async def observe() -> Observation:
        checked.set()
        return FINE

    maintenance = Maintenance(
        LIMITS,
        check_every=60,
        observe=observe,
        restart=lambda _: None,
        train=idle,
        warnings=ActiveWarnings(lambda: None),
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(maintenance.run(), name="maintenance")
        await checked.wait()
        task.cancel()
    return before, psutil.Process().memory_info().rss, len(kept)


def test_a_check_gives_back_the_memory_that_is_not_needed_any_more() -> None:
    """The libc of the system keeps free memory that has something in use behind it."""
    code = f"import asyncio\nfrom {__name__} import _memory_around_a_check as run\nprint(*asyncio.run(run()))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    before, after, _ = (int(number) for number in said.stdout.split())
    assert before - after > 20_000_000


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


def test_a_replaced_browser_is_noticed_behind_the_script_that_started_it(tmp_path: Path) -> None:
    """Debian's headless shell is started by a script that stays, and its file is not the browser's."""
    program = tmp_path / "browser"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen(["/bin/sh", "-c", f"{program} 60; true"], start_new_session=True) as launcher:
        # the shell's child is the shell's own program until it has become the browser
        until_true(lambda: [each.exe() for each in psutil.Process(launcher.pid).children()] == [str(program)])
        assert not was_replaced(launcher.pid)
        shutil.copy("/bin/sleep", tmp_path / "new")
        (tmp_path / "new").replace(program)
        assert was_replaced(launcher.pid)
        os.killpg(launcher.pid, signal.SIGKILL)


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


@pytest.mark.parametrize(
    "zone", ["America/Santiago", "America/Argentina/Buenos_Aires", "Europe/Madrid", "Pacific/Apia"]
)
@pytest.mark.parametrize("at", ["00:00", "00:30", "02:30", "03:30", "23:30", "23:59"])
def test_a_daily_job_runs_once_on_each_date(zone: str, at: str) -> None:
    """Chile's clock goes back from midnight in April and ahead at midnight in September, Madrid's at other hours."""
    here = ZoneInfo(zone)
    trigger, start = Daily(time.fromisoformat(at)), datetime(2026, 1, 1, 12, tzinfo=here)
    runs = [trigger.get_next_fire_time(None, start)]
    while len(runs) < 365:
        runs.append(trigger.get_next_fire_time(runs[-1], runs[-1] + timedelta(seconds=1)))
    first = runs[0].date()
    assert [run.date() for run in runs] == [first + timedelta(days=day) for day in range(365)]
    late = {run for run in runs if f"{run:%H:%M}" != at}
    assert len(late) <= 1
    assert all(run.hour == time.fromisoformat(at).hour + 1 for run in late)


def test_a_job_that_is_due_today_runs_today() -> None:
    """Tried a minute before it is due, and a minute after."""
    noon = datetime(2026, 4, 4, 12, tzinfo=ZoneInfo("America/Santiago"))
    trigger = Daily(time(12, 0))
    assert trigger.get_next_fire_time(None, noon - timedelta(minutes=1)) == noon
    assert trigger.get_next_fire_time(None, noon + timedelta(minutes=1)) == noon + timedelta(days=1)


def test_a_job_that_has_run_is_not_due_again_in_the_hour_that_comes_twice() -> None:
    """A daemon that starts in the second of the two hours finds the time in the first one past."""
    second = datetime(2026, 4, 4, 23, 10, tzinfo=ZoneInfo("America/Santiago"), fold=1)
    assert Daily(time(23, 30)).get_next_fire_time(None, second).date() == date(2026, 4, 5)
