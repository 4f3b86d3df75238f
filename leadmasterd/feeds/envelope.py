"""An event as receivers get it: its id, its JSON, and its signature. Pure.

`after_gap` always means: an event just before this one was given up, and the receiver is to know.
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
    """The id by which a receiver recognises an event that it got before (its idempotency key).

    It is made from the event itself, so every try has the same, and the events of another database have others.
    """
    identity = f"{event.event_id} {event.kind} {event.stream} {event.at}"
    return f"evt_{event.event_id}_{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def standard(event: Event, *, after_gap: bool) -> dict[str, Any]:
    """The body of Standard Webhooks 1.0.0: its three members, and `after_gap` and `replayed` where they are true."""
    marks = _true_marks({"after_gap": after_gap, "replayed": _is_replayed(event)})
    return {"type": event.kind, "timestamp": event.at, "data": event.data, **marks}


def cloud_event(event: Event, *, after_gap: bool) -> dict[str, Any]:
    """The structured form of CloudEvents 1.0, whose attributes have names of lower-case letters and digits only."""
    marks = _true_marks({"aftergap": after_gap, "replayed": _is_replayed(event)})
    subject = {} if event.stream == NO_STREAM else {"subject": f"conversation/{event.stream}"}
    return {
        "specversion": "1.0",
        "id": id_of(event),
        "source": SOURCE,
        "type": event.kind,
        "time": event.at,
        **subject,
        "datacontenttype": "application/json",
        **marks,
        "data": event.data,
    }


MARKS: Final = ("id", "type", "timestamp", "after_gap", "replayed")
"""What a template can name besides the fields of `data`."""


def by_template(template: Mapping[str, Any], event: Event, *, after_gap: bool) -> Any:
    """The JSON of a receiver with a format of its own: the feed's `template`, filled with this event's values."""
    values = {
        "id": id_of(event),
        "type": event.kind,
        "timestamp": event.at,
        "after_gap": after_gap,
        "replayed": _is_replayed(event),
        **{f"data.{name}": value for name, value in event.data.items()},
    }
    return filled(template, values)


def _is_replayed(event: Event) -> bool:
    """Whether a person had the event sent again: such an event is for one feed only."""
    return event.feed is not None


def _true_marks(marks: Mapping[str, bool]) -> dict[str, bool]:
    """The marks that are true: one that is false is left out of the JSON."""
    return {name: True for name, holds in marks.items() if holds}


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """The value as JSON in UTF-8, on one line and without spaces."""
    return json_line(value, separators=(",", ":")).encode()


def signature(keys: Iterable[bytes], *, webhook_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header of Standard Webhooks: one signature for each key, separated by spaces.

    `timestamp`: seconds since 1970, as in the `webhook-timestamp` header.
    """
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return " ".join("v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys)
