"""The small files under the state directory: the lock that lets only one daemon run, and `status.json`.

Also functions with which every part writes such files: atomically, readable by their owner only, and down to the disk.
"""

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from leadmasterd import causes
from leadmasterd.errors import CannotUseState
from leadmasterd.settings.paths import Paths
from leadmasterd.text import _

_TRY_SECONDS: Final = 1.0
"""How long to try for a lock. `is_running` holds a shared lock for a moment: whoever tries just then must not take that
for another daemon."""


class Lock:
    """The daemon's lock (flock) on the state directory. Held until `release`, or until the process ends in any way."""

    def __init__(self, paths: Paths) -> None:
        self._path = paths.lock_file
        self._state_dir = paths.state_dir
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock, and write our pid into its file. Creates the state directory if there is none.

        Raises CannotUseState, also when another daemon holds the lock.
        """
        try:
            self._state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise CannotUseState(
                    _("cannot use the state directory {path}: the disk is full; free some space").format(
                        path=self._state_dir
                    ),
                    disk_full=True,
                ) from error
            raise CannotUseState(
                _(
                    "cannot use the state directory {path}: {why}; check that this user (uid {uid}) may write there, "
                    "or set state_dir"
                ).format(path=self._state_dir, why=causes.of_system(error), uid=os.getuid())
            ) from error
        if not lock_unless_held(fd):
            holder = os.read(fd, 32).decode("ascii", "replace").strip()
            os.close(fd)
            raise CannotUseState(
                _(
                    "cannot use the state directory {path}: another leadmasterd runs on it{pid}; stop that one, or set "
                    "state_dir to another folder"
                ).format(path=self._state_dir, pid=f" (pid {holder})" if holder else "")
            )
        self._fd = fd
        with contextlib.suppress(OSError):  # the pid is only a hint for people: a full disk must not stop us here
            os.ftruncate(fd, 0)
            os.write(fd, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let another daemon take the lock. Does nothing if it is not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def lock_unless_held(fd: int) -> bool:
    """Lock a file until it is closed. False if another process holds it. Blocks for `_TRY_SECONDS` at most."""
    deadline = time.monotonic() + _TRY_SECONDS
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def is_running(paths: Paths) -> bool:
    """Whether a daemon holds the lock. Unlike the status file, this is never out of date. False without a lock file.

    Raises PermissionError if this user may not look.
    """
    try:
        fd = os.open(paths.lock_file, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def holder_of_lock(paths: Paths) -> int | None:
    """The process id that the running daemon wrote into its lock file. None if it could not, as on a full disk."""
    try:
        return int(paths.lock_file.read_bytes())
    except (OSError, ValueError):
        return None


def owner_of(path: Path) -> str:
    """The user to name in a `sudo -u` line: the owner of the path, or of its nearest parent whose owner is known.

    "leadmasterd", the service's usual user, if none is known.
    """
    for place in (path, *path.parents):
        with contextlib.suppress(OSError, KeyError):  # not visible to us, or a user without a name
            return place.owner()
    return "leadmasterd"


def give_away(what: Path | int, paths: Paths) -> None:
    """Give a file that root has written to the owner of the state directory, so that the service can use it.

    Does nothing if we are not root. `what`: a path or a descriptor.
    """
    if os.geteuid() == 0:
        owner = paths.state_dir.stat()
        os.chown(what, owner.st_uid, owner.st_gid)


def write_private(path: Path, data: bytes) -> None:
    """Replace a file atomically, readable by us alone. Raises OSError, and keeps the old file then."""
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file, readable by us alone, that takes the place of `path` once the block has ended without an error.

    After an error the old file is as it was. Raises OSError.
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            yield file
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def sync(path: Path) -> None:
    """Wait until a file's content, or the names in a folder, are on the disk. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_status(paths: Paths, status: Mapping[str, object]) -> None:
    """Rewrite `status.json`. Raises OSError."""
    write_private(paths.status_file, json.dumps(status, ensure_ascii=False, indent=1).encode() + b"\n")


def read_status(paths: Paths) -> dict[str, Any] | None:
    """What the daemon last wrote. None if there is no file, or its format is not this version's."""
    try:
        status = json.loads(paths.status_file.read_bytes())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError, RecursionError):
        return None
    return status if isinstance(status, dict) and status.get("v") == 1 else None
