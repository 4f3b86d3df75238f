"""Replay: put wire lines and people's decisions through capture, classification and leads, in a throwaway database.

The lines stand in the order of capture; what happened after `as_of` is left out. Edits and reactions are applied after
all messages, in the order of their own times: a daemon gets them in that order, or after a gap the current text from a
sweep. Revocations come last, because nothing changes a revoked message any more.
"""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Self, TypedDict

from sqlite_utils import Database

from leadmasterd import times
from leadmasterd.capture import CapturedMessage, CaptureFilter, CaptureRules, Skipped, chat_ids, ids_of, ids_of_change
from leadmasterd.identity import canonical_id, spellings
from leadmasterd.leads.stages import DECIDABLE, DISMISSED
from leadmasterd.projection.labels import Classifies
from leadmasterd.projection.policy import Policy
from leadmasterd.projection.projector import Projector
from leadmasterd.queries.database import records
from leadmasterd.store.dirty import dirty_conversations, mark_dirty
from leadmasterd.store.records import Item, Record
from leadmasterd.store.rows import Rows
from leadmasterd.store.schema import migrate
from leadmasterd.wire import decode
from leadmasterd.wire.events import (
    Account,
    Authenticated,
    Banned,
    BrowserStarted,
    Bye,
    Call,
    Ciphertext,
    CommandError,
    Contract,
    Dialog,
    Disconnected,
    Heartbeat,
    Hello,
    Malformed,
    Message,
    MessageEdit,
    MessageRevoke,
    NumberChange,
    OutboundBlocked,
    Page,
    PageError,
    PairingCode,
    Passkey,
    Qr,
    Reaction,
    Ready,
    Screen,
    SocketState,
    SweepChat,
    SweepDone,
    Unavailable,
    Unknown,
)

_DECISIONS: Final = (*DECIDABLE, DISMISSED)
_UNKNOWN_ACCOUNT: Final = Account("0@c.us", None, None, None)
"""The account of messages before the first `ready` line: a file may begin anywhere."""
_Change = MessageEdit | MessageRevoke | Reaction | CapturedMessage
"""What is applied after all messages. A message among them is one that a sweep found revoked."""
_YET_TO_COME: Final = timedelta(days=1)
"""A message dated up to this long after `as_of` has a right date, in the future; one dated later has a wrong date."""
_AT_ONCE: Final = 500
"""Rows of one transaction, and conversations of one projection."""
_BYTE_ORDER_MARK: Final = "\ufeff".encode()


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line that can't be used: its number from 1, and why."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class _Decision:
    """A line in which a person puts the lead of a chat into a stage, or dismisses its waiting. `line`: its number."""

    at: datetime
    chat: str
    stage: str
    line: int


class ReplayLead(TypedDict):
    """A lead that the lines make. Ids are valid in this replay only."""

    lead_id: int
    conversation_id: int
    chat: str
    stage: str
    intent: str
    opened_at: str
    reopened: int
    previous_lead_id: int | None
    waiting_since: str | None
    first_response_seconds: float | None


class ReplayConversation(TypedDict):
    """A conversation, its category, and since when it waits for an answer (None: it does not)."""

    conversation_id: int
    chat: str
    category: str | None
    waiting_since: str | None
    overdue: bool


class ReplayAlert(TypedDict):
    """A thing that a person would be alerted to, and when."""

    kind: str
    conversation_id: int
    due_at: str | None


class ReplayRecord(TypedDict):
    """The output of `leadmasterd replay`, as docs/json.md describes it."""

    as_of: str
    leads: list[ReplayLead]
    conversations: list[ReplayConversation]
    alerts: list[ReplayAlert]


@dataclass(slots=True)
class Replay:
    """One replay, as a context manager: `feed` it the lines, then take the `result`.

    `rules`: the settings for capture. `dormant_days`: the setting of that name. `refused` holds the lines that could
    not be used.
    """

    classifier: Classifies
    policy: Policy
    as_of: datetime
    rules: CaptureRules = field(default_factory=CaptureRules)
    dormant_days: int = 60
    refused: list[RejectedLine] = field(default_factory=list)
    _connection: sqlite3.Connection = field(init=False)
    _rows: Rows = field(init=False)
    _projector: Projector = field(init=False)
    _items: list[Item] = field(default_factory=list)
    _decisions: list[_Decision] = field(default_factory=list)
    _changes: list[tuple[_Change, datetime]] = field(default_factory=list)
    _account: str | None = None
    _filter: CaptureFilter = field(init=False)
    _aliases_seen: set[tuple[str, ...]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._filter = CaptureFilter(self.rules)
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.execute("PRAGMA foreign_keys = ON")
        migrate(Database(self._connection, execute_plugins=False))
        self._rows = Rows(self._connection)
        self._projector = Projector(self._connection, lambda: self.classifier, self.policy)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def feed(self, lines: Iterable[bytes]) -> None:
        """Take all lines, which stand in the order of capture, and make leads of them. To be called once."""
        for number, line in enumerate(lines, 1):
            line = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
            if line.strip():
                try:
                    self._take(line, number)
                except ValueError as error:
                    self.refused.append(RejectedLine(number, str(error)))
            if len(self._items) >= _AT_ONCE:
                self._write()
        self._apply_changes()
        self.refused += [
            RejectedLine(
                each.line, f"cannot use the decision: no line is of chat {each.chat}; name it as the messages do"
            )
            for each in self._decisions
        ]
        self._project_all()

    def _take(self, line: bytes, number: int) -> None:
        """Take the line with this number in the file. Raises ValueError, with the reason, if it can't be used."""
        if (length := len(line.removesuffix(b"\n"))) > decode.MAX_LINE:
            raise ValueError(f"the line {decode.oversize(line, length).why}")
        decision = _decision(line, number)
        if decision is not None:
            if decision.at <= self.as_of:
                self._decisions.append(decision)
            return
        event, valid = decode.decode_line(line)
        if isinstance(event, Malformed):
            raise ValueError(f"the line {event.why}")  # noqa: TRY004 - it is the line that is wrong, not a type of ours
        now = _captured_at(valid, self.as_of)
        match event:
            case Message() | Ciphertext():
                ids = chat_ids(event.key, event.contact, event.author)
                _refuse_broken_ids(event.key.stanza_id, event.key.remote, event.key.participant or "", *ids.of_person)
                self._take_message(event, now)
            case MessageEdit() | MessageRevoke() | Reaction():
                ids = ids_of(event)
                _refuse_broken_ids(event.key.stanza_id, event.key.remote, *ids.of_person)
                happened = _edited_t(event) if isinstance(event, MessageEdit) else event.t
                if not self._is_later(happened) and not self._filter.refusal(event):
                    self._before_a_merge(ids.aliases)
                    self._changes.append((event, _as_of_moment(happened, now, self.as_of)))
            case Call():
                ids = ids_of(event)
                _refuse_broken_ids(event.call_id, event.chat, *ids.of_person)
                if not self._is_later(event.t) and not self._filter.refusal(event):
                    self._before_a_merge(ids.aliases)
                    self._add(event, _as_of_moment(event.t, now, self.as_of))
            case NumberChange():
                both = ids_of_change(event)
                _refuse_broken_ids(*both)
                if not self._is_later(event.t) and not self._filter.refusal_of_change(event):
                    self._before_a_merge(both)
                    self._add(event, _as_of_moment(event.t, now, self.as_of))
            case Ready():
                self._ready(event.account, now)
            case (
                Hello()
                | BrowserStarted()
                | Qr()
                | PairingCode()
                | Authenticated()
                | SocketState()
                | Disconnected()
                | Banned()
                | Unavailable()
                | Passkey()
                | Screen()
                | PageError()
                | OutboundBlocked()
                | Contract()
                | Page()
                | Dialog()
                | Heartbeat()
                | CommandError()
                | Bye()
                | SweepChat()
                | SweepDone()
                | Unknown()
            ):
                pass  # no lead comes of it

    def _take_message(self, event: Message | Ciphertext, now: datetime) -> None:
        """Take a message, unless it is not captured or was sent after `as_of`. A revoked one counts as a change."""
        captured = self._filter.decide(event, _as_of_moment(event.t, now, self.as_of))
        if isinstance(captured, Skipped) or captured.sent_at > times.iso(self.as_of):
            return
        self._before_a_merge(captured.aliases)
        if captured.type == "revoked":
            self._changes.append((captured, now))
        else:
            self._add(captured, now)

    def _ready(self, account: Account, now: datetime) -> None:
        """Use this account from now on. What came before the first `ready` line becomes its own, too."""
        wid = canonical_id(account.wid)
        if self._account not in (None, wid):
            self._apply_changes()  # they are of the account before
        self._account = wid
        self._filter.use_account(account)
        self._write()
        self._connection.execute("UPDATE OR IGNORE accounts SET wid = ? WHERE wid = ?", (wid, _UNKNOWN_ACCOUNT.wid))
        self._add(account, now)
        self._write()

    def _is_later(self, t: int | None) -> bool:
        """Whether `t` (seconds since 1970) is after `as_of`. What has no time is not."""
        return t is not None and t > self.as_of.timestamp()

    def _add(self, record: Record, now: datetime) -> None:
        """Queue a record to be written. If no account is known yet, write an unknown one for it first."""
        if self._rows.account_id is None and not isinstance(record, Account):
            self._items.append(Item(_UNKNOWN_ACCOUNT, None, times.iso(now)))
            self._write()
        self._items.append(Item(record, None, times.iso(now)))

    def _apply_changes(self) -> None:
        """Write edits and reactions in the order of their times, then revocations. A file may mix them."""
        self._write()
        dated = [(self._when(event, moment), event, moment) for event, moment in self._changes]
        for when, event, moment in sorted(dated, key=lambda each: (_is_revoked(each[1]), each[0])):
            if isinstance(event, MessageEdit) and event.edited_t is None:
                if when > self.as_of.timestamp():
                    continue
                event = replace(event, t=None)  # it may be the time of the edit and not the message's
            self._add(event, moment)
        self._changes.clear()
        self._write()

    def _when(self, event: _Change, moment: datetime) -> float:
        """When a change happened, in seconds since 1970. `moment`: when it was captured, used if it carries no time.

        The `t` of an edit may be the time of its message. That does not count as the time of the edit.
        """
        t = _edited_t(event) if isinstance(event, MessageEdit) else event.t
        if isinstance(event, MessageEdit) and event.edited_t is None and self._rows.is_dated(event.key, t):
            t = None
        return moment.timestamp() if t is None else t

    def _before_a_merge(self, ids: tuple[str, ...]) -> None:
        """Make the leads of all lines so far if `ids` may join two contacts: each keeps the leads that it had alone."""
        if len(ids) > 1 and ids not in self._aliases_seen:
            self._aliases_seen.add(ids)
            self._write()
            self._project_all()

    def _write(self) -> None:
        """Write the queued records, then the decisions whose chats are known by now."""
        if self._items:
            self._connection.execute("BEGIN")
            self._rows.apply(self._items)
            self._connection.execute("COMMIT")
            self._items.clear()
        self._decisions = [each for each in self._decisions if not self._decide(each)]

    def _decide(self, decision: _Decision) -> bool:
        """Write a decision; False, and nothing written, if no line so far was of its chat."""
        digits, at, server = decision.chat.partition("@")
        chats = {decision.chat, *(spelling + at + server for spelling in spellings(digits) if server == "c.us")}
        # A chat with the id as it is written comes before other spellings of the phone.
        row = self._connection.execute(
            "SELECT conversation_id FROM conversations v LEFT JOIN contact_identities i USING (contact_id) "
            "WHERE v.chat IN (SELECT value FROM json_each(?1)) OR i.value IN (SELECT value FROM json_each(?1)) "
            "ORDER BY v.chat = ?2 OR i.value = ?2 DESC, conversation_id",
            (json.dumps(sorted(chats)), decision.chat),
        ).fetchone()
        if row is None:
            return False
        self._connection.execute(
            "INSERT INTO decisions (conversation_id, at, actor, stage) VALUES (?, ?, 'person', ?)",
            (row[0], times.iso(decision.at), decision.stage),
        )
        mark_dirty(self._connection, {row[0]: times.iso(decision.at)})
        return True

    def _project_all(self) -> None:
        """Make the leads of every conversation that has changed since the last time."""
        while conversations := dirty_conversations(self._connection, _AT_ONCE):
            self._connection.execute("BEGIN")
            self._projector.project(conversations, self.as_of)
            self._connection.execute("COMMIT")

    # ------------------------------------------------------------------ the answer

    def result(self) -> ReplayRecord:
        """The leads, conversations and alerts as of `as_of`."""
        as_of = times.iso(self.as_of)
        return {
            "as_of": as_of,
            "leads": self._leads(),
            "conversations": self._conversations(as_of),
            "alerts": self._alerts(as_of),
        }

    def _leads(self) -> list[ReplayLead]:
        return records(
            ReplayLead,
            self._connection,
            "SELECT lead_id, conversation_id, chat, stage, intent, opened_at, reopened, previous_lead_id, "
            "(SELECT min(started_at) FROM waiting_cycles w WHERE w.lead_id = leads.lead_id AND w.ended_at IS NULL) "
            "AS waiting_since, first_response_seconds "
            "FROM leads JOIN conversations USING (conversation_id) ORDER BY lead_id",
        )

    def _conversations(self, as_of: str) -> list[ReplayConversation]:
        found = records(
            ReplayConversation,
            self._connection,
            "SELECT conversation_id, chat, category, waiting_since, coalesce(due_at <= :as_of, 0) AS overdue "
            "FROM conversations ORDER BY conversation_id",
            as_of=as_of,
        )
        return [{**each, "overdue": bool(each["overdue"])} for each in found]

    def _alerts(self, as_of: str) -> list[ReplayAlert]:
        return records(
            ReplayAlert,
            self._connection,
            "SELECT 'waiting' AS kind, conversation_id, due_at FROM conversations WHERE waiting_since IS NOT NULL "
            "UNION ALL SELECT kind, conversation_id, due_at FROM follow_ups WHERE state = 'planned' "
            "UNION ALL SELECT 'dormant_proposed', conversation_id, "
            "strftime('%Y-%m-%dT%H:%M:%fZ', last_message_at, :dormant) AS silent_at FROM leads "
            "WHERE closed_at IS NULL AND silent_at <= :as_of ORDER BY due_at, conversation_id",
            dormant=f"+{self.dormant_days} days",
            as_of=as_of,
        )


def _decision(line: bytes, number: int) -> _Decision | None:
    """What a person decided, or None for a line of the wire. Raises ValueError for a wrong decision."""
    if b'"decision"' not in line:
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or value.get("type") != "decision":
        return None
    at, chat, stage = value.get("at"), value.get("chat"), value.get("stage")
    if stage not in _DECISIONS:
        raise ValueError(f"cannot use the decision: stage {stage!r} is none of {', '.join(_DECISIONS)}")
    if not isinstance(chat, str) or not chat or not chat.isprintable():
        raise ValueError(f"cannot use the decision: chat {chat!r} must be a chat id, like 5491155550001@c.us")
    try:
        moment = datetime.fromisoformat(str(at))
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"cannot use the decision: at {at!r} must be a time, like 2026-11-23T14:00:00Z") from error
    wid = chat if "@" in chat else f"{''.join(filter(str.isdigit, chat))}@c.us"
    return _Decision(moment, canonical_id(wid), stage, number)


def _edited_t(edit: MessageEdit) -> int | None:
    """When it was edited, else the time of its message, which may be all that WhatsApp gave."""
    return edit.t if edit.edited_t is None else edit.edited_t


def _is_revoked(event: _Change) -> bool:
    """Whether it revokes a message. A message among the changes was found revoked."""
    return isinstance(event, MessageRevoke | CapturedMessage)


def _refuse_broken_ids(*ids: str) -> None:
    """Raise ValueError for half a surrogate in an id: no database keeps it. The daemon stores such a line as raw."""
    try:
        "".join(ids).encode()
    except UnicodeEncodeError as error:
        broken = error.object[error.start : error.end]
        raise ValueError(f"the line has {broken!a}, half a character, in an id, which can't be kept") from error


def _captured_at(line: bytes | None, as_of: datetime) -> datetime:
    """The line's own `at` (milliseconds since 1970), else `as_of`. `line`: None for one that is no JSON object."""
    at = json.loads(line.decode()).get("at") if line else None
    try:
        return datetime.fromtimestamp(at / 1000, UTC) if isinstance(at, int | float) else as_of
    except (OverflowError, OSError, ValueError):
        return as_of


def _as_of_moment(t: int | None, captured_at: datetime, as_of: datetime) -> datetime:
    """The clock to check a message's time against: normally that of its capture.

    A line may carry a time after its capture. Up to a day after `as_of` that is a right date, only later than what the
    replay looks at, so the message's own time is the clock then; further ahead it is a wrong date.
    """
    if t is not None and captured_at.timestamp() < t <= (as_of + _YET_TO_COME).timestamp():
        return datetime.fromtimestamp(t, UTC)
    return captured_at
