"""The kinds of alerts, and `Condition`: something that holds now and that a person may be told.

Pure. Alerts look every few seconds for the conditions that hold. Each is told once, however long it holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What an alert is about; the values stand in `alerts.db` and in the settings (`alerts.kinds`)."""

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
    """The database can't be written or read, the rules file has an error, or WhatsApp Web has changed."""
    ABOUT_TO_MISS = "about_to_miss"
    """Somebody waits, and the target for an answer passes soon."""
    MISSED = "missed"
    """Somebody waits, and the target has passed."""
    NEW_LEAD = "new_lead"
    FOLLOW_UPS = "follow_ups"
    MORNING = "morning"
    EVENING = "evening"


@dataclass(frozen=True, slots=True)
class Traits:
    """How alerts of a kind are treated."""

    urgent: bool
    """Whether it is told in quiet hours too."""
    end_is_told: bool
    """Whether its end is told too ("It is back"), if the alert itself was."""


TRAITS: Final[Mapping[Kind, Traits]] = {
    Kind.NEEDS_SCAN: Traits(urgent=True, end_is_told=True),
    Kind.NEEDS_PASSKEY: Traits(urgent=True, end_is_told=True),
    Kind.DOWN: Traits(urgent=True, end_is_told=True),
    Kind.BANNED: Traits(urgent=True, end_is_told=True),
    Kind.SCREEN: Traits(urgent=True, end_is_told=True),
    Kind.DISK: Traits(urgent=True, end_is_told=True),
    Kind.PHONE_SILENT: Traits(urgent=False, end_is_told=False),
    Kind.SEND_REFUSED: Traits(urgent=True, end_is_told=False),
    Kind.FEEDS: Traits(urgent=False, end_is_told=True),
    Kind.TROUBLE: Traits(urgent=True, end_is_told=True),
    Kind.ABOUT_TO_MISS: Traits(urgent=False, end_is_told=False),
    Kind.MISSED: Traits(urgent=False, end_is_told=False),
    Kind.NEW_LEAD: Traits(urgent=False, end_is_told=False),
    Kind.FOLLOW_UPS: Traits(urgent=False, end_is_told=False),
    Kind.MORNING: Traits(urgent=False, end_is_told=False),
    Kind.EVENING: Traits(urgent=False, end_is_told=False),
}


TITLE: Final = 60
"""Characters of a title: one line of a lock screen."""
BODY: Final = 3_500
"""Characters of a body."""


@dataclass(frozen=True, slots=True)
class Text:
    """What a person reads: plain text, in the language that was set when it was made."""

    title: str
    """At most `TITLE` characters."""
    body: str
    """At most `BODY` characters. It quotes customers only if the setting `[alerts] bodies` is on."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that holds now, and what to say of it."""

    kind: Kind
    subject: str
    """Which of its kind: the id of a waiting cycle or a lead, a day as `2026-11-30`, the code of a warning and so on.

    "" for the WhatsApp session, of which there is only one."""
    since: datetime
    """Since when it holds, aware and in UTC."""
    text: Text
