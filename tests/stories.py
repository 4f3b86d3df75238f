"""A story told as a dialogue, for tests of leads: who says what when, what the shop does, and what becomes of it.

    ana = Customer()
    told = tell(ana.says("17 10:00", "price"), ana.hears("17 10:05", "a thousand"), as_of="17 12:00")
    assert told.lead["stage"] == "contacted"

Times are of November 2026 in Buenos Aires, `day hour` ("17 10:00", "17 10:00:30"), or with the month before them
("12-24 10:00"). The 17th is a Tuesday; the shop is open from 9 to 13 and from 16 to 20, Monday to Friday.
What a customer wants is written as it is: the text is the intent (`price`), `price~` has a model say so instead of a
rule, and any other text is one that nobody understands. So these tests are about leads and not about Spanish.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

import pytest
from sqlite_utils import Database

from leadmasterd import times
from leadmasterd.classify.intents import GROUP_OF, UNKNOWN, Group, Label, Method, Signals
from leadmasterd.leads.calendar import BusinessCalendar
from leadmasterd.projection.checkpoints import EVERY
from leadmasterd.projection.policy import Policy
from leadmasterd.projection.projector import Projector
from leadmasterd.projection.windows import MESSAGES
from leadmasterd.replay import Replay, ReplayAlert, ReplayConversation, ReplayLead, ReplayRecord
from leadmasterd.store.dirty import dirty_conversations, mark_all_dirty, mark_dirty
from leadmasterd.store.rows import Rows
from leadmasterd.store.schema import migrate
from tests import captures, wire

ZONE: Final = ZoneInfo("America/Argentina/Buenos_Aires")
_STRONGEST: Final[Sequence[Group]] = ("commercial", "after_sale", "closing", "noise", "courtesy")

Line = dict[str, Any]


def moment(at: str) -> datetime:
    """A time of a story as a UTC datetime."""
    day, _, hour = at.partition(" ")
    month, _, number = day.rpartition("-")
    text = f"2026-{month or '11'}-{number} {hour}" if month.count("-") == 0 else f"{day} {hour}"
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


def seconds(at: str) -> int:
    """A time of a story in the wire's seconds."""
    return round(moment(at).timestamp())


def iso(at: str) -> str:
    """A time of a story as the tables store it."""
    return times.iso(moment(at))


def policy(
    *,
    target_minutes: float = 15,
    reopen_days: int = 30,
    burst_seconds: float = 120,
    overrides: Mapping[str, object] | None = None,
    country: str = "",
    version: str = "one",
) -> Policy:
    """The shop's settings."""
    day = [["09:00", "13:00"], ["16:00", "20:00"]]
    hours = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), day)
    calendar = BusinessCalendar.of(hours, overrides or {}, str(ZONE), country)
    return Policy(calendar, target_minutes * 60, reopen_days, burst_seconds, version)


class Literal:
    """A classifier that takes words literally. The strongest group in a burst wins, and within it the first word."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[str, ...], Signals]] = []

    def classify(self, texts: Sequence[str], signals: Signals) -> Label:
        """A label with its reason."""
        self.asked.append((tuple(texts), signals))
        words = [word for text in texts for word in text.split() if word.rstrip("~") in GROUP_OF]
        for group in _STRONGEST:
            for word in words:
                intent = word.rstrip("~")
                if GROUP_OF[intent] == group:
                    method: Method = "model" if word.endswith("~") else "rule"
                    return Label(intent=intent, method=method, confidence=0.9, source=f"{method} {intent}", code=method)
        return Label(intent=UNKNOWN, method="none", confidence=0.0, source="", code="unsure")


@dataclass
class Customer:
    """A customer. `saved`: their name in the operator's address book; `lid`: the LID mapped to their phone."""

    chat: str = wire.ANA
    saved: str | None = None
    lid: str | None = None
    phone: str | None = None
    _said: int = field(default=0, repr=False)

    def _message(self, at: str, text: str | None, *, mine: bool, **fields: Any) -> Line:
        self._said += 1
        stanza = blake2b(f"{self.chat} {self._said}".encode(), digest_size=8).hexdigest()
        usual = {"contact": wire.contact(name=self.saved, lid=self.lid, phone=self.phone)}
        told = wire.message(stanza, chat=self.chat, mine=mine, t=seconds(at), body=text, **{**usual, **fields})
        return {**told, "at": (seconds(at) + 1) * 1000}

    def says(self, at: str, text: str | None = "", **fields: Any) -> Line:
        """An inbound message; `fields` are those of the wire line."""
        return self._message(at, text, mine=False, **fields)

    def clicks_ad(self, at: str, text: str = "hi there") -> Line:
        """An inbound message that came from an ad."""
        return self.says(at, text, referral={"source_id": "ad-1", "source_url": "https://fb.me/1", "title": "Camperas"})

    def hears(self, at: str, text: str | None = "all right", **fields: Any) -> Line:
        """The operator's message to them, from any device."""
        return self._message(at, text, mine=True, **fields)

    def decided(self, at: str, stage: str) -> Line:
        """A person's decision on their lead."""
        return {"type": "decision", "at": iso(at), "chat": self.chat, "stage": stage}

    def dismissed(self, at: str, *, seen: str | None = None) -> Line:
        """A person says that no answer is needed, having seen what came until `seen`."""
        return {**self.decided(at, "dismissed"), "seen_at": iso(seen) if seen else None}

    def call(self, at: str, *, answered: bool = False, outgoing: bool = False, call_id: str = "C1") -> Line:
        """A call, theirs or ours."""
        told = wire.line(
            "call", call_id=call_id, chat=self.chat, t=seconds(at), outgoing=outgoing, answered=answered, video=False
        )
        return {**told, "at": (seconds(at) + 1) * 1000}

    def call_log(self, at: str, *, outgoing: bool = False, **call: object) -> Line:
        """The line that a call leaves in the chat; `call` is its outcome."""
        told = self._message(at, None, mine=outgoing, message_type="call_log")
        return {**told, "call": {"outcome": None, "video": False, "seconds": None, **call}} if call else told


def edited(line: Line, at: str, text: str) -> Line:
    """The customer edits a message."""
    told = wire.line("message_edit", id=line["id"], t=line["t"], edited_t=seconds(at), body=text)
    return {**told, "at": (seconds(at) + 1) * 1000}


def revoked(line: Line, at: str, scope: str = "everyone") -> Line:
    """A message is deleted, for everyone or only on our side (`me`)."""
    return {
        **wire.line("message_revoke", id=line["id"], t=line["t"], scope=scope),
        "at": (seconds(at) + 1) * 1000,
    }


def reacted(line: Line, at: str, emoji: str = "👍", *, by_us: bool = True) -> Line:
    """The operator (or the customer) reacts to a message."""
    sender = wire.US if by_us else line["id"]["remote"]
    told = wire.line("reaction", id=line["id"], from_me=by_us, sender=sender, emoji=emoji, t=seconds(at))
    return {**told, "at": (seconds(at) + 1) * 1000}


# ---------------------------------------------------------------------- by replay


class Told:
    """The result of replaying a story."""

    def __init__(self, result: ReplayRecord, refused: Sequence[Any] = ()) -> None:
        self.result = result
        self.refused = refused

    @property
    def leads(self) -> list[ReplayLead]:
        """All leads, in order of their ids."""
        return self.result["leads"]

    @property
    def lead(self) -> ReplayLead:
        """The only lead."""
        [only] = self.leads
        return only

    @property
    def stages(self) -> list[str]:
        """The stages of all leads."""
        return [lead["stage"] for lead in self.leads]

    @property
    def open(self) -> list[ReplayLead]:
        """The leads that are not closed."""
        return [lead for lead in self.leads if lead["stage"] in ("unsorted", "new", "contacted", "qualified", "quoted")]

    def chat(self, customer: Customer | None = None) -> ReplayConversation:
        """The customer's conversation, or the only one."""
        found = [each for each in self.result["conversations"] if customer is None or each["chat"] == customer.chat]
        [only] = found
        return only

    def waits_since(self, customer: Customer | None = None) -> str | None:
        """Since when the customer has been waiting, as the tables store it."""
        return self.chat(customer)["waiting_since"]

    def alerts(self, kind: str) -> list[ReplayAlert]:
        """The alerts of one kind."""
        return [alert for alert in self.result["alerts"] if alert["kind"] == kind]


def tell(*lines: Line, as_of: str = "2027-06-01 10:00", policy: Policy | None = None, **options: Any) -> Told:
    """Replay a story, whose lines are in the order of capture."""
    with pytest.MonkeyPatch.context() as cheaper:  # all migrations take 25 ms
        cheaper.setattr("leadmasterd.replay.migrate", lambda db: db.conn.deserialize(_empty_database()))
        begun = Replay(Literal(), policy or globals()["policy"](), moment(as_of), **options)
    with begun as replay:
        replay.feed(json.dumps(line).encode() for line in lines)
        return Told(replay.result(), replay.refused)


@cache
def _empty_database() -> bytes:
    with sqlite3.connect(":memory:", isolation_level=None) as connection:
        migrate(Database(connection, execute_plugins=False))
        image = connection.serialize()
    connection.close()
    return image


# ---------------------------------------------------------------------- by the tables


class Books:
    """Real tables and the code that writes and projects them, one step at a time. To be closed."""

    def __init__(
        self, path: Path | None = None, *, policy: Policy | None = None, every: int = EVERY, window: int = MESSAGES
    ) -> None:
        """`every`: events between two checkpoints; `window`: messages that are folded at once."""
        if path is not None and not path.exists():
            path.write_bytes(_empty_database())
        self.db = sqlite3.connect(path or ":memory:", isolation_level=None)
        if path is None:
            self.db.deserialize(_empty_database())
        self.db.execute("PRAGMA synchronous = OFF")
        self.db.execute("PRAGMA foreign_keys = ON")
        self.now: datetime | None = None
        """When leads are projected; None: by the clock."""
        self.rows = Rows(self.db)
        self.classifier = Literal()
        self.projector = Projector(
            self.db, lambda: self.classifier, policy or globals()["policy"](), every=every, window=window
        )
        self.capture(wire.ready())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    def capture(self, *lines: Line) -> None:
        """Write lines in one transaction; a person's decision is written as a command does it."""
        self.db.execute("BEGIN")
        for line in lines:
            if line["type"] == "decision":
                [(conversation,)] = self.ask("SELECT conversation_id FROM conversations WHERE chat = ?", line["chat"])
                self.db.execute(
                    "INSERT INTO decisions (conversation_id, at, actor, stage, seen_at) VALUES (?, ?, 'person', ?, ?)",
                    (conversation, line["at"], line["stage"], line.get("seen_at")),
                )
                mark_dirty(self.db, {conversation: min(line["at"], line.get("seen_at") or line["at"])})
            else:
                self.rows.apply([captures.item(line, now=line["at"] / 1000, text=None)])
        self.db.execute("COMMIT")

    def undo(self, at: str) -> None:
        """A person undoes the decision of that time (ISO)."""
        self.db.execute("UPDATE decisions SET undone_at = ?, undone_by = 'person' WHERE at = ?", (iso("30 12:00"), at))
        mark_dirty(self.db, dict(self.ask("SELECT conversation_id, at FROM decisions WHERE at = ?", at)))

    def correct(self, line: Line, intent: str, at: str = "30 12:00") -> None:
        """A person labels a message, as with `leads label`."""
        [(conversation, message, sent_at)] = self.ask(
            "SELECT conversation_id, message_id, sent_at FROM messages WHERE stanza_id = ?", line["id"]["id"]
        )
        self.db.execute(
            "INSERT INTO corrections (conversation_id, message_ids, intent, at, actor) VALUES (?, ?, ?, ?, 'person')",
            (conversation, json.dumps([message]), intent, iso(at)),
        )
        mark_dirty(self.db, {conversation: sent_at})

    def project_some(self, limit: int = 64) -> bool:
        """Project the dirty conversations, at most `limit`. False when there was none."""
        conversations = dirty_conversations(self.db, limit)
        if conversations:
            self.db.execute("BEGIN")
            self.projector.project(conversations, self.now or datetime.now(UTC))
            self.db.execute("COMMIT")
        return bool(conversations)

    def project_all(self) -> Self:
        """Project until no conversation is dirty."""
        while self.project_some():
            pass
        return self

    def rebuild(self) -> None:
        """Rebuild all leads, as `leads rebuild` does."""
        mark_all_dirty(self.db)
        self.project_all()

    def tell(self, lines: Iterable[Line]) -> Self:
        """Capture all of it and project it."""
        self.capture(*lines)
        return self.project_all()

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Query the tables."""
        return self.db.execute(query, values).fetchall()

    def column(self, query: str, *values: object) -> list[Any]:
        """The first column of a query."""
        return [row[0] for row in self.ask(query, *values)]
