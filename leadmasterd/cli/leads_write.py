"""`leadmasterd leads label`, `stage` and `note`: a person's word on a lead, and what became of it."""

import argparse
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from leadmasterd import times
from leadmasterd.cli import names
from leadmasterd.cli.arguments import add_epilog, add_id, add_json, positive, typed
from leadmasterd.cli.desk import Change, Desk, opened, told
from leadmasterd.cli.tables import folded
from leadmasterd.errors import Refused
from leadmasterd.leads.stages import CLOSED, DECIDABLE
from leadmasterd.leads.timeline import Burst
from leadmasterd.projection.history import bursts_of
from leadmasterd.queries import leads as lead_queries
from leadmasterd.queries.leads import Subject
from leadmasterd.sentences import lead_event, stage_es
from leadmasterd.text import _, printable

_JUST_NOW: Final = timedelta(minutes=10)
"""A colleague's word so fresh is told to whoever decides after it: perhaps they did not know."""

_SHOWN: Final = 60


# ---------------------------------------------------------------------- label


def add_label_arguments(parser: argparse.ArgumentParser) -> None:
    """Which burst, and its intent."""
    add_id(parser)
    parser.add_argument("intent", metavar="INTENT", nargs="?", help=_("an intent, by its id or in Spanish"))
    parser.add_argument(
        "--message",
        type=positive,
        metavar="MESSAGE_ID",
        help=_("the burst with this message (default: the one that opened the lead, or the chat's last)"),
    )
    parser.add_argument("--undo", action="store_true", help=_("remove the label that people gave it"))
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd leads label 5 price",
        "leadmasterd leads label +5491155550001 supplier",
        "leadmasterd leads label 5 delivery --message 1234",
        "leadmasterd leads label 5 --undo",
    )


def run_label(arguments: argparse.Namespace) -> int:
    """Say what a burst is; 64 for an intent that there is not."""
    if (arguments.intent is None) != arguments.undo:
        print(_("say either an INTENT or --undo; try `leadmasterd leads label --help`"), file=sys.stderr)
        return 64
    intent = None if arguments.undo else names.intent(arguments.intent)
    with opened(arguments.config) as desk:
        subject = desk.find(arguments.id)
        burst = _burst(desk, subject, arguments)
        message_ids = [message.message_id for message in burst.messages]
        at = times.iso(datetime.now(UTC))
        words = _words_on(desk, burst)
        if intent is None and not words:
            raise Refused(_("nobody has labelled {text}: nothing to take back").format(text=_quoted(burst)))

        def write() -> None:
            if intent is None:
                desk.connection.execute(
                    f"UPDATE corrections SET undone_at = ? WHERE correction_id IN ({','.join(map(str, words))})", (at,)
                )
            else:
                desk.connection.execute(
                    "INSERT INTO corrections (conversation_id, message_ids, intent, at, actor) VALUES (?, ?, ?, ?, ?)",
                    (burst.conversation, json.dumps(message_ids), intent, at, desk.actor),
                )

        before = _label_of(desk, burst)
        changes = desk.say([subject], write)
        after = _label_of(desk, burst)
        answer = {
            "lead_id": subject.lead_id,
            "conversation_id": burst.conversation,
            "message_ids": message_ids,
            "intent": after,
            "intent_before": before,
            "actor": desk.actor,
            "at": at,
        }
    from leadmasterd.classify.reasons import intent_es

    said = _("{text} is {intent} by your word.") if intent else _("{text} is {intent} again, by rules and model.")
    line = said.format(text=_quoted(burst), intent=f"{after} ({intent_es(str(after))})")
    if before not in (None, after):
        line += " " + _("It was taken for {before}.").format(before=f"{before} ({intent_es(str(before))})")
    return _tell(arguments, answer, [line], changes, desk)


def _burst(desk: Desk, subject: Subject, arguments: argparse.Namespace) -> Burst:
    """The one meant. Raises Refused."""
    bursts = bursts_of(desk.connection, subject.conversation_id, desk.settings.leads.burst_seconds)
    wanted = arguments.message or subject.opened_by
    for burst in bursts:
        if wanted in [message.message_id for message in burst.messages]:
            return burst
    if arguments.message is not None:
        raise Refused(
            _(
                "cannot label message {message}: it is not one that was received in this chat; "
                "`leadmasterd leads show {id}` shows their numbers"
            ).format(message=wanted, id=arguments.id)
        )
    of_chat = [burst for burst in bursts if burst.conversation == subject.conversation_id]
    if not of_chat:
        raise Refused(_("cannot label {id}: nobody wrote there, so there is nothing to label").format(id=arguments.id))
    return of_chat[-1]


def _words_on(desk: Desk, burst: Burst) -> list[int]:
    """What people said of any of its messages and have not taken back."""
    ids = {message.message_id for message in burst.messages}
    rows = lead_queries.ask(
        desk.connection,
        "SELECT correction_id, message_ids FROM corrections WHERE conversation_id = ? AND undone_at IS NULL",
        burst.conversation,
    )
    return [row["correction_id"] for row in rows if ids & set(json.loads(row["message_ids"]))]


def _label_of(desk: Desk, burst: Burst) -> str | None:
    """A person's word, else what it was classified as."""
    if words := _words_on(desk, burst):
        [row] = lead_queries.ask(desk.connection, "SELECT intent FROM corrections WHERE correction_id = ?", max(words))
        return str(row["intent"])
    rows = lead_queries.ask(
        desk.connection,
        "SELECT intent FROM classifications WHERE conversation_id = ? AND burst = ?",
        burst.conversation,
        burst.key,
    )
    return str(rows[0]["intent"]) if rows else None


def _quoted(burst: Burst) -> str:
    text = printable(" / ".join(text for text in burst.texts if text.strip())).strip()
    text = text or ", ".join(f"[{message.type}]" for message in burst.messages)
    return f"«{text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}»"


# ---------------------------------------------------------------------- stage


def add_stage_arguments(parser: argparse.ArgumentParser) -> None:
    """Which lead, and where it goes."""
    add_id(parser)
    parser.add_argument("stage", metavar="STAGE", help=_("a stage, by its id or in Spanish"))
    parser.add_argument("--note", type=typed, metavar="TEXT", help=_("why, for the record"))
    add_json(parser)
    add_epilog(parser, "leadmasterd leads stage 5 quoted", 'leadmasterd leads stage 5 lost --note "too expensive"')


def run_stage(arguments: argparse.Namespace) -> int:
    """Move a lead; a chat without one gets one by an open stage."""
    stage = names.stage(arguments.stage, allowed=DECIDABLE)
    with opened(arguments.config) as desk:
        subject = desk.find(arguments.id)
        at, lead, colleague, unchanged = "", None, None, False

        def write() -> None:
            nonlocal at, lead, colleague, unchanged
            # All of this inside the transaction: nobody decides between our look and our word.
            lead = _lead_meant(desk, subject)
            if lead is None and stage in CLOSED and not _waits(desk, subject):
                raise Refused(
                    _(
                        "there is no lead of {id} to close; to say that it is none: "
                        "`leadmasterd leads label {id} personal` (or supplier, spam, ...)"
                    ).format(id=arguments.id)
                )
            colleague = _colleague(desk, lead) if lead else None
            unchanged = lead is not None and lead["stage"] == stage != "quoted"
            at = desk.moment_after(subject)
            if not unchanged:
                conversation = lead["conversation_id"] if lead else subject.conversation_id
                desk.connection.execute(
                    "INSERT INTO decisions (conversation_id, at, actor, stage, note) VALUES (?, ?, ?, ?, ?)",
                    (conversation, at, desk.actor, stage, arguments.note),
                )

        changes = desk.say([subject], write)
        after = _lead_of(desk, subject)
        if arguments.note and after:
            with desk.transaction():
                _note(desk, after["lead_id"], at, arguments.note)
        answer = {
            "lead_id": after["lead_id"] if after else None,
            "conversation_id": subject.conversation_id,
            "stage": after["stage"] if after else None,
            "stage_before": lead["stage"] if lead else None,
            "actor": desk.actor,
            "at": at or None,
        }
    lines = []
    if colleague:
        lines.append(colleague)
    if lead and (unchanged or stage == lead["stage"]):
        said = _("Lead {lead} is {stage} already.") if unchanged else _("Lead {lead} is {stage} once more.")
        lines.append(said.format(lead=lead["lead_id"], stage=_both(stage)))
    return _tell(arguments, answer, lines, changes, desk)


def _waits(desk: Desk, subject: Subject) -> bool:
    """Whether somebody waits there: a chat that is no lead can be done with too."""
    numbers = ",".join(map(str, subject.conversations))
    query = f"SELECT 1 FROM conversations WHERE conversation_id IN ({numbers}) AND waiting_since IS NOT NULL"
    return bool(lead_queries.ask(desk.connection, query))


def _lead_meant(desk: Desk, subject: Subject) -> dict[str, Any] | None:
    """The lead that a decision is about: the open one, else the last. Raises Refused when another one was named."""
    found = _lead_of(desk, subject)
    if subject.lead_id is None or (found and found["lead_id"] == subject.lead_id):
        return found
    [named] = lead_queries.ask(desk.connection, "SELECT merged_into_id FROM leads WHERE lead_id = ?", subject.lead_id)
    if named["merged_into_id"] is not None or found is None:
        said = _("lead {old} was merged into lead {new}; say it of that one")
    else:
        said = _("lead {old} is over, and lead {new} came after it; say it of that one")
    new = found["lead_id"] if found else named["merged_into_id"]
    raise Refused(said.format(old=subject.lead_id, new=new))


def _lead_of(desk: Desk, subject: Subject) -> dict[str, Any] | None:
    rows = lead_queries.ask(
        desk.connection,
        "SELECT lead_id, conversation_id, stage FROM leads WHERE contact_id = ? AND stage <> 'merged' "
        "ORDER BY closed_at IS NULL DESC, opened_at DESC, lead_id DESC LIMIT 1",
        subject.contact_id,
    )
    return rows[0] if rows else None


def _colleague(desk: Desk, lead: dict[str, Any]) -> str | None:
    """What somebody else decided a moment ago."""
    since = times.iso(datetime.now(UTC) - _JUST_NOW)
    rows = lead_queries.ask(
        desk.connection,
        "SELECT at, actor, kind, before, after, code, value_json FROM lead_events WHERE lead_id = ? AND at >= ? "
        "AND actor LIKE 'person:%' AND actor <> ? AND kind <> 'note' ORDER BY at DESC, event_id DESC LIMIT 1",
        lead["lead_id"],
        since,
        desk.actor,
    )
    if not rows:
        return None
    row = rows[0]
    said = lead_event(row["kind"], row["before"], row["after"], row["code"], json.loads(row["value_json"]))
    return _("Note: at {at} {who} said of lead {lead}: {what}.").format(
        at=desk.clock.brief(row["at"]),
        who=printable(row["actor"].removeprefix("person:")),
        lead=lead["lead_id"],
        what=said,
    )


def _both(stage: str) -> str:
    return f"{stage} ({stage_es(stage)})"


# ---------------------------------------------------------------------- note


def add_note_arguments(parser: argparse.ArgumentParser) -> None:
    """Which lead, and the text."""
    add_id(parser)
    parser.add_argument("text", type=typed, metavar="TEXT")
    add_json(parser)
    add_epilog(parser, 'leadmasterd leads note 5 "calls back on Monday"')


def run_note(arguments: argparse.Namespace) -> int:
    """Write on the record; nothing else changes."""
    if not arguments.text.strip():
        print(_("cannot write an empty note; say something"), file=sys.stderr)
        return 64
    with opened(arguments.config) as desk:
        subject = desk.find(arguments.id)
        with desk.transaction():
            lead_id = subject.lead_id
            if lead_id is None:
                lead = _lead_meant(desk, subject)
                if lead is None:
                    raise Refused(
                        _("there is no lead of {id} to write on; `leadmasterd leads stage {id} new` makes one").format(
                            id=arguments.id
                        )
                    )
                lead_id = lead["lead_id"]
            at = times.iso(datetime.now(UTC))
            _note(desk, lead_id, at, arguments.text)
        answer = {"lead_id": lead_id, "text": arguments.text, "actor": desk.actor, "at": at}
    return _tell(arguments, answer, [_("Noted on lead {lead}.").format(lead=lead_id)], None, desk)


def _note(desk: Desk, lead_id: int, at: str, text: str) -> None:
    desk.connection.execute(
        "INSERT INTO lead_events (lead_id, at, recorded_at, actor, kind, code, value_json) "
        "VALUES (?, ?, ?, ?, 'note', 'note', ?)",
        (
            lead_id,
            at,
            times.iso(datetime.now(UTC)),
            desk.actor,
            json.dumps({"text": text}, ensure_ascii=False),
        ),
    )


# ---------------------------------------------------------------------- the answer


def _tell(
    arguments: argparse.Namespace, answer: dict[str, Any], lines: list[str], changes: list[Change] | None, desk: Desk
) -> int:
    if arguments.json:
        if changes is not None:
            answer["changes"] = [change.as_json() for change in changes]
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    lines += [told(change, desk.clock) for change in changes or ()]
    if changes == [] and len(lines) < 2:
        lines.append(_("Nothing else changes."))
    print("\n".join(folded(line, 2) for line in lines))
    return 0
