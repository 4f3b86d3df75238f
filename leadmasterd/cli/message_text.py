"""A message as people read it in a list."""

from leadmasterd.queries.lead_detail import DetailMessage
from leadmasterd.queries.messages import CapturedMessage
from leadmasterd.text import _, printable


def message_text(message: CapturedMessage | DetailMessage) -> str:
    """Its text, with what became of it. Safe to print on a terminal."""
    body = message["body"] or ""
    if message["readable_at"] is None:
        return _("[not readable yet]")
    if message["revoked_at"]:
        return printable(_("[deleted] {body}").format(body=body))
    text = body if message["type"] == "chat" else f"[{message['type']}] {body}".rstrip()
    return printable(text + (_(" (edited)") if message["edited_at"] else ""))
