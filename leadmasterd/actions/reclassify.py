"""Running the classification again on stored messages, by the rules and the model in force now. Manual labels stay."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypedDict

from leadmasterd import times
from leadmasterd.actions.rebuild import OnProgress, RebuildRecord, Rebuilt, in_slices
from leadmasterd.actions.unit_of_work import LeadEditor
from leadmasterd.queries.database import id_list, rows
from leadmasterd.store.dirty import mark_dirty

_LABELS: Final = (
    "SELECT k.conversation_id, k.burst, k.intent FROM classifications k "
    "JOIN messages m ON m.message_id = k.first_message_id "
    "WHERE k.conversation_id IN (SELECT value FROM json_each(:slice)) AND instr(k.burst, ':') = 0 "
    "AND m.sent_at >= :since"
)
"""SQL: the bursts of a slice of conversations, with their intents. Earlier texts of edited bursts, whose keys have a
`:`, are left out."""
_CREATE_BEFORE: Final = (
    "CREATE TEMP TABLE labels_before (conversation_id INTEGER, burst TEXT, intent TEXT, "
    "PRIMARY KEY (conversation_id, burst)) WITHOUT ROWID"
)
"""SQL: a table for the labels of a slice before it is classified again. Memory may be too small for a long history."""
_COMPARED: Final = (
    f"SELECT b.intent, k.intent, count(*) FROM ({_LABELS}) k "
    "LEFT JOIN labels_before b USING (conversation_id, burst) GROUP BY 1, 2"
)
"""SQL: intent before (NULL if the burst had none), intent now, and how many bursts went from one to the other."""


class Relabelled(TypedDict):
    """How many bursts went from one intent to another."""

    before: str
    after: str
    bursts: int


class ReclassifyRecord(RebuildRecord):
    """The answer of `rules reclassify`."""

    bursts: int
    relabelled_bursts: int
    relabelled: list[Relabelled]


@dataclass(frozen=True, slots=True)
class Reclassified:
    """The result. `bursts`: how many were classified. `relabelled`: the most frequent change first."""

    bursts: int
    relabelled: list[Relabelled]
    rebuilt: Rebuilt

    @property
    def relabelled_bursts(self) -> int:
        """How many bursts have another intent now."""
        return sum(each["bursts"] for each in self.relabelled)

    def as_json(self) -> ReclassifyRecord:
        """The object that docs/json.md documents as `rules reclassify`."""
        return {
            "bursts": self.bursts,
            "relabelled_bursts": self.relabelled_bursts,
            "relabelled": self.relabelled,
            **self.rebuilt.as_json(),
        }


def reclassify(
    editor: LeadEditor, *, since: str = "", on_progress: OnProgress = lambda _done, _total: None
) -> Reclassified:
    """Classify all bursts again, or those since a time (ISO, UTC), and derive the leads from their new labels.

    Raises CannotUseRules or CannotUseModel before anything changes.
    """
    editor.classifier()  # raises where rules or model can't be used
    began = times.iso(datetime.now(UTC))
    chosen = rows(
        editor.connection,
        "SELECT conversation_id FROM conversations WHERE contact_id IS NOT NULL AND last_inbound_at >= :since",
        since=since,
    )
    bursts = 0
    changed = Counter[tuple[str, str]]()  # bursts by their intents before and now

    def classify_again(conversations: Sequence[int]) -> None:
        """Drop the labels of these conversations, derive labels and leads again, and count what changed."""
        nonlocal bursts
        values = {"slice": id_list(conversations), "since": since}
        editor.connection.execute(_CREATE_BEFORE)
        editor.connection.execute(f"INSERT INTO labels_before {_LABELS}", values)
        editor.connection.execute(
            "DELETE FROM classifications WHERE conversation_id IN (SELECT value FROM json_each(:slice)) "
            "AND first_message_id IN (SELECT message_id FROM messages "
            "WHERE conversation_id IN (SELECT value FROM json_each(:slice)) AND sent_at >= :since)",
            values,
        )
        mark_dirty(editor.connection, dict.fromkeys(conversations, since or None))  # None: from the beginning
        editor.projector.project(conversations, datetime.now(UTC))
        for before, after, number in editor.connection.execute(_COMPARED, values).fetchall():
            bursts += number
            had_another = before is not None and before != after
            if had_another:
                changed[before, after] += number
        editor.connection.execute("DROP TABLE temp.labels_before")

    conversations = [row["conversation_id"] for row in chosen]
    rebuilt = in_slices(editor, conversations, classify_again, began=began, on_progress=on_progress)
    relabelled = [
        Relabelled(before=before, after=after, bursts=number) for (before, after), number in sorted(changed.items())
    ]
    relabelled.sort(key=lambda each: each["bursts"], reverse=True)  # stable: equal numbers stay sorted by intent
    return Reclassified(bursts=bursts, relabelled=relabelled, rebuilt=rebuilt)
