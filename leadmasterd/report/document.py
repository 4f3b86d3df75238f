"""The report as HTML: what a page shows of it, and a whole file that needs nothing else.

No `style=`, no script and nothing from elsewhere: right under the page's policy, which a file carries itself.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final

from leadmasterd.clock import Clock, short_weekdays
from leadmasterd.queries.report import Figures, Report
from leadmasterd.queries.report.first_answers import FirstAnswers
from leadmasterd.report import words
from leadmasterd.report.pictures import LATE, PLAIN, QUIET, bar, hours_shown, part, week
from leadmasterd.text import _, figure, ngettext

HERE: Final = Path(__file__).parent
MOST: Final = 15
"""Rows of a table whose number depends on the data."""


def file(report: Report, clock: Clock) -> str:
    """A whole page, with its style and the policy that allows no other."""
    style = "".join((HERE / name).read_text(encoding="utf-8") for name in ("file.css", "report.css"))
    hashed = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none'; form-action 'none'"
    title = escape(words.stretch(report["period"], clock))
    language = _("en")  # that of these words
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"<main>\n<h1>{title}</h1>\n{body(report, clock)}\n</main>\n</body>\n</html>\n"
    )


def body(report: Report, clock: Clock) -> str:
    """All of it below the title."""
    now, before = report["period"], report["before"]
    parts = [
        _paragraphs(
            "summary",
            words.so_far(now, clock),
            words.answered(now["first_answers"]),
            words.complete(now, clock),
            words.compared_with(report, clock),
            words.not_processed(report),
        ),
        _section(_("First answer"), _first_answers(now["first_answers"], before["first_answers"])),
        _section(_("When they ask"), _hours(now, before)),
        _section(_("What they ask"), _wants(now, before)),
        _section(_("How they came"), _came_by(now, before)),
        _section(_("Won and lost"), _closings(now, before)),
        _section(_("Who fell silent"), _silences(now, before)),
        _section(_("How complete this is"), _complete(now, before, clock)),
    ]
    return f'<div class="report">\n{"".join(parts)}</div>'


# ---------------------------------------------------------------------- the sections


def _first_answers(now: FirstAnswers, before: FirstAnswers) -> str:
    by_hours = _lengths(
        words.answer_rows(now, before, now["open_hours"], before["open_hours"]),
        [
            *words.typical_rows(now["open_hours"], before["open_hours"], words.open_or_dash),
            words.within_target(now, before),
        ],
    )
    by_clock = _lengths(
        words.answer_rows(now, before, now["wall"], before["wall"]),
        words.typical_rows(now["wall"], before["wall"], words.wall_or_dash),
    )
    return (
        _paragraphs(
            "note", _("In opening hours, from their first words to the first answer by a person."), words.beside(now)
        )
        + by_hours
        + _details(_("The same by the clock, day and night"), by_clock)
    )


def _lengths(rows: Sequence[words.Row], typical: Sequence[tuple[str, str, str]]) -> str:
    most = max((max(row.now, row.before) for row in rows), default=0)
    colours = {"late": LATE, "waiting": QUIET, "": PLAIN}
    lines = [
        [
            row.label,
            bar(row.now, most, before=row.before, colour=colours[row.kind]),
            figure(row.now),
            figure(row.before),
        ]
        for row in rows
    ]
    found = _table([_("answered after"), "", _("now"), _("before")], lines, drawn=1)
    return found + _table([_("typically"), _("now"), _("before")], typical)


def _hours(now: Figures, before: Figures) -> str:
    asked = now["asked"]
    said = _paragraphs("note", words.asked(asked, before["asked"]))
    if not asked["hours"]:
        return said
    counts = {(each["weekday"], each["hour"]): each for each in asked["hours"]}
    lines = []
    for hour in hours_shown(asked["hours"]):
        cells = [counts.get((weekday, hour)) for weekday in range(1, 8)]
        lines.append([f"{hour:02}", *(f"{each['asked']} / {each['missed']}" if each else "" for each in cells)])
    table = _table([_("hour"), *short_weekdays()], lines, kind="numbers", most=24)
    caption = escape(_("Blue: how many asked. Orange: how many of them were not answered in time."))
    return f"{said}<figure>{week(asked['hours'])}<figcaption>{caption}</figcaption></figure>\n" + _details(
        _("As a table: asked / not answered in time"), table
    )


def _wants(now: Figures, before: Figures) -> str:
    earlier = {row["intent"]: row["leads"] for row in before["wants"]}
    rows = [(words.intent(row["intent"]), words.group(row["group"]), row["leads"], earlier.get(row["intent"], 0))
            for row in now["wants"]]  # fmt: skip
    most = max((max(row[2:]) for row in rows), default=0)
    lines = [
        [f"{label} ({group})" if group != label else label, bar(number, most, before=was), figure(number), figure(was)]
        for label, group, number, was in rows
    ]
    unled_before = {row["group"]: row["conversations"] for row in before["without_lead"]}
    unled = [
        [words.group(row["group"]), figure(row["conversations"]), figure(unled_before.get(row["group"], 0))]
        for row in now["without_lead"]
    ]
    found = _table([_("enquiry"), "", _("now"), _("before")], lines, drawn=1)
    if unled:
        found += _paragraphs("note", _("Who waited without an enquiry:"))
        found += _table([_("about"), _("now"), _("before")], unled)
    return found


def _came_by(now: Figures, before: Figures) -> str:
    earlier = {(row["kind"], row["name"]): row["leads"] for row in before["came_by"]}
    rows = now["came_by"]
    most = max((max(row["leads"], earlier.get((row["kind"], row["name"]), 0)) for row in rows), default=0)
    lines = [
        [
            words.came_by(row),
            bar(row["leads"], most, before=(was := earlier.get((row["kind"], row["name"]), 0))),
            figure(row["leads"]),
            figure(was),
            figure(row["won"]),
        ]
        for row in rows
    ]
    return _table([_("came by"), "", _("now"), _("before"), _("of them won")], lines, drawn=1)


def _closings(now: Figures, before: Figures) -> str:
    this, that = now["closings"], before["closings"]
    lines = [[words.stage(stage), figure(number), figure(was)] for stage, number, was in words.closing_rows(this, that)]
    reasons = [[f"{words.stage(row['stage'])}: {words.reason(row)}", figure(row["leads"])] for row in this["reasons"]]
    found = _paragraphs("note", _("Decided in this period, whenever they had asked."))
    found += _table([_("decided"), _("now"), _("before")], lines)
    return found + (_table([_("why"), _("now")], reasons) if reasons else "")


def _silences(now: Figures, before: Figures) -> str:
    rows = zip(now["silences"]["by_days"], before["silences"]["by_days"], strict=True)
    lines = [
        [
            words.silence(this["days"]),
            part(this["answered"], this["silent"]),
            words.of_how_many(this["answered"], this["silent"]),
            words.of_how_many(that["answered"], that["silent"]),
        ]
        for this, that in rows
    ]
    said = _paragraphs("note", words.silences())
    return said + _table([_("silent for"), "", _("wrote again"), _("before")], lines, drawn=1)


def _complete(now: Figures, before: Figures, clock: Clock) -> str:
    return _paragraphs(
        "note",
        words.complete(now, clock),
        _("The time before: {sentence}").format(sentence=words.complete(before, clock)),
    )


# ---------------------------------------------------------------------- elements


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}</section>\n"


def _paragraphs(kind: str, *texts: str) -> str:
    return "".join(f'<p class="{kind}">{escape(text)}</p>\n' for text in texts if text)


def _details(title: str, content: str) -> str:
    return f"<details>\n<summary>{escape(title)}</summary>\n{content}</details>\n"


def _table(
    titles: Sequence[str],
    lines: Iterable[Sequence[str]],
    *,
    drawn: int | None = None,
    kind: str = "",
    most: int = MOST,
) -> str:
    """Texts, escaped, the first of each line its heading; the column `drawn` is a picture, which nobody hears."""
    lines = [*lines]
    if not lines:
        return _paragraphs("note", _("Nobody."))

    def cell(place: int, text: str) -> str:
        if place == drawn:
            return f'<td class="drawn" width="30%" aria-hidden="true">{text}</td>'
        if place == 0:
            return f'<th scope="row" align="left"><bdi>{escape(text)}</bdi></th>'
        return f'<td align="right"><bdi>{escape(text)}</bdi></td>'

    head = "".join(
        '<td class="drawn" aria-hidden="true"></td>'
        if place == drawn
        else f'<th scope="col" align="{"left" if place == 0 else "right"}">{escape(title)}</th>'
        for place, title in enumerate(titles)
    )
    rows = "".join(f"<tr>{''.join(cell(*each) for each in enumerate(line))}</tr>\n" for line in lines[:most])
    more = len(lines) - most
    note = (
        _paragraphs("note", ngettext("and {n} more", "and {n} more", more).format(n=figure(more))) if more > 0 else ""
    )
    named = f' class="{kind}"' if kind else ""
    return f'<table{named} width="100%">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n{note}'
