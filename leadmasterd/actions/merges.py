"""Merging contacts that are one person, and undoing it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypedDict

from leadmasterd import times
from leadmasterd.actions.unit_of_work import Change, ChangeRecord, LeadEditor, Who, nothing_more
from leadmasterd.errors import Refused
from leadmasterd.queries.database import rows
from leadmasterd.queries.people import ContactSummary, Subject, contact_summaries, conversations_of, root_of
from leadmasterd.store import merges
from leadmasterd.text import _


class MergeRecord(TypedDict):
    """The answer of `leads merge`."""

    merge_id: int
    kept_id: int
    merged_id: int
    actor: str
    at: str
    changes: list[ChangeRecord]


class UndoRecord(TypedDict):
    """The answer of `leads merge --undo`."""

    merge_id: int
    actor: str
    undone_at: str
    changes: list[ChangeRecord]


@dataclass(frozen=True, slots=True)
class Merged:
    """The result of a merge, or of undoing one. `contacts`: the contact kept, then the one merged into it."""

    merge_id: int
    contacts: list[ContactSummary]
    actor: str
    at: str
    changes: list[Change]

    def as_json(self) -> MergeRecord:
        """The object that docs/json.md documents as `leads merge`."""
        kept, merged = self.contacts
        return {
            "merge_id": self.merge_id,
            "kept_id": kept["contact_id"],
            "merged_id": merged["contact_id"],
            "actor": self.actor,
            "at": self.at,
            "changes": [change.as_json() for change in self.changes],
        }

    def as_undo_json(self) -> UndoRecord:
        """The object that docs/json.md documents as `leads merge --undo`."""
        return {
            "merge_id": self.merge_id,
            "actor": self.actor,
            "undone_at": self.at,
            "changes": [change.as_json() for change in self.changes],
        }


def merge(editor: LeadEditor, who: Who, other: Who) -> Merged:
    """Record that `other` is the same person as `who`, whose contact is kept.

    Raises Refused when one of them is not found, or they are one person already.
    """
    keep = editor.find(who)
    drop = editor.find(other)
    if keep.contact_id == drop.contact_id:
        raise Refused(_("{one} and {other} are one person already; nothing to do").format(one=who, other=other))
    at = times.iso(datetime.now(UTC))

    def write() -> int:
        return merges.merge(
            editor.connection, keep.contact_id, drop.contact_id, actor=editor.actor, code="person", at=at
        )

    applied = editor.apply([keep, drop], write, nothing_more, since=_whole_history)
    contacts = contact_summaries(editor.connection, (keep.contact_id, drop.contact_id))
    return Merged(merge_id=applied.written, contacts=contacts, actor=editor.actor, at=at, changes=applied.changes)


def undo_merge(editor: LeadEditor, merge_id: int) -> Merged:
    """Undo a merge: its two contacts are two people again.

    Raises Refused when there is no such merge, or it was undone before.
    """
    found = rows(
        editor.connection, "SELECT kept_id, merged_id FROM contact_merges WHERE merge_id = :merge", merge=merge_id
    )
    contacts: list[int] = []
    subjects: list[Subject] = []
    if found:  # else `merges.undo` refuses below
        [merge_row] = found
        contacts = [merge_row["kept_id"], merge_row["merged_id"]]
        conversations = conversations_of(editor.connection, root_of(editor.connection, merge_row["kept_id"]))
        # Who gets which conversation is known only after the undo, so each of the two is given all of them here.
        subjects = [Subject(contact, conversations, conversations[0]) for contact in contacts]
    at = times.iso(datetime.now(UTC))

    def write() -> None:
        merges.undo(editor.connection, merge_id, editor.actor, at)

    changes = editor.apply(subjects, write, nothing_more, since=_whole_history).changes
    summaries = contact_summaries(editor.connection, contacts)
    return Merged(merge_id=merge_id, contacts=summaries, actor=editor.actor, at=at, changes=changes)


def _whole_history(_written: object) -> None:
    """For `since` of `LeadEditor.apply`: a merge changes the history of both people from its beginning."""
