"""The lock that keeps a second daemon out, and the small files next to it."""

import fcntl
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from leadmasterd.errors import CannotUseState
from leadmasterd.settings.paths import Paths
from leadmasterd.state import files
from leadmasterd.state.files import Lock, is_running, read_status, write_private, write_status
from tests.waiting import LIMIT

HOLD = """
import sys
from pathlib import Path
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import Lock
state = Path(sys.argv[1])
Lock(Paths(None, state, state / "x.db")).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def paths(state: Path) -> Paths:
    return Paths(None, state, state / "leadmaster.db")


@pytest.fixture
def here(tmp_path: Path) -> Paths:
    return paths(tmp_path / "state")


def held_elsewhere(here: Paths) -> subprocess.Popen[str]:
    """Another process that holds the lock until its stdin closes."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(here.state_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    return holder


def test_the_second_daemon_is_refused_with_the_firsts_pid(here: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets one sentence; once the first is dead, it can start."""
    monkeypatch.setattr(files, "_TRY_SECONDS", 0.05)
    with held_elsewhere(here) as holder:
        assert is_running(here)
        with pytest.raises(CannotUseState) as refused:
            Lock(here).acquire()
        holder.kill()
    assert re.fullmatch(
        rf"cannot use the state directory .*state: another leadmasterd runs on it \(pid {holder.pid}\); "
        "stop that one, or set state_dir to another folder",
        str(refused.value),
    )
    assert not is_running(here), "a dead daemon holds nothing, whatever files it left"
    Lock(here).acquire()
    assert is_running(here)


def test_somebody_who_only_asks_does_not_make_a_start_fail(here: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """`status` holds the lock for a moment, in shared mode."""
    monkeypatch.setattr(files, "_TRY_SECONDS", LIMIT)
    here.state_dir.mkdir()
    asking = os.open(here.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(asking, fcntl.LOCK_SH)
    threading.Timer(0.1, os.close, [asking]).start()
    Lock(here).acquire()
    assert is_running(here)


def test_asking_leaves_nothing_behind_and_takes_nothing_away(here: Paths) -> None:
    """It creates no file, and the holder keeps the lock."""
    assert not is_running(here)
    assert not here.state_dir.exists()
    lock = Lock(here)
    lock.acquire()
    for _ in range(3):
        assert is_running(here)


def test_a_state_directory_that_is_a_file_never_ran(tmp_path: Path) -> None:
    """It cannot be used either."""
    (tmp_path / "file").touch()
    here = paths(tmp_path / "file")
    assert not is_running(here)
    assert read_status(here) is None
    with pytest.raises(CannotUseState, match=r"cannot use the state directory .*file: .*check that this user"):
        Lock(here).acquire()


def test_a_state_directory_that_can_not_be_made_is_told() -> None:
    """The error names our user; even root cannot create it."""
    with pytest.raises(CannotUseState, match=rf"/proc/leadmasterd/state: .*\(uid {os.getuid()}\)"):
        Lock(paths(Path("/proc/leadmasterd/state"))).acquire()


def test_state_is_ours_alone(here: Paths) -> None:
    """The umask makes no difference."""
    before = os.umask(0)
    try:
        Lock(here).acquire()
        write_status(here, {"v": 1})
    finally:
        os.umask(before)
    assert here.state_dir.stat().st_mode & 0o777 == 0o700
    assert here.lock_file.stat().st_mode & 0o777 == 0o600
    assert here.status_file.stat().st_mode & 0o777 == 0o600


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    """A reader never sees half of it; a failure keeps the old file and leaves no temporary one."""
    path = tmp_path / "status.json"
    write_private(path, b"old")
    with path.open("rb") as reader:
        write_private(path, b"newer")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"newer"
    (tmp_path / ".folder.new").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        write_private(tmp_path / "folder", b"x")
    assert sorted(file.name for file in tmp_path.iterdir()) == [".folder.new", "status.json"]


def test_a_status_comes_back_as_it_was_written(here: Paths) -> None:
    """Unicode is preserved."""
    here.state_dir.mkdir()
    write_status(here, {"v": 1, "because": "ñandú"})
    assert read_status(here) == {"v": 1, "because": "ñandú"}


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"v": 2}', "{}", "\x00", "[" * 99_999])
def test_a_status_file_that_is_not_ours_is_none(here: Paths, text: str) -> None:
    """It may be damaged by a power cut or written by another version."""
    here.state_dir.mkdir()
    here.status_file.write_text(text)
    assert read_status(here) is None
    here.status_file.unlink()
    here.status_file.mkdir()
    assert read_status(here) is None
