"""The labels of a history's bursts. A label is stored once it is made; only reclassifying changes it."""

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
    """What labels bursts: the classifier, or a stand-in of a test."""

    def classify(self, texts: Sequence[str], signals: Signals) -> Label:
        """The label of a burst with these texts, in order; never fails."""


StoredLabel = tuple[str, Method, float, str, str, str]
"""A label as the columns of `classifications`: intent, method, confidence, source, code, value_json."""

_COLUMNS: Final = (
    "conversation_id", "burst", "first_message_id", "intent", "method", "confidence", "source", "code", "value_json",
    "classified_at",
)  # fmt: skip
_INSERT: Final = insert("classifications", _COLUMNS)
_json: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode


def label_key(texts: Sequence[str], signals: Signals) -> object:
    """The key of a label that was made ahead: all that a label depends on besides rules and model. Hashable."""
    return tuple(texts), tuple(signals)


def stored_label(label: Label) -> StoredLabel:
    """A label as its columns."""
    values = _json(dict(label.values))
    return label.intent, label.method, label.confidence, label.source, label.code, values


def _stored(connection: sqlite3.Connection, history: History) -> list[tuple[int, str, str, Method]]:
    """The stored labels of bursts that begin in what is loaded: conversation, burst, intent, method."""
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
    """The labels of one history's bursts: a person's correction, else the stored label, else a new one.

    For each window of the history call `begin` first, then `of` for its bursts, and `write` to store the new labels.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        history: History,
        classifier: Callable[[], Classifies],
        *,
        labels_ahead: Mapping[object, StoredLabel],
        now: str,
    ) -> None:
        """`labels_ahead`: labels made by another process, by `label_key`. `now`: ISO, when new labels are made."""
        self._labels_ahead = labels_ahead
        self._db = connection
        self._history = history
        self._classifier = classifier
        self._now = now
        self._known: dict[tuple[int, str], tuple[str, Method]] = {}
        """Conversation and burst key -> intent and method: of the current window, stored or new."""
        self._used: set[tuple[int, str]] = set()
        self._new_rows: list[tuple[object, ...]] = []

    def begin(self) -> None:
        """Read the stored labels of the window that is loaded, and forget those of the window before."""
        self._known = {
            (conversation, burst): (intent, method)
            for conversation, burst, intent, method in _stored(self._db, self._history)
        }
        self._used = set()
        self._new_rows = []

    def of(self, burst: Burst) -> BurstLabel:
        """The label of a burst. If a message was edited, also the intents of the burst as it was before each edit.

        The texts are classified even if a person gave a label, so that the program's label is stored in any case.
        """
        intent, method = self._label(burst, burst.key, burst.texts)
        was_edited = any(message.earlier for message in burst.messages)
        earlier_intents = self._earlier_intents(burst) if was_edited else frozenset[str]()
        corrected = self._corrected_intent(burst)
        if corrected:
            return BurstLabel(corrected, "person")
        return BurstLabel(intent, method, earlier_intents)

    def _earlier_intents(self, burst: Burst) -> frozenset[str]:
        """The intents of the burst's texts before each edit; they are stored under the burst's key and a number."""
        return frozenset(
            self._label(burst, f"{burst.key}:{number}", texts)[0] for number, texts in enumerate(burst.earlier_texts())
        )

    def _corrected_intent(self, burst: Burst) -> str | None:
        """The intent that a person gave to the burst's last corrected message; None if none was corrected."""
        corrections = self._history.corrections
        if not corrections:
            return None
        for message in reversed(burst.messages):
            intent = corrections.get(message.message_id)
            if intent:
                return intent
        return None

    def _label(self, burst: Burst, key: str, texts: Sequence[str]) -> tuple[str, Method]:
        """The intent and method that are known under this key, else those of a new label, which `write` will store."""
        row_key = (burst.conversation, key)
        self._used.add(row_key)
        known = self._known.get(row_key)
        if known is None:
            label = self._new_label(texts, burst.signals)
            known = self._known[row_key] = label[:2]
            self._new_rows.append((burst.conversation, key, burst.first_message_id, *label, self._now))
        return known

    def _new_label(self, texts: Sequence[str], signals: Signals) -> StoredLabel:
        """The label made ahead, if there is one, else the classifier's."""
        made_ahead = self._labels_ahead.get(label_key(texts, signals)) if self._labels_ahead else None
        return made_ahead or stored_label(self._classifier().classify(texts, signals))

    def write(self) -> None:
        """Store the window's new labels, and delete the stored ones that `of` did not use: their bursts are gone."""
        if self._new_rows:
            self._db.executemany(_INSERT, self._new_rows)
        if gone := self._known.keys() - self._used:
            self._db.executemany("DELETE FROM classifications WHERE conversation_id = ? AND burst = ?", gone)
