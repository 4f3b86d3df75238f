"""The report as HTML: the part that the page shows (`body`), and a whole file that needs nothing else (`file`).

There is no `style=`, no script and nothing from elsewhere, so that the page's Content-Security-Policy allows it all. A
file carries such a policy itself. Everything that is not markup made here is escaped.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final

from leadmasterd.clock import Clock, short_weekdays
from leadmasterd.queries.report import Figures, Report
from leadmasterd.queries.report.asked import Hour
from leadmasterd.queries.report.first_answers import FirstAnswers
from leadmasterd.report import words
from leadmasterd.report.pictures import LATE, PLAIN, QUIET, bar, hours_shown, part, week
from leadmasterd.text import _, figure, ngettext

HERE: Final = Path(__file__).parent
MOST: Final = 15
"""Rows that a table shows by default. Some tables have a row for each ad or each reason, however many there are."""


def file(report: Report, clock: Clock) -> str:
    """A whole HTML document, with its style sheet and a policy that allows no other."""
    style = "".join((HERE / name).read_text(encoding="utf-8") for name in ("file.css", "report.css"))
    hashed = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none'; form-action 'none'"
    title = escape(words.stretch(report["period"], clock))
    language = _("en")  # translated to the code of the language that is spoken
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"<main>\n<h1>{title}</h1>\n{body(report, clock)}\n</main>\n</body>\n</html>\n"
    )


def body(report: Report, clock: Clock) -> str:
    """The report below its title: a summary, and a section for each module of `queries.report`."""
    now, before = report["period"], report["before"]
    parts = [
        _paragraphs(
            "summary",
            words.so_far(now, clock),
            words.answered(now["first_answers"]),
            words.completeness(now, clock),
            words.compared_with(report, clock),
            words.not_processed(report),
        ),
        _section(_("First answer"), _first_answers(now["first_answers"], before["first_answers"])),
        _section(_("When they ask"), _hours(now, before)),
        _section(_("What they ask"), _wants(now, before)),
        _section(_("How they came"), _came_by(now, before)),
        _section(_("Won and lost"), _closings(now, before)),
        _section(_("Who fell silent"), _silences(now, before)),
        _section(_("How complete this is"), _completeness(now, before, clock)),
    ]
    return f'<div class="report">\n{"".join(parts)}</div>'


# ---------------------------------------------------------------------- the sections


def _first_answers(now: FirstAnswers, before: FirstAnswers) -> str:
    """How long first answers took: in opening hours, and, folded away, by the clock."""
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
            "note", _("In opening hours, from their first words to the first answer by a person."), words.left_out(now)
        )
        + by_hours
        + _details(_("The same by the clock, day and night"), by_clock)
    )


def _lengths(rows: Sequence[words.Row], typical: Sequence[tuple[str, str, str]]) -> str:
    """A table with a bar for each bucket, and a table of typical lengths, each given as label, now and before."""
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
    buckets = _table([_("answered after"), "", _("now"), _("before")], lines, picture_column=1)
    return buckets + _table([_("typically"), _("now"), _("before")], typical)


def _hours(now: Figures, before: Figures) -> str:
    """When people asked: how often in all, and, if anybody did, a picture of the week and its numbers as a table."""
    asked = now["asked"]
    note = _paragraphs("note", words.asked(asked, before["asked"]))
    if not asked["hours"]:
        return note
    caption = escape(_("Blue: how many asked. Orange: how many of them were not answered in time."))
    picture = f"<figure>{week(asked['hours'])}<figcaption>{caption}</figcaption></figure>\n"
    table = _week_table(asked["hours"])
    return note + picture + _details(_("As a table: asked / not answered in time"), table)


def _week_table(hours: Sequence[Hour]) -> str:
    """The picture of the week as a table, for screen readers: `asked / missed`, empty where nobody asked."""
    counts = {(each["weekday"], each["hour"]): f"{each['asked']} / {each['missed']}" for each in hours}
    lines = []
    for hour in hours_shown(hours):
        cells = [counts.get((weekday, hour), "") for weekday in range(1, 8)]
        lines.append([f"{hour:02}", *cells])
    return _table([_("hour"), *short_weekdays()], lines, css_class="numbers", most=24)


def _wants(now: Figures, before: Figures) -> str:
    """Which intents the leads began with; and what conversations without a lead waited for, if there are any."""
    leads_before = {row["intent"]: row["leads"] for row in before["wants"]}
    numbers = [(row, leads_before.get(row["intent"], 0)) for row in now["wants"]]
    most = max((max(row["leads"], was) for row, was in numbers), default=0)
    lines = []
    for row, was in numbers:
        intent, group = words.intent(row["intent"]), words.group(row["group"])
        label = intent if intent == group else f"{intent} ({group})"
        lines.append([label, bar(row["leads"], most, before=was), figure(row["leads"]), figure(was)])
    content = _table([_("enquiry"), "", _("now"), _("before")], lines, picture_column=1)
    if now["without_lead"]:
        unled_before = {row["group"]: row["conversations"] for row in before["without_lead"]}
        unled = [
            [words.group(row["group"]), figure(row["conversations"]), figure(unled_before.get(row["group"], 0))]
            for row in now["without_lead"]
        ]
        content += _paragraphs("note", _("Who waited without an enquiry:"))
        content += _table([_("about"), _("now"), _("before")], unled)
    return content


def _came_by(now: Figures, before: Figures) -> str:
    """What brought the leads, and how many of them were won."""
    leads_before = {(row["kind"], row["name"]): row["leads"] for row in before["came_by"]}
    numbers = [(row, leads_before.get((row["kind"], row["name"]), 0)) for row in now["came_by"]]
    most = max((max(row["leads"], was) for row, was in numbers), default=0)
    lines = [
        [
            words.came_by(row),
            bar(row["leads"], most, before=was),
            figure(row["leads"]),
            figure(was),
            figure(row["won"]),
        ]
        for row, was in numbers
    ]
    return _table([_("came by"), "", _("now"), _("before"), _("of them won")], lines, picture_column=1)


def _closings(now: Figures, before: Figures) -> str:
    """How many leads were closed in the period, by stage; and why, if any were."""
    this, that = now["closings"], before["closings"]
    lines = [[words.stage(stage), figure(number), figure(was)] for stage, number, was in words.closing_rows(this, that)]
    reasons = [[f"{words.stage(row['stage'])}: {words.reason(row)}", figure(row["leads"])] for row in this["reasons"]]
    content = _paragraphs("note", _("Decided in this period, whenever they had asked."))
    content += _table([_("decided"), _("now"), _("before")], lines)
    if reasons:
        content += _table([_("why"), _("now")], reasons)
    return content


def _silences(now: Figures, before: Figures) -> str:
    """For each age in days: how many silences became that old, and how many of these the customer ended."""
    rows = zip(now["silences"]["by_days"], before["silences"]["by_days"], strict=True)
    lines = [
        [
            words.days_silent(this["days"]),
            part(this["answered"], this["silent"]),
            words.of_how_many(this["answered"], this["silent"]),
            words.of_how_many(that["answered"], that["silent"]),
        ]
        for this, that in rows
    ]
    note = _paragraphs("note", words.about_silences())
    return note + _table([_("silent for"), "", _("wrote again"), _("before")], lines, picture_column=1)


def _completeness(now: Figures, before: Figures, clock: Clock) -> str:
    """What may be missing of the period, and of the one before it."""
    return _paragraphs(
        "note",
        words.completeness(now, clock),
        _("The time before: {sentence}").format(sentence=words.completeness(before, clock)),
    )


# ---------------------------------------------------------------------- elements


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}</section>\n"


def _paragraphs(css_class: str, *texts: str) -> str:
    """A paragraph of this class for each text, escaped; none for an empty one."""
    return "".join(f'<p class="{css_class}">{escape(text)}</p>\n' for text in texts if text)


def _details(title: str, content: str) -> str:
    """HTML that is folded away below its title."""
    return f"<details>\n<summary>{escape(title)}</summary>\n{content}</details>\n"


def _table(
    titles: Sequence[str],
    lines: Iterable[Sequence[str]],
    *,
    picture_column: int | None = None,
    css_class: str = "",
    most: int = MOST,
) -> str:
    """A table of texts, which are escaped; the first of each line is its heading. "Nobody." if there are no lines.

    `picture_column`: the index of a column that holds SVG, which is not escaped and is hidden from screen readers.
    `most`: how many lines are shown; a note says how many more there are.
    """
    lines = [*lines]
    if not lines:
        return _paragraphs("note", _("Nobody."))

    def title_cell(column: int, title: str) -> str:
        if column == picture_column:
            return '<td class="drawn" aria-hidden="true"></td>'
        align = "left" if column == 0 else "right"
        return f'<th scope="col" align="{align}">{escape(title)}</th>'

    def cell(column: int, text: str) -> str:
        if column == picture_column:
            return f'<td class="drawn" width="30%" aria-hidden="true">{text}</td>'
        if column == 0:
            return f'<th scope="row" align="left"><bdi>{escape(text)}</bdi></th>'
        return f'<td align="right"><bdi>{escape(text)}</bdi></td>'

    head = "".join(title_cell(column, title) for column, title in enumerate(titles))
    rows = []
    for line in lines[:most]:
        cells = "".join(cell(column, text) for column, text in enumerate(line))
        rows.append(f"<tr>{cells}</tr>\n")
    more = len(lines) - most
    note = ""
    if more > 0:
        note = _paragraphs("note", ngettext("and {n} more", "and {n} more", more).format(n=figure(more)))
    attribute = f' class="{css_class}"' if css_class else ""
    return (
        f'<table{attribute} width="100%">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{''.join(rows)}</tbody>\n</table>\n{note}"
    )
