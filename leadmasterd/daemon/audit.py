"""`refused.jsonl`: every attempt to send that was refused, one line each, as evidence that nothing was sent."""

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from leadmasterd import times

log = logging.getLogger(__name__)

LARGEST: Final = 10_000_000
"""Bytes at which the file is put aside as `refused.jsonl.1`: the attempts of some program in a loop."""


class AuditFile:
    """The file, which is only appended to, each line durable at once.

    A line is a JSON object: `at` (UTC), the page's `module` and `function` that were called, and `where` the call was
    caught (`page`, `view`, or `seen`: not refused).
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "refused.jsonl"

    def append(self, module: str, function: str, where: str) -> None:
        """Add one attempt. What can't be written is in the journal all the same."""
        entry = {"at": times.iso(datetime.now(UTC)), "module": module, "function": function, "where": where}
        try:
            if self._path.exists() and self._path.stat().st_size >= LARGEST:
                self._path.replace(self._path.with_suffix(".jsonl.1"))
            fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, json.dumps(entry, ensure_ascii=False).encode() + b"\n")
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            log.error("cannot write %s: %s", self._path, error, extra={"action": "audit_unwritten"})  # noqa: TRY400
