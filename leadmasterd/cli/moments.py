"""Times as people type and read them."""

import sys
from datetime import UTC, datetime

from leadmasterd.text import _


def moment_from(text: str) -> datetime:
    """A moment as typed (ISO 8601; UTC unless it says otherwise). Ends the program with 64 when it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        print(
            _("cannot use the time {text}: write it as 2026-11-23 or 2026-11-23T14:30").format(text=text),
            file=sys.stderr,
        )
        raise SystemExit(64) from None
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def length(seconds: float) -> str:
    """A duration, as coarse as people say it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min"
    if seconds < 86400:
        return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"
    return f"{seconds // 86400:.0f} d {seconds % 86400 // 3600:.0f} h"
