"""A temporary ban of the number, remembered across restarts of the daemon and the machine.

Nothing is tried before the ban's end. WhatsApp names that end when the page connects (failure 402; WAWebHandleFailure,
2026-04-27).
"""

import json
import logging
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from leadmasterd.state.files import sync, write_private
from leadmasterd.supervisor.machine import Phase

log = logging.getLogger(__name__)


class BanFile:
    """`banned.json` in the state directory: `ban` (WhatsApp's code), `expires` (seconds since 1970) and `message`."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "banned.json"
        self._ban = self._read()

    def keep(self, ban: Mapping[str, object]) -> None:
        """Remember this ban. One without an end does not replace one whose end is known."""
        if self._ban and self._ban.get("expires") is not None and ban.get("expires") is None:
            return
        self._ban = dict(ban)
        try:
            write_private(self._path, json.dumps(self._ban, ensure_ascii=False).encode() + b"\n")
            for each in (self._path, self._path.parent):  # durable, because the machine may be restarted at any moment
                sync(each)
        except OSError as error:  # the ban holds until the daemon ends
            log.error("cannot remember the ban: %s", error, extra={"action": "ban_unwritten"})  # noqa: TRY400

    def seconds_left(self, now: datetime) -> float | None:
        """How long the ban still lasts: infinite if WhatsApp named no end. None: there is no ban, or it is over."""
        if self._ban is None:
            return None
        expires = self._ban.get("expires")
        if not isinstance(expires, int | float):
            return math.inf
        left = expires - now.timestamp()
        return left if left > 0 else None

    def values(self, now: datetime) -> Mapping[str, Any]:
        """The ban as it was kept, for the reason of a halt to quote; empty when there is no ban, or it is over."""
        return {} if self._ban is None or self.seconds_left(now) is None else self._ban

    def follow(self, phase: Phase) -> None:
        """Forget the ban when the listener starts: it is over then, or a person started the listener in spite of it."""
        if phase is not Phase.STARTING or self._ban is None:
            return
        self._ban = None
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("cannot forget the ban: %s", error, extra={"action": "ban_unwritten"})

    def _read(self) -> dict[str, Any] | None:
        """The ban in the file; None without a file. A file that can't be read is a ban without an end, so `{}`."""
        try:
            ban = json.loads(self._path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(ban, dict):
            return {}
        return {
            "ban": _text_or_none(ban.get("ban")),
            "expires": _time_or_none(ban.get("expires")),
            "message": _text_or_none(ban.get("message")),
        }


def _text_or_none(value: object) -> str | None:
    """The value if it is text; else None."""
    return value if isinstance(value, str) else None


def _time_or_none(value: object) -> int | float | None:
    """The value if it is a time in seconds since 1970; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return value
