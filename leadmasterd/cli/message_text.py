"""A message as people read it in a list."""

from leadmasterd.clock import Clock
from leadmasterd.queries.lead_detail import DetailMessage
from leadmasterd.queries.messages import CapturedMessage, content_of
from leadmasterd.readable import line
from leadmasterd.text import _, printable


def message_text(message: CapturedMessage | DetailMessage, clock: Clock) -> str:
    """Its text, or a description of its content, marked if it was deleted or edited. Safe to print on a terminal."""
    text = line(content_of(message), clock.full)
    if message["revoked_at"]:
        return printable(_("[deleted] {text}").format(text=text).rstrip())
    return printable(text + (_(" (edited)") if message["edited_at"] else ""))
