"""Alerts in words: short enough for a lock screen, with times of the business's zone. Pure.

Names are chosen by strangers, so they are cut and made safe to show. What people wrote is only told if it is passed in.
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
_QUOTED: Final = 300
LISTED: Final = 5
"""People that a summary names."""


# ---------------------------------------------------------------------- putting together


def make(title: str, *lines: str) -> Text:
    """A text within its limits; empty lines are left out."""
    return Text(shortened(printable(title), TITLE), shortened("\n".join(filter(None, lines)), BODY))


def _titled(template: str, who: str, **values: str) -> str:
    """A title with a name, which is cut before anything else is. `template` has `{who}`."""
    room = TITLE - len(template.format(who="", **values))
    return template.format(who=shortened(printable(who), max(room, 8)), **values)


def _sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _at(moment: datetime, clock: Clock) -> str:
    return clock.brief(times.iso(moment))


def _because(status: Status) -> str:
    return _sentence(sentences.because(str(status.get("code")), status.get("values") or {}))


def _first_that_fit(lines: Sequence[str]) -> str:
    """The lines, or the first of them and how many more there are."""
    if len(whole := "\n".join(lines)) <= BODY:
        return whole
    room, kept = BODY - 40, []
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
    """How to go on, and since when there have been codes."""
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
    """How to go on; a code with its age."""
    shown = ""
    if (status.get("values") or {}).get("step") == "code":
        shown = _("The code has been shown since {at}.").format(at=clock.brief(str(status["since"])))
    waits = _("It has been waiting since {at}.").format(at=_at(since, clock))
    return make(_("WhatsApp asks for a passkey"), waits, _because(status), shown)


def _nothing_since(status: Status, since: datetime, clock: Clock) -> str:
    if status.get("account") is None:
        return _("Nothing is captured until a phone is linked.")
    return _("Nothing has been captured since {at}.").format(at=_at(since, clock))


def banned(status: Status, since: datetime, clock: Clock) -> Text:
    """With the end of the ban where WhatsApp names one."""
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
    try:
        return datetime.fromtimestamp(float(values["expires"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def down(status: Status | None, since: datetime, clock: Clock) -> Text:
    """Since when and why. `status`: None when the daemon has not said anything since it started."""
    why = _because(status) if status else _("The daemon has not reported its state since it started.")
    linked = status is None or status.get("account") is not None
    return make(
        _("Not listening to WhatsApp since {at}").format(at=_at(since, clock)),
        why,
        _("What comes meanwhile is fetched when it is back.") if linked else "",
    )


def listening_again(gaps: Sequence[Gap], clock: Clock, *, account: str | None) -> Text:
    """How long it was down and what was fetched. `gaps`: all those of this time."""
    if not gaps:
        title = _("WhatsApp is linked") if account else _("It listens to WhatsApp again")
        return make(title, _("Listening as {account}.").format(account=account.partition("@")[0]) if account else "")
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
    """A warning of `health`: what it is, and what to do."""
    title = _TITLES[code](health.feeds(detail)) if code in _TITLES else _capital(health.sentence(code, detail))
    return make(title, *_warning(code, detail))


_TITLES: Final[Mapping[str, Callable[[str], str]]] = {
    health.FEED_DOWN.code: lambda feeds: _("Feeds down: {feeds}").format(feeds=feeds),
    health.FEED_DISABLED.code: lambda feeds: _("Feeds off: {feeds}").format(feeds=feeds),
    health.FEED_DEAD.code: lambda feeds: _("Events given up: {feeds}").format(feeds=feeds),
    health.FEED_OVERFLOW.code: lambda feeds: _("Old events given up: {feeds}").format(feeds=feeds),
}
"""Where the sentence is too long for a title that names the feeds."""


def _warning(code: str, detail: str) -> tuple[str, str]:
    return _sentence(health.sentence(code, detail)), _sentence(health.what_to_do(code))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def trouble(what: str) -> Text:
    """Why the database can't be read, in a sentence that says what to do."""
    return make(_("The database cannot be used"), _sentence(printable(what)))


def refused(function: str, attempts: int, since: datetime, clock: Clock, *, was_refused: bool) -> Text:
    """Something tried to send."""
    if was_refused:
        told = ngettext(
            "{n} attempt since {at}; it was refused.", "{n} attempts since {at}; all were refused.", attempts
        )
    else:
        told = ngettext("{n} attempt since {at}, NOT refused.", "{n} attempts since {at}, NOT refused.", attempts)
    return make(
        _titled(_("Something tried to send: {who}"), function),
        told.format(n=figure(attempts), at=_at(since, clock)),
        _sentence(health.what_to_do(health.SEND_REFUSED.code)),
    )


def over(was: str, since: datetime, clock: Clock) -> Text:
    """The end of a warning. `was`: the title it had; empty if it is not known any more."""
    lasted = _("It lasted {length}.").format(length=length(max(0.0, (clock.now - since).total_seconds())))
    return make(_("Over: {what}").format(what=was) if was else _("What was told is over"), lasted)


# ---------------------------------------------------------------------- people


def _person(row: WaitingConversation | DueFollowUp | NewLead) -> str:
    """`Ana, +5491155550001`."""
    who, reach = words.person(row)
    return ", ".join(filter(None, (shortened(printable(who), _NAME), printable(reach))))


def _waiter(row: WaitingConversation, clock: Clock) -> str:
    """`Ana, +5491155550001: precio, since 14:03`: a line that also stands in digests and summaries."""
    return _("{person}: {wants}, since {at}").format(
        person=_person(row), wants=words.wanted(row), at=clock.brief(row["waiting_since"])
    )


def _quoted(said: str | None) -> str:
    return f"“{shortened(printable(said), _QUOTED)}”" if said else ""


def about_to_miss(row: WaitingConversation, said: str | None, clock: Clock, target: float) -> Text:
    """`said`: what they wrote, if that is to be told."""
    due = clock.brief(row["due_at"] or "")
    return make(
        _titled(_("{who} waits: answer by {at}"), row["who"], at=due),
        _waiter(row, clock),
        _("The target of {target} of opening hours ends at {at}.").format(target=open_length(target), at=due),
        _quoted(said),
    )


def missed(row: WaitingConversation, said: str | None, clock: Clock, target: float) -> Text:
    """`said`: what they wrote, if that is to be told."""
    return make(
        _titled(_("{who} has waited too long"), row["who"]),
        _waiter(row, clock),
        _("The target of {target} of opening hours ended at {at}.").format(
            target=open_length(target), at=clock.brief(row["due_at"] or "")
        ),
        _quoted(said),
    )


def new_lead(lead: NewLead, said: str | None, clock: Clock) -> Text:
    """`said`: what they wrote, if that is to be told."""
    from leadmasterd.classify.reasons import intent_name

    return make(
        _titled(_("New lead: {who}"), lead["who"]),
        _("{person}: {wants}, since {at}").format(
            person=_person(lead), wants=intent_name(lead["intent"]), at=clock.brief(lead["opened_at"])
        ),
        _quoted(said),
    )


def follow_ups(rows: Sequence[DueFollowUp]) -> Text:
    """What is to be done today."""
    number = len(rows)
    title = ngettext("{n} follow-up is due today", "{n} follow-ups are due today", number).format(n=figure(number))
    lines = []
    for row in rows:
        line = _("{person}: {what}").format(person=_person(row), what=words.follow_up(row["kind"], row["number"]))
        lines.append(line + (", " + _("overdue") if row["overdue"] else ""))
    return Text(shortened(title, TITLE), _first_that_fit(lines))


# ---------------------------------------------------------------------- many at once


_MANY: Final[Mapping[Kind, Callable[[int], str]]] = {
    Kind.ABOUT_TO_MISS: lambda n: ngettext("{n} person must be answered soon", "{n} people must be answered soon", n),
    Kind.MISSED: lambda n: ngettext("{n} person has waited too long", "{n} people have waited too long", n),
    Kind.NEW_LEAD: lambda n: ngettext("{n} new lead", "{n} new leads", n),
}


def digest(conditions: Sequence[Condition]) -> Text:
    """Several as one, oldest first: a line for each, as many as fit, and how many more there are."""
    kinds = {each.kind for each in conditions}
    number = len(conditions)
    one_kind = _MANY.get(next(iter(kinds))) if len(kinds) == 1 else None
    title = one_kind(number) if one_kind else ngettext("{n} alert", "{n} alerts", number)
    ordered = sorted(conditions, key=lambda each: (each.since, each.subject))
    lines = [(each.kind in _MANY and each.text.body.partition("\n")[0]) or each.text.title for each in ordered]
    return Text(title.format(n=figure(number)), _first_that_fit(lines))


# ---------------------------------------------------------------------- summaries


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What a summary tells."""

    waiting: Sequence[WaitingConversation] = ()
    """The longest waiting few."""
    conversations: int = 0
    overdue: int = 0
    due_today: int = 0
    """Follow-ups, those of earlier days too."""
    opened: int = 0
    """Leads in the period."""
    unjudged: int = 0
    gaps: Sequence[Gap] = ()
    """Outages that reach into the period."""
    open_gaps: Sequence[Gap] = ()
    unreadable: str = ""
    """Why the database can't be read; then nothing else here is known."""


def summary(kind: Kind, day: Day, status: Status | None, clock: Clock) -> Text:
    """Of the morning (what came in the last 24 hours) or of the evening (what came today)."""
    if day.unreadable:
        title = _("Summary: who waits is not known")
        return make(title, _("The database cannot be read: {why}").format(why=_sentence(printable(day.unreadable))))
    number, late = day.conversations, day.overdue
    if not number:
        title = _("Good morning: nobody waits") if kind is Kind.MORNING else _("End of the day: nobody waits")
    else:
        one, many = (
            (_("Good morning: {n} waits, {late} overdue"), _("Good morning: {n} wait, {late} overdue"))
            if kind is Kind.MORNING
            else (_("End of the day: {n} waits, {late} overdue"), _("End of the day: {n} wait, {late} overdue"))
        )
        title = (one if number == 1 else many).format(n=figure(number), late=figure(late))
    people = [_waiter(row, clock) + (", " + _("overdue") if row["overdue"] else "") for row in day.waiting[:LISTED]]
    if number > len(people):
        people.append(_and_more(number - len(people)))
    return make(
        title,
        *people,
        _follow_up_count(day.due_today),
        _opened(day.opened, kind),
        _fetched(day.gaps),
        words.pending_note(day.unjudged) if day.unjudged else "",
        completeness(day.open_gaps, status, clock),
    )


def _follow_up_count(number: int) -> str:
    text = ngettext("{n} follow-up is due today.", "{n} follow-ups are due today.", number)
    return text.format(n=figure(number)) if number else _("No follow-up is due today.")


def _opened(number: int, kind: Kind) -> str:
    if kind is Kind.MORNING:
        text = ngettext("{n} new lead in the last 24 hours.", "{n} new leads in the last 24 hours.", number)
    else:
        text = ngettext("{n} new lead today.", "{n} new leads today.", number)
    return text.format(n=figure(number))


def _fetched(gaps: Sequence[Gap]) -> str:
    """What was recovered."""
    ended = [gap for gap in gaps if gap.to_at]
    number = recovered(ended)
    if not number:
        return ""
    return ngettext(
        "{n} message was fetched after an outage.", "{n} messages were fetched after outages.", number
    ).format(n=figure(number))


def completeness(open_gaps: Sequence[Gap], status: Status | None, clock: Clock) -> str:
    """One sentence on whether everything is here, by the ledger of outages; empty if the daemon says nothing."""
    if lasting := [gap for gap in open_gaps if gap.to_at is None]:
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
