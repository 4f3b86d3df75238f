"""Snapshots of the session, their restore, and the quarantine, on real files."""

import contextlib
import errno
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from leadmasterd.daemon.profile import BrowserProfile
from leadmasterd.errors import CannotUseSnapshot
from leadmasterd.listener.profile import CACHE_FOLDERS, SESSION_FOLDERS, Auth
from leadmasterd.settings.paths import Paths, resolve_paths
from leadmasterd.supervisor.machine import Effect
from tests.waiting import LIMIT, wait_for

NOW = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
ACCOUNT = "5491155550100@c.us"


@pytest.fixture
def where(tmp_path: Path) -> Paths:
    """A state directory whose profile looks like a linked one."""
    found = resolve_paths(None, str(tmp_path / "state"), "leadmaster.db")
    write_session(found, "first")
    return found


def write_session(where: Paths, text: str) -> None:
    """Write IndexedDB and Local Storage with this text, and a cache."""
    for folder in SESSION_FOLDERS:
        path = where.profile / folder / "leveldb"
        path.mkdir(parents=True, exist_ok=True)
        (path / "000001.log").write_text(text)
        (path / "CURRENT").write_text("MANIFEST-000001\n")
    (where.profile / "Default" / "Cache").mkdir(exist_ok=True)
    (where.profile / "Default" / "Cache" / "data").write_bytes(b"x" * 1000)


def session_text(where: Paths) -> set[str]:
    """The text in the live profile's session."""
    return {(where.profile / folder / "leveldb" / "000001.log").read_text() for folder in SESSION_FOLDERS}


@contextlib.contextmanager
def unlistable(folder: Path) -> Iterator[None]:
    """Within the block we may write into this new folder, and not list it.

    Root may list any, so we are nobody there, and the session is nobody's: let paths begin at the current folder.
    """
    folder.mkdir(mode=0o300)
    user = os.geteuid()
    if user == 0:
        for path in (folder.parent, *folder.parent.rglob("*"), folder.parent.parent):
            os.chown(path, 65534, 65534)
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o700)


def test_a_snapshot_holds_the_session_only_and_can_be_verified(where: Paths) -> None:
    """It has no caches, a hash for each file, and is readable by its owner only."""
    auth = Auth(where)
    snapshot = auth.take_snapshot(account=ACCOUNT, browser="Chrome/156", now=NOW)
    auth.verify(snapshot)
    assert snapshot.files == 4
    assert not (snapshot.path / "Default" / "Cache").exists()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in snapshot.path.rglob("*")}
    assert modes == {0o700, 0o600}
    assert json.loads((snapshot.path / "manifest.json").read_bytes())["browser"] == "Chrome/156"


def test_three_snapshots_are_kept_newest_first(where: Paths) -> None:
    """A fourth removes the oldest."""
    auth = Auth(where)
    for day in range(5):
        auth.take_snapshot(account=ACCOUNT, browser=None, now=NOW + timedelta(days=day))
    assert [each.made_at[:10] for each in auth.snapshots()] == ["2026-11-27", "2026-11-26", "2026-11-25"]


@pytest.mark.parametrize("behind", [timedelta(hours=1), timedelta(days=20_000)])
def test_a_clock_that_is_set_back_makes_no_new_snapshot_the_oldest(where: Paths, behind: timedelta) -> None:
    """It would go at once where three are there, and an old session would be restored before it."""
    auth = Auth(where)
    for day in range(3):
        auth.take_snapshot(account=ACCOUNT, browser=None, now=NOW + timedelta(days=day))
    for text in ("second", "third"):
        write_session(where, text)
        taken = auth.take_snapshot(account=ACCOUNT, browser=None, now=NOW - behind)
        assert auth.newest_good(account=ACCOUNT) == taken
        assert len(auth.snapshots()) == 3
    assert taken.made_at[:10] == (NOW - behind).date().isoformat()
    auth.restore(taken, now=NOW, why="test")
    assert session_text(where) == {"third"}


def test_a_snapshot_from_the_last_moment_there_is_stops_no_other(where: Paths) -> None:
    """No name is later."""
    auth = Auth(where)
    auth.take_snapshot(account=ACCOUNT, browser=None, now=datetime.max.replace(tzinfo=UTC))
    assert auth.take_snapshot(account=ACCOUNT, browser=None, now=NOW) in auth.snapshots()


@pytest.mark.parametrize("damage", ["changed", "shortened", "removed"])
def test_a_damaged_snapshot_is_never_restored(where: Paths, damage: str) -> None:
    """It is named, and the next older one is used."""
    auth = Auth(where)
    older = auth.take_snapshot(account=ACCOUNT, browser=None, now=NOW)
    newer = auth.take_snapshot(account=ACCOUNT, browser=None, now=NOW + timedelta(days=1))
    file = newer.path / SESSION_FOLDERS[0] / "leveldb" / "000001.log"
    match damage:
        case "changed":
            file.write_text("fIrst")
        case "shortened":
            file.write_text("f")
        case _:
            file.unlink()
    with pytest.raises(CannotUseSnapshot, match=newer.name):
        auth.verify(newer)
    with pytest.raises(CannotUseSnapshot, match=newer.name):
        auth.restore(newer, now=NOW, why="test")
    assert session_text(where) == {"first"}, "the live profile was not touched"
    assert auth.newest_good(account=ACCOUNT) == older


def test_a_restore_brings_the_session_back_and_keeps_the_broken_one(where: Paths) -> None:
    """The replaced profile is in quarantine with the reason."""
    auth = Auth(where)
    snapshot = auth.take_snapshot(account=ACCOUNT, browser=None, now=NOW)
    write_session(where, "broken")
    auth.restore(snapshot, now=NOW, why="it would not open")
    assert session_text(where) == {"first"}
    assert stat.S_IMODE(where.profile.stat().st_mode) == 0o700
    [kept] = auth.quarantined()
    assert (kept / "why.txt").read_text() == "it would not open\n"
    assert (kept / SESSION_FOLDERS[0] / "leveldb" / "000001.log").read_text() == "broken"


def test_another_accounts_snapshot_is_no_good(where: Paths) -> None:
    """The session of a previous number must not come back."""
    auth = Auth(where)
    auth.take_snapshot(account="5491155550200@c.us", browser=None, now=NOW)
    assert auth.newest_good(account=ACCOUNT) is None


SOUND: dict[str, object] = {"v": 1, "made_at": "2026-11-23T03:30:00.000Z", "account": ACCOUNT, "browser": None}


@pytest.mark.parametrize(
    "manifest",
    [
        b"[" * 100_000,
        b"[]",
        b"\xff",
        SOUND,
        SOUND | {"files": []},
        SOUND | {"files": "000001.log"},
        SOUND | {"files": {"000001.log": []}},
        SOUND | {"files": {"000001.log": {"size": [], "sha256": ""}}},
        json.dumps(SOUND | {"files": {"000001.log": {"size": -7, "sha256": ""}}}).replace("-7", "1e999").encode(),
        SOUND | {"files": {}, "made_at": "soon"},
        SOUND | {"files": {}, "made_at": None},
        SOUND | {"files": {}, "account": [ACCOUNT]},
        SOUND | {"files": {}, "browser": 156},
    ],
    ids=range(13),
)
def test_a_snapshot_whose_manifest_is_not_ours_is_none(where: Paths, manifest: bytes | dict[str, object]) -> None:
    """Whatever a damaged disk made of it; the daemon starts all the same, and takes another."""
    auth = Auth(where)
    snapshot = auth.take_snapshot(account=ACCOUNT, browser=None, now=NOW)
    text = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    (snapshot.path / "manifest.json").write_bytes(text)
    assert auth.snapshots() == []
    profile = BrowserProfile(where, grace_seconds=0)
    profile.before_spawn(Path("/usr/bin/chromium"))
    assert not profile.restorable
    assert auth.take_snapshot(account=ACCOUNT, browser=None, now=NOW + timedelta(days=1)) in auth.snapshots()
    with pytest.raises(CannotUseSnapshot, match="is damaged"):
        auth.verify(snapshot)


def test_a_snapshot_that_was_interrupted_is_none(where: Paths) -> None:
    """Snapshots are copied under a hidden name and then renamed; the next one removes leftovers."""
    auth = Auth(where)
    leftover = where.profile.parent / "snapshots" / ".20261101T000000.000000Z"
    leftover.mkdir(parents=True)
    assert auth.snapshots() == []
    auth.take_snapshot(account=None, browser=None, now=NOW)
    assert not leftover.exists()
    assert len(auth.snapshots()) == 1


def test_no_snapshot_of_a_profile_without_a_session(tmp_path: Path) -> None:
    """There is nothing to copy, and the result says so."""
    auth = Auth(resolve_paths(None, str(tmp_path), "leadmaster.db"))
    with pytest.raises(CannotUseSnapshot, match="scan first"):
        auth.take_snapshot(account=None, browser=None, now=NOW)


DIES = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from leadmasterd.listener.profile import Auth
from leadmasterd.settings.paths import resolve_paths

state, renames = sys.argv[1], int(sys.argv[2])
auth = Auth(resolve_paths(None, state, "leadmaster.db"))
[snapshot] = auth.snapshots()
rename = Path.rename

def fatal(path, target):
    global renames
    if renames == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    renames -= 1
    return rename(path, target)

Path.rename = fatal
auth.restore(snapshot, now=datetime(2026, 11, 24, tzinfo=UTC), why="test")
"""
"""Restores the snapshot, and is killed before a rename: the first, second or third."""


@pytest.mark.parametrize(("renames", "session"), [(0, "broken"), (1, "broken"), (2, "first")])
def test_a_restore_that_is_killed_between_two_steps_leaves_a_whole_session(
    where: Paths, renames: int, session: str
) -> None:
    """The next start has either the one before or the new one, and nothing else is left of the attempt."""
    auth = Auth(where)
    auth.mark_linked(ACCOUNT)
    auth.take_snapshot(account=ACCOUNT, browser=None, now=NOW)
    write_session(where, "broken")
    died = subprocess.run([sys.executable, "-c", DIES, str(where.state_dir), str(renames)], check=False)
    assert died.returncode == -signal.SIGKILL
    profile = BrowserProfile(where, grace_seconds=0)
    profile.take_over()
    assert auth.linked_account() == ACCOUNT
    profile.before_spawn(Path("/usr/bin/chromium"))
    assert session_text(where) == {session}
    assert len(auth.quarantined()) == (1 if session == "first" else 0)
    left = {path.name for path in where.profile.parent.iterdir()}
    assert left - {"quarantine"} == {"profile", "snapshots"}


def test_what_fails_after_a_move_makes_no_failure_of_it(
    where: Paths, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A quarantine that can't be listed, and folders that can't be synced: the profiles are where they should be."""
    monkeypatch.chdir(where.state_dir)
    where = Paths(None, Path(), Path("leadmaster.db"))
    auth = Auth(where)
    snapshot = auth.take_snapshot(account=ACCOUNT, browser=None, now=NOW)
    auth.mark_linked(ACCOUNT)
    write_session(where, "broken")
    folders = {path.stat().st_ino for path in (where.profile.parent, snapshot.path.parent)}
    fsync = os.fsync

    def fails(fd: int) -> None:
        if os.fstat(fd).st_ino in folders:
            raise OSError(errno.EIO, "Input/output error")
        fsync(fd)

    monkeypatch.setattr(os, "fsync", fails)
    with unlistable(where.quarantine):
        auth.restore(snapshot, now=NOW, why="test")
        assert session_text(where) == {"first"}
        assert auth.quarantine(now=NOW + timedelta(hours=1), why="test")
    assert len(auth.quarantined()) == 2
    write_session(where, "second")
    taken = auth.take_snapshot(account=ACCOUNT, browser=None, now=NOW + timedelta(days=1))
    assert auth.newest_good(account=ACCOUNT) == taken
    assert [record.__dict__["action"] for record in caplog.records] == [
        "profile_unsynced", "quarantine_kept", "quarantine_kept", "snapshots_kept",
    ]  # fmt: skip


def test_a_restore_that_fails_deletes_nothing_of_the_quarantine(where: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile before is back in its place, and two older ones are where they were."""
    auth = Auth(where)
    for day in range(2):
        write_session(where, f"day {day}")
        auth.mark_linked(ACCOUNT)
        auth.quarantine(now=NOW + timedelta(days=day), why="test")
    kept = auth.quarantined()
    write_session(where, "broken")
    snapshot = auth.take_snapshot(account=ACCOUNT, browser=None, now=NOW)
    rename = Path.rename

    def fails(path: Path, target: Path) -> Path:
        if target == where.profile and where.quarantine not in path.parents:
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OSError, match="No space"):
        auth.restore(snapshot, now=NOW + timedelta(days=2), why="test")
    assert session_text(where) == {"broken"}
    assert auth.quarantined() == kept


@pytest.mark.parametrize("name", ["leadmasterd-linked", "leadmasterd-linked-elsewhere", "leadmasterd-browser"])
@pytest.mark.parametrize("damage", [b"\xff\xfe", b"\0" * 30, None], ids=["no text", "zeros", "a folder"])
def test_a_note_in_the_profile_that_can_not_be_read_is_none(where: Paths, name: str, damage: bytes | None) -> None:
    """The daemon starts all the same, and makes it anew when the session works. None: it is a folder."""
    note = where.profile / name
    if damage is None:
        note.mkdir()
    else:
        note.write_bytes(damage)
    profile = BrowserProfile(where, grace_seconds=0)
    profile.before_spawn(Path("/usr/bin/chromium"))
    assert not profile.session_lost
    assert profile.linked_elsewhere_at is None
    assert profile.used_by is None
    profile.opened_by("Chromium 150.0.7871.100")
    profile.session_works(ACCOUNT, browser=None, fresh=False)
    profile.stopped(cleanly=True)


def test_profiles_that_never_were_linked_push_no_linked_one_out(where: Paths) -> None:
    """First syncs that fail leave one each. The newest is kept, whatever it is, and beside it one that was linked."""
    auth = Auth(where)
    auth.mark_linked(ACCOUNT)
    linked = auth.quarantine(now=NOW, why="lost its session")
    failed = []
    for minute in range(1, 4):
        write_session(where, f"try {minute}")
        failed.append(auth.quarantine(now=NOW + timedelta(minutes=minute), why="logged out"))
    assert auth.quarantined() == [failed[-1], linked]


def test_of_quarantine_two_are_kept_for_thirty_days(where: Paths) -> None:
    """They hold keys and messages."""
    auth = Auth(where)
    for day in range(3):
        write_session(where, f"day {day}")
        auth.quarantine(now=NOW + timedelta(days=day), why="test")
    assert len(auth.quarantined()) == 2
    auth.prune_quarantine(now=NOW + timedelta(days=31, hours=1))
    assert [path.name[:8] for path in auth.quarantined()] == ["20261125"]
    auth.prune_quarantine(now=NOW + timedelta(days=60))
    assert auth.quarantined() == []


def test_a_profile_is_kept_that_is_set_aside_after_the_clock_was_set_back(where: Paths) -> None:
    """By its name it is older than the others, and would go at once."""
    auth = Auth(where)
    for day in (1, 2, -40):
        write_session(where, f"day {day}")
        auth.mark_linked(ACCOUNT)
        kept = auth.quarantine(now=NOW + timedelta(days=day), why="test")
        assert kept in auth.quarantined()
    assert len(auth.quarantined()) == 2


async def test_a_planned_restart_removes_what_was_set_aside_a_month_ago(where: Paths) -> None:
    """Nothing else may ever be set aside after it."""
    now = datetime.now(UTC)
    auth = Auth(where)
    for days in (31, 29):
        write_session(where, f"{days} days ago")
        auth.quarantine(now=now - timedelta(days=days), why="test")
    assert len(auth.quarantined()) == 2
    await BrowserProfile(where, grace_seconds=0).chores[Effect.TRIM_CACHES]()
    [kept] = auth.quarantined()
    assert (kept / SESSION_FOLDERS[0] / "leveldb" / "000001.log").read_text() == "29 days ago"


async def test_a_disk_that_fails_while_caches_are_dropped_ends_nothing(
    where: Paths, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The journal says so, and the planned restart goes on."""

    def fails(_self: Auth) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Auth, "trim_caches", fails)
    await BrowserProfile(where, grace_seconds=0).chores[Effect.TRIM_CACHES]()
    assert "cannot drop browser caches" in caplog.text


def test_caches_go_and_the_session_stays(where: Paths) -> None:
    """The number of freed bytes is returned."""
    auth = Auth(where)
    assert auth.trim_caches() == 1000
    assert session_text(where) == {"first"}
    assert not set(CACHE_FOLDERS) & set(SESSION_FOLDERS)


def test_stale_singleton_locks_are_removed_even_when_they_dangle(where: Paths) -> None:
    """They are symbolic links whose target is a host name and a pid, not a file."""
    (where.profile / "SingletonLock").symlink_to("another-host-4242")
    auth = Auth(where)
    assert auth.clear_stale_singletons() == ["SingletonLock"]
    assert auth.clear_stale_singletons() == []


def test_a_link_that_was_made_elsewhere_is_known_until_it_has_worked_here(where: Paths) -> None:
    """It survives failed starts until the first ready, when the account and the time of its link are stored in the
    database.
    """
    at = "2026-11-23T02:00:00.000Z"
    Auth(where).note_link_elsewhere(where.profile, at)
    profile = BrowserProfile(where, grace_seconds=0)
    profile.stopped(cleanly=False)  # the clean-up before the first start
    for _life in range(2):
        profile.before_spawn(Path("/usr/bin/chromium"))
        assert profile.linked_elsewhere_at == at
        profile.stopped(cleanly=False)
    profile.before_spawn(Path("/usr/bin/chromium"))
    profile.session_works(ACCOUNT, browser=None, fresh=False)
    assert profile.linked_elsewhere_at is None, "the next ready is an ordinary one"
    assert Auth(where).linked_elsewhere_at() == at
    profile.stopped(cleanly=True)
    profile.before_spawn(Path("/usr/bin/chromium"))
    assert profile.linked_elsewhere_at is None


@pytest.mark.parametrize(
    ("last_version", "ours", "newest"),
    [
        ("150.0.7871.100", None, "150.0.7871.100"),
        (None, "Chromium 150.0.7871.100 built on Debian", "Chromium 150.0.7871.100 built on Debian"),
        ("149.0.1.2", "Chromium 151.0.1.2", "Chromium 151.0.1.2"),
        ("151.0.1.2", "Chromium 150.0.1.2", "151.0.1.2"),
        ("?", "nonsense", None),
        (None, None, None),
    ],
)
def test_the_newest_browser_that_has_opened_a_linked_session_is_known(
    where: Paths, last_version: str | None, ours: str | None, newest: str | None
) -> None:
    """By Chromium's own note or by ours, as the headless shell makes none. Without a link there is no session."""
    auth = Auth(where)
    if last_version:
        (where.profile / "Last Version").write_text(last_version)
    auth.note_browser(ours)
    assert auth.used_by() is None
    auth.mark_linked(ACCOUNT)
    assert auth.used_by() == newest


def test_a_restored_session_is_still_known_to_be_a_newer_browsers(where: Paths) -> None:
    """The snapshot holds the session's folders only, and its manifest the version."""
    auth = Auth(where)
    auth.mark_linked(ACCOUNT)
    snapshot = auth.take_snapshot(account=ACCOUNT, browser="Chromium 151.0.1.2", now=NOW)
    auth.restore(snapshot, now=NOW, why="test")
    assert auth.used_by() == "Chromium 151.0.1.2"


def test_a_browser_on_the_profile_is_found_in_any_spelling_and_without_a_lock(where: Paths) -> None:
    """The headless shell keeps no lock. The pid is the browser's, not that of a script that has started it."""
    auth = Auth(where)
    (where.state_dir / "link").symlink_to(where.profile)
    sleeps = "import time; time.sleep(1000)"
    for folder in (where.profile, where.state_dir / "auth" / ".." / "link", Path("auth/profile/")):
        argument = f"--user-data-dir={folder}"
        with subprocess.Popen(
            ["sh", "-c", f'"{sys.executable}" -c "$0" "$1"; exit', sleeps, argument], cwd=where.state_dir
        ) as shell:
            try:
                browser = wait_for(lambda: psutil.Process(shell.pid).children(), "the browser")[0]
                wait_for(lambda: auth.browser_using_it() not in (None, shell.pid), "it to be found")
                assert auth.browser_using_it() == browser.pid, "not its script"
            finally:
                for each in (browser, shell):
                    each.kill()
                psutil.wait_procs([browser], LIMIT)
        assert auth.browser_using_it() is None
    part = subprocess.Popen([sys.executable, "-c", sleeps, f"--user-data-dir={where.profile}", "--type=renderer"])
    other = subprocess.Popen([sys.executable, "-c", sleeps, f"--user-data-dir={where.profile}-2"])
    try:
        assert auth.browser_using_it() is None
    finally:
        for each in (part, other):
            each.kill()
            each.wait()


def test_links_that_go_round_on_a_command_line_are_no_browser(where: Paths) -> None:
    """Whatever stands there is looked at, and must end nothing."""
    loop = where.state_dir / "loop"
    loop.symlink_to(loop)
    sleeps = [sys.executable, "-c", "import time; time.sleep(1000)", f"--user-data-dir={loop}/profile"]
    with subprocess.Popen(sleeps) as process:
        try:
            wait_for(lambda: psutil.Process(process.pid).cmdline() == sleeps, "it to be what it says")
            assert Auth(where).browser_using_it() is None
        finally:
            process.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start a process as somebody else")
def test_a_command_line_of_another_user_keeps_no_browser_out(where: Paths) -> None:
    """Anybody on the machine can write such a one; only root and the profile's owner can open the profile."""
    nobody = 65534
    sleeps = ["/bin/sh", "-c", "read -r line", "sh", f"--user-data-dir={where.profile}"]
    with subprocess.Popen(sleeps, stdin=subprocess.PIPE, user=nobody, cwd="/") as process:
        wait_for(lambda: psutil.Process(process.pid).cmdline() == sleeps, "it to be what it says")
        assert Auth(where).browser_using_it() is None
        os.chown(where.profile, nobody, nobody)
        assert Auth(where).browser_using_it() == process.pid, "a daemon of another user than root"
        assert process.stdin
        process.stdin.close()


def test_our_lock_keeps_chromium_out_while_the_headless_shell_runs(where: Paths) -> None:
    """It is gone after the stop, and no other lock is taken away then."""
    profile = BrowserProfile(where, grace_seconds=0)
    lock = where.profile / "SingletonLock"
    profile.before_spawn(Path("/usr/bin/chromium-headless-shell"))
    assert str(lock.readlink()) == f"leadmasterd-{os.getpid()}"
    profile.before_spawn(Path("/usr/bin/chromium-headless-shell"))
    profile.stopped(cleanly=True)
    assert not lock.is_symlink()
    lock.symlink_to("another-host-4242")
    profile.stopped(cleanly=True)
    assert lock.is_symlink()
    profile.before_spawn(Path("/usr/bin/chromium"))
    assert not lock.is_symlink(), "Chromium makes its own"
