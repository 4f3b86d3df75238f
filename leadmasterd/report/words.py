"""The sentences and table cells of a report, for the terminal and for HTML (which escapes them itself).

`now` and `before` are figures of the period and of the one before it. A sentence that has nothing to say is empty.
People read "enquiry" for a lead.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from leadmasterd.classify.reasons import group_name, intent_name
from leadmasterd.clock import Clock, day, day_of_the_year, length, months, open_length
from leadmasterd.queries.report import Figures, Report
from leadmasterd.queries.report.asked import Asked
from leadmasterd.queries.report.closings import ClosingReason, Closings
from leadmasterd.queries.report.first_answers import FEW, FirstAnswers, Lengths
from leadmasterd.queries.report.opened import CameBy
from leadmasterd.queries.report.periods import day_begun
from leadmasterd.queries.report.silences import LOOK_BACK
from leadmasterd.queries.words import kind_of_touch, pending_note
from leadmasterd.sentences import stage_name
from leadmasterd.text import _, figure, ngettext, printable, shortened

_NAME: Final = 60
"""Characters of a name that are shown."""

LengthInWords = Callable[[float | None], str]
"""Puts seconds into words; `-` for None."""


class Row(NamedTuple):
    """A row of the table of first answers: how many leads there are now, and how many there were in the period before.

    `kind`: `waiting` or `late`, for rows with a colour of their own; else empty.
    """

    label: str
    now: int
    before: int
    kind: str = ""


# ---------------------------------------------------------------------- when


def stretch(figures: Figures, clock: Clock) -> str:
    """The name of a period: a day, a month or `… to …`; with times of day if it is not made of whole days."""
    begins = clock.local(figures["begins"])
    ends = clock.local(figures["ends"])
    first_day, day_after = day_begun(begins, clock.zone), day_begun(ends, clock.zone)
    if first_day is None or day_after is None:
        return _("{begins} to {ends}").format(begins=_moment(begins), ends=_moment(ends))
    last_day = day_after - timedelta(days=1)
    if first_day == last_day:
        return day(first_day)
    same_year = first_day.year == last_day.year
    same_month = same_year and first_day.month == last_day.month
    if same_month and first_day.day == 1 and day_after.day == 1:  # all of a month
        return _("{month} {year}").format(month=months()[first_day.month - 1], year=first_day.year)
    begin = day_of_the_year(first_day) if same_year else day(first_day)
    return _("{begins} to {ends}").format(begins=begin, ends=day(last_day))


def _moment(at: datetime) -> str:
    """`Tuesday 24 November 2026, 12:00`, in the time's own zone."""
    return _("{day}, {time}").format(day=day(at), time=f"{at:%H:%M}")


def so_far(figures: Figures, clock: Clock) -> str:
    """Says that the period is not over yet, or has not begun; empty if it is over.

    Figures count from `begins` until `until`, which is before `ends` while the period is not over.
    """
    if figures["until"] == figures["ends"]:
        return ""
    if figures["until"] == figures["begins"]:
        return _("This period has not begun yet.")
    return _("So far: until {until}.").format(until=_moment(clock.local(figures["until"])))


def compared_with(report: Report, clock: Clock) -> str:
    """Names the period of the figures in the last column, and until when they count if that is before its end."""
    before = report["before"]
    words = _("Compared with: {stretch}").format(stretch=stretch(before, clock))
    if before["until"] == before["ends"]:
        return words + "."
    return words + ", " + _("until {until}.").format(until=_moment(clock.local(before["until"])))


# ---------------------------------------------------------------------- how long


def bucket(up_to: int | None) -> str:
    """The name of a bucket with this upper limit in seconds: `up to 15 min`. None: the last bucket, without a limit."""
    if up_to is None:
        return _("more than 24 h")
    limit = _("{n} min").format(n=up_to // 60) if up_to <= 3600 else _("{n} h").format(n=up_to // 3600)
    return _("up to {length}").format(length=limit)


def wall_or_dash(seconds: float | None) -> str:
    """A length by the clock, or `-` for None."""
    return "-" if seconds is None else length(seconds)


def open_or_dash(seconds: float | None) -> str:
    """A length in opening hours, or `-` for None."""
    return "-" if seconds is None else open_length(seconds)


def answer_rows(now: FirstAnswers, before: FirstAnswers, lengths: Lengths, earlier: Lengths) -> list[Row]:
    """Rows of leads: one for each bucket of answered ones, one for those still in time, one for those never answered.

    `lengths`, `earlier`: which lengths of `now` and `before` to show, in opening hours or by the clock.
    """
    return [
        *(
            Row(bucket(this["up_to_seconds"]), this["leads"], that["leads"])
            for this, that in zip(lengths["buckets"], earlier["buckets"], strict=True)
        ),
        Row(_("still in time"), now["waiting"], before["waiting"], "waiting"),
        Row(_("never, so far"), now["never"], before["never"], "late"),
    ]


def typical_rows(lengths: Lengths, earlier: Lengths, in_words: LengthInWords) -> list[tuple[str, str, str]]:
    """Two rows of a label, now and before: the median and the 90th percentile of those that were answered."""
    return [
        (_("half of those answered within"), in_words(lengths["median_seconds"]), in_words(earlier["median_seconds"])),
        (_("nine in ten of them within"), in_words(lengths["p90_seconds"]), in_words(earlier["p90_seconds"])),
    ]


def within_target(now: FirstAnswers, before: FirstAnswers) -> tuple[str, str, str]:
    """A label, now and before: how many were answered in time, of those answered or never answered so far."""
    this, that = (of_how_many(each["within_target"], each["answered"] + each["never"]) for each in (now, before))
    return _("within the target"), this, that


def left_out(first: FirstAnswers) -> str:
    """Which enquiries the table of first answers leaves out, and why it has no "nine in ten"; empty if all is there."""
    parts = []
    if first["by_hand"]:
        parts.append(
            ngettext(
                "{n} enquiry opened by hand is not in it.",
                "{n} enquiries opened by hand are not in it.",
                first["by_hand"],
            ).format(n=figure(first["by_hand"]))
        )
    if first["not_needed"]:
        parts.append(
            ngettext(
                "{n} that needed no answer is not in it.",
                "{n} that needed no answer are not in it.",
                first["not_needed"],
            ).format(n=figure(first["not_needed"]))
        )
    if 0 < first["answered"] < FEW:
        parts.append(_("“Nine in ten” is shown from {n} answers on.").format(n=FEW))
    return " ".join(parts)


def answered(first: FirstAnswers) -> str:
    """The first sentences of a report: how many enquiries were answered, in time or not, and how many were not."""
    if not first["leads"]:
        return _("Nobody opened an enquiry.")
    parts = [
        ngettext(
            "{n} enquiry: {answered} answered, {within} of them within the target.",
            "{n} enquiries: {answered} answered, {within} of them within the target.",
            first["leads"],
        ).format(n=figure(first["leads"]), answered=figure(first["answered"]), within=figure(first["within_target"]))
    ]
    if first["never"]:
        parts.append(
            ngettext(
                "{n} has not been answered so far (still waiting: {waiting}).",
                "{n} have not been answered so far (still waiting: {waiting}).",
                first["never"],
            ).format(n=figure(first["never"]), waiting=figure(first["never_waiting"]))
        )
    if first["waiting"]:
        parts.append(
            ngettext(
                "{n} still waits, and the target is not missed yet.",
                "{n} still wait, and the target is not missed yet.",
                first["waiting"],
            ).format(n=figure(first["waiting"]))
        )
    return " ".join(parts)


def asked(now: Asked, before: Asked) -> str:
    """How often somebody waited for an answer, with and without an enquiry, and how often the target was missed."""
    if not now["asked"]:
        return _("Nobody waited for an answer.")
    return ngettext(
        "{n} time somebody waited for an answer (before: {before}); "
        "{missed} not answered in time (before: {missed_before}).",
        "{n} times somebody waited for an answer (before: {before}); "
        "{missed} not answered in time (before: {missed_before}).",
        now["asked"],
    ).format(
        n=figure(now["asked"]),
        before=figure(before["asked"]),
        missed=figure(now["missed"]),
        missed_before=figure(before["missed"]),
    )


def not_processed(report: Report) -> str:
    """Says that some conversations are not counted yet; empty if all are."""
    return pending_note(report["unjudged"]) if report["unjudged"] else ""


# ---------------------------------------------------------------------- what and why


def intent(code: str) -> str:
    """What people read for the code of an intent."""
    return intent_name(code)


def group(code: str) -> str:
    """What people read for a group of intents, or for `missed_call`, which has no intent."""
    return _("missed call") if code == "missed_call" else group_name(code)


def stage(code: str) -> str:
    """What people read for the code of a stage."""
    return stage_name(code)


def came_by(row: CameBy) -> str:
    """What brought customers, with its name if it has one: `an ad: Camperas`."""
    if row["kind"] == "none":
        return _("by themselves, as far as is known")
    kind = kind_of_touch(row["kind"])
    return f"{kind}: {shortened(printable(row['name']), _NAME)}" if row["name"] else kind


def reason(row: ClosingReason) -> str:
    """Why enquiries were closed: what the customer's closing words were classified as, and the note on closing."""
    parts = []
    if row["intent"]:
        parts.append(_("by their words: {intent}").format(intent=intent(row["intent"])))
    if row["note"]:
        parts.append(f"«{shortened(printable(row['note']), 2 * _NAME)}»")
    return "; ".join(parts) or _("no reason given")


def closing_rows(now: Closings, before: Closings) -> list[tuple[str, int, int]]:
    """Rows of a stage's code, leads now and before. `won` and `lost` always; other stages only if they have leads."""
    rows = [
        ("won", now["won"], before["won"]),
        ("lost", now["lost"], before["lost"]),
        ("dormant", now["dormant"], before["dormant"]),
        ("junk", now["junk"], before["junk"]),
    ]
    always = ("won", "lost")
    return [(code, number, was) for code, number, was in rows if code in always or number or was]


def about_silences() -> str:
    """What the table of silences counts."""
    return _(
        "Of those who had our answer and fell silent, how many wrote again. Silences of the last {days} days."
    ).format(days=LOOK_BACK.days)


def days_silent(days: int) -> str:
    """`7 days`."""
    return ngettext("{n} day", "{n} days", days).format(n=days)


def of_how_many(number: int, of: int) -> str:
    """`3 of 12`; `-` if `of` is 0."""
    return _("{n} of {all}").format(n=figure(number), all=figure(of)) if of else "-"


# ---------------------------------------------------------------------- how complete it is


def completeness(figures: Figures, clock: Clock) -> str:
    """What may be missing from the record of the period, and why.

    With gaps it never says that nothing is missing: what was deleted or expired during an outage can't be known.
    """
    record = figures["record"]
    if figures["until"] == figures["begins"]:
        return _("There is nothing to be complete yet.")
    if record["linked_at"] is None:
        return _("No phone has ever been linked: nothing was heard.")
    if record["linked_at"] >= figures["until"]:
        return _("Nobody listened then: the first phone was linked on {day}.").format(
            day=day(clock.local(record["linked_at"]))
        )
    sentences = [_outages(figures)]
    if record["linked_at"] > figures["begins"]:
        sentences.append(
            _("Before {day}, when the phone was linked, there is only what it handed over then.").format(
                day=_moment(clock.local(record["linked_at"]))
            )
        )
    if record["unreadable"]:
        sentences.append(
            ngettext(
                "{n} message came and cannot be read yet.",
                "{n} messages came and cannot be read yet.",
                record["unreadable"],
            ).format(n=figure(record["unreadable"]))
        )
    return " ".join(sentences)


def _outages(figures: Figures) -> str:
    """How long nobody listened, and whether what came then was found afterwards: one sentence."""
    record = figures["record"]
    if not record["gaps"]:
        return _("The listener heard all of it, without a gap.")
    blind = ngettext(
        "The listener was blind for {length} in {n} gap",
        "The listener was blind for {length} in {n} gaps",
        record["gaps"],
    ).format(length=_rounded(record["blind_seconds"]), n=figure(record["gaps"]))
    unseen = _("what expired or was deleted meanwhile cannot be known")
    if not record["unfilled"]:
        filled = ngettext(
            "it was filled afterwards ({messages})", "all were filled afterwards ({messages})", record["gaps"]
        ).format(
            messages=ngettext("{n} message", "{n} messages", record["recovered"]).format(n=figure(record["recovered"]))
        )
        return f"{blind}; {filled}; {unseen}."
    missing = ngettext(
        "{n} is not filled yet: what came in these {length} may be missing",
        "{n} are not filled yet: what came in these {length} may be missing",
        record["unfilled"],
    ).format(n=figure(record["unfilled"]), length=_rounded(record["unfilled_seconds"]))
    return f"{blind}; {missing}; {unseen}."


def _rounded(seconds: float) -> str:
    """A length in words, of at least one second, so that no outage seems to have lasted no time."""
    return length(max(1.0, seconds))
