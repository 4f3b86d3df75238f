"""Finds attempts to send through WhatsApp Web, in `refused.jsonl`, to which the daemon adds a line for each."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from leadmasterd import causes, times
from leadmasterd.alerts import words
from leadmasterd.alerts.kinds import Condition, Kind
from leadmasterd.clock import Clock

_HOLDS: Final = timedelta(hours=1)
"""How long the condition holds after the last attempt. Attempts that are less apart are a series, told as one."""
_TAIL: Final = 256 * 1024
"""Bytes at the end of the file that are read: some two thousand attempts."""


class _Tried(NamedTuple):
    """What was tried. `function`: of the page, as `module.function`; `refused`: False if the function was run."""

    function: str
    refused: bool


@dataclass(slots=True)
class _Series:
    """Attempts to do the same, each less than `_HOLDS` after the one before."""

    first: datetime
    last: datetime
    number: int


class RefusedFile:
    """Reads the end of the file, again whenever it has changed."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "refused.jsonl"
        self._version: tuple[int, int, int] | None = None
        """Inode, size and time of the file that was read last."""
        self._series: Mapping[_Tried, _Series] = {}

    def look(self, clock: Clock) -> list[Condition]:
        """A condition for each function that was tried within the last hour; none while there is no file.

        Raises OSError when the file can't be read.
        """
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return []
        version = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if version != self._version:
            self._series = self._read(stat.st_size)
            self._version = version
        return [
            Condition(
                Kind.SEND_REFUSED,
                tried.function if tried.refused else f"{tried.function} (seen)",
                series.first,
                words.refused(tried.function, series.number, series.first, clock, was_refused=tried.refused),
            )
            for tried, series in self._series.items()
            if clock.now - series.last < _HOLDS
        ]

    def _read(self, size: int) -> Mapping[_Tried, _Series]:
        """The latest series of attempts of each function, from the end of the file. `size`: of the file, in bytes."""
        with self._path.open("rb") as file:
            file.seek(max(0, size - _TAIL), os.SEEK_SET)
            lines = file.read(_TAIL).split(b"\n")
        latest: dict[_Tried, _Series] = {}
        for line in lines:
            attempt = _attempt(line)
            if attempt is None:
                continue
            tried, at = attempt
            series = latest.get(tried)
            if series is None or at - series.last >= _HOLDS:
                latest[tried] = _Series(first=at, last=at, number=1)
            else:
                series.last = at
                series.number += 1
        return latest


def _attempt(line: bytes) -> tuple[_Tried, datetime] | None:
    """What was tried, and when, by a line of the file. None if the line is not as the daemon writes it, or not whole.

    The first line is not whole if reading began in its middle, and the last one if it is still being written. A power
    cut can damage any line. The other lines still count.
    """
    try:
        entry = json.loads(line)
        tried = _Tried(f"{entry['module']}.{entry['function']}", refused=entry["where"] != "seen")
        at = times.from_iso(entry["at"])
    except causes.NO_JSON:
        return None
    return tried, at
