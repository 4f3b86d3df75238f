"""The texts of alerts: titles short enough for a lock screen, times in the business's zone. Pure.

Names are chosen by strangers, so they are shortened and made safe to show. What customers wrote is quoted only if it is
passed in (`said`). `since` is when the condition began; all moments are aware, and times as text are ISO.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from leadmasterd import health, sentences, times
from leadmasterd.alerts.kinds import BODY, TITLE, Condition, Kind, Text
from leadmasterd.clock import Clock, length, open_length
from leadmasterd.queries import words
from leadmasterd.queries.alerts import NewLead
from leadmasterd.queries.history import Gap, recovered
from leadmasterd.queries.today import DueFollowUp
from leadmasterd.queries.waiting import WaitingConversation
from leadmasterd.text import _, figure, ngettext, printable, shortened

Status = Mapping[str, Any]
"""The object of `status.json`."""

_NAME: Final = 40
"""Characters of a name."""
_QUOTED: Final = 300
"""Characters of what somebody wrote."""
LISTED: Final = 5
"""How many people a summary names."""


# ---------------------------------------------------------------------- putting together


def make(title: str, *lines: str) -> Text:
    """A text of these lines, without the empty ones, shortened to the limits of `Text`."""
    return Text(shortened(printable(title), TITLE), shortened("\n".join(filter(None, lines)), BODY))


def _titled(template: str, who: str, **values: str) -> str:
    """The template with its `{who}` and values filled in; if it is too long for a title, only the name is shortened."""
    room = TITLE - len(template.format(who="", **values))
    return template.format(who=shortened(printable(who), max(room, 8)), **values)


def _sentence(text: str) -> str:
    """The text with a capital letter and a full stop, unless it has an end of its own."""
    end = "" if text.endswith((".", "!", "?")) else "."
    return _capital(text) + end


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _at(moment: datetime, clock: Clock) -> str:
    """`14:03` today, else with its date."""
    return clock.brief(times.iso(moment))


def _because(status: Status) -> str:
    """Why the daemon is in its present phase."""
    return _sentence(sentences.because(str(status.get("code")), status.get("values") or {}))


def _first_that_fit(lines: Sequence[str]) -> str:
    """The lines as one body; if they are too long, as many as fit from the first, and how many more there are."""
    whole = "\n".join(lines)
    if len(whole) <= BODY:
        return whole
    kept: list[str] = []
    room = BODY - 40  # for the last line
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join([*kept, _and_more(len(lines) - len(kept))])


def _and_more(number: int) -> str:
    return ngettext("and {n} more", "and {n} more", number).format(n=figure(number))


# ---------------------------------------------------------------------- the session


def needs_scan(status: Status, since: datetime, clock: Clock) -> Text:
    """Says that somebody has to scan a QR code or type a pairing code, and how."""
    scan = status.get("scan") or {}
    if "pairing_code" in scan:
        how = _("Type {code} there; it is good until {at}.").format(
            code=scan["pairing_code"], at=clock.brief(str(scan["valid_until"]))
        )
    else:
        how = _(
            "`leadmasterd qr` on the server shows the code. It changes every 20 seconds or so, so have the phone in "
            "your hand. Codes have been shown since {at}."
        ).format(at=clock.brief(str(status["since"])))
    return make(_("WhatsApp asks for a scan"), _nothing_since(status, since, clock), _because(status), how)


def needs_passkey(status: Status, since: datetime, clock: Clock) -> Text:
    """Says that somebody has to answer with a passkey; and since when its code is shown, if it is at that step."""
    shown = ""
    if (status.get("values") or {}).get("step") == "code":
        shown = _("The code has been shown since {at}.").format(at=clock.brief(str(status["since"])))
    waits = _("It has been waiting since {at}.").format(at=_at(since, clock))
    return make(_("WhatsApp asks for a passkey"), waits, _because(status), shown)


def _nothing_since(status: Status, since: datetime, clock: Clock) -> str:
    """Since when nothing is captured; before a phone was ever linked there is no such time."""
    if status.get("account") is None:
        return _("Nothing is captured until a phone is linked.")
    return _("Nothing has been captured since {at}.").format(at=_at(since, clock))


def banned(status: Status, since: datetime, clock: Clock) -> Text:
    """Says that WhatsApp has banned the number, until when if the status tells, or that it has warned of it."""
    values = status.get("values") or {}
    if status.get("code") != "temporary_ban":
        return make(_("WhatsApp warns of this number"), _because(status), _nothing_since(status, since, clock))
    ends = _ban_ends(values)
    if ends is None:
        title = _("Banned by WhatsApp temporarily")
        return make(title, _because(status), _nothing_since(status, since, clock))
    at = _at(ends, clock)
    said = printable(str(values.get("message") or ""))
    return make(
        _("Banned by WhatsApp until {at}").format(at=at),
        _("Nothing is tried before {at} ({length} from now); then it starts by itself.").format(
            at=at, length=length(max(0.0, (ends - clock.now).total_seconds()))
        ),
        _('WhatsApp says: "{text}"').format(text=shortened(said, _QUOTED)) if said else "",
        _nothing_since(status, since, clock),
    )


def _ban_ends(values: Mapping[str, Any]) -> datetime | None:
    """When a ban ends, from the values of a status (seconds since 1970); None if that is missing or no usable time."""
    try:
        return datetime.fromtimestamp(float(values["expires"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def down(status: Status | None, since: datetime, clock: Clock) -> Text:
    """Says that it has not listened since then, and why. `status`: None while the daemon has not written any.

    If no phone is linked, it does not promise that what comes meanwhile will be fetched.
    """
    why = _because(status) if status else _("The daemon has not reported its state since it started.")
    linked = status is None or status.get("account") is not None
    return make(
        _("Not listening to WhatsApp since {at}").format(at=_at(since, clock)),
        why,
        _("What comes meanwhile is fetched when it is back.") if linked else "",
    )


def listening_again(gaps: Sequence[Gap], clock: Clock, *, account: str | None) -> Text:
    """Says that it listens again, how long it was down, and how many messages were fetched for that time.

    `gaps`: the outages since the alert; empty if a phone was linked for the first time, or if they can't be read.
    `account`: the linked one (its JID), if it is known.
    """
    if not gaps:
        if not account:
            return make(_("It listens to WhatsApp again"))
        phone = account.partition("@")[0]
        return make(_("WhatsApp is linked"), _("Listening as {account}.").format(account=phone))
    begins = min(gap.from_at for gap in gaps)
    ends = max(gap.to_at or times.iso(clock.now) for gap in gaps)
    lasted = (datetime.fromisoformat(ends) - datetime.fromisoformat(begins)).total_seconds()
    number = recovered(gaps)
    if any(gap.closed_at is None for gap in gaps):
        fetched = _("What came meanwhile is being fetched.")
    elif number:
        fetched = ngettext(
            "{n} message that came meanwhile was fetched.", "{n} messages that came meanwhile were fetched.", number
        ).format(n=figure(number))
    else:
        fetched = _("Nothing had come meanwhile.")
    return make(
        _("It listens to WhatsApp again, after {length}").format(length=length(lasted)),
        fetched,
        _("It was down from {begins} to {ends}.").format(begins=clock.brief(begins), ends=clock.brief(ends)),
    )


# ---------------------------------------------------------------------- warnings


def of_warning(code: str, detail: str) -> Text:
    """A warning of `health`: what is wrong, and what to do. `detail`: as the warning has it, such as names of feeds."""
    short_title = _TITLES.get(code)
    title = short_title(health.feeds(detail)) if short_title else _capital(health.sentence(code, detail))
    return make(title, _sentence(health.sentence(code, detail)), _sentence(health.what_to_do(code)))


_TITLES: Final[Mapping[str, Callable[[str], str]]] = {
    health.FEED_DOWN.code: lambda feeds: _("Feeds down: {feeds}").format(feeds=feeds),
    health.FEED_DISABLED.code: lambda feeds: _("Feeds off: {feeds}").format(feeds=feeds),
    health.FEED_DEAD.code: lambda feeds: _("Events given up: {feeds}").format(feeds=feeds),
    health.FEED_OVERFLOW.code: lambda feeds: _("Old events given up: {feeds}").format(feeds=feeds),
}
"""Titles for warnings whose sentence is too long for one, by code. Each takes the names of the feeds."""


def trouble(what: str) -> Text:
    """Says that the database can't be used. `what`: why, and what to do, in one sentence."""
    return make(_("The database cannot be used"), _sentence(printable(what)))


def refused(function: str, attempts: int, since: datetime, clock: Clock, *, was_refused: bool) -> Text:
    """Says that something tried to send through WhatsApp Web. `function`: of the page, called `attempts` times."""
    if was_refused:
        how_often = ngettext(
            "{n} attempt since {at}; it was refused.", "{n} attempts since {at}; all were refused.", attempts
        )
    else:
        how_often = ngettext("{n} attempt since {at}, NOT refused.", "{n} attempts since {at}, NOT refused.", attempts)
    return make(
        _titled(_("Something tried to send: {who}"), function),
        how_often.format(n=figure(attempts), at=_at(since, clock)),
        _sentence(health.what_to_do(health.SEND_REFUSED.code)),
    )


def over(was: str, since: datetime, clock: Clock) -> Text:
    """The end of a warning, and how long it lasted. `was`: the title it had; empty if that is not known any more."""
    lasted = _("It lasted {length}.").format(length=length(max(0.0, (clock.now - since).total_seconds())))
    return make(_("Over: {what}").format(what=was) if was else _("What was told is over"), lasted)


# ---------------------------------------------------------------------- people


def _person(row: WaitingConversation | DueFollowUp | NewLead) -> str:
    """A person's name and phone, as `Ana, +5491155550001`, or the one of these that is known."""
    who, under = words.person(row)
    return ", ".join(filter(None, (shortened(printable(who), _NAME), printable(under))))


def _waiter(row: WaitingConversation, clock: Clock) -> str:
    """Who waits, what they want and since when, in one line: `Ana, +5491155550001: price, since 14:03`."""
    return _("{person}: {wants}, since {at}").format(
        person=_person(row), wants=words.wanted(row), at=clock.brief(row["waiting_since"])
    )


def _quoted(said: str | None) -> str:
    """What somebody wrote, in quotation marks; empty for None and for no words."""
    return f"“{shortened(printable(said), _QUOTED)}”" if said else ""


def about_to_miss(row: WaitingConversation, said: str | None, clock: Clock, target: float) -> Text:
    """Says that somebody must be answered soon. `said`: what they wrote, or None; `target`: seconds of opening time."""
    due = clock.brief(row["due_at"] or "")
    return make(
        _titled(_("{who} waits: answer by {at}"), row["who"], at=due),
        _waiter(row, clock),
        _("The target of {target} of opening hours ends at {at}.").format(target=open_length(target), at=due),
        _quoted(said),
    )


def missed(row: WaitingConversation, said: str | None, clock: Clock, target: float) -> Text:
    """Says that somebody has waited too long. `said`: what they wrote, or None; `target`: seconds of opening time."""
    return make(
        _titled(_("{who} has waited too long"), row["who"]),
        _waiter(row, clock),
        _("The target of {target} of opening hours ended at {at}.").format(
            target=open_length(target), at=clock.brief(row["due_at"] or "")
        ),
        _quoted(said),
    )


def new_lead(lead: NewLead, said: str | None, clock: Clock) -> Text:
    """Says that a lead was opened. `said`: what they wrote, or None."""
    from leadmasterd.classify.reasons import intent_name

    return make(
        _titled(_("New lead: {who}"), lead["who"]),
        _("{person}: {wants}, since {at}").format(
            person=_person(lead), wants=intent_name(lead["intent"]), at=clock.brief(lead["opened_at"])
        ),
        _quoted(said),
    )


def follow_ups(rows: Sequence[DueFollowUp]) -> Text:
    """The follow-ups that are due today, a line for each, as many as fit."""
    number = len(rows)
    title = ngettext("{n} follow-up is due today", "{n} follow-ups are due today", number).format(n=figure(number))
    lines = []
    for row in rows:
        line = _("{person}: {what}").format(person=_person(row), what=words.follow_up(row["kind"], row["number"]))
        if row["overdue"]:
            line += ", " + _("overdue")
        lines.append(line)
    return Text(shortened(title, TITLE), _first_that_fit(lines))


# ---------------------------------------------------------------------- many at once


_MANY: Final[Mapping[Kind, Callable[[int], str]]] = {
    Kind.ABOUT_TO_MISS: lambda n: ngettext("{n} person must be answered soon", "{n} people must be answered soon", n),
    Kind.MISSED: lambda n: ngettext("{n} person has waited too long", "{n} people have waited too long", n),
    Kind.NEW_LEAD: lambda n: ngettext("{n} new lead", "{n} new leads", n),
}
"""By kind: the title for `n` conditions of it. In alerts of these kinds the first line of the body says who it is."""


def digest(conditions: Sequence[Condition]) -> Text:
    """Several conditions as one text, oldest first: a line for each, as many as fit, and how many more there are."""
    kinds = {each.kind for each in conditions}
    number = len(conditions)
    title_of_kind = _MANY.get(next(iter(kinds))) if len(kinds) == 1 else None
    title = title_of_kind(number) if title_of_kind else ngettext("{n} alert", "{n} alerts", number)
    ordered = sorted(conditions, key=lambda each: (each.since, each.subject))
    return Text(title.format(n=figure(number)), _first_that_fit([_line_in_digest(each) for each in ordered]))


def _line_in_digest(condition: Condition) -> str:
    """The first line of its body where that says who it is about, else its title."""
    first_line = condition.text.body.partition("\n")[0]
    return first_line if condition.kind in _MANY and first_line else condition.text.title


# ---------------------------------------------------------------------- summaries


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What a summary says. Its period is the last 24 hours in the morning, and today in the evening."""

    waiting: Sequence[WaitingConversation] = ()
    """The few that have waited longest."""
    conversations: int = 0
    """How many wait."""
    overdue: int = 0
    """How many of them have waited too long."""
    due_today: int = 0
    """Follow-ups that are due today or were due earlier."""
    opened: int = 0
    """Leads that were opened in the period."""
    unjudged: int = 0
    """Conversations whose leads have not been derived yet."""
    gaps: Sequence[Gap] = ()
    """Outages of which a part is in the period."""
    open_gaps: Sequence[Gap] = ()
    """Outages from which not everything has been fetched, the oldest first."""
    unreadable: str = ""
    """Why the database can't be read; then nothing else here is known. Empty if it can."""


def summary(kind: Kind, day: Day, status: Status | None, clock: Clock) -> Text:
    """The summary of the morning (`kind` MORNING) or evening: who waits, what is due, what came in, what is missing.

    `status`: None while the daemon has not written any.
    """
    if day.unreadable:
        title = _("Summary: who waits is not known")
        return make(title, _("The database cannot be read: {why}").format(why=_sentence(printable(day.unreadable))))
    overdue = ", " + _("overdue")
    people = [_waiter(row, clock) + (overdue if row["overdue"] else "") for row in day.waiting[:LISTED]]
    if day.conversations > len(people):
        people.append(_and_more(day.conversations - len(people)))
    return make(
        _title_of_summary(kind, day),
        *people,
        _follow_up_count(day.due_today),
        _opened(day.opened, kind),
        _fetched(day.gaps),
        words.pending_note(day.unjudged) if day.unjudged else "",
        completeness(day.open_gaps, status, clock),
    )


def _title_of_summary(kind: Kind, day: Day) -> str:
    """A greeting, and how many wait and how many of them for too long."""
    number = day.conversations
    if kind is Kind.MORNING:
        nobody = _("Good morning: nobody waits")
        one, many = _("Good morning: {n} waits, {late} overdue"), _("Good morning: {n} wait, {late} overdue")
    else:
        nobody = _("End of the day: nobody waits")
        one, many = _("End of the day: {n} waits, {late} overdue"), _("End of the day: {n} wait, {late} overdue")
    if number == 0:
        return nobody
    template = one if number == 1 else many
    return template.format(n=figure(number), late=figure(day.overdue))


def _follow_up_count(number: int) -> str:
    """How many follow-ups are due today, or that none is."""
    if not number:
        return _("No follow-up is due today.")
    text = ngettext("{n} follow-up is due today.", "{n} follow-ups are due today.", number)
    return text.format(n=figure(number))


def _opened(number: int, kind: Kind) -> str:
    """How many leads were opened in the period of this summary."""
    if kind is Kind.MORNING:
        text = ngettext("{n} new lead in the last 24 hours.", "{n} new leads in the last 24 hours.", number)
    else:
        text = ngettext("{n} new lead today.", "{n} new leads today.", number)
    return text.format(n=figure(number))


def _fetched(gaps: Sequence[Gap]) -> str:
    """How many messages were fetched after outages; empty if none were."""
    ended = [gap for gap in gaps if gap.to_at]
    number = recovered(ended)
    if not number:
        return ""
    return ngettext(
        "{n} message was fetched after an outage.", "{n} messages were fetched after outages.", number
    ).format(n=figure(number))


def completeness(open_gaps: Sequence[Gap], status: Status | None, clock: Clock) -> str:
    """Whether everything that WhatsApp delivered is captured, in a sentence or two; empty if that is not known.

    `open_gaps`: outages from which not everything has been fetched, the oldest first. `status`: None while the daemon
    has not written any.
    """
    lasting = [gap for gap in open_gaps if gap.to_at is None]
    if lasting:
        text = _("Not complete: nothing has been captured since {at}.").format(at=clock.brief(lasting[0].from_at))
        return f"{text} {_because(status)}" if status else text
    if open_gaps:
        ends = max(gap.to_at or "" for gap in open_gaps)
        return _("Not complete yet: what came between {begins} and {ends} is still being fetched.").format(
            begins=clock.brief(open_gaps[0].from_at), ends=clock.brief(ends)
        )
    if status is None:
        return ""
    if status.get("account") is None:
        return _("No phone is linked yet.")
    if status.get("phase") != "ready":
        return _("Not listening now.") + " " + _because(status)
    return _("Complete: everything that WhatsApp delivered until {at} is here.").format(at=_at(clock.now, clock))
