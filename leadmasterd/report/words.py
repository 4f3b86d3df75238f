"""A report in words: periods, lengths, sources and reasons, and how complete the record is."""

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

Told = Callable[[float | None], str]
"""A length in words; `-` for None."""


class Row(NamedTuple):
    """A number and the one before, as `kind`: `waiting`, `late`, or nothing special."""

    label: str
    now: int
    before: int
    kind: str = ""


# ---------------------------------------------------------------------- when


def stretch(figures: Figures, clock: Clock) -> str:
    """From when to when: in days where it is whole days."""
    begins, ends = (datetime.fromisoformat(figures[each]).astimezone(clock.zone) for each in ("begins", "ends"))
    first, after = day_begun(begins, clock.zone), day_begun(ends, clock.zone)
    if first is None or after is None:
        return _("{begins} to {ends}").format(begins=_moment(begins), ends=_moment(ends))
    last = after - timedelta(days=1)
    if first == last:
        return day(first)
    if first.day == 1 and after.day == 1 and (first.year, first.month) == (last.year, last.month):
        return _("{month} {year}").format(month=months()[first.month - 1], year=first.year)
    begin = day_of_the_year(first) if first.year == last.year else day(first)
    return _("{begins} to {ends}").format(begins=begin, ends=day(last))


def _moment(at: datetime) -> str:
    return _("{day}, {time}").format(day=day(at), time=f"{at:%H:%M}")


def so_far(figures: Figures, clock: Clock) -> str:
    """That the period is not over, or has not begun; empty of one that is over."""
    if figures["until"] == figures["ends"]:
        return ""
    if figures["until"] == figures["begins"]:
        return _("This period has not begun yet.")
    until = _moment(datetime.fromisoformat(figures["until"]).astimezone(clock.zone))
    return _("So far: until {until}.").format(until=until)


def compared_with(report: Report, clock: Clock) -> str:
    """What the figures in the last column are of."""
    before = report["before"]
    words = _("Compared with: {stretch}").format(stretch=stretch(before, clock))
    if before["until"] == before["ends"]:
        return words + "."
    until = _moment(datetime.fromisoformat(before["until"]).astimezone(clock.zone))
    return words + ", " + _("until {until}.").format(until=until)


# ---------------------------------------------------------------------- how long


def bucket(up_to: int | None) -> str:
    """`up to 15 min`; None: longer than all others."""
    if up_to is None:
        return _("more than 24 h")
    most = _("{n} min").format(n=up_to // 60) if up_to <= 3600 else _("{n} h").format(n=up_to // 3600)
    return _("up to {length}").format(length=most)


def wall_or_dash(seconds: float | None) -> str:
    """A length, or `-` where there is none."""
    return "-" if seconds is None else length(seconds)


def open_or_dash(seconds: float | None) -> str:
    """A length of opening hours, or `-` where there is none."""
    return "-" if seconds is None else open_length(seconds)


def answer_rows(now: FirstAnswers, before: FirstAnswers, lengths: Lengths, earlier: Lengths) -> list[Row]:
    """One for each bucket; who still waits in time and who was never answered are told beside them."""
    return [
        *(
            Row(bucket(this["up_to_seconds"]), this["leads"], that["leads"])
            for this, that in zip(lengths["buckets"], earlier["buckets"], strict=True)
        ),
        Row(_("still in time"), now["waiting"], before["waiting"], "waiting"),
        Row(_("never, so far"), now["never"], before["never"], "late"),
    ]


def typical_rows(lengths: Lengths, earlier: Lengths, told: Told) -> list[tuple[str, str, str]]:
    """The median and the 90th percentile of those that were answered."""
    return [
        (_("half of those answered within"), told(lengths["median_seconds"]), told(earlier["median_seconds"])),
        (_("nine in ten of them within"), told(lengths["p90_seconds"]), told(earlier["p90_seconds"])),
    ]


def within_target(now: FirstAnswers, before: FirstAnswers) -> tuple[str, str, str]:
    """Of those whose time is over, answered or not, how many were answered in time."""
    this, that = (of_how_many(each["within_target"], each["answered"] + each["never"]) for each in (now, before))
    return _("within the target"), this, that


def beside(first: FirstAnswers) -> str:
    """What is counted elsewhere, and why a percentile is missing."""
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
    """The first sentence of a report: how many were answered, within the target, and never."""
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
    """How often somebody waited for an answer, with and without an enquiry."""
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
    """That something is not counted yet; empty if all is."""
    return pending_note(report["unjudged"]) if report["unjudged"] else ""


# ---------------------------------------------------------------------- what and why


def intent(name: str) -> str:
    """As the shop calls it."""
    return intent_name(name)


def group(name: str) -> str:
    """Likewise; a missed call has no words to be about anything."""
    return _("missed call") if name == "missed_call" else group_name(name)


def stage(name: str) -> str:
    """As the shop calls it."""
    return stage_name(name)


def came_by(row: CameBy) -> str:
    """`ad: Camperas`."""
    if row["kind"] == "none":
        return _("by themselves, as far as is known")
    kind = kind_of_touch(row["kind"])
    return f"{kind}: {shortened(printable(row['name']), _NAME)}" if row["name"] else kind


def reason(row: ClosingReason) -> str:
    """What was written on closing, and what the customer's own words were taken for."""
    parts = []
    if row["intent"]:
        parts.append(_("by their words: {intent}").format(intent=intent(row["intent"])))
    if row["note"]:
        parts.append(f"«{shortened(printable(row['note']), 2 * _NAME)}»")
    return "; ".join(parts) or _("no reason given")


def closing_rows(now: Closings, before: Closings) -> list[tuple[str, int, int]]:
    """By stage; those that nobody ever uses are left out."""
    rows = [
        ("won", now["won"], before["won"]),
        ("lost", now["lost"], before["lost"]),
        ("dormant", now["dormant"], before["dormant"]),
        ("junk", now["junk"], before["junk"]),
    ]
    return [row for row in rows if row[0] in ("won", "lost") or row[1] or row[2]]


def silences() -> str:
    """What is counted there."""
    return _(
        "Of those who had our answer and fell silent, how many wrote again. Silences of the last {days} days."
    ).format(days=LOOK_BACK.days)


def silence(days: int) -> str:
    """`1 day`."""
    return ngettext("{n} day", "{n} days", days).format(n=days)


def of_how_many(number: int, of: int) -> str:
    """`3 of 12`; `-` where there are none."""
    return _("{n} of {all}").format(n=figure(number), all=figure(of)) if of else "-"


# ---------------------------------------------------------------------- how complete it is


def complete(figures: Figures, clock: Clock) -> str:
    """One sentence or two: what may be missing, and why. It claims nothing of what expired unseen."""
    record = figures["record"]
    if figures["until"] == figures["begins"]:
        return _("There is nothing to be complete yet.")
    if record["linked_at"] is None:
        return _("No phone has ever been linked: nothing was heard.")
    if record["linked_at"] >= figures["until"]:
        return _("Nobody listened then: the first phone was linked on {day}.").format(
            day=day(datetime.fromisoformat(record["linked_at"]).astimezone(clock.zone))
        )
    sentences = [_outages(figures)]
    if record["linked_at"] > figures["begins"]:
        sentences.append(
            _("Before {day}, when the phone was linked, there is only what it handed over then.").format(
                day=_moment(datetime.fromisoformat(record["linked_at"]).astimezone(clock.zone))
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
    """A length that is not nothing."""
    return length(max(1.0, seconds))
