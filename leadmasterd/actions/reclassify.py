"""Running the classification again on stored messages, by the rules and the model in force now. Manual labels stay."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypedDict

from leadmasterd import times
from leadmasterd.actions.rebuild import OnProgress, RebuildRecord, Rebuilt, in_slices
from leadmasterd.actions.unit_of_work import LeadEditor
from leadmasterd.queries.database import id_list, rows
from leadmasterd.store.dirty import mark_dirty


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
    """The result. `relabelled`: the most frequent first."""

    bursts: int
    relabelled: list[Relabelled]
    rebuilt: Rebuilt

    @property
    def relabelled_bursts(self) -> int:
        """How many bursts have another intent now."""
        return sum(each["bursts"] for each in self.relabelled)

    def as_json(self) -> ReclassifyRecord:
        """The documented object."""
        return {
            "bursts": self.bursts,
            "relabelled_bursts": self.relabelled_bursts,
            "relabelled": self.relabelled,
            **self.rebuilt.as_json(),
        }


def reclassify(
    editor: LeadEditor, *, since: str = "", on_progress: OnProgress = lambda _done, _total: None
) -> Reclassified:
    """All bursts, or those since a time (ISO, UTC). Raises CannotUseRules or CannotUseModel before anything changes."""
    editor.classifier()
    began = times.iso(datetime.now(UTC))
    chosen = rows(
        editor.connection,
        "SELECT conversation_id FROM conversations WHERE contact_id IS NOT NULL AND last_inbound_at >= :since",
        since=since,
    )
    bursts, changed = 0, Counter[tuple[str, str]]()

    def work(conversations: Sequence[int]) -> None:
        nonlocal bursts
        before = _labels(editor, conversations, since)
        editor.connection.execute(
            "DELETE FROM classifications WHERE conversation_id IN (SELECT value FROM json_each(:slice)) "
            "AND first_message_id IN (SELECT message_id FROM messages "
            "WHERE conversation_id IN (SELECT value FROM json_each(:slice)) AND sent_at >= :since)",
            {"slice": id_list(conversations), "since": since},
        )
        mark_dirty(editor.connection, dict.fromkeys(conversations, since or None))
        editor.projector.project(conversations, datetime.now(UTC))
        after = _labels(editor, conversations, since)
        bursts += len(after)
        changed.update((before[key], intent) for key, intent in after.items() if before.get(key, intent) != intent)

    rebuilt = in_slices(editor, [row["conversation_id"] for row in chosen], work, began=began, on_progress=on_progress)
    ranked = sorted(changed.items(), key=lambda change: (-change[1], change[0]))
    return Reclassified(
        bursts=bursts,
        relabelled=[{"before": before, "after": after, "bursts": number} for (before, after), number in ranked],
        rebuilt=rebuilt,
    )


def _labels(editor: LeadEditor, conversations: Sequence[int], since: str) -> dict[tuple[int, str], str]:
    """Intents by conversation and burst."""
    found = rows(
        editor.connection,
        "SELECT k.conversation_id, k.burst, k.intent FROM classifications k "
        "JOIN messages m ON m.message_id = k.first_message_id "
        "WHERE k.conversation_id IN (SELECT value FROM json_each(:slice)) AND instr(k.burst, ':') = 0 "
        "AND m.sent_at >= :since",
        slice=id_list(conversations),
        since=since,
    )
    return {(row["conversation_id"], row["burst"]): row["intent"] for row in found}
