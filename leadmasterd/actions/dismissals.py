"""Dismissals: a person decides that what waits needs no answer, and can undo that.

The lead stays as it is, and what the customer sends later waits again.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypedDict

from leadmasterd import times
from leadmasterd.actions.unit_of_work import Change, ChangeRecord, LeadEditor, Who, nothing_more
from leadmasterd.errors import Refused
from leadmasterd.leads.stages import DISMISSED
from leadmasterd.queries.database import Row, id_list, rows
from leadmasterd.queries.waiting import LAST_INBOUND
from leadmasterd.text import _


class DismissRecord(TypedDict):
    """The answer of `leads dismiss`."""

    conversation_ids: list[int]
    actor: str
    at: str
    changes: list[ChangeRecord]


@dataclass(frozen=True, slots=True)
class Dismissed:
    """The result of a dismissal, or of undoing it.

    `conversation_ids`: where it was decided; empty if nothing was left to decide. `decision_at`: the time by which
    `undo_dismissal` finds this dismissal; None if nothing was decided, and for an undo.
    """

    conversation_ids: list[int]
    decision_at: str | None
    actor: str
    at: str
    changes: list[Change]

    @property
    def unchanged(self) -> bool:
        """Whether nothing was left to decide."""
        return not self.conversation_ids

    def as_json(self) -> DismissRecord:
        """The object that docs/json.md documents as `leads dismiss`."""
        return {
            "conversation_ids": self.conversation_ids,
            "actor": self.actor,
            "at": self.at,
            "changes": [change.as_json() for change in self.changes],
        }


@dataclass(frozen=True, slots=True)
class _Decided:
    """What `dismiss` wrote: in which conversations, when, and up to which time of the history it counts."""

    conversation_ids: list[int]
    at: str
    seen_at: str


def dismiss(editor: LeadEditor, who: Who, *, seen_at: str | None = None) -> Dismissed:
    """End the waiting in one conversation (`who` is its number), or in all conversations of a person.

    `seen_at`: the time of the last message or call that the person deciding has read; by default that of the last one
    captured. What is newer goes on waiting, even if it was sent before the decision and is captured after it.
    Dismissing again changes nothing. Raises Refused when nobody waits there, or only with something newer.
    """
    subject = editor.find(who)
    chats = (subject.conversation_id,) if isinstance(who, int) else subject.conversations

    def decide() -> _Decided:
        """Write a decision for each conversation that waits. If none waits and none was dismissed, raise Refused."""
        at = editor.time_after(subject)
        waiting = _waiting(editor, chats, seen_at)
        if not waiting and not _was_dismissed(editor, chats):
            raise Refused(
                _("they have written again since then; read that first")
                if _waiting(editor, chats, None)
                else _("nobody is waiting for an answer there")
            )
        read_up_to = seen_at or max((row["last_at"] for row in waiting), default=at)
        editor.connection.executemany(
            "INSERT INTO decisions (conversation_id, at, actor, stage, seen_at) VALUES (?, ?, ?, ?, ?)",
            [(row["conversation_id"], at, editor.actor, DISMISSED, read_up_to) for row in waiting],
        )
        return _Decided([row["conversation_id"] for row in waiting], at, read_up_to)

    # Messages after `seen_at` go on waiting, so the leads are derived again from there on.
    applied = editor.apply([subject], decide, nothing_more, since=lambda decided: min(decided.at, decided.seen_at))
    decided = applied.written
    return Dismissed(
        conversation_ids=decided.conversation_ids,
        decision_at=decided.at if decided.conversation_ids else None,
        actor=editor.actor,
        at=decided.at,
        changes=applied.changes,
    )


def undo_dismissal(editor: LeadEditor, who: Who, *, decision_at: str | None = None) -> Dismissed:
    """Undo the person's latest dismissal, or the one made at `decision_at`: what waited then waits again.

    One dismissal can cover several conversations; it is undone in all of them. Raises Refused when there is none.
    """
    subject = editor.find(who)
    at = times.iso(datetime.now(UTC))

    def undo() -> list[Row]:
        """Mark the dismissal as undone. Returns its rows, one for each conversation."""
        found = rows(
            editor.connection,
            "SELECT decision_id, conversation_id, at FROM decisions WHERE stage = :dismissed AND undone_at IS NULL "
            "AND conversation_id IN (SELECT value FROM json_each(:chats)) AND at = coalesce(:at, (SELECT max(at) "
            "FROM decisions WHERE stage = :dismissed AND undone_at IS NULL "
            "AND conversation_id IN (SELECT value FROM json_each(:chats))))",
            dismissed=DISMISSED,
            chats=id_list(subject.conversations),
            at=decision_at,
        )
        if not found:
            raise Refused(
                _("nobody has said of {who} that no answer is needed: there is nothing to undo").format(who=who)
            )
        editor.connection.execute(
            "UPDATE decisions SET undone_at = ?, undone_by = ? WHERE decision_id IN (SELECT value FROM json_each(?))",
            (at, editor.actor, id_list(row["decision_id"] for row in found)),
        )
        return found

    applied = editor.apply([subject], undo, nothing_more, since=lambda undone: min(row["at"] for row in undone))
    return Dismissed(
        conversation_ids=[row["conversation_id"] for row in applied.written],
        decision_at=None,
        actor=editor.actor,
        at=at,
        changes=applied.changes,
    )


def _waiting(editor: LeadEditor, chats: tuple[int, ...], seen_at: str | None) -> list[Row]:
    """The conversations among `chats` that have waited since `seen_at` or earlier; if it is None, all that wait.

    Rows: `conversation_id`, and `last_at`, when the customer wrote or called last.
    """
    return rows(
        editor.connection,
        f"SELECT conversation_id, {LAST_INBOUND} AS last_at FROM conversations v "
        "WHERE conversation_id IN (SELECT value FROM json_each(:chats)) AND waiting_since <= coalesce(:seen, '9999')",
        chats=id_list(chats),
        seen=seen_at,
    )


def _was_dismissed(editor: LeadEditor, chats: tuple[int, ...]) -> bool:
    """Whether the wait that ended last in these conversations was ended by a dismissal."""
    found = rows(
        editor.connection,
        "SELECT ended_by FROM waiting_cycles WHERE conversation_id IN (SELECT value FROM json_each(:chats)) "
        "AND ended_at IS NOT NULL ORDER BY ended_at DESC, started_at DESC LIMIT 1",
        chats=id_list(chats),
    )
    return bool(found) and found[0]["ended_by"] == DISMISSED
