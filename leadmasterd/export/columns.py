"""The columns that people read in a spreadsheet: titles and codes in their language, times and lengths as such.

How a cell is written is left to `workbook` and `excel_csv`; what programs read instead is in `programs`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from leadmasterd.classify.reasons import group_name, intent_name
from leadmasterd.queries import words
from leadmasterd.sentences import stage_name
from leadmasterd.text import _

Cell = str | int | datetime | timedelta | None
"""What a cell holds; None: nothing. A datetime has a zone, and is written in the business's zone."""

CONTROLS: Final = dict.fromkeys({*range(0x20), *range(0x7F, 0xA0)} - {ord("\n"), ord("\t")}, " ")
"""For `str.translate`: control characters become spaces, except line breaks and tabs."""
_ONE_LINE: Final = {**CONTROLS, **dict.fromkeys(map(ord, "\n\t\u2028\u2029"), " "), 0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}
"""For text in one line: line breaks and tabs become spaces too. U+FFFE and U+FFFF are replaced: XML can't hold them."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `width`: in characters. `cell`: gives its cell for a row, which is an object as in docs/json.md."""

    title: str
    width: int
    cell: Callable[[Mapping[str, Any]], Cell]


def lead_columns() -> list[Column]:
    """The columns of a table with one row for each lead."""
    return [
        _number("lead_id", _("Lead"), 9),
        _text("who", _("Name"), 26),
        _text("phone", _("Phone"), 18),
        _code("stage", _("Stage"), stage_name, 15),
        _code("intent", _("Wants"), intent_name, 20),
        Column(_("Topics"), 24, lambda row: ", ".join(map(intent_name, row["topics"]))),
        Column(_("Came by"), 28, _came_by),
        _time("opened_at", _("Opened")),
        _time("last_message_at", _("Last message")),
        _time("waiting_since", _("Waiting since")),
        _time("due_at", _("Answer by")),
        _flag("overdue", _("Overdue")),
        _time("follow_up_at", _("Next follow-up")),
        _time("first_response_at", _("First answer")),
        _length("first_response_seconds", _("First answer after")),
        _length("first_response_business_seconds", _("of that, open")),
        _time("stage_at", _("In this stage since")),
        _time("closed_at", _("Closed")),
        _flag("stale", _("Nothing planned and silent")),
        _flag("dormant_proposed", _("To be put aside?")),
        _code("proposed", _("To be closed?"), intent_name, 18),
        _number("reopened", _("Times reopened"), 11),
        _number("previous_lead_id", _("Lead before"), 11),
        _number("merged_into_id", _("Merged into"), 11),
        _text("chat", _("Chat"), 26),
        _number("conversation_id", _("Conversation"), 13),
        _number("contact_id", _("Contact"), 10),
    ]


def conversation_columns() -> list[Column]:
    """The columns of a table with one row for each conversation."""
    return [
        _number("conversation_id", _("Conversation"), 13),
        _text("who", _("Name"), 26),
        _text("phone", _("Phone"), 18),
        _code("category", _("About"), group_name, 14),
        _time("waiting_since", _("Waiting since")),
        _time("due_at", _("Answer by")),
        _flag("overdue", _("Overdue")),
        _number("messages", _("Messages"), 10),
        _time("first_message_at", _("First message")),
        _time("last_inbound_at", _("Their last")),
        _time("last_outbound_at", _("Our last")),
        _number("leads", _("Leads"), 10),
        _number("lead_id", _("Lead"), 9),
        _code("stage", _("Stage"), stage_name, 15),
        _code("intent", _("Wants"), intent_name, 20),
        _time("opened_at", _("Opened")),
        _time("closed_at", _("Closed")),
        _length("first_response_seconds", _("First answer after")),
        _length("first_response_business_seconds", _("of that, open")),
        _time("follow_up_at", _("Next follow-up")),
        _text("chat", _("Chat"), 26),
        _number("contact_id", _("Contact"), 10),
    ]


def _text(key: str, title: str, width: int) -> Column:
    """A column of text as people wrote it, made one line."""
    return Column(title, width, lambda row: None if row[key] is None else _one_line(row[key]))


def _code(key: str, title: str, words_of: Callable[[str], str], width: int) -> Column:
    """A column of codes in words, which `words_of` gives."""
    return Column(title, width, lambda row: None if row[key] is None else words_of(row[key]))


def _number(key: str, title: str, width: int) -> Column:
    """A column of ids or counts. 0 is left empty: no id is 0, and a count of 0 is not worth showing."""
    return Column(title, width, lambda row: row[key] or None)


def _time(key: str, title: str) -> Column:
    """A column of times; in the row they are ISO text."""
    return Column(title, 17, lambda row: None if row[key] is None else datetime.fromisoformat(row[key]))


def _length(key: str, title: str) -> Column:
    """A column of lengths of time, to the second; in the row they are seconds."""
    return Column(title, 15, lambda row: None if row[key] is None else timedelta(seconds=round(row[key])))


def _flag(key: str, title: str) -> Column:
    """A column that says `yes` or nothing."""
    return Column(title, 12, lambda row: _("yes") if row[key] else None)


def _came_by(row: Mapping[str, Any]) -> Cell:
    """What brought a lead: its first touchpoint, else its source; empty if a message just came."""
    if row["touch"]:
        return _one_line(words.came_by(row["touch"]))
    return {"ad": _("an ad"), "person": _("entered by hand")}.get(row["source"])


def _one_line(text: str) -> str:
    return text.translate(_ONE_LINE)
