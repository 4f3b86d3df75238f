"""`leadmasterd leads show`: one person and their enquiry, with the reason of everything."""

import argparse
import json
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from leadmasterd import times
from leadmasterd.classify.reasons import group_es, intent_es, why
from leadmasterd.cli.arguments import add_epilog, add_id, add_json, add_limit
from leadmasterd.cli.leads_list import looked_up, opened
from leadmasterd.cli.tables import folded, tell_of_more
from leadmasterd.cli.times import Clock, length
from leadmasterd.queries import leads as lead_queries
from leadmasterd.queries.leads import Row, Subject, Windows, ask, is_blank
from leadmasterd.sentences import lead_event, stage_es
from leadmasterd.settings.leads_light import LightLeadsSettings
from leadmasterd.settings.paths import find_paths
from leadmasterd.text import _, printable

if TYPE_CHECKING:
    from leadmasterd.leads.calendar import BusinessCalendar

_LABEL: Final = len("  contact    ")
_TIME: Final = len("  2026-11-23 14:03  ")
"""Where texts begin, and so the further lines of long ones."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which lead, and how many of its messages."""
    add_id(parser)
    add_limit(parser, _("show at most N messages, the newest (default 20)"))
    add_json(parser)
    add_epilog(parser, "leadmasterd leads show 5", "leadmasterd leads show +5491155550001")


def run(arguments: argparse.Namespace) -> int:
    """Print it; 1 when there is nothing under that id."""
    paths = find_paths(arguments.config)
    settings = looked_up(paths)
    now = datetime.now(UTC)
    connection = opened(paths)
    if connection is None:
        return 1
    with closing(connection):
        subject = lead_queries.find(connection, arguments.id, settings.country)
        if subject is None:
            from leadmasterd.cli.desk import nobody

            print(nobody(arguments.id), file=sys.stderr)
            return 1
        found = _read(connection, subject, settings, now, arguments.limit)
    if arguments.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        if subject.lead_id is None and subject.opened_by is not None:
            print(_("Lead {lead} was withdrawn; this is how it stands now.").format(lead=arguments.id.strip()))
        _print(found, now, settings)
        tell_of_more(len(found["messages"]), arguments.limit)
    return 0


# ---------------------------------------------------------------------- reading


def _read(
    connection: sqlite3.Connection, subject: Subject, settings: LightLeadsSettings, now: datetime, limit: int
) -> Row:
    """The documented object. `lead` is null for somebody who has none."""
    windows = Windows(now, settings.stale_days, settings.dormant_days)
    leads = lead_queries.leads(connection, windows, limit=1000, closed_too=True, contact=subject.contact_id)
    lead = next((each for each in leads if each["lead_id"] == subject.lead_id), None)
    if lead is None:
        lead = next((each for each in leads if each["closed_at"] is None), leads[0] if leads else None)
    number = lead["lead_id"] if lead else None
    chats = ",".join(map(str, subject.conversations))
    conversations = ask(
        connection,
        "SELECT conversation_id, chat, category, category_by, waiting_since, due_at, last_inbound_at, last_outbound_at "
        f"FROM conversations WHERE conversation_id IN ({chats}) ORDER BY conversation_id",
    )
    about = "lead_id = ?" if number is not None else f"conversation_id IN ({chats}) AND ? IS NULL"
    return {
        "as_of": times.iso(now),
        "lead": lead,
        "contact": _contact(connection, subject.contact_id),
        "conversations": conversations,
        "other_leads": [
            {key: each[key] for key in ("lead_id", "stage", "intent", "opened_at", "closed_at")}
            for each in leads
            if each is not lead
        ],
        "classifications": _classifications(connection, chats, lead, limit),
        "record": _json_in(
            ask(
                connection,
                "SELECT at, recorded_at, actor, kind, before, after, message_id, code, value_json AS value_ "
                "FROM lead_events WHERE lead_id = ? ORDER BY at, event_id",
                number,
            )
        ),
        "touches": ask(
            connection,
            "SELECT message_id, conversation_id, at, kind, source_id, source_url, headline FROM touches "
            f"WHERE conversation_id IN ({chats}) AND at >= ? AND at <= ? ORDER BY at, touch_id LIMIT ?",
            lead["opened_at"] if lead else "",
            (lead["closed_at"] if lead else None) or "9999",
            limit,
        ),
        "follow_ups": ask(
            connection,
            f"SELECT kind, number, planned_at, due_at, state, ended_at, ended_by FROM follow_ups WHERE {about} "
            "ORDER BY due_at, follow_up_id",
            number,
        ),
        "waiting": ask(
            connection,
            "SELECT conversation_id, kind, started_at, due_at, ended_at, ended_by, wall_seconds, business_seconds "
            f"FROM waiting_cycles WHERE {about} ORDER BY started_at, cycle_id",
            number,
        ),
        "messages": ask(
            connection,
            "SELECT message_id, conversation_id, direction, author, type, body, sent_at, edited_at, revoked_at, "
            f"readable_at FROM messages WHERE conversation_id IN ({chats}) "
            "ORDER BY sent_at DESC, message_id DESC LIMIT ?",
            limit,
        )[::-1],
    }


def _contact(connection: sqlite3.Connection, contact: int) -> Row:
    from leadmasterd.store.merges import members_of

    members = ",".join(map(str, members_of(connection, contact)))
    people = ask(
        connection,
        "SELECT contact_id, saved_name, push_name, phone, business FROM contacts "
        f"WHERE contact_id IN ({members}) ORDER BY contact_id = ? DESC, contact_id",
        contact,
    )
    identities = ask(
        connection,
        f"SELECT kind, value FROM contact_identities WHERE contact_id IN ({members}) ORDER BY identity_id",
    )
    merged = ask(
        connection,
        "SELECT merge_id, kept_id, merged_id, at, actor, code FROM contact_merges WHERE undone_at IS NULL "
        f"AND merged_id IN ({members}) ORDER BY merge_id",
    )

    def first(key: str) -> Any:
        return next((each[key] for each in people if each[key]), None)

    return {
        "contact_id": contact,
        **{key: first(key) for key in ("saved_name", "push_name", "phone")},
        "phones": [each["phone"] for each in people if each["phone"]],
        "business": any(each["business"] for each in people),
        "identities": identities,
        "merges": merged,
    }


def _classifications(connection: sqlite3.Connection, chats: str, lead: Row | None, limit: int) -> list[Row]:
    """What each burst was taken for and why, oldest first; a person's word beside it. Of the lead's time, if any."""
    rows = ask(
        connection,
        "SELECT k.conversation_id, k.first_message_id, m.sent_at, k.intent, k.method, k.confidence, k.source, "
        "k.code, k.value_json AS value_ FROM classifications k JOIN messages m ON m.message_id = k.first_message_id "
        f"WHERE k.conversation_id IN ({chats}) AND instr(k.burst, ':') = 0 AND m.sent_at >= ? AND m.sent_at <= ? "
        "ORDER BY m.sent_at DESC, k.classification_id DESC LIMIT ?",
        lead["opened_at"] if lead else "",
        (lead["closed_at"] if lead else None) or "9999",
        limit,
    )[::-1]
    words = ask(
        connection,
        "SELECT message_ids, intent, actor, at FROM corrections "
        f"WHERE conversation_id IN ({chats}) AND undone_at IS NULL ORDER BY at, correction_id",
    )
    ends: dict[int, str] = {}
    for row in _json_in(rows)[::-1]:
        [said_there] = ask(
            connection,
            "SELECT json_group_array(coalesce(body, '')) AS texts FROM (SELECT body FROM messages "
            "WHERE conversation_id = ? AND direction = 'in' AND sent_at >= ? AND sent_at < ? "
            "ORDER BY sent_at, stanza_id)",
            row["conversation_id"],
            row["sent_at"],
            ends.get(row["conversation_id"], "9999"),
        )
        ends[row["conversation_id"]] = row["sent_at"]
        row["texts"] = json.loads(said_there["texts"])
        said = [each for each in words if row["first_message_id"] in json.loads(each["message_ids"])]
        row["person"] = {key: said[-1][key] for key in ("intent", "actor", "at")} if said else None
    return rows


def _json_in(rows: list[Row]) -> list[Row]:
    for row in rows:
        row["values"] = json.loads(row.pop("value_"))
    return rows


# ---------------------------------------------------------------------- printing


def _print(found: Row, now: datetime, settings: LightLeadsSettings) -> None:
    clock = Clock(now, settings.zone())
    lead, contact = found["lead"], found["contact"]
    names = (contact["saved_name"], contact["push_name"], contact["phone"])
    name = next((each for each in names if each and not is_blank(each)), found["conversations"][0]["chat"])
    heading = _("Lead {lead}: {name}") if lead else _("No lead: {name}")
    print(folded(heading.format(lead=lead and lead["lead_id"], name=printable(name)), 2))
    calendar = settings.calendar() if any(each["waiting_since"] for each in found["conversations"]) else None
    for label, text in _contact_rows(contact, found["conversations"]) + (
        _lead_rows(lead, found["other_leads"], clock) if lead else []
    ):
        print(folded(f"  {label:<10} {printable(text)}", _LABEL))
    for conversation in found["conversations"]:
        if conversation["waiting_since"]:
            print(folded(f"  {_('waits'):<10} {_waits(conversation, calendar, clock)}", _LABEL))
    _section(_("What they wanted"), [_classified(row, clock) for row in found["classifications"]])
    _section(_("Came by"), [_touch(row, clock) for row in found["touches"]])
    _section(_("Record"), [_event(row, clock) for row in found["record"]])
    _section(_("To do"), [_follow_up(row, clock) for row in found["follow_ups"] if row["state"] == "planned"])
    _section(_("Waiting"), [_cycle(row, clock) for row in found["waiting"] if row["ended_at"]])
    from leadmasterd.cli.cmd_messages import _what

    _section(
        _("Messages"),
        [
            f"{clock.full(row['sent_at'])}  {'<-' if row['direction'] == 'in' else '->'} "
            f"{'(auto) ' if row['author'] == 'auto_reply' else ''}{printable(_what(row))}  [{row['message_id']}]"
            for row in found["messages"]
        ],
    )


def _section(title: str, lines: list[str]) -> None:
    if lines:
        print(f"\n{title}")
        for line in lines:
            print(folded(f"  {line}", _TIME))


def _contact_rows(contact: Row, conversations: list[Row]) -> list[tuple[str, str]]:
    names = []
    if contact["saved_name"]:
        names.append(_("{name} in the address book").format(name=contact["saved_name"]))
    if contact["push_name"] and not is_blank(contact["push_name"]):
        names.append(_("calls themselves {name}").format(name=contact["push_name"]))
    if contact["business"]:
        names.append(_("a business account"))
    ids = [*contact["phones"], *(each["chat"] for each in conversations)]
    rows = [(_("contact"), "; ".join(names) or _("no name is known")), (_("reach"), ", ".join(dict.fromkeys(ids)))]
    for merge in contact["merges"]:
        by = merge["actor"].removeprefix("person:")
        rows.append((_("merged"), _("merge {n}, by {who}").format(n=merge["merge_id"], who=by)))
    category = next((each["category"] for each in conversations if each["category"]), None)
    if category:
        rows.append((_("about"), f"{category} ({group_es(category)})"))
    return rows


def _lead_rows(lead: Row, others: list[Row], clock: Clock) -> list[tuple[str, str]]:
    topics = lead["topics"] or [lead["intent"]]
    stage = _("{stage} since {at}").format(
        stage=f"{lead['stage']} ({stage_es(lead['stage'])})", at=clock.full(lead["stage_at"])
    )
    opened_by = {"message": _("by a message"), "ad": _("by an ad"), "person": _("by hand")}
    opened_text = f"{clock.full(lead['opened_at'])}, {opened_by.get(lead['source'], lead['source'])}"
    if lead["reopened"]:
        opened_text += ", " + _("reopened {n}x").format(n=lead["reopened"])
    rows = [
        (_("stage"), stage),
        (_("wants"), ", ".join(f"{each} ({intent_es(each)})" for each in topics)),
        (_("opened"), opened_text),
    ]
    if lead["first_response_seconds"] is not None:
        answered = _("after {wall}").format(wall=length(lead["first_response_seconds"]))
        if lead["first_response_business_seconds"] is not None:
            answered += ", " + _("{business} of them open").format(
                business=length(lead["first_response_business_seconds"])
            )
        rows.append((_("answered"), answered))
    else:
        rows.append((_("answered"), _("not yet")))
    notes = []
    if lead["proposed"]:
        notes.append(_("perhaps to close: {intent}").format(intent=_intent(lead["proposed"])))
    if lead["dormant_proposed"]:
        notes.append(_("silent for so long that it may be dormant"))
    elif lead["stale"]:
        notes.append(_("stale: no word and no plan"))
    if lead["merged_into_id"]:
        notes.append(_("merged into lead {lead}").format(lead=lead["merged_into_id"]))
    rows += [(_("note"), note) for note in notes]
    if others:
        listed = ", ".join(f"{each['lead_id']} ({each['stage']})" for each in others)
        rows.append((_("also"), _("leads {leads}").format(leads=listed)))
    return rows


def _waits(conversation: Row, calendar: "BusinessCalendar | None", clock: Clock) -> str:
    since = datetime.fromisoformat(conversation["waiting_since"])
    text = _("for an answer since {at}: {length}").format(
        at=clock.full(conversation["waiting_since"]), length=length(clock.seconds_since(conversation["waiting_since"]))
    )
    if calendar:
        text += ", " + _("{business} of them open").format(business=length(calendar.business_seconds(since, clock.now)))
    if conversation["due_at"] and conversation["due_at"] <= times.iso(clock.now):
        text += "; " + _("overdue since {at}").format(at=clock.full(conversation["due_at"]))
    elif conversation["due_at"]:
        text += "; " + _("due at {at}").format(at=clock.full(conversation["due_at"]))
    return text


def _classified(row: Row, clock: Clock) -> str:
    body = printable(" / ".join(text for text in row["texts"] if text.strip()))
    said = f"«{body[:59] + '…' if len(body) > 60 else body}»" if body else f"[{row['first_message_id']}]"
    text = f"{clock.full(row['sent_at'])}  {said}: {_intent(row['intent'])}, {why(row['code'], row['values'])}"
    if word := row["person"]:
        who = printable(word["actor"].removeprefix("person:"))
        text += "; " + _("{who} says: {intent}").format(who=who, intent=_intent(word["intent"]))
    return text


def _touch(row: Row, clock: Clock) -> str:
    kind = {"ad": _("an ad"), "link": _("a link"), "campaign": _("a campaign")}.get(row["kind"], row["kind"])
    text = f"{clock.full(row['at'])}  {kind}: {printable(lead_queries.named_touch(row))}"
    if row["source_url"] and row["source_url"] != lead_queries.named_touch(row):
        text += f" ({printable(row['source_url'])})"
    return text


def _event(row: Row, clock: Clock) -> str:
    who = printable(row["actor"].removeprefix("person:"))
    said = lead_event(row["kind"], row["before"], row["after"], row["code"], row["values"])
    return f"{clock.full(row['at'])}  {who}: {said}"


def _follow_up(row: Row, clock: Clock) -> str:
    what = {
        "quote_silent": _("ask about the quote ({n} of 4)").format(n=row["number"]),
        "after_sale": _("see to their after-sale question"),
    }.get(row["kind"], row["kind"])
    late = row["due_at"] <= times.iso(clock.now)
    return f"{clock.full(row['due_at'])}  {what}{' (' + _('now') + ')' if late else ''}"


def _cycle(row: Row, clock: Clock) -> str:
    ended = {
        "reply": _("answered"),
        "call": _("answered by a call"),
        "reaction": _("by a reaction"),
        "closed": _("the lead was closed"),
    }.get(row["ended_by"], row["ended_by"])
    text = f"{clock.full(row['started_at'])}  {length(row['wall_seconds'] or 0)}"
    if row["business_seconds"] is not None:
        text += ", " + _("{business} of them open").format(business=length(row["business_seconds"]))
    return f"{text}: {ended}"


def _intent(intent: str) -> str:
    return f"{intent} ({intent_es(intent)})"
