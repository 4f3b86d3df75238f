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
"""Bytes at which the file becomes `refused.jsonl.1`, replacing an older one: a loop must not fill the disk."""


class AuditFile:
    """Appends to the file; each line is durable at once.

    A line is a JSON object: `at` (UTC), the `module` and `function` that were called, and `where` the call was refused:
    in the `page` or in the library (`view`). With `seen` a request was only noticed, not refused.
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "refused.jsonl"

    def append(self, module: str, function: str, where: str) -> None:
        """Add one attempt. If it can't be written, the journal still has it."""
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
