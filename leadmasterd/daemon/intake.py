"""The child's lines on their way in: decoded, judged, queued for the store in the order they came.

Messages wait for `ready`, which says whose they are: after another number was scanned the old account must not get
them. A hole in `seq` means that a line is missing; a sweep brings it.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from leadmasterd import capture, identity, times
from leadmasterd.capture import CaptureRules, Skipped
from leadmasterd.store.records import Item
from leadmasterd.store.writer import Writer
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
    Reaction,
    Ready,
    SweepChat,
    SweepDone,
    Unknown,
)

log = logging.getLogger(__name__)

HIGH_WATER: Final = 4000
LOW_WATER: Final = 500
"""Items queued for the store at which reading pauses, and goes on. The child's pipe fills up meanwhile."""
MAX_HELD: Final = 20_000
MAX_REJECTED_A_LIFE: Final = 1000
"""Bad lines kept on disk from one child; a child gone mad must not fill the disk. All are counted."""


class Intake:
    """Reads one child after the other. `on_lifecycle` hears of all that is not data, `on_hole` of missing lines.

    `on_pressure` says when to stop reading (True) because the store can't follow, and when to go on.
    """

    def __init__(
        self,
        rules: CaptureRules,
        writer: Writer,
        *,
        on_lifecycle: Callable[[Lifecycle], None],
        on_hole: Callable[[int], None],
        on_pressure: Callable[[bool], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rules = rules
        self._writer = writer
        self._on_lifecycle = on_lifecycle
        self._on_hole = on_hole
        self._on_pressure = on_pressure
        self._clock = clock
        self.skipped = 0
        self.malformed = 0
        self.unknown = 0
        self.missing = 0
        self.new_life()

    def new_life(self) -> None:
        """A child was started: nothing is known of it yet."""
        self._seq = 0
        self._account_known = False
        self._held: list[Item] = []
        self._linked_at: str | None = None
        self._rejected = 0
        self._ignored_too: set[str] = set()

    def lines(self, lines: Sequence[bytes]) -> None:
        """Take the lines of one read."""
        now = self._clock()
        at = times.iso(now)
        items: list[Item] = []
        try:
            for raw in lines:
                event, text = decode.decode_line(raw)
                if not isinstance(event, Malformed):
                    self._count(event.seq)
                if isinstance(event, Message | Ciphertext):
                    captured = capture.capture(event, self._rules, now)
                    if isinstance(captured, Skipped):
                        self._skip(event)
                    else:
                        items.append(Item(captured, text, at))
                else:
                    self._other(event, text, at, items)
        finally:  # a listener of ours that fails must not take the messages before it along
            self._queue(items)
        if self._writer.pending > HIGH_WATER:
            self._on_pressure(True)

    def batch_committed(self) -> None:
        """The store has caught up with something."""
        if self._writer.pending < LOW_WATER:
            self._on_pressure(False)

    def oversize(self, head: bytes, length: int) -> None:
        """A line longer than the protocol allows was skipped."""
        why = f"is {length} bytes long, more than {decode.MAX_LINE}"
        self._queue(self._refused(Malformed(why, head.decode("utf-8", "backslashreplace"), length), None))

    def cut_short(self, tail: bytes) -> None:
        """The child's last words had no end."""
        self._queue(self._refused(decode.malformed("was cut short by the child's end", tail), None))

    def _other(self, event: Event, text: str | None, at: str, items: list[Item]) -> None:
        match event:
            case MessageEdit() | MessageRevoke() | Reaction():
                self._about(event, event.key.remote, text, at, items)
            case Call():
                self._about(event, event.chat, text, at, items)
            case SweepChat() | SweepDone():
                items.append(Item(event, None, at))
            case Malformed():
                items += self._refused(event, text)
            case Unknown(type_, seq):
                self.unknown += 1
                log.warning("line %d is of the unknown type %s", seq, type_, extra={"action": "unknown_line"})
            case Ready(account=account):
                linked_at = self._linked_at if event.fresh and self._linked_at else at
                # whatever came before it, in this read too, is for the account that it names
                items[:] = [Item(account, None, linked_at), *self._held, *items]
                self._account_known = True
                self._held = []
                self._on_lifecycle(event)
            case Authenticated():
                self._linked_at = self._linked_at or at
                self._on_lifecycle(event)
            case Message() | Ciphertext():
                raise AssertionError("messages take the short way")
            case _:
                self._on_lifecycle(event)

    def _about(
        self,
        event: MessageEdit | MessageRevoke | Reaction | Call,
        chat: str,
        text: str | None,
        at: str,
        items: list[Item],
    ) -> None:
        chat = identity.canonical_id(chat)
        if chat in self._ignored_too or capture.refusal(chat, (), self._rules):
            self.skipped += 1
        else:
            items.append(Item(event, text, at))

    def _skip(self, event: Message | Ciphertext) -> None:
        """Reactions and calls carry one id only: remember by which others an ignored chat is known."""
        self.skipped += 1
        _, _, aliases = capture.conversation_of(event.key, event.contact)
        if capture.is_ignored(self._rules, aliases):
            self._ignored_too.update(aliases)

    def _refused(self, bad: Malformed, text: str | None) -> list[Item]:
        self.malformed += 1
        self._rejected += 1
        # only its length: a message's text may be in it, and logs carry none
        log.warning("a line of %d bytes %s", bad.length, bad.why, extra={"action": "bad_line"})
        if self._rejected > MAX_REJECTED_A_LIFE:
            return []
        if any(entry.partition("@")[0] in (text or bad.head) for entry in self._rules.ignore):
            bad, text = replace(bad, head="(not kept: it speaks of an ignored chat)"), None
        return [Item(bad, text, times.iso(self._clock()))]

    def _count(self, seq: int) -> None:
        missing = seq - self._seq - 1
        self._seq = max(seq, self._seq)
        if missing > 0:
            self.missing += missing
            self._on_hole(missing)

    def _queue(self, items: list[Item]) -> None:
        if not items:
            return
        if self._account_known:
            self._writer.put(items)
            return
        ours = [item for item in items if isinstance(item.record, Malformed)]
        self._held += [item for item in items if not isinstance(item.record, Malformed)]
        if len(self._held) > MAX_HELD:
            self._on_hole(len(self._held))
            self._held = []
        if ours:
            self._writer.put(ours)
