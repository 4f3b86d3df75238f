"""Declares every event: what it tells, which change of which table it comes from, and its fields.

A `Source` is one kind of change of one table. The triggers (`triggers`), what a replay reads (`replaying`), the JSON
Schemas and the documentation are all made from the sources here. Fields are thin (ids, codes, times) or full (words and
names); a thin feed never gets the full ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

VERSION: Final = 1
"""The version of all events' fields. Adding a field needs no new version; changing or removing one does."""
LONGEST_TEXT: Final = 4_000
"""Characters of a message's text in an event. In any script the event stays below the 20 KB that receivers expect."""


class Type(StrEnum):
    """The type of a field, by its name in JSON Schema. Except TIME: a string with a time in UTC."""

    INTEGER = "integer"
    TEXT = "string"
    BOOLEAN = "boolean"
    TIME = "time"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event. `sql`: an expression for its value, where `ROW` is the changed row; `doc`: its meaning."""

    sql: str
    type: Type
    doc: str
    null: bool = False
    """Whether it may be null."""
    full: bool = False
    """Whether it has words or names: then only feeds that ask for those get it."""


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of change of one table. Each such change writes an event.

    Strings of SQL are expressions in which `ROW` is the changed row, unless it is said otherwise.
    `kinds`: the names of its events, each with what it tells. If there are several, `kind` is the SQL that picks one.
    """

    name: str
    kinds: Mapping[str, str]
    table: str
    on: Literal["INSERT", "UPDATE", "DELETE", "DUE"]
    """DUE: no change makes the event, but time alone. The daemon looks once a minute for what has come due."""
    fields: Mapping[str, Field]
    stream: str = "0"
    """SQL for the conversation within which events keep their order; 0: none."""
    of: tuple[str, ...] = ()
    """With UPDATE: only an UPDATE that sets one of these columns counts."""
    when: str = ""
    """SQL for the condition, with `NEW` and `OLD`, or with DUE `ROW` and `:now`; empty: every such change."""
    key: str = ""
    """With DUE: SQL for the id of the row. Only one event is written for an id."""
    kind: str = ""
    replayable: str = "1"
    """SQL that is true for a row from which a replay can make this event; empty: it can't from any."""
    order_by: str = ""
    """SQL for the time when it happened, by which a replay sorts; empty if no replay makes this event."""


def _integer(column: str, doc: str, *, null: bool = False) -> Field:
    return Field(f"ROW.{column}", Type.INTEGER, doc, null=null)


def _text(column: str, doc: str, *, null: bool = False, full: bool = False) -> Field:
    return Field(f"ROW.{column}", Type.TEXT, doc, null=null, full=full)


def _time(column: str, doc: str, *, null: bool = False) -> Field:
    return Field(f"ROW.{column}", Type.TIME, doc, null=null)


def _boolean(sql: str, doc: str) -> Field:
    """A field that is true where an SQL condition holds. SQLite has no booleans: without `json` it would be 0 or 1."""
    return Field(f"json(iif({sql}, 'true', 'false'))", Type.BOOLEAN, doc)


_CONVERSATION: Final = _integer("conversation_id", "the conversation (`conversations`)")
_CONTACT_ID: Final = Field(
    "(SELECT contact_id FROM conversations c WHERE c.conversation_id = ROW.conversation_id)",
    Type.INTEGER,
    "the person (`contacts`); null for a group",
    null=True,
)


def _who(rows: str) -> dict[str, Field]:
    """The fields about a person. `rows`: the part of a SELECT after FROM, which must name a contact `p`."""
    return {
        "phone": Field(
            f"(SELECT p.phone FROM {rows})",
            Type.TEXT,
            "the person's phone, as +5491155500000; null when only WhatsApp's other id is known",
            null=True,
            full=True,
        ),
        "name": Field(
            f"(SELECT coalesce(p.saved_name, p.verified_name, p.push_name) FROM {rows})",
            Type.TEXT,
            "as the operator saved the person, else a business's verified name, else as they call themselves",
            null=True,
            full=True,
        ),
    }


def _of_lead(column: str, type_: Type, doc: str) -> Field:
    """A column of the lead that the changed row is about; null if the lead is gone."""
    return Field(f"(SELECT l.{column} FROM leads l WHERE l.lead_id = ROW.lead_id)", type_, doc, null=True)


_WHO: Final = _who("conversations c JOIN contacts p USING (contact_id) WHERE c.conversation_id = ROW.conversation_id")
_MESSAGE: Final = {
    "message_id": _integer("message_id", "the message (`messages`)"),
    "conversation_id": _CONVERSATION,
    "contact_id": _CONTACT_ID,
    "account_id": _integer("account_id", "the listening number (`accounts`)"),
    "direction": _text("direction", "`in` or `out`"),
    "author": _text("author", "who speaks: contact, operator, auto_reply, mailing, assistant, api or system"),
    "type": _text("type", "chat, image, ptt, ciphertext (not readable yet), …"),
    "sent_at": _time("sent_at", "WhatsApp's time of it"),
    "captured_at": _time("captured_at", "when we had it first"),
    "captured_via": _text("captured_via", "`live`, or `sweep`: it had come while nothing listened"),
    "readable": _boolean("ROW.readable_at IS NOT NULL", "false while WhatsApp has not opened it"),
}
_WORDS: Final = {
    "body": Field(f"substr(ROW.body, 1, {LONGEST_TEXT})", Type.TEXT, "its text", null=True, full=True),
    "body_is_cut": Field(
        f"json(iif(length(ROW.body) > {LONGEST_TEXT}, 'true', 'false'))",
        Type.BOOLEAN,
        f"whether its text was longer than {LONGEST_TEXT} characters",
        full=True,
    ),
    **_WHO,
}
_LEAD_KINDS: Final = {
    "lead.opened": "somebody became a lead",
    "lead.stage": "a lead moved to another stage",
    "lead.reopened": "a lead that had ended goes on",
    "lead.merged": "a lead went into another, because two contacts are one person",
    "lead.withdrawn": "a lead was none: later messages or a person say so",
    "lead.new_topic": "an open lead asks for something else too",
    "lead.proposed": "a lead seems to have ended; a person should say how",
    "lead.note": "a person wrote a note",
    "lead.note_withdrawn": "a person took a note back",
}
_WAITING: Final = {
    "cycle_id": _integer("cycle_id", "the wait (`waiting_cycles`)"),
    "conversation_id": _CONVERSATION,
    "contact_id": _CONTACT_ID,
    "lead_id": _integer("lead_id", "the lead", null=True),
    "wait": _text("kind", "`first`: nobody has answered this lead yet; `next`: a later question"),
    "started_at": _time("started_at", "since when they wait"),
    "due_at": _time("due_at", "by when somebody should answer; null: no opening hours ahead", null=True),
}
_WAITED: Final = {
    **_WAITING,
    "ended_at": _time("ended_at", "when", null=True),
    "ended_by": _text("ended_by", "`reply`, `call`, `reaction`, `closed` or `dismissed`", null=True),
}
_FOLLOW_UP: Final = {
    "follow_up_id": _integer("follow_up_id", "what a person should do (`follow_ups`)"),
    "conversation_id": _CONVERSATION,
    "contact_id": _CONTACT_ID,
    "lead_id": _integer("lead_id", "the lead", null=True),
    "follow_up": _text("kind", "`quote_silent`: a quote without an answer; `after_sale`"),
    "number": _integer("number", "the first, second … of its kind"),
    "due_at": _time("due_at", "when it is due, within opening hours"),
}
_GAP: Final = {
    "gap_id": _integer("gap_id", "the gap (`gaps`)"),
    "account_id": _integer("account_id", "the listening number"),
    "from_at": _time("from_at", "nothing was heard live from here"),
    "to_at": _time("to_at", "to here; null: not live yet", null=True),
    "cause": _text("cause", "why, a code as in `session_events`"),
    "recovered": _integer("recovered", "messages that a sweep has found of it"),
}

SOURCES: Final = (
    Source(
        name="message_stored",
        kinds={"message.stored": "a message was captured"},
        table="messages",
        on="INSERT",
        fields={**_MESSAGE, **_WORDS},
        stream="ROW.conversation_id",
        order_by="ROW.captured_at",
    ),
    Source(
        name="message_opened",
        kinds={"message.opened": "a message that could not be read yet can be read now"},
        table="messages",
        on="UPDATE",
        of=("readable_at",),
        when="OLD.readable_at IS NULL AND NEW.readable_at IS NOT NULL",
        fields={**_MESSAGE, "opened_at": _time("readable_at", "when"), **_WORDS},
        stream="ROW.conversation_id",
        replayable="ROW.readable_at > ROW.captured_at",
        order_by="ROW.readable_at",
    ),
    Source(
        name="message_edited",
        kinds={"message.edited": "its sender changed a message"},
        table="messages",
        on="UPDATE",
        of=("edited_at", "body"),
        when="NEW.edited_at IS NOT NULL AND (NEW.edited_at IS NOT OLD.edited_at OR NEW.body IS NOT OLD.body)",
        fields={**_MESSAGE, "edited_at": _time("edited_at", "when"), **_WORDS},
        stream="ROW.conversation_id",
        replayable="ROW.edited_at IS NOT NULL",
        order_by="ROW.edited_at",
    ),
    Source(
        name="message_revoked",
        kinds={"message.revoked": "its sender deleted a message for everyone; what it said is kept"},
        table="messages",
        on="UPDATE",
        of=("revoked_at",),
        when="OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL",
        fields={**_MESSAGE, "revoked_at": _time("revoked_at", "when")},
        stream="ROW.conversation_id",
        replayable="ROW.revoked_at IS NOT NULL",
        order_by="ROW.revoked_at",
    ),
    Source(
        name="message_merged",
        kinds={"message.merged": "two messages turned out to be one: from now on it has the kept id only"},
        table="message_merges",
        on="INSERT",
        fields={
            "message_id": _integer("kept_id", "the id that stays"),
            "merged_id": _integer("merged_id", "the id that is gone"),
            "conversation_id": Field(
                "(SELECT m.conversation_id FROM messages m WHERE m.message_id = ROW.kept_id)",
                Type.INTEGER,
                "the conversation of the one that stays",
                null=True,
            ),
        },
        stream="coalesce((SELECT m.conversation_id FROM messages m WHERE m.message_id = ROW.kept_id), 0)",
        order_by="ROW.at",
    ),
    Source(
        name="conversation_merged",
        kinds={"conversation.merged": "two conversations are one person's: from now on it has the kept id only"},
        table="conversation_merges",
        on="INSERT",
        fields={
            "conversation_id": _integer("kept_id", "the id that stays"),
            "merged_id": _integer("merged_id", "the id that is gone"),
        },
        stream="ROW.kept_id",
        order_by="ROW.at",
    ),
    Source(
        name="contact_merged",
        kinds={"contact.merged": "two contacts are one person, says WhatsApp, a phone or a person of yours"},
        table="contact_merges",
        on="INSERT",
        fields={
            "contact_id": _integer("kept_id", "the contact that stands for both"),
            "merged_id": _integer("merged_id", "the other one, which stays in `contacts`"),
            "actor": _text("actor", "`system`, or `person:NAME`"),
            "code": _text("code", "why"),
        },
        replayable="ROW.undone_at IS NULL",
        order_by="ROW.at",
    ),
    Source(
        name="lead",
        kinds=_LEAD_KINDS,
        table="lead_events",
        on="INSERT",
        kind="'lead.' || ROW.kind",
        fields={
            "lead_id": _integer("lead_id", "the lead (`leads`)"),
            "conversation_id": _of_lead(
                "conversation_id", Type.INTEGER, "its conversation; null when the lead is gone"
            ),
            "contact_id": _of_lead("contact_id", Type.INTEGER, "the person; null when the lead is gone"),
            "happened_at": _time("at", "when it happened, which may be long before we knew"),
            "recorded_at": _time("recorded_at", "when we knew"),
            "actor": _text("actor", "`system`, or `person:NAME`"),
            "before": _text("before", "the stage or topic before", null=True),
            "after": _text("after", "the stage or topic now", null=True),
            "intent": _of_lead("intent", Type.TEXT, "what they want"),
            "message_id": _integer("message_id", "the message that caused it", null=True),
            "code": _text("code", "why, a code"),
            **_who("leads l JOIN contacts p USING (contact_id) WHERE l.lead_id = ROW.lead_id"),
        },
        stream="coalesce((SELECT l.conversation_id FROM leads l WHERE l.lead_id = ROW.lead_id), 0)",
        order_by="ROW.recorded_at",
    ),
    Source(
        name="labelled",
        kinds={"lead.labelled": "a person said what a burst of messages is"},
        table="corrections",
        on="INSERT",
        fields={
            "correction_id": _integer("correction_id", "what they said (`corrections`)"),
            "conversation_id": _CONVERSATION,
            "contact_id": _CONTACT_ID,
            "lead_id": Field(
                "(SELECT max(l.lead_id) FROM leads l WHERE l.conversation_id = ROW.conversation_id)",
                Type.INTEGER,
                "the conversation's latest lead before the label",
                null=True,
            ),
            "intent": _text("intent", "what it is"),
            "happened_at": _time("at", "when they said it"),
            "actor": _text("actor", "`person:NAME`"),
        },
        stream="ROW.conversation_id",
        replayable="ROW.undone_at IS NULL",
        order_by="ROW.at",
    ),
    Source(
        name="waiting_began",
        kinds={"waiting.began": "somebody waits for an answer"},
        table="waiting_cycles",
        on="INSERT",
        fields={**_WAITING, **_WHO},
        stream="ROW.conversation_id",
        order_by="ROW.started_at",
    ),
    Source(
        name="waiting_ended",
        kinds={"waiting.ended": "a wait is over: somebody answered, closed the lead, or said that it needs none"},
        table="waiting_cycles",
        on="UPDATE",
        of=("ended_at",),
        when="OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL",
        fields=_WAITED,
        stream="ROW.conversation_id",
        replayable="ROW.ended_at IS NOT NULL",
        order_by="ROW.ended_at",
    ),
    Source(
        name="waiting_already_ended",
        kinds={"waiting.ended": "a wait is over: somebody answered, closed the lead, or said that it needs none"},
        table="waiting_cycles",
        on="INSERT",
        when="NEW.ended_at IS NOT NULL",
        fields=_WAITED,
        stream="ROW.conversation_id",
        replayable="",
    ),
    Source(
        name="waiting_withdrawn",
        kinds={"waiting.withdrawn": "there was no such wait: messages that came late say so"},
        table="waiting_cycles",
        on="DELETE",
        fields=_WAITING,
        stream="ROW.conversation_id",
        replayable="",
    ),
    Source(
        name="waiting_again",
        kinds={"waiting.began": "somebody waits for an answer"},
        table="waiting_cycles",
        on="UPDATE",
        of=("ended_at",),
        when="OLD.ended_at IS NOT NULL AND NEW.ended_at IS NULL",
        fields={**_WAITING, **_WHO},
        stream="ROW.conversation_id",
        replayable="",
    ),
    Source(
        name="waiting_missed",
        kinds={"waiting.missed": "nobody has answered by the time that was aimed at"},
        table="waiting_cycles",
        on="DUE",
        key="ROW.cycle_id",
        when="ROW.ended_at IS NULL AND ROW.due_at <= :now",
        fields={**_WAITING, **_WHO},
        stream="ROW.conversation_id",
        replayable="",
    ),
    Source(
        name="follow_up_due",
        kinds={"follow_up.due": "it is time for a person to follow up"},
        table="follow_ups",
        on="DUE",
        key="ROW.follow_up_id",
        when="ROW.state = 'planned' AND ROW.due_at <= :now",
        fields={**_FOLLOW_UP, **_WHO},
        stream="ROW.conversation_id",
        replayable="",
    ),
    Source(
        name="gap_opened",
        kinds={"gap.opened": "nothing is heard live from here"},
        table="gaps",
        on="INSERT",
        fields=_GAP,
        order_by="ROW.from_at",
    ),
    Source(
        name="gap_closed",
        kinds={"gap.closed": "a sweep has fetched what came in the gap"},
        table="gaps",
        on="UPDATE",
        of=("closed_at",),
        when="OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL",
        fields={**_GAP, "closed_at": _time("closed_at", "when")},
        replayable="ROW.closed_at IS NOT NULL",
        order_by="ROW.closed_at",
    ),
    Source(
        name="session_changed",
        kinds={"session.changed": "the session is in another phase"},
        table="session_events",
        on="INSERT",
        fields={
            "happened_at": _time("at", "when"),
            "phase": _text("phase", "the phase, as `status` has it"),
            "code": _text("code", "why, a code"),
            "values": Field("json(ROW.value_json)", Type.OBJECT, "what belongs to the code"),
        },
        order_by="ROW.at",
    ),
)
TEST: Final = "test"
"""The kind of the event that `feeds test` sends. It is never in the outbox, because nothing has happened."""
TEST_FIELDS: Final = {"sent_at": Field("", Type.TIME, "when")}
KINDS: Final[Mapping[str, str]] = {kind: doc for source in SOURCES for kind, doc in source.kinds.items()}
"""Every kind of event, with what it tells."""
