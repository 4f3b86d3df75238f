"""Saying that what waits needs no answer, and undoing it. The lead stays as it is; what comes later waits again."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypedDict

from leadmasterd import times
from leadmasterd.actions.unit_of_work import Change, ChangeRecord, LeadEditor, Who
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

    `conversation_ids`: where it was decided; empty if nothing was left to decide. `decision_at`: names the decision to
    undo; None if there is none.
    """

    conversation_ids: list[int]
    decision_at: str | None
    actor: str
    at: str
    changes: list[Change]

    @property
    def unchanged(self) -> bool:
        return not self.conversation_ids

    def as_json(self) -> DismissRecord:
        """The documented object."""
        return {
            "conversation_ids": self.conversation_ids,
            "actor": self.actor,
            "at": self.at,
            "changes": [change.as_json() for change in self.changes],
        }


def dismiss(editor: LeadEditor, who: Who, *, seen_at: str | None = None) -> Dismissed:
    """End the waiting of this conversation, by its number, or else in all of the person's.

    `seen_at`: the time of the last message or call that whoever decides has seen; by default of the last that was
    captured. What is newer goes on waiting, also what was sent before the decision and is captured after it.
    Deciding the same again changes nothing. Raises Refused when nobody waits there.
    """
    subject = editor.find(who)
    chats = (subject.conversation_id,) if isinstance(who, int) else subject.conversations

    def decide() -> tuple[list[int], str, str]:
        at, waiting = editor.time_after(subject), _waiting(editor, chats, seen_at)
        if not waiting and not _was_dismissed(editor, chats):
            raise Refused(
                _("they have written again since then; read that first")
                if _waiting(editor, chats, None)
                else _("nobody is waiting for an answer there")
            )
        seen = seen_at or max((row["last_at"] for row in waiting), default=at)
        editor.connection.executemany(
            "INSERT INTO decisions (conversation_id, at, actor, stage, seen_at) VALUES (?, ?, ?, ?, ?)",
            [(row["conversation_id"], at, editor.actor, DISMISSED, seen) for row in waiting],
        )
        return [row["conversation_id"] for row in waiting], at, seen

    # What came after `seen` goes on waiting: its messages are looked at again.
    applied = editor.apply([subject], decide, lambda _: None, since=lambda decided: min(decided[1:]))
    decided, at, _seen = applied.written
    return Dismissed(
        conversation_ids=decided,
        decision_at=at if decided else None,
        actor=editor.actor,
        at=at,
        changes=applied.changes,
    )


def undo_dismissal(editor: LeadEditor, who: Who, *, decision_at: str | None = None) -> Dismissed:
    """Undo the latest dismissal, or the one of this time: they wait as before. Raises Refused when there is none."""
    subject = editor.find(who)
    at = times.iso(datetime.now(UTC))

    def undo() -> list[Row]:
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

    applied = editor.apply([subject], undo, lambda _: None, since=lambda undone: min(row["at"] for row in undone))
    return Dismissed(
        conversation_ids=[row["conversation_id"] for row in applied.written],
        decision_at=None,
        actor=editor.actor,
        at=at,
        changes=applied.changes,
    )


def _waiting(editor: LeadEditor, chats: tuple[int, ...], seen_at: str | None) -> list[Row]:
    """Where somebody waits with something that was seen."""
    return rows(
        editor.connection,
        f"SELECT conversation_id, {LAST_INBOUND} AS last_at FROM conversations v "
        "WHERE conversation_id IN (SELECT value FROM json_each(:chats)) AND waiting_since <= coalesce(:seen, '9999')",
        chats=id_list(chats),
        seen=seen_at,
    )


def _was_dismissed(editor: LeadEditor, chats: tuple[int, ...]) -> bool:
    """Whether the last wait that ended there ended so."""
    found = rows(
        editor.connection,
        "SELECT ended_by FROM waiting_cycles WHERE conversation_id IN (SELECT value FROM json_each(:chats)) "
        "AND ended_at IS NOT NULL ORDER BY ended_at DESC, started_at DESC LIMIT 1",
        chats=id_list(chats),
    )
    return bool(found) and found[0]["ended_by"] == DISMISSED
