"""The kind `jsonl`: each event is a line of JSON, appended to a file that is rotated and compressed.

After a crash, events that are in the file and not yet in the books are written once more, with the same `id`.
"""

import contextlib
import gzip
import os
import re
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from leadmasterd import causes
from leadmasterd.errors import CannotUseSettings
from leadmasterd.feeds import envelope
from leadmasterd.feeds.schedule import DELIVERED, Outcome, Result
from leadmasterd.outbox.reading import Event
from leadmasterd.text import _
from leadmasterd.times import stamp

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
_BEGINNING: Final = b'{"id":"evt_'
"""How each line begins, and so each file."""


class JsonLines:
    """Appends to one file. Rotated files are in the same folder: the file's name, the time and `.gz`."""

    concurrency = 1

    def __init__(self, path: Path, *, rotate_bytes: int, keep: int) -> None:
        """Open the file, or create it with its folder. `keep`: how many rotated files to keep; 0: all.

        Raises OSError, and CannotUseSettings if the file is there and holds something else.
        """
        self._path = path
        self._rotate_bytes = rotate_bytes
        self._keep = keep
        self._swapping = threading.Lock()  # `flush`, in a thread, must not use a descriptor that a rotation closes
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._open()

    def _open(self) -> None:
        """Open the file and cut off a last line that a crash left unfinished: its event is delivered again."""
        self._file = os.open(self._path, _FLAGS, 0o600)
        if not _BEGINNING.startswith(os.pread(self._file, len(_BEGINNING), 0)):  # a new file has less, or nothing
            os.close(self._file)
            raise CannotUseSettings(
                _("cannot use {path}: it holds something else; name another file in `path`").format(path=self._path)
            )
        self._size = _end_of_lines(self._file)
        os.ftruncate(self._file, self._size)

    async def deliver(self, event: Event, *, after_gap: bool) -> Outcome:
        """Append the event as one line. If that fails, because the disk is full, say, it is tried again later."""
        line = envelope.json_bytes({"id": envelope.id_of(event), **envelope.standard(event, after_gap=after_gap)})
        try:
            self._append(line + b"\n")
        except OSError as error:
            return Outcome(Result.AGAIN, causes.of_system(error))
        return DELIVERED

    def _append(self, line: bytes) -> None:
        """Write the line; first rotate a file that it would make too large. Raises OSError: nothing is written then."""
        if self._size and self._size + len(line) > self._rotate_bytes:
            self._rotate()
        try:
            _write_all(self._file, line)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise
        self._size += len(line)

    def _rotate(self) -> None:
        """Rename the file to its name with the time, and go on with an empty one.

        The time is always after that of the last rotated file, so that names keep their order if the clock is set back.
        """
        beginning = f"{self._path.name}."
        times = [each.name.removeprefix(beginning).removesuffix(".gz") for each in self._rotated()]
        name = beginning + stamp(datetime.now(UTC), after=times[-1] if times else "")
        new = self._path.with_name(f".{self._path.name}.new")
        file = os.open(new, _FLAGS | os.O_TRUNC, 0o600)  # the first step, since a full disk may refuse it
        try:
            with self._swapping:
                os.fdatasync(self._file)
                with contextlib.suppress(FileNotFoundError):  # a person has removed it
                    self._path.rename(self._path.with_name(name))
                new.rename(self._path)
                self._file, file = file, self._file  # the old one is closed below
                self._size = 0
        finally:
            os.close(file)

    def flush(self) -> None:
        """Get the lines to the disk, compress rotated files, and delete those beyond `keep`.

        A file that can't be compressed, on a full disk say, is compressed another time.
        """
        with self._swapping:
            os.fdatasync(self._file)
        for rotated in self._rotated():
            if rotated.suffix != ".gz":
                with contextlib.suppress(OSError):
                    _compress(rotated)
        if self._keep:
            for old in self._rotated()[: -self._keep]:
                old.unlink(missing_ok=True)

    def _rotated(self) -> list[Path]:
        """The rotated files, compressed or not, oldest first."""
        name = re.compile(re.escape(self._path.name) + r"\.\d{8}T\d{6}\.\d{6}Z(\.gz)?")
        return sorted(each for each in self._path.parent.iterdir() if name.fullmatch(each.name))

    async def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _write_all(file: int, data: bytes) -> None:
    while data:  # a disk that is nearly full takes a part of it; the next write then raises
        data = data[os.write(file, data) :]


def _end_of_lines(file: int) -> int:
    """Where the last whole line of the file ends, in bytes from its beginning; 0 if it has none."""
    end = os.fstat(file).st_size
    while end:
        start = max(0, end - 65_536)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _compress(path: Path) -> None:
    """Replace the file by its .gz, which appears whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        with path.open("rb") as plain, temporary.open("wb") as file:
            temporary.chmod(0o600)
            with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
                shutil.copyfileobj(plain, packed)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    temporary.replace(path.with_name(f"{path.name}.gz"))
    path.unlink()
