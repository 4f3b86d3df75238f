"""The intake: lines of the child are decoded, filtered and queued for the store in the order they came.

Messages wait for `ready`, which names their account: after another number was scanned, the old account must not get
them. A gap in the sequence numbers means missing lines; a sweep brings them.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from leadmasterd.capture import CapturedMessage, CaptureFilter, CaptureRules, Skipped
from leadmasterd.store.records import Item
from leadmasterd.store.writer import Writer
from leadmasterd.text import printable
from leadmasterd.times import iso
from leadmasterd.wire import decode
from leadmasterd.wire.events import (
    Authenticated,
    Call,
    Ciphertext,
    Event,
    Lifecycle,
    Malformed,
    Message,
    MessageEdit,
    MessageRevoke,
    NumberChange,
    Reaction,
    Ready,
    SweepChat,
    SweepDone,
    Unknown,
)

log = logging.getLogger(__name__)

HIGH_WATER: Final = 4000
LOW_WATER: Final = 500
"""Queued items at which reading pauses, and resumes. Meanwhile the child's pipe fills up."""
MAX_HELD: Final = 20_000
"""Items that are held until `ready` names the account, at most."""
MAX_REJECTED_PER_CHILD: Final = 1000
"""Bad lines of one child that are stored: a broken child must not fill the disk. All are logged."""
_NUMBERING: Final = re.compile(rb'"(?:seq|at)": ?\d+')
"""A line's number and time, which differ when a sweep brings the same line again."""
_made: Final = tuple.__new__
"""Makes an `Item` of a tuple, in less time than its constructor takes: it is used once per message."""


@dataclass(slots=True)
class _Read:
    """One read of the pipe: when it was, and the items for the store that its lines have made so far."""

    now: datetime
    at: str
    """The same as ISO text."""
    items: list[Item] = field(default_factory=list)


class Intake:
    """Takes the lines of one child after the other.

    `on_lifecycle` gets every event that is not data, `on_missing` the number of lines that are missing. `on_pressure`
    asks to stop reading (True) because the store can't keep up, and to go on (False). `linked_elsewhere_at`
    returns when (ISO) an imported session was linked on another computer; None once the session has worked here.
    `known_ignored`: further ids of ignored people, each with the entry of the settings that names the same person;
    `on_more_ignored` gets all of them whenever the child's lines name more.
    """

    def __init__(
        self,
        rules: CaptureRules,
        writer: Writer,
        *,
        on_lifecycle: Callable[[Lifecycle], None],
        on_missing: Callable[[int], None],
        on_pressure: Callable[[bool], None],
        linked_elsewhere_at: Callable[[], str | None] = lambda: None,
        known_ignored: Mapping[str, str] | None = None,
        on_more_ignored: Callable[[Mapping[str, str]], None] = lambda _: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rules = rules
        self._writer = writer
        self._on_lifecycle = on_lifecycle
        self._on_missing = on_missing
        self._on_pressure = on_pressure
        self._linked_elsewhere_at = linked_elsewhere_at
        self._on_more_ignored = on_more_ignored
        self._clock = clock
        self._filter = CaptureFilter(rules, known_ignored)
        self.child_started()

    def child_started(self) -> None:
        """Another child has started: forget the last one, but keep the further ids of ignored people that it named."""
        self._filter = CaptureFilter(self._rules, self._filter.learnt)
        self._seq = 0
        self._account_known = False
        self._held: list[Item] = []
        self._linked_at: str | None = None
        """When a scan first linked the phone in this child's life (ISO)."""
        self._rejected: set[bytes | int] = set()
        """What tells apart the bad lines that were stored: a hash of the line, or a running number."""
        self._doubts: set[str] = set()
        """Why chats could not be read, as far as it was logged."""

    def lines(self, lines: Sequence[bytes]) -> None:
        """Take the lines of one read."""
        now = self._clock()
        read = _Read(now, iso(now))
        known = len(self._filter.learnt)
        try:
            for raw in lines:
                event, line = decode.decode_line(raw)
                if type(event) is Message:  # nearly always: it need not be compared with everything else
                    self._count(event.seq)
                    self._take_message(event, line, read)
                    continue
                if not isinstance(event, Malformed):
                    self._count(event.seq)
                self._take(event, line, read)
        finally:  # a callback that fails must not lose the messages before it
            self._queue(read.items)
        if len(self._filter.learnt) > known:
            self._on_more_ignored(self._filter.learnt)
        if self._writer.waiting > HIGH_WATER:
            self._on_pressure(True)

    def batch_written(self) -> None:
        """The store has written a batch, which is durable or about to be: read on if little enough is queued."""
        if self._writer.waiting < LOW_WATER:
            self._on_pressure(False)

    def oversize(self, head: bytes, length: int) -> None:
        """A line of `length` bytes, more than the protocol allows, was skipped; it began with `head`."""
        self._queue(self._reject(decode.oversize(head, length), None) or [])

    def cut_short(self, tail: bytes) -> None:
        """The child ended in the middle of a line, after `tail`."""
        self._queue(self._reject(decode.malformed("was cut short by the child's end", tail), None) or [])

    def _take(self, event: Event, line: bytes | None, read: _Read) -> None:
        """Add to `read` what is to be stored of this event, or hand it to `on_lifecycle`. `line`: its raw text."""
        match event:
            case Message() | Ciphertext():
                self._take_message(event, line, read)
            case MessageEdit() | MessageRevoke() | Reaction() | Call():
                if not self._filter.refusal(event):
                    read.items.append(Item(event, line, read.at))
            case NumberChange():
                if not self._filter.refusal_of_change(event):
                    read.items.append(Item(event, line, read.at))
            case SweepChat() | SweepDone():
                self._note_doubt(event)
                read.items.append(Item(event, None, read.at))
            case Malformed():
                self._take_malformed(event, line, read)
            case Unknown(type_, seq):
                log.warning("line %d has the unknown type %s", seq, type_, extra={"action": "unknown_line"})
            case Ready():
                self._ready(event, read)
                self._on_lifecycle(event)
            case Authenticated():
                self._linked_at = self._linked_at or read.at
                self._on_lifecycle(event)
            case lifecycle:  # all that is left; the type checker refuses any other event
                self._on_lifecycle(lifecycle)

    def _take_message(self, event: Message | Ciphertext, line: bytes | None, read: _Read) -> None:
        decision = self._filter.decide(event, read.now)
        if not isinstance(decision, Skipped):
            read.items.append(_made(Item, (decision, line, read.at)))

    def _take_malformed(self, event: Malformed, line: bytes | None, read: _Read) -> None:
        """Store a line that can't be decoded, and count it as received: a sweep would only bring the same line again.

        A line that is not stored, because there are too many, counts as missing.
        """
        rejected = self._reject(event, line)
        if event.seq is not None and rejected is not None:
            self._count(event.seq)
        read.items += rejected or []

    def _note_doubt(self, event: SweepChat | SweepDone) -> None:
        """Log why a sweep could not read a chat; each reason once per child, because many chats may share it."""
        if event.error is not None and event.error not in self._doubts:
            self._doubts.add(event.error)
            log.warning("a sweep is in doubt: %s", printable(event.error), extra={"action": "sweep_in_doubt"})

    def _ready(self, event: Ready, read: _Read) -> None:
        """The account is known: put it before the items that were held or came earlier in this read; they belong to it.

        The account is dated by its link, here or elsewhere: messages from between the link and now came after the link.
        """
        linked_here_at = self._linked_at if event.fresh else None
        linked_at = linked_here_at or self._linked_elsewhere_at() or read.at
        self._filter.use_account(event.account)
        waiting = [item for item in (*self._held, *read.items) if not self._is_own_chat(item)]
        read.items[:] = [Item(event.account, None, linked_at), *waiting]
        self._account_known = True
        self._held = []

    def _is_own_chat(self, item: Item) -> bool:
        """Whether the item belongs to the account's chat with itself (notes), which is not captured."""
        match item.record:
            case CapturedMessage() | MessageEdit() | MessageRevoke() | Reaction() | Call():
                return self._filter.is_own_chat(item.record)
            case _:  # of no chat
                return False

    def _reject(self, bad: Malformed, line: bytes | None) -> list[Item] | None:
        """Log a bad line, and return the item to store for it.

        An empty list: the same line is stored already, because every sweep brings it again. None: this child has sent
        too many bad lines to store another.
        """
        # only its length: it may contain a message's text, and logs carry none
        log.warning("a line of %d bytes %s", bad.length, bad.why, extra={"action": "bad_line"})
        identity: bytes | int = len(self._rejected)  # for a line that can't be compared: a number not used before
        if line is not None and bad.seq is not None:
            identity = hashlib.blake2b(_NUMBERING.sub(b"", line), digest_size=16).digest()
        if identity in self._rejected:
            return []
        if len(self._rejected) >= MAX_REJECTED_PER_CHILD:
            return None
        self._rejected.add(identity)
        if self._filter.mentions_ignored(line.decode() if line else bad.head):
            bad, line = replace(bad, head="(not kept: it may be of a chat that is not captured)"), None
        return [Item(bad, line, iso(self._clock()))]

    def _count(self, seq: int) -> None:
        """Note this line's number, and report how many numbers before it were skipped."""
        if seq == self._seq + 1:
            self._seq = seq
            return
        missing = seq - self._seq - 1
        self._seq = max(seq, self._seq)
        if missing > 0:
            self._on_missing(missing)

    def _queue(self, items: list[Item]) -> None:
        """Hand items to the writer. Until `ready` names the account, all but rejected lines are held back.

        If too many are held, they are dropped and reported as missing, so that a sweep brings them.
        """
        if not items:
            return
        if self._account_known:
            self._writer.put(items)
            return
        rejected = [item for item in items if isinstance(item.record, Malformed)]
        self._held += [item for item in items if not isinstance(item.record, Malformed)]
        if len(self._held) > MAX_HELD:
            self._on_missing(len(self._held))
            self._held = []
        if rejected:
            self._writer.put(rejected)
