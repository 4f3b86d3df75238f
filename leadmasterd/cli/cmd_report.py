"""`leadmasterd report`: the week in figures, beside the week before; on the terminal, as a file or as JSON."""

import argparse
import json
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from leadmasterd import causes
from leadmasterd.cli import reading
from leadmasterd.cli.arguments import add_epilog, add_json, add_time, typed
from leadmasterd.cli.tables import Cell, Column, cell, folded, show
from leadmasterd.cli.times import end_from, time_from
from leadmasterd.clock import Clock, short_weekdays
from leadmasterd.errors import CannotUseArgument, Refused
from leadmasterd.queries.database import one_state
from leadmasterd.queries.report import Figures, Report, nothing, report
from leadmasterd.queries.report.asked import Hour
from leadmasterd.queries.report.periods import Period, between, month_of, week_of
from leadmasterd.report import words
from leadmasterd.settings.paths import find_paths
from leadmasterd.state.files import is_running, write_private
from leadmasterd.text import _, figure, ngettext

_MOST_ROWS = 10
"""Rows that are shown of a table whose length depends on the data."""
_NOW = "now"
"""The value of `--week` and `--month` without a day."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the period, and how the report is given: on the terminal, as HTML or as JSON."""
    which = parser.add_mutually_exclusive_group()
    for flag, text in (
        ("--week", _("the week (from Monday) of this day; default: this week")),
        ("--month", _("the calendar month of this day; without a day: this month")),
    ):
        which.add_argument(flag, nargs="?", const=_NOW, type=typed, metavar=_("TIME"), help=text)
    add_time(which, "--from", _("any period from this date or time"))
    add_time(parser, "--to", _("until this time, or the end of this day; with --from; default: now"))
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--html", type=typed, metavar=_("FILE"), help=_("write it as one HTML file, with its pictures"))
    add_json(output)
    add_epilog(
        parser,
        "leadmasterd report",
        "leadmasterd report --week 7d --html semana.html",
        "leadmasterd report --from 2026-11-01 --to 2026-11-15",
        notes=_(
            "A period that is not over is reported up to now, and compared with the same\npart of the one before it."
        ),
    )


def run(arguments: argparse.Namespace) -> int:
    """Print or write the report. Returns 0, also if nothing happened then. Raises CannotUseArgument and Refused."""
    paths = find_paths(arguments.config)
    settings = reading.leads_settings(paths)
    clock = Clock(datetime.now(UTC), settings.zone())
    period = _period(arguments, clock)
    connection = reading.leads_database(paths, settings)
    answer = nothing(period, clock.now, settings)
    if connection:
        with closing(connection), one_state(connection):
            answer = report(connection, period, clock.now, settings, running=is_running(paths))
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
    elif arguments.html is not None:
        _write(Path(arguments.html), answer, clock)
    else:
        _print(answer, clock)
        reading.print_zone(clock)
    return 0


def _period(arguments: argparse.Namespace, clock: Clock) -> Period:
    """The period of the flags; by default this week. Raises CannotUseArgument."""
    begins: str | None = getattr(arguments, "from")
    if arguments.to is not None and begins is None:
        raise CannotUseArgument(_("cannot use --to without --from: say where the period begins"))
    try:
        if begins is not None:
            first = time_from(begins, clock.zone)
            last = clock.now if arguments.to is None else end_from(arguments.to, clock.zone)
            if last <= first:
                raise CannotUseArgument(
                    _("cannot use the period from {begins}: it ends before it begins").format(begins=repr(begins))
                )
            return between(first, last, clock.zone)
        if arguments.month is not None:
            text, period_around = arguments.month, month_of
        else:
            text, period_around = arguments.week or _NOW, week_of
        at = clock.now if text == _NOW else time_from(text, clock.zone)
        return period_around(at, clock.zone)
    except (OverflowError, ValueError) as error:  # before the first day, or after the last, that datetime knows
        raise CannotUseArgument(_("cannot use this period: no calendar goes so far")) from error


def _write(file: Path, answer: Report, clock: Clock) -> None:
    """Write the report as HTML, readable by its owner alone, and say so. Raises Refused; the old file then stays."""
    from leadmasterd.report import document

    text = document.file(answer, clock)
    try:
        if file.exists() and not file.is_file():
            raise Refused(_("cannot write {file}: it is not a regular file; name another --html").format(file=file))
        write_private(file, text.encode("utf-8", "replace"))
    except OSError as error:
        why = causes.of_system(error)
        raise Refused(_("cannot write {file}: {why}; name another --html").format(file=file, why=why)) from error
    print(
        _("{file}: {stretch}. Readable only by you.").format(file=file, stretch=words.stretch(answer["period"], clock))
    )


# ---------------------------------------------------------------------- on the terminal


def _print(answer: Report, clock: Clock) -> None:
    """Print the report for people: a few sentences, then a section for each kind of figure."""
    now, before = answer["period"], answer["before"]
    print(words.stretch(now, clock))
    for sentence in (
        words.so_far(now, clock),
        words.answered(now["first_answers"]),
        words.completeness(now, clock),
        words.compared_with(answer, clock),
        words.not_processed(answer),
    ):
        if sentence:
            print(folded(sentence, 0))
    _first_answers(now, before)
    _hours(now, before)
    _wants(now, before)
    _came_by(now, before)
    _closings(now, before)
    _silences(now, before)


def _section(title: str, *notes: str) -> None:
    """Print the head of a section, with those of its notes that are not empty."""
    print(f"\n{title}")
    for note in notes:
        if note:
            print(folded(note, 0))


def _table(titles: Sequence[str], lines: Sequence[Sequence[str]], *, most: int = _MOST_ROWS) -> None:
    """Print a table of words in the first column and numbers in the others. Rows beyond `most` are only counted."""
    if not lines:
        print(_("Nobody."))
        return
    columns = [Column(titles[0], shrinks=True), *(Column(title, right=True) for title in titles[1:])]
    show(columns, [[cell(text) for text in line] for line in lines[:most]])
    if more := max(0, len(lines) - most):
        print(ngettext("and {n} more", "and {n} more", more).format(n=figure(more)))


def _first_answers(now: Figures, before: Figures) -> None:
    """Print how soon leads got their first answer, in open hours and by the clock, now and in the period before."""
    this, that = now["first_answers"], before["first_answers"]
    _section(_("First answer"), words.left_out(this))
    open_rows = words.answer_rows(this, that, this["open_hours"], that["open_hours"])
    wall_rows = words.answer_rows(this, that, this["wall"], that["wall"])
    lines = [
        [by_hours.label, figure(by_hours.now), figure(by_hours.before), figure(wall.now), figure(wall.before)]
        for by_hours, wall in zip(open_rows, wall_rows, strict=True)
    ]
    open_typical = words.typical_rows(this["open_hours"], that["open_hours"], words.open_or_dash)
    wall_typical = words.typical_rows(this["wall"], that["wall"], words.wall_or_dash)
    lines += [
        [label, open_now, open_before, wall_now, wall_before]
        for (label, open_now, open_before), (_same, wall_now, wall_before) in zip(
            open_typical, wall_typical, strict=True
        )
    ]
    label, within_now, within_before = words.within_target(this, that)
    lines.append([label, within_now, within_before, "", ""])  # the target is in open hours
    _table([_("answered after"), _("open hours"), _("before"), _("by the clock"), _("before")], lines, most=len(lines))


def _hours(now: Figures, before: Figures) -> None:
    """Print how many asked in each hour of each weekday, from the earliest to the latest hour in which anybody did."""
    asked = now["asked"]
    _section(_("When they ask"), words.asked(asked, before["asked"]))
    if not asked["hours"]:
        return
    print(_("how many asked, and after a slash how many were not answered in time"))
    found = {(each["weekday"], each["hour"]): each for each in asked["hours"]}
    hours = [each["hour"] for each in asked["hours"]]
    lines = []
    for hour in range(min(hours), max(hours) + 1):
        weekdays = [_hour_cell(found.get((weekday, hour))) for weekday in range(1, 8)]
        lines.append([cell(f"{hour:02}"), *weekdays])
    show([Column(_("hour")), *(Column(name, right=True) for name in short_weekdays())], lines)


def _hour_cell(hour: Hour | None) -> Cell:
    """`5`, or `5/2` if 2 of those 5 were not answered in time; empty if nobody asked."""
    if hour is None:
        return cell("")
    if hour["missed"]:
        return cell(f"{hour['asked']}/{hour['missed']}", style="bold red")
    return cell(hour["asked"])


def _wants(now: Figures, before: Figures) -> None:
    """Print how many leads had each intent, and how many conversations without a lead waited, by what they wanted."""
    earlier = {row["intent"]: row["leads"] for row in before["wants"]}
    _section(_("What they ask"))
    _table(
        [_("enquiry"), _("now"), _("before")],
        [
            [words.intent(row["intent"]), figure(row["leads"]), figure(earlier.get(row["intent"], 0))]
            for row in now["wants"]
        ],
    )
    if now["without_lead"]:
        earlier_waits = {row["group"]: row["conversations"] for row in before["without_lead"]}
        _section(_("Who waited without an enquiry"))
        _table(
            [_("about"), _("now"), _("before")],
            [
                [words.group(row["group"]), figure(row["conversations"]), figure(earlier_waits.get(row["group"], 0))]
                for row in now["without_lead"]
            ],
        )


def _came_by(now: Figures, before: Figures) -> None:
    """Print how many leads came by each ad, link, campaign and so on, and how many of them were won."""
    earlier = {(row["kind"], row["name"]): row["leads"] for row in before["came_by"]}
    _section(_("How they came"))
    _table(
        [_("came by"), _("now"), _("before"), _("of them won")],
        [
            [
                words.came_by(row),
                figure(row["leads"]),
                figure(earlier.get((row["kind"], row["name"]), 0)),
                figure(row["won"]),
            ]
            for row in now["came_by"]
        ],
    )


def _closings(now: Figures, before: Figures) -> None:
    """Print how many leads were won, lost and so on, and for which reasons."""
    _section(_("Won and lost"))
    rows = words.closing_rows(now["closings"], before["closings"])
    _table(
        [_("decided"), _("now"), _("before")],
        [[words.stage(stage), figure(number), figure(was)] for stage, number, was in rows],
    )
    if reasons := now["closings"]["reasons"]:
        print()
        _table(
            [_("why"), _("now")],
            [[f"{words.stage(row['stage'])}: {words.reason(row)}", figure(row["leads"])] for row in reasons],
        )


def _silences(now: Figures, before: Figures) -> None:
    """Print how many of the customers who fell silent after our answer wrote again, by days of silence."""
    _section(_("Who fell silent"), words.about_silences())
    _table(
        [_("silent for"), _("wrote again"), _("before")],
        [
            [
                words.days_silent(this["days"]),
                words.of_how_many(this["answered"], this["silent"]),
                words.of_how_many(that["answered"], that["silent"]),
            ]
            for this, that in zip(now["silences"]["by_days"], before["silences"]["by_days"], strict=True)
        ],
    )
