"""The labels of a history's bursts: stored facts, which only reclassifying changes."""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from leadmasterd.classify.intents import Label, Method, Signals
from leadmasterd.leads.fold import BurstLabel
from leadmasterd.leads.timeline import Burst
from leadmasterd.projection.history import History
from leadmasterd.projection.sql import insert, with_ids


class Classifies(Protocol):
    """The classifier."""

    def classify(self, texts: Sequence[str], signals: Signals) -> Label:
        """A label with its reason; never fails."""


Told = tuple[str, Method, float, str, str, str]
"""A label as it is stored: intent, method, confidence, source, code, value_json."""

_COLUMNS: Final = (
    "conversation_id", "burst", "first_message_id", "intent", "method", "confidence", "source", "code", "value_json",
    "classified_at",
)  # fmt: skip
_INSERT: Final = insert("classifications", _COLUMNS)
_json: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode


def place_of(texts: Sequence[str], signals: Signals) -> object:
    """What a label is found again by."""
    return tuple(texts), tuple(signals)


def told_of(label: Label) -> Told:
    """A label as it is stored."""
    values = _json(dict(label.values))
    return label.intent, label.method, label.confidence, label.source, label.code, values


def _stored(connection: sqlite3.Connection, history: History) -> list[tuple[int, str, str, Method]]:
    """Of the bursts that begin in what was loaded."""
    if history.is_new:
        return []
    columns = "k.conversation_id, k.burst, k.intent, k.method"
    if history.is_whole:
        query = f"SELECT {columns} FROM classifications k WHERE k.conversation_id IN (SELECT value FROM json_each(?))"
        return with_ids(connection, query, history.conversations)
    query = (
        f"SELECT {columns} FROM messages m CROSS JOIN classifications k ON k.first_message_id = m.message_id "
        "WHERE m.conversation_id IN (SELECT value FROM json_each(?1)) AND m.sent_at >= ?2 AND m.sent_at < ?3"
    )
    return with_ids(connection, query, history.conversations, history.since_at, history.until_at)


class Labels:
    """The labels of one history: a person's, else the stored one, else a new one.

    `begin` when a stretch of it was loaded, and `write` to store what is new of that. `ready`: labels that are made
    already, by `place_of`.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        history: History,
        classifier: Callable[[], Classifies],
        *,
        ready: Mapping[object, Told],
        now: str,
    ) -> None:
        self._ready = ready
        self._db = connection
        self._history = history
        self._classifier = classifier
        self._now = now
        self._known: dict[tuple[int, str], tuple[str, Method]] = {}
        self._used: set[tuple[int, str]] = set()
        self._new: list[tuple[object, ...]] = []

    def begin(self) -> None:
        """With what is stored of the stretch that is loaded."""
        self._known = {
            (conversation, burst): (intent, method)
            for conversation, burst, intent, method in _stored(self._db, self._history)
        }
        self._used = set()
        self._new = []

    def of(self, burst: Burst) -> BurstLabel:
        """The label of a burst. Its earlier texts are always classified as well."""
        intent, method = self._classified(burst, burst.key, burst.texts)
        edited = [message for message in burst.messages if message.earlier]
        before = self._before(burst) if edited else frozenset[str]()
        by_hand = self._by_hand(burst)
        return BurstLabel(by_hand, "person") if by_hand else BurstLabel(intent, method, before)

    def _before(self, burst: Burst) -> frozenset[str]:
        return frozenset(
            self._classified(burst, f"{burst.key}:{number}", texts)[0]
            for number, texts in enumerate(burst.earlier_texts())
        )

    def _by_hand(self, burst: Burst) -> str | None:
        """A person labels messages; a burst takes the label of its last labelled one."""
        corrections = self._history.corrections
        if not corrections:
            return None
        intents = (corrections.get(message.message_id) for message in reversed(burst.messages))
        return next((intent for intent in intents if intent), None)

    def _classified(self, burst: Burst, key: str, texts: Sequence[str]) -> tuple[str, Method]:
        place = (burst.conversation, key)
        self._used.add(place)
        known = self._known.get(place)
        if known is None:
            told = self._told(texts, burst.signals)
            known = self._known[place] = told[:2]
            self._new.append((burst.conversation, key, burst.first_message_id, *told, self._now))
        return known

    def _told(self, texts: Sequence[str], signals: Signals) -> Told:
        told = self._ready.get(place_of(texts, signals)) if self._ready else None
        return told or told_of(self._classifier().classify(texts, signals))

    def write(self) -> None:
        """Store new labels; delete those of bursts that no longer exist."""
        if self._new:
            self._db.executemany(_INSERT, self._new)
        if gone := self._known.keys() - self._used:
            self._db.executemany("DELETE FROM classifications WHERE conversation_id = ? AND burst = ?", gone)
