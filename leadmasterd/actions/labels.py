"""Manual labels of bursts: they win over the classifier, which learns from them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypedDict, cast

from leadmasterd import times
from leadmasterd.actions.unit_of_work import Change, ChangeRecord, LeadEditor, Who
from leadmasterd.errors import Refused
from leadmasterd.leads.timeline import Burst
from leadmasterd.projection.windows import bursts_of
from leadmasterd.queries.database import id_list, rows
from leadmasterd.queries.people import Subject
from leadmasterd.text import _, printable, shortened

_EXCERPT: Final = 60
"""Characters."""


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
    """The result of labelling. `excerpt`: the beginning of the burst, safe for a terminal.

    `correction_id`: of the label that was written; None where that burst had it already, and of an undo.
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
        """The documented object."""
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


def label(editor: LeadEditor, who: Who, intent: str, *, message_id: int | None = None) -> Labelled:
    """Label the burst with this message; by default the one that opened the lead, or a chat's last.

    Raises Refused when there is no such person or burst.
    """

    def write(burst: Burst, at: str) -> tuple[int | None, list[int]]:
        message_ids = [message.message_id for message in burst.messages]
        in_force = _corrections_of(editor, burst)
        if in_force and in_force[max(in_force)] == (intent, message_ids):
            return None, message_ids
        cursor = editor.connection.execute(
            "INSERT INTO corrections (conversation_id, message_ids, intent, at, actor) VALUES (?, ?, ?, ?, ?)",
            (burst.conversation, json.dumps(message_ids), intent, at, editor.actor),
        )
        return cursor.lastrowid, message_ids

    return _change_label(editor, who, message_id, write)


def undo_label(
    editor: LeadEditor, who: Who, *, message_id: int | None = None, correction_id: int | None = None
) -> Labelled:
    """Undo the manual labels of that burst, or only this one. Raises Refused, also if it has none."""

    def write(burst: Burst, at: str) -> tuple[None, list[int]]:
        in_force = _corrections_of(editor, burst)
        corrections = [each for each in in_force if correction_id in (None, each)]
        if not corrections:
            raise Refused(_("nobody has labelled {text}: there is no label to undo").format(text=_excerpt(burst)))
        editor.connection.execute(
            "UPDATE corrections SET undone_at = ? WHERE correction_id IN (SELECT value FROM json_each(?))",
            (at, json.dumps(corrections)),
        )
        return None, [message for each in corrections for message in in_force[each][1]]

    return _change_label(editor, who, message_id, write)


def _change_label(
    editor: LeadEditor,
    who: Who,
    message_id: int | None,
    write: Callable[[Burst, str], tuple[int | None, Sequence[int]]],
) -> Labelled:
    """`write` returns the correction that it wrote, and which messages are labelled otherwise then."""
    subject = editor.find(who)
    burst = _burst(editor, subject, who, message_id)
    at = times.iso(datetime.now(UTC))

    def read_and_write() -> tuple[str | None, int | None, Sequence[int]]:
        before = _label_of(editor, burst)
        return before, *write(burst, at)

    applied = editor.apply(
        [subject],
        read_and_write,
        lambda _written: _label_of(editor, burst),
        since=lambda written: _earliest(editor, written[2]),
    )
    before, correction_id, _messages = applied.written
    return Labelled(
        excerpt=_excerpt(burst),
        correction_id=correction_id,
        lead_id=subject.lead_id,
        conversation_id=burst.conversation,
        message_ids=[message.message_id for message in burst.messages],
        intent=applied.then,
        intent_before=before,
        actor=editor.actor,
        at=at,
        changes=applied.changes,
    )


def _burst(editor: LeadEditor, subject: Subject, who: Who, message_id: int | None) -> Burst:
    wanted, last_of_chat = message_id or subject.opened_by, None
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


def _corrections_of(editor: LeadEditor, burst: Burst) -> dict[int, tuple[str, list[int]]]:
    """Labels in force on any of its messages: by correction id, the latest last, the intent and which messages."""
    message_ids = {message.message_id for message in burst.messages}
    found = rows(
        editor.connection,
        "SELECT correction_id, message_ids, intent FROM corrections "
        "WHERE conversation_id = :conversation AND undone_at IS NULL ORDER BY correction_id",
        conversation=burst.conversation,
    )
    labels = {row["correction_id"]: (row["intent"], json.loads(row["message_ids"])) for row in found}
    return {each: label for each, label in labels.items() if message_ids & set(label[1])}


def _earliest(editor: LeadEditor, message_ids: Sequence[int]) -> str | None:
    """When the first of these was sent."""
    [row] = rows(
        editor.connection,
        "SELECT min(sent_at) AS at FROM messages WHERE message_id IN (SELECT value FROM json_each(:ids))",
        ids=id_list(message_ids),
    )
    return cast("str | None", row["at"])


def _label_of(editor: LeadEditor, burst: Burst) -> str | None:
    """A person's label, else the classifier's."""
    if corrections := _corrections_of(editor, burst):
        return corrections[max(corrections)][0]
    found = rows(
        editor.connection,
        "SELECT intent FROM classifications WHERE conversation_id = :conversation AND burst = :burst",
        conversation=burst.conversation,
        burst=burst.key,
    )
    return str(found[0]["intent"]) if found else None


def _excerpt(burst: Burst) -> str:
    text = printable(" / ".join(text for text in burst.texts if text.strip())).strip()
    text = text or ", ".join(f"[{message.type}]" for message in burst.messages)
    return f"«{shortened(text, _EXCERPT)}»"
