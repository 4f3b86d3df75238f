"""What the writer can be given to write, and what it reports of a batch. Values only: `rows` writes them."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from leadmasterd.capture import CapturedMessage
from leadmasterd.wire.events import (
    Account,
    Call,
    Malformed,
    MessageEdit,
    MessageRevoke,
    NumberChange,
    Reaction,
    SweepChat,
    SweepDone,
)


class SessionEvent(NamedTuple):
    """A phase change of the supervisor, as a stable code with values."""

    phase: str
    code: str
    values: dict[str, object]


class GapOpened(NamedTuple):
    """An outage begins: no live path since `since_at` (ISO), for the reason `cause` (a code)."""

    cause: str
    since_at: str


class GapEnded(NamedTuple):
    """The live path is back. The gap stays open until a sweep has fetched what was missed."""


class LinesMissing(NamedTuple):
    """Wire lines were lost. Messages that the sweeps up to the number `through` read may be among them."""

    through: int


Record = (
    CapturedMessage
    | MessageEdit
    | MessageRevoke
    | Reaction
    | Call
    | NumberChange
    | SweepChat
    | SweepDone
    | Malformed
    | Account
    | SessionEvent
    | GapOpened
    | GapEnded
    | LinesMissing
)


class Item(NamedTuple):
    """One thing to write.

    `line`: the wire line behind it as it came (UTF-8), None when there is none. `at`: when it was read (ISO).
    """

    record: Record
    line: bytes | None
    at: str


WhyHeld = Literal["history_incomplete", "lines_missing"]
"""Why a sweep moves no watermark: older messages may still come after a new link, or some of its lines may be lost."""


@dataclass(frozen=True, slots=True)
class SweepOutcome:
    """A sweep whose last line is committed, and what it found that the live path had not delivered.

    `undelivered`: how many messages were so old that the live path should have delivered them. `young`: the ids of
    those that may still arrive live. `watermark_held`: why it could not move a watermark or close an outage; None
    when it could.
    """

    done: SweepDone
    undelivered: int
    young: frozenset[int]
    watermark_held: WhyHeld | None


@dataclass(slots=True)
class BatchResult:
    """What a committed batch contained, for `status` and the sweeper."""

    live: int = 0
    sweep: int = 0
    rejected: int = 0
    repeated: int = 0
    """Copies of stored messages that told nothing new."""
    last_message_at: str | None = None
    """WhatsApp's time (ISO) of the latest new message; None when there is none."""
    new_account_beside: tuple[str, str] | None = None
    """(the new number, the one before), when a number was linked that this database did not know. None: none was."""
    sweeps_done: list[SweepOutcome] = field(default_factory=list)
    delivered: set[int] = field(default_factory=set)
    """Ids of messages that were stored before and now arrived live too: the live path works for them."""
