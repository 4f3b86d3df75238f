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
from leadmasterd.cli.tables import Column, cell, folded, show
from leadmasterd.cli.times import end_from, time_from
from leadmasterd.clock import Clock, short_weekdays
from leadmasterd.errors import CannotUseArgument, Refused
from leadmasterd.queries.report import Figures, Report, nothing, report
from leadmasterd.queries.report.periods import Period, between, month_of, week_of
from leadmasterd.report import words
from leadmasterd.settings.paths import find_paths
from leadmasterd.state.files import is_running, write_private
from leadmasterd.text import _, figure, ngettext

_MOST = 10
"""Rows of a table whose number depends on the data."""
_NOW = "now"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The period, and where it goes."""
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
    """A period in which nothing happened is not an error."""
    paths = find_paths(arguments.config)
    settings = reading.leads_settings(paths)
    clock = Clock(datetime.now(UTC), settings.zone())
    period = _period(arguments, clock)
    connection = reading.leads_database(paths, settings)
    answer = nothing(period, clock.now, settings)
    if connection:
        with closing(connection):
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
    """The one that was asked for. Raises CannotUseArgument."""
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
        text, of = (arguments.month, month_of) if arguments.month is not None else (arguments.week or _NOW, week_of)
        return of(clock.now if text == _NOW else time_from(text, clock.zone), clock.zone)
    except (OverflowError, ValueError) as error:  # next to the first or the last day that there is
        raise CannotUseArgument(_("cannot use this period: no calendar goes so far")) from error


def _write(file: Path, answer: Report, clock: Clock) -> None:
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
    print(f"\n{title}")
    for note in notes:
        if note:
            print(folded(note, 0))


def _table(titles: Sequence[str], lines: Sequence[Sequence[str]], *, most: int = _MOST) -> None:
    """The first column is words, the others are numbers."""
    if not lines:
        print(_("Nobody."))
        return
    columns = [Column(titles[0], shrinks=True), *(Column(title, right=True) for title in titles[1:])]
    show(columns, [[cell(text) for text in line] for line in lines[:most]])
    if more := max(0, len(lines) - most):
        print(ngettext("and {n} more", "and {n} more", more).format(n=figure(more)))


def _first_answers(now: Figures, before: Figures) -> None:
    this, that = now["first_answers"], before["first_answers"]
    _section(_("First answer"), words.left_out(this))
    open_rows = words.answer_rows(this, that, this["open_hours"], that["open_hours"])
    wall_rows = words.answer_rows(this, that, this["wall"], that["wall"])
    lines = [
        [each.label, figure(each.now), figure(each.before), figure(wall.now), figure(wall.before)]
        for each, wall in zip(open_rows, wall_rows, strict=True)
    ]
    typical = zip(
        words.typical_rows(this["open_hours"], that["open_hours"], words.open_or_dash),
        words.typical_rows(this["wall"], that["wall"], words.wall_or_dash),
        strict=True,
    )
    lines += [[*by_hours, *by_clock[1:]] for by_hours, by_clock in typical]
    lines.append([*words.within_target(this, that), "", ""])
    _table([_("answered after"), _("open hours"), _("before"), _("by the clock"), _("before")], lines, most=len(lines))


def _hours(now: Figures, before: Figures) -> None:
    asked = now["asked"]
    _section(_("When they ask"), words.asked(asked, before["asked"]))
    if not asked["hours"]:
        return
    print(_("how many asked, and after a slash how many were not answered in time"))
    counts = {(each["weekday"], each["hour"]): each for each in asked["hours"]}
    hours = [each["hour"] for each in asked["hours"]]
    lines = []
    for hour in range(min(hours), max(hours) + 1):
        line = [cell(f"{hour:02}")]
        for weekday in range(1, 8):
            found = counts.get((weekday, hour))
            text = "" if found is None else f"{found['asked']}/{found['missed']}" if found["missed"] else found["asked"]
            line.append(cell(text, style="bold red" if found and found["missed"] else ""))
        lines.append(line)
    show([Column(_("hour")), *(Column(name, right=True) for name in short_weekdays())], lines)


def _wants(now: Figures, before: Figures) -> None:
    earlier = {row["intent"]: row["leads"] for row in before["wants"]}
    _section(_("What they ask"))
    _table(
        [_("enquiry"), _("now"), _("before")],
        [
            [words.intent(row["intent"]), figure(row["leads"]), figure(earlier.get(row["intent"], 0))]
            for row in now["wants"]
        ],
    )
    unled = {row["group"]: row["conversations"] for row in before["without_lead"]}
    if now["without_lead"]:
        _section(_("Who waited without an enquiry"))
        _table(
            [_("about"), _("now"), _("before")],
            [
                [words.group(row["group"]), figure(row["conversations"]), figure(unled.get(row["group"], 0))]
                for row in now["without_lead"]
            ],
        )


def _came_by(now: Figures, before: Figures) -> None:
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
