"""An event as receivers get it: its id, its JSON, and its signature. Pure.

The id is made from the event itself, so every try has the same, and another database's events have others.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any, Final

from leadmasterd.feeds.events import NO_STREAM
from leadmasterd.json_line import json_line
from leadmasterd.outbox.reading import Event
from leadmasterd.settings.template import filled

MOST_BYTES: Final = 20_000
"""Bodies are shorter than this: Standard Webhooks 1.0.0 recommends below 20 KB."""
SOURCE: Final = "urn:leadmasterd"


def id_of(event: Event) -> str:
    """The idempotency key."""
    known_by = f"{event.event_id} {event.kind} {event.stream} {event.at}"
    return f"evt_{event.event_id}_{hashlib.sha256(known_by.encode()).hexdigest()[:12]}"


def standard(event: Event, *, after_gap: bool) -> dict[str, Any]:
    """The body of Standard Webhooks 1.0.0, and beside its three members only marks that are true."""
    return {"type": event.kind, "timestamp": event.at, "data": event.data, **_marks(event, "after_gap", after_gap)}


def cloud_event(event: Event, *, after_gap: bool) -> dict[str, Any]:
    """The structured form of CloudEvents 1.0. Names of its attributes have lower-case letters and digits only."""
    subject = {} if event.stream == NO_STREAM else {"subject": f"conversation/{event.stream}"}
    return {
        "specversion": "1.0",
        "id": id_of(event),
        "source": SOURCE,
        "type": event.kind,
        "time": event.at,
        **subject,
        "datacontenttype": "application/json",
        **_marks(event, "aftergap", after_gap),
        "data": event.data,
    }


MARKS: Final = ("id", "type", "timestamp", "after_gap", "replayed")
"""What a template can name beside the fields of `data`."""


def by_template(template: Mapping[str, Any], event: Event, *, after_gap: bool) -> Any:
    """A hub's own JSON."""
    values = {
        "id": id_of(event),
        "type": event.kind,
        "timestamp": event.at,
        "after_gap": after_gap,
        "replayed": event.feed is not None,
        **{f"data.{name}": value for name, value in event.data.items()},
    }
    return filled(template, values)


def _marks(event: Event, name: str, after_gap: bool) -> dict[str, bool]:
    return {mark: True for mark, holds in ((name, after_gap), ("replayed", event.feed is not None)) if holds}


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """UTF-8 without spaces, on one line."""
    return json_line(value, separators=(",", ":")).encode()


def signature(keys: Iterable[bytes], *, webhook_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one signature a key, separated by exactly one space."""
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return " ".join("v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys)
