"""Attempts to send, from `refused.jsonl`, which the daemon writes."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from leadmasterd.alerts import words
from leadmasterd.alerts.kinds import Condition, Kind
from leadmasterd.clock import Clock

_FOR: Final = timedelta(hours=1)
"""Attempts that follow within this time are told as one."""
_TAIL: Final = 256 * 1024
"""Bytes at the end that are read: two thousand attempts."""


@dataclass(slots=True)
class _Attempts:
    first: datetime
    last: datetime
    number: int


class RefusedFile:
    """Reads the end of the file when it has changed."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "refused.jsonl"
        self._stamp: tuple[int, int, int] | None = None
        self._found: Mapping[tuple[str, bool], _Attempts] = {}

    def look(self, clock: Clock) -> list[Condition]:
        """One for each function that was tried. Raises OSError when the file can't be read."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return []
        stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
        if stamp != self._stamp:
            self._found, self._stamp = self._read(found.st_size), stamp
        return [
            Condition(
                Kind.SEND_REFUSED,
                name if refused else f"{name} (seen)",
                each.first,
                words.refused(name, each.number, each.first, clock, was_refused=refused),
            )
            for (name, refused), each in self._found.items()
            if clock.now - each.last < _FOR
        ]

    def _read(self, size: int) -> Mapping[tuple[str, bool], _Attempts]:
        """By function, and whether it was refused: the latest attempts of which none is long after the one before."""
        with self._path.open("rb") as file:
            file.seek(max(0, size - _TAIL), os.SEEK_SET)
            lines = file.read(_TAIL).split(b"\n")
        found: dict[tuple[str, bool], _Attempts] = {}
        for line in lines:
            if (entry := _entry(line)) is None:
                continue
            at = datetime.fromisoformat(entry["at"])
            key = f"{entry['module']}.{entry['function']}", entry["where"] != "seen"
            before = found.get(key)
            if before is None or at - before.last >= _FOR:
                found[key] = _Attempts(at, at, 1)
            else:
                before.last, before.number = at, before.number + 1
        return found


def _entry(line: bytes) -> dict[str, Any] | None:
    """None for the rest of a line of which the beginning was not read, and for one that is being written."""
    try:
        entry = json.loads(line)
        datetime.fromisoformat(entry["at"])
        return entry if {"module", "function", "where"} <= entry.keys() else None
    except (ValueError, KeyError, TypeError):
        return None
