"""When a restart is wished for, and what a person is told."""

import asyncio
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from leadmasterd import sentences
from leadmasterd.daemon.maintenance import Housekeeping, Limits, Seen, concerns, was_replaced, wish
from tests.waiting import until

LIMITS = Limits(nightly_restart="", memory_ceiling_mb=1000, disk_floor_mb=500)
FINE = Seen(
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
    """Memory over the ceiling, or a browser that was replaced under us."""
    assert wish(replace(FINE, **change), LIMITS) == why  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"disk_free": 499_000_000}, "disk_low"),
        ({"tree_pss": 1_100_000_000}, "memory_high"),
        ({"phone_silent": timedelta(days=10)}, "phone_silent"),
    ],
)
def test_a_concern_is_a_code_that_has_a_sentence(change: dict[str, object], code: str) -> None:
    """And when all is well there is none."""
    assert concerns(FINE, LIMITS) == {}
    found = concerns(replace(FINE, **change), LIMITS)  # type: ignore[arg-type]
    assert list(found) == [code]
    assert found[code] in sentences.concern(code, found[code])


def test_every_concern_has_a_sentence() -> None:
    """All at once; the page's own two come from the child, and that of the rules from who reads them."""
    bad = Seen(2_000_000_000, 1, browser_replaced=True, quiet_seconds=0, phone_silent=timedelta(days=13))
    assert set(concerns(bad, LIMITS)) == set(sentences.CONCERNS) - {"contract", "dialog", "rules"}


def test_a_running_program_whose_file_was_replaced_is_noticed(tmp_path: Path) -> None:
    """As a package upgrade does: a new file under the same name."""
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
    """Nothing is learned."""


async def test_a_ceiling_that_is_too_low_does_not_restart_in_a_loop() -> None:
    """Once, and not again for hours."""
    wishes: list[str] = []
    looks = 0

    async def look() -> Seen:
        nonlocal looks
        looks += 1
        return replace(FINE, tree_pss=2_000_000_000)

    keeping = Housekeeping(
        LIMITS, look_every=0.01, look=look, recycle=wishes.append, learn=idle, on_concerns=lambda _: None
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(keeping.run(), name="housekeeping")
        await until(lambda: looks >= 5)
        task.cancel()
    assert wishes == ["memory"]


async def test_the_nightly_restart_is_due_at_the_local_time_that_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not at all when it is switched off."""
    monkeypatch.setenv("TZ", "America/Argentina/Buenos_Aires")
    seen = asyncio.Event()

    async def look() -> Seen:
        seen.set()
        return FINE

    for setting, hour in (("03:30", 3), ("", None)):
        seen.clear()
        keeping = Housekeeping(
            replace(LIMITS, nightly_restart=setting),
            look_every=60,
            look=look,
            recycle=lambda _: None,
            learn=idle,
            on_concerns=lambda _: None,
        )
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(keeping.run(), name="housekeeping")
            await seen.wait()
            due = keeping.next_jobs()
            assert due.keys() == ({"restart", "learn"} if setting else {"learn"})
            assert all(moment.utcoffset() is not None for moment in due.values())
            assert due["learn"].hour == 4
            assert (due["restart"].hour if setting else None) == hour
            task.cancel()
