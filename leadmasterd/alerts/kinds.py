"""What a person can be told: its kinds, and a condition that holds or does not hold now.

Pure. Everything that may be told is such a condition, found by looking: an alert is told once while it holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What is told, as it is stored and as the settings name it."""

    NEEDS_SCAN = "needs_scan"
    NEEDS_PASSKEY = "needs_passkey"
    DOWN = "down"
    BANNED = "banned"
    SCREEN = "screen"
    """WhatsApp Web shows a full screen or a dialog instead of the chats."""
    DISK = "disk"
    PHONE_SILENT = "phone_silent"
    SEND_REFUSED = "send_refused"
    FEEDS = "feeds"
    """A feed is down or disabled, or gave events up."""
    TROUBLE = "trouble"
    """The database cannot be written or read."""
    ABOUT_TO_MISS = "about_to_miss"
    MISSED = "missed"
    NEW_LEAD = "new_lead"
    FOLLOW_UPS = "follow_ups"
    MORNING = "morning"
    EVENING = "evening"


@dataclass(frozen=True, slots=True)
class Facts:
    """How a kind is told."""

    urgent: bool
    """Told in quiet hours too."""
    end_is_told: bool
    """"It is back" is told too, after the alert itself was."""


FACTS: Final[Mapping[Kind, Facts]] = {
    Kind.NEEDS_SCAN: Facts(urgent=True, end_is_told=True),
    Kind.NEEDS_PASSKEY: Facts(urgent=True, end_is_told=True),
    Kind.DOWN: Facts(urgent=True, end_is_told=True),
    Kind.BANNED: Facts(urgent=True, end_is_told=True),
    Kind.SCREEN: Facts(urgent=True, end_is_told=True),
    Kind.DISK: Facts(urgent=True, end_is_told=True),
    Kind.PHONE_SILENT: Facts(urgent=False, end_is_told=False),
    Kind.SEND_REFUSED: Facts(urgent=True, end_is_told=False),
    Kind.FEEDS: Facts(urgent=False, end_is_told=True),
    Kind.TROUBLE: Facts(urgent=True, end_is_told=True),
    Kind.ABOUT_TO_MISS: Facts(urgent=False, end_is_told=False),
    Kind.MISSED: Facts(urgent=False, end_is_told=False),
    Kind.NEW_LEAD: Facts(urgent=False, end_is_told=False),
    Kind.FOLLOW_UPS: Facts(urgent=False, end_is_told=False),
    Kind.MORNING: Facts(urgent=False, end_is_told=False),
    Kind.EVENING: Facts(urgent=False, end_is_told=False),
}


TITLE: Final = 60
"""Characters: one line of a lock screen."""
BODY: Final = 3_500


@dataclass(frozen=True, slots=True)
class Text:
    """What a person reads: plain text, in the chosen language once it is made."""

    title: str
    """At most `TITLE` characters."""
    body: str
    """At most `BODY` characters; no words of a customer unless `[alerts] bodies`."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that holds now, and what to say of it."""

    kind: Kind
    subject: str
    """Which of its kind: "" for the one session, else a cycle's id, a lead's, a day as `2026-11-30` and so on."""
    since: datetime
    """Since when it holds, aware and in UTC."""
    text: Text
