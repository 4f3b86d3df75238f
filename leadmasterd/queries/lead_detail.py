"""One lead in full: the person, the enquiry, and the reason for everything. The answer of `leads show`."""

import json
from collections.abc import Sequence
from typing import Any, Final, TypedDict, cast

from leadmasterd.leads.stages import DISMISSED
from leadmasterd.queries.database import Connection, Row, id_list, records, rows
from leadmasterd.queries.leads import AsOf, Lead, LeadTouch, leads
from leadmasterd.queries.messages import with_text
from leadmasterd.queries.people import Subject, members_of
from leadmasterd.times import iso


class Identity(TypedDict):
    """One id of a contact."""

    kind: str
    value: str


class Merge(TypedDict):
    """A merge that is in force."""

    merge_id: int
    kept_id: int
    merged_id: int
    at: str
    actor: str
    code: str


class Person(TypedDict):
    """All contacts that are this person, taken together. `contact_id`: their root."""

    contact_id: int
    saved_name: str | None
    verified_name: str | None
    push_name: str | None
    phone: str | None
    phones: list[str]
    business: bool
    identities: list[Identity]
    merges: list[Merge]


class Conversation(TypedDict):
    """One of the person's conversations, and since when it waits for an answer (None: it does not)."""

    conversation_id: int
    chat: str
    category: str | None
    category_by: str | None
    waiting_since: str | None
    due_at: str | None
    answered_by: str | None
    """The author of the last message that a machine of ours sent during this wait; None: none did, or nobody waits."""
    last_inbound_at: str | None
    last_outbound_at: str | None


class OtherLead(TypedDict):
    """Another lead of the same person."""

    lead_id: int
    stage: str
    intent: str
    opened_at: str
    closed_at: str | None


class PersonsLabel(TypedDict):
    """What a person labelled a burst as; wins over the classifier."""

    intent: str
    actor: str
    at: str


class Classification(TypedDict):
    """What one burst was classified as, and why."""

    conversation_id: int
    first_message_id: int
    sent_at: str
    texts: list[str]
    intent: str
    method: str
    confidence: float
    source: str
    code: str
    values: dict[str, Any]
    person: PersonsLabel | None


class RecordEntry(TypedDict):
    """One event of the lead (`lead_events`)."""

    at: str
    recorded_at: str
    actor: str
    kind: str
    before: str | None
    after: str | None
    message_id: int | None
    code: str
    values: dict[str, Any]


class Touch(LeadTouch):
    """One touchpoint: an ad, a link or a campaign that brought the person."""

    message_id: int
    conversation_id: int


class FollowUp(TypedDict):
    """One planned, done or cancelled follow-up."""

    kind: str
    number: int
    planned_at: str
    due_at: str
    state: str
    ended_at: str | None
    ended_by: str | None


class WaitingCycle(TypedDict):
    """One wait for an answer, ended or not."""

    conversation_id: int
    kind: str
    started_at: str
    due_at: str | None
    ended_at: str | None
    ended_by: str | None
    wall_seconds: float | None
    business_seconds: float | None


class DetailMessage(TypedDict):
    """One message, with what is needed to show it."""

    message_id: int
    conversation_id: int
    direction: str
    author: str
    type: str
    body: str | None
    sent_at: str
    edited_at: str | None
    revoked_at: str | None
    readable_at: str | None
    media: dict[str, Any] | None
    quoted: dict[str, Any] | None
    details: dict[str, Any] | None
    text: str


class LeadDetail(TypedDict):
    """The answer of `leads show`. `lead` is None for somebody who has none."""

    as_of: str
    lead: Lead | None
    contact: Person
    conversations: list[Conversation]
    other_leads: list[OtherLead]
    classifications: list[Classification]
    record: list[RecordEntry]
    touches: list[Touch]
    follow_ups: list[FollowUp]
    waiting: list[WaitingCycle]
    messages: list[DetailMessage]


_MOST_LEADS: Final = 1000
"""Of one person."""

_IN_CHATS: Final = "conversation_id IN (SELECT value FROM json_each(:chats))"
"""SQL: a row belongs to one of the person's conversations."""
_FAR_FUTURE: Final = "9999"
"""Sorts after every time: the end of what has not ended."""


def lead_detail(connection: Connection, subject: Subject, as_of: AsOf, *, limit: int) -> LeadDetail:
    """All about the lead that `subject` names, or else about the person's open lead, or else their latest.

    Classifications and touchpoints are those between the lead's opening and closing; follow-ups and waits are the
    lead's. For a person without a lead, all these are of the person's conversations. There are at most `limit` of the
    newest classifications and messages, and of the first touchpoints.
    """
    all_leads = leads(connection, as_of, limit=_MOST_LEADS, closed_too=True, contact=subject.contact_id)
    lead = _lead_to_show(all_leads, subject.lead_id)
    chats = id_list(subject.conversations)
    lead_id = lead["lead_id"] if lead else None
    opened_at = lead["opened_at"] if lead else ""
    closed_at = lead["closed_at"] if lead else None
    period = {"chats": chats, "opened_at": opened_at, "closed_at": closed_at or _FAR_FUTURE, "limit": limit}
    of_lead = "lead_id = :lead" if lead else _IN_CHATS
    return {
        "as_of": iso(as_of.now),
        "lead": lead,
        "contact": _person(connection, subject.contact_id),
        "conversations": records(
            Conversation,
            connection,
            "SELECT conversation_id, chat, category, category_by, waiting_since, due_at, "
            "(SELECT author FROM messages m WHERE m.conversation_id = v.conversation_id "
            "AND m.sent_at >= v.waiting_since AND m.direction = 'out' "
            "AND m.author IN ('assistant', 'api', 'auto_reply') ORDER BY m.sent_at DESC LIMIT 1) AS answered_by, "
            f"last_inbound_at, last_outbound_at FROM conversations v WHERE {_IN_CHATS} ORDER BY conversation_id",
            chats=chats,
        ),
        "other_leads": [
            {
                "lead_id": each["lead_id"],
                "stage": each["stage"],
                "intent": each["intent"],
                "opened_at": each["opened_at"],
                "closed_at": each["closed_at"],
            }
            for each in all_leads
            if each is not lead
        ],
        "classifications": _classifications(connection, period),
        "record": _record(connection, lead_id, chats, [each["lead_id"] for each in all_leads]),
        "touches": records(
            Touch,
            connection,
            "SELECT message_id, conversation_id, at, kind, source_id, source_url, headline FROM touches "
            f"WHERE {_IN_CHATS} AND at >= :opened_at AND at <= :closed_at ORDER BY at, touch_id LIMIT :limit",
            **period,
        ),
        "follow_ups": records(
            FollowUp,
            connection,
            f"SELECT kind, number, planned_at, due_at, state, ended_at, ended_by FROM follow_ups WHERE {of_lead} "
            "ORDER BY due_at, follow_up_id",
            lead=lead_id,
            chats=chats,
        ),
        "waiting": records(
            WaitingCycle,
            connection,
            "SELECT conversation_id, kind, started_at, due_at, ended_at, ended_by, wall_seconds, business_seconds "
            f"FROM waiting_cycles WHERE {of_lead} ORDER BY started_at, cycle_id",
            lead=lead_id,
            chats=chats,
        ),
        "messages": _messages(connection, chats, limit),
    }


def _lead_to_show(all_leads: Sequence[Lead], lead_id: int | None) -> Lead | None:
    """The lead with this id if it is one of them, else the open one, else the first; None if there are none."""
    named = [lead for lead in all_leads if lead["lead_id"] == lead_id]
    still_open = [lead for lead in all_leads if lead["closed_at"] is None]
    return next(iter([*named, *still_open, *all_leads]), None)


def _messages(connection: Connection, chats: str, limit: int) -> list[DetailMessage]:
    """The newest `limit` messages of these conversations (a JSON list of ids), the oldest first."""
    found = rows(
        connection,
        "SELECT message_id, conversation_id, direction, author, type, body, sent_at, edited_at, revoked_at, "
        f"readable_at, media, quoted, details FROM messages WHERE {_IN_CHATS} "
        "ORDER BY sent_at DESC, message_id DESC LIMIT :limit",
        chats=chats,
        limit=limit,
    )
    return [cast("DetailMessage", with_text(row)) for row in reversed(found)]


def _person(connection: Connection, root: int) -> Person:
    """All contacts of the person with this root, as one. Names and phones of the root itself come before others."""
    members = id_list(members_of(connection, root))
    contacts = rows(
        connection,
        "SELECT contact_id, saved_name, verified_name, push_name, phone, business FROM contacts "
        "WHERE contact_id IN (SELECT value FROM json_each(:members)) ORDER BY contact_id = :root DESC, contact_id",
        members=members,
        root=root,
    )

    def first(column: str) -> str | None:
        return next((contact[column] for contact in contacts if contact[column]), None)

    return {
        "contact_id": root,
        "saved_name": first("saved_name"),
        "verified_name": first("verified_name"),
        "push_name": first("push_name"),
        "phone": first("phone"),
        "phones": [each["phone"] for each in contacts if each["phone"]],
        "business": any(each["business"] for each in contacts),
        "identities": records(
            Identity,
            connection,
            "SELECT kind, value FROM contact_identities "
            "WHERE contact_id IN (SELECT value FROM json_each(:members)) ORDER BY identity_id",
            members=members,
        ),
        "merges": records(
            Merge,
            connection,
            "SELECT merge_id, kept_id, merged_id, at, actor, code FROM contact_merges WHERE undone_at IS NULL "
            "AND merged_id IN (SELECT value FROM json_each(:members)) ORDER BY merge_id",
            members=members,
        ),
    }


def _classifications(connection: Connection, period: dict[str, Any]) -> list[Classification]:
    """What each burst of the period was classified as, oldest first, with the label of a person if there is one.

    `period`: the parameters `chats`, `opened_at`, `closed_at` and `limit`. Classifications of what a burst said before
    an edit are left out: their `burst` has a colon.
    """
    newest_first = rows(
        connection,
        "SELECT k.conversation_id, k.first_message_id, m.sent_at, k.intent, k.method, k.confidence, k.source, "
        "k.code, k.value_json FROM classifications k JOIN messages m ON m.message_id = k.first_message_id "
        "WHERE k.conversation_id IN (SELECT value FROM json_each(:chats)) AND instr(k.burst, ':') = 0 "
        "AND m.sent_at >= :opened_at AND m.sent_at <= :closed_at "
        "ORDER BY m.sent_at DESC, k.classification_id DESC LIMIT :limit",
        **period,
    )
    labels = _labels_by_message(connection, period["chats"])
    next_burst_at: dict[int, str] = {}  # by conversation: when the burst after the current one begins
    classifications = []
    for row in newest_first:
        conversation, begins = row["conversation_id"], row["sent_at"]
        texts = _burst_texts(connection, conversation, begins, next_burst_at.get(conversation))
        next_burst_at[conversation] = begins
        added = {"texts": texts, "person": labels.get(row["first_message_id"])}
        classifications.append(cast("Classification", _with_values(row) | added))
    return classifications[::-1]


def _labels_by_message(connection: Connection, chats: str) -> dict[int, PersonsLabel]:
    """By message id, the latest label that a person gave it and that was not undone."""
    oldest_first = rows(
        connection,
        "SELECT message_ids, intent, actor, at FROM corrections "
        f"WHERE {_IN_CHATS} AND undone_at IS NULL ORDER BY at, correction_id",
        chats=chats,
    )
    labels: dict[int, PersonsLabel] = {}
    for row in oldest_first:
        label: PersonsLabel = {"intent": row["intent"], "actor": row["actor"], "at": row["at"]}
        labels |= dict.fromkeys(json.loads(row["message_ids"]), label)
    return labels


def _burst_texts(connection: Connection, conversation: int, since: str, before: str | None) -> list[str]:
    """The lines that people read of one burst's messages: all inbound ones from `since` until before `before`.

    `since`: when its first message was sent. `before`: when the next burst begins; None: no burst follows.
    """
    found = rows(
        connection,
        "SELECT type, direction, body, readable_at, media, quoted, details FROM messages "
        "WHERE conversation_id = :conversation "
        "AND direction = 'in' AND sent_at >= :since AND sent_at < :before ORDER BY sent_at, stanza_id",
        conversation=conversation,
        since=since,
        before=before or _FAR_FUTURE,
    )
    return [with_text(row)["text"] for row in found]


IS_WITHDRAWN: Final = (
    "EXISTS (SELECT 1 FROM lead_events w WHERE w.lead_id = e.lead_id AND w.kind = 'note_withdrawn' "
    "AND w.value_json ->> 'note_id' = e.event_id)"
)
"""SQL over an event `e` that is a note: whether it was withdrawn."""
_CAUSED: Final = "e.at = d.at AND e.actor = d.actor AND e.code = 'decided'"
"""SQL: the decision `d` caused the lead event `e`."""
_CHANGED_NO_LEAD: Final = (
    f"NOT EXISTS (SELECT 1 FROM lead_events e WHERE e.lead_id IN (SELECT value FROM json_each(:leads)) AND {_CAUSED})"
)
"""SQL: none of the events of the person's leads (`:leads`) was caused by the decision `d`."""
_RECORD: Final = f"""
    SELECT at, recorded_at, actor, kind, before, after, message_id, code, value_json, 2 AS place, event_id AS number
    FROM lead_events e WHERE lead_id = :lead AND NOT (kind = 'note' AND {IS_WITHDRAWN})
    UNION ALL
    SELECT at, at, actor, iif(stage = '{DISMISSED}', stage, 'decision'), NULL, nullif(stage, '{DISMISSED}'), NULL,
           'decided', '{{}}', 0, decision_id
    FROM decisions d WHERE {_IN_CHATS} AND {_CHANGED_NO_LEAD}
    UNION ALL
    SELECT at, at, actor, 'note', NULL, NULL, NULL, 'note', json_object('text', note), 1, decision_id
    FROM decisions d WHERE {_IN_CHATS} AND note IS NOT NULL AND undone_at IS NULL AND {_CHANGED_NO_LEAD}
    UNION ALL
    SELECT undone_at, undone_at, undone_by, 'undone', NULL, NULL, NULL, 'undone',
           json_object('decision', stage, 'actor', actor, 'at', at), 3, decision_id
    FROM decisions d WHERE {_IN_CHATS} AND undone_at IS NOT NULL
    AND ({_CHANGED_NO_LEAD} OR EXISTS (SELECT 1 FROM lead_events e WHERE e.lead_id = :lead AND {_CAUSED}))
    ORDER BY at, place, number
"""
"""The lead's events; decisions without an event, as events; their notes; and the undoing of decisions.

`place` and `number` order what happened at the same time.
"""


def _record(connection: Connection, lead: int | None, chats: str, leads_of_person: Sequence[int]) -> list[RecordEntry]:
    """The events of the lead, and the decisions about this person that are in no lead's events, oldest first.

    `lead`: None if there is none, then there are decisions only. Notes that were withdrawn are left out. Decisions that
    were undone stay, and the undoing is one more entry.
    """
    found = rows(connection, _RECORD, lead=lead, chats=chats, leads=id_list(leads_of_person))
    entries = [{key: row[key] for key in row if key not in ("place", "number")} for row in found]
    return [cast("RecordEntry", _with_values(entry)) for entry in entries]


def _with_values(row: Row) -> Row:
    """A copy of the row with `values`, the documented key, parsed from its column `value_json`."""
    others = {key: value for key, value in row.items() if key != "value_json"}
    return others | {"values": json.loads(row["value_json"])}
