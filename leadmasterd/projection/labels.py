"""What each burst of a history was taken for, and why: stored facts, which only reclassifying changes."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from leadmasterd.classify.intents import GROUP_OF, Label, Signals
from leadmasterd.leads.fold import BurstLabel
from leadmasterd.leads.timeline import Burst
from leadmasterd.projection.history import History
from leadmasterd.projection.sql import with_ids


class Classifies(Protocol):
    """What says what a burst wants."""

    def classify(self, texts: Sequence[str], signals: Signals) -> Label:
        """A label with its reason; never fails."""


class Labels:
    """What each burst of a history was taken for: a person's word, else the stored fact, else a new one."""

    def __init__(
        self, connection: sqlite3.Connection, history: History, classifier: Callable[[], Classifies], now: str
    ) -> None:
        self._db = connection
        self._story = history
        self._classifier = classifier
        self._now = now
        self._known: dict[tuple[int, str], tuple[str, str]] = {
            (conversation, burst): (intent, method)
            for conversation, burst, intent, method in with_ids(
                connection,
                "SELECT conversation_id, burst, intent, method FROM classifications "
                "WHERE conversation_id IN (SELECT value FROM json_each(?))",
                history.conversations,
            )
        }
        self._used: set[tuple[int, str]] = set()
        self._new: list[tuple[object, ...]] = []

    def of(self, burst: Burst) -> BurstLabel:
        """The label on a burst."""
        told = [self._story.corrected.get(message.message_id) for message in burst.messages]
        intent, method = self._fact(burst, burst.key, burst.texts)
        before = frozenset(
            GROUP_OF[self._fact(burst, f"{burst.key}:{number}", texts)[0]]
            for number, texts in enumerate(burst.earlier_texts())
        )
        word = next((each for each in reversed(told) if each), None)
        return BurstLabel(word, "person") if word else BurstLabel(intent, method, before)

    def _fact(self, burst: Burst, key: str, texts: Sequence[str]) -> tuple[str, Any]:
        place = (burst.conversation, key)
        self._used.add(place)
        fact = self._known.get(place)
        if fact is None:
            label = self._classifier().classify(texts, burst.signals)
            fact = self._known[place] = (label.intent, label.method)
            self._new.append(
                (
                    *place,
                    burst.messages[0].message_id,
                    label.intent,
                    label.method,
                    label.confidence,
                    label.source,
                    label.code,
                    json.dumps(dict(label.values), ensure_ascii=False),
                    self._now,
                )
            )
        return fact

    def keep_only_these(self) -> None:
        """Write what is new; drop what speaks of bursts that are no more."""
        self._db.executemany(
            "INSERT INTO classifications (conversation_id, burst, first_message_id, intent, method, confidence, "
            "source, code, value_json, classified_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self._new,
        )
        self._db.executemany(
            "DELETE FROM classifications WHERE conversation_id = ? AND burst = ?", self._known.keys() - self._used
        )
