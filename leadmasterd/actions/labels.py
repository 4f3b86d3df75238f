"""Labelling a burst by hand, and undoing that. Manual labels win over the classifier, which learns from them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypedDict, cast

from leadmasterd import times
from leadmasterd.actions.unit_of_work import Change, ChangeRecord, LeadEditor, Who
from leadmasterd.errors import Refused
from leadmasterd.leads.timeline import Burst
from leadmasterd.projection.windows import bursts_of
from leadmasterd.queries.database import id_list, rows
from leadmasterd.queries.people import Subject
from leadmasterd.text import _, printable, shortened

_EXCERPT: Final = 60
"""Characters of a burst that a message to the person shows."""


class LabelRecord(TypedDict):
    """The answer of `leads label`."""

    lead_id: int | None
    conversation_id: int
    message_ids: list[int]
    intent: str | None
    intent_before: str | None
    actor: str
    at: str
    changes: list[ChangeRecord]


@dataclass(frozen=True, slots=True)
class Labelled:
    """The result of labelling a burst, or of undoing its labels. `excerpt`: its beginning, safe for a terminal.

    `correction_id`: of the label that was written; None if the burst had it already, and for an undo. `intent`: the
    label in force now, `intent_before` the one before; None if the burst is not classified yet.
    """

    excerpt: str
    correction_id: int | None
    lead_id: int | None
    conversation_id: int
    message_ids: list[int]
    intent: str | None
    intent_before: str | None
    actor: str
    at: str
    changes: list[Change] = field(default_factory=list)

    def as_json(self) -> LabelRecord:
        """The object that docs/json.md documents as `leads label`."""
        return {
            "lead_id": self.lead_id,
            "conversation_id": self.conversation_id,
            "message_ids": self.message_ids,
            "intent": self.intent,
            "intent_before": self.intent_before,
            "actor": self.actor,
            "at": self.at,
            "changes": [change.as_json() for change in self.changes],
        }


class _Correction(NamedTuple):
    """A label by hand that is in force: which messages it labels, and as what."""

    correction_id: int
    intent: str
    message_ids: list[int]


class _Written(NamedTuple):
    """What changing a label wrote. `correction_id`: of a new correction, else None."""

    correction_id: int | None
    message_ids: Sequence[int]
    """Those whose label may have changed: the leads are derived again from the first of them on."""


def label(editor: LeadEditor, who: Who, intent: str, *, message_id: int | None = None) -> Labelled:
    """Label the burst with this message; by default the one that opened the lead, or the chat's last.

    A burst whose latest label is this one is left as it is. Raises Refused when there is no such person or burst.
    """

    def write(burst: Burst, at: str) -> _Written:
        """Insert the label, unless the burst has it already."""
        message_ids = [message.message_id for message in burst.messages]
        in_force = _corrections_of(editor, burst)
        if in_force and (in_force[-1].intent, in_force[-1].message_ids) == (intent, message_ids):
            return _Written(None, message_ids)
        cursor = editor.connection.execute(
            "INSERT INTO corrections (conversation_id, message_ids, intent, at, actor) VALUES (?, ?, ?, ?, ?)",
            (burst.conversation, json.dumps(message_ids), intent, at, editor.actor),
        )
        return _Written(cursor.lastrowid, message_ids)

    return _change_label(editor, who, message_id, write)


def undo_label(
    editor: LeadEditor, who: Who, *, message_id: int | None = None, correction_id: int | None = None
) -> Labelled:
    """Undo all manual labels of a burst, or only the one with this `correction_id`; the burst is found as in `label`.

    Raises Refused when there is no such person, burst or label.
    """

    def write(burst: Burst, at: str) -> _Written:
        """Mark the labels as undone."""
        corrections = _corrections_of(editor, burst)
        if correction_id is not None:
            corrections = [each for each in corrections if each.correction_id == correction_id]
        if not corrections:
            raise Refused(_("nobody has labelled {text}: there is no label to undo").format(text=_excerpt(burst)))
        editor.connection.execute(
            "UPDATE corrections SET undone_at = ? WHERE correction_id IN (SELECT value FROM json_each(?))",
            (at, id_list(each.correction_id for each in corrections)),
        )
        return _Written(None, [message_id for each in corrections for message_id in each.message_ids])

    return _change_label(editor, who, message_id, write)


def _change_label(
    editor: LeadEditor,
    who: Who,
    message_id: int | None,
    write: Callable[[Burst, str], _Written],
) -> Labelled:
    """Find the burst, change its label by `write(burst, at)`, and return its label before and after.

    `at`: the time of the change (ISO, UTC). Raises Refused when there is no such person or burst.
    """
    subject = editor.find(who)
    burst = _find_burst(editor, subject, who, message_id)
    at = times.iso(datetime.now(UTC))

    def read_and_write() -> tuple[str | None, _Written]:
        """The label before, and what was written."""
        return _label_of(editor, burst), write(burst, at)

    def first_changed(before_and_written: tuple[str | None, _Written]) -> str | None:
        """When the first of the messages was sent whose label may have changed."""
        _before, written = before_and_written
        return _first_sent_at(editor, written.message_ids)

    applied = editor.apply([subject], read_and_write, lambda _written: _label_of(editor, burst), since=first_changed)
    before, written = applied.written
    return Labelled(
        excerpt=_excerpt(burst),
        correction_id=written.correction_id,
        lead_id=subject.lead_id,
        conversation_id=burst.conversation,
        message_ids=[message.message_id for message in burst.messages],
        intent=applied.then,
        intent_before=before,
        actor=editor.actor,
        at=at,
        changes=applied.changes,
    )


def _find_burst(editor: LeadEditor, subject: Subject, who: Who, message_id: int | None) -> Burst:
    """The burst with this message, in any of the person's chats.

    Without `message_id`: the burst that opened the lead, if one was named; else the last burst of the subject's chat.
    Raises Refused when no burst has the message, or the chat has no bursts. `who`: as the person typed it.
    """
    wanted = subject.opened_by if message_id is None else message_id
    last_of_chat: Burst | None = None
    for burst in bursts_of(editor.connection, subject.conversation_id, editor.settings.leads.burst_seconds):
        if wanted in [message.message_id for message in burst.messages]:
            return burst
        if burst.conversation == subject.conversation_id:
            last_of_chat = burst
    if message_id is not None:
        raise Refused(
            _(
                "cannot label message {message}: it was not received in this chat; "
                "`leadmasterd leads show {who}` lists its messages with their numbers"
            ).format(message=message_id, who=who)
        )
    if last_of_chat is None:
        raise Refused(_("cannot label {who}: nothing was received there").format(who=who))
    return last_of_chat


def _corrections_of(editor: LeadEditor, burst: Burst) -> list[_Correction]:
    """The manual labels in force on any message of this burst, oldest first."""
    message_ids = {message.message_id for message in burst.messages}
    found = rows(
        editor.connection,
        "SELECT correction_id, message_ids, intent FROM corrections "
        "WHERE conversation_id = :conversation AND undone_at IS NULL ORDER BY correction_id",
        conversation=burst.conversation,
    )
    corrections = [_Correction(row["correction_id"], row["intent"], json.loads(row["message_ids"])) for row in found]
    return [each for each in corrections if not message_ids.isdisjoint(each.message_ids)]


def _first_sent_at(editor: LeadEditor, message_ids: Sequence[int]) -> str | None:
    """When the earliest of these messages was sent (ISO, UTC); None if none of them is stored any more."""
    [row] = rows(
        editor.connection,
        "SELECT min(sent_at) AS at FROM messages WHERE message_id IN (SELECT value FROM json_each(:ids))",
        ids=id_list(message_ids),
    )
    return cast("str | None", row["at"])


def _label_of(editor: LeadEditor, burst: Burst) -> str | None:
    """The burst's latest manual label, else the classifier's; None if it is not classified yet."""
    if corrections := _corrections_of(editor, burst):
        return corrections[-1].intent
    found = rows(
        editor.connection,
        "SELECT intent FROM classifications WHERE conversation_id = :conversation AND burst = :burst",
        conversation=burst.conversation,
        burst=burst.key,
    )
    return str(found[0]["intent"]) if found else None


def _excerpt(burst: Burst) -> str:
    """The beginning of the burst's words in «»; without any words the types of its messages."""
    words = printable(" / ".join(text for text in burst.texts if text.strip())).strip()
    types = ", ".join(f"[{message.type}]" for message in burst.messages)
    return f"«{shortened(words or types, _EXCERPT)}»"
