"""What can be written, and what a batch of it came to. Values only; `rows` says what each does to the tables."""

from dataclasses import dataclass, field
from typing import NamedTuple

from leadmasterd.capture import CapturedMessage
from leadmasterd.wire.events import Account, Call, Malformed, MessageEdit, MessageRevoke, Reaction, SweepChat, SweepDone


class SessionEvent(NamedTuple):
    """A phase change of the supervisor: a stable code with values, never a sentence."""

    phase: str
    code: str
    values: dict[str, object]


class GapOpened(NamedTuple):
    """The live path is gone since `since_at` (ISO), for the reason `cause`."""

    cause: str
    since_at: str


class GapEnded(NamedTuple):
    """The live path is back; the gap stays open until a sweep has fetched what it hid."""


Record = (
    CapturedMessage
    | MessageEdit
    | MessageRevoke
    | Reaction
    | Call
    | SweepChat
    | SweepDone
    | Malformed
    | Account
    | SessionEvent
    | GapOpened
    | GapEnded
)


class Item(NamedTuple):
    """One thing to write: the record, the wire line behind it (None when there is none), and when it was read (ISO)."""

    record: Record
    text: str | None
    at: str


@dataclass(frozen=True, slots=True)
class SweepOutcome:
    """A sweep whose last line is committed, and what it found that no live line had brought.

    `unheard`: messages old enough that the live path should have brought them. `young`: the ids of those that may still
    be on their way.
    """

    done: SweepDone
    unheard: int
    young: frozenset[int]


@dataclass(slots=True)
class BatchResult:
    """What a committed batch was, for the counters of `status`."""

    live: int = 0
    sweep: int = 0
    duplicates: int = 0
    filled: int = 0
    rejected: int = 0
    last_message_at: str | None = None
    new_account_beside: tuple[str, str] | None = None
    """(the new number, the one listened to before), when another number was scanned."""
    sweeps_done: list[SweepOutcome] = field(default_factory=list)
    heard: set[int] = field(default_factory=set)
    """Ids of messages that a sweep had found first and that now came live as well."""

    def add_message(self, via: str, at: str) -> None:
        """Count one new message row."""
        if via == "live":
            self.live += 1
        else:
            self.sweep += 1
        if self.last_message_at is None or at > self.last_message_at:
            self.last_message_at = at
