"""docs/leads.md: its table matches the code, and the code does what the table says."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from leadmasterd.leads.fold import OPENING, Enquiry, LastLead
from tests import wire
from tests.stories import Books, Customer, Line, policy, reacted, revoked, tell

ROOT = Path(__file__).resolve().parent.parent
WORDS = {Enquiry.COMMERCIAL: "price", Enquiry.UNCLEAR: "greeting", Enquiry.NONE: "complaint"}
CLOSED_AS = {
    LastLead.WON: "won",
    LastLead.LOST_LATELY: "lost",
    LastLead.LOST_LONG_AGO: "dormant",
    LastLead.JUNK: "junk",
}


def test_the_table_is_up_to_date() -> None:
    """Run `python tools/draw_leads.py` after changing the table in the code."""
    code = "import draw_leads as d; print(d.render(d.DOCUMENT.read_text()), end='')"
    drawn = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "tools", capture_output=True, text=True, check=True
    ).stdout
    document = (ROOT / "docs" / "leads.md").read_text()
    assert document == drawn
    assert all(last_lead in document for last_lead in LastLead)


@pytest.mark.parametrize("enquiry", Enquiry)
@pytest.mark.parametrize("last_lead", LastLead)
def test_each_cell_of_the_table_is_what_happens(last_lead: LastLead, enquiry: Enquiry) -> None:
    """A stranger whose last lead was closed writes again, inside or outside the window."""
    ana = Customer()
    lines = []
    if last_lead is not LastLead.NONE:
        lines += [ana.says("01 10:00", "order"), ana.decided("01 11:00", CLOSED_AS[last_lead])]
    lines.append(ana.says("11 10:00", WORDS[enquiry]))
    reopen_days = 9 if last_lead is LastLead.LOST_LONG_AGO else 10
    told = tell(*lines, policy=policy(reopen_days=reopen_days))
    opened = {lead["stage"]: lead["reopened"] for lead in told.open}
    match OPENING[last_lead][enquiry]:
        case None:
            assert opened == {}
        case "reopen":
            assert (opened, len(told.leads)) == ({"new": 1}, 1)
        case stage:
            assert opened == {stage: 0}


def _name(value: object) -> str:
    return value[0][:40] if isinstance(value, tuple) else ""


ASKED = "17 10:00"
LATER = "17 10:10"


def ours(**fields: Any) -> Callable[[Customer, Line], list[Line]]:
    """One message of ours after the question."""
    return lambda ana, _asked: [ana.hears(LATER, "well", **fields)]


def deleted(scope: str) -> Callable[[Customer, Line], list[Line]]:
    """One message of ours, which is deleted."""

    def told(ana: Customer, _asked: Line) -> list[Line]:
        sent = ana.hears(LATER, "well")
        return [sent, revoked(sent, "17 10:11", scope)]

    return told


def sealed(ana: Customer, _asked: Line) -> list[Line]:
    sent = ana.hears(LATER, None)
    return [{**wire.ciphertext(chat=ana.chat), **{name: sent[name] for name in ("id", "t", "at")}}]


def to_many(_ana: Customer, _asked: Line) -> list[Line]:
    """A long text, three seconds after each of four people's words."""
    people = [Customer(f"54911555520{number:02}@c.us") for number in range(3)]
    text = "Thank you for writing to us, we are closed now and will answer as soon as we open again"
    told = [line for each in people for line in (each.says(LATER, "price"), each.hears("17 10:10:03", text))]
    return [*told, _ana.says(LATER, "price"), _ana.hears("17 10:10:03", text)]


OURS_IN_TURN: Sequence[Callable[[Customer, Line], list[Line]]] = (
    ours(), sealed, deleted("me"), deleted("everyone"), to_many, ours(marks={"broadcast": True}),
    ours(marks={"bot": "biz_1p"}), ours(marks={"template": True}), ours(message_type="automated_greeting_message"),
    ours(message_type="pinned_message"), ours(message_type="holographic"),
    lambda _ana, asked: [reacted(asked, LATER)], lambda ana, _asked: [ana.call(LATER, answered=True)],
)  # fmt: skip
"""What each row of the first table says, in its order."""


def theirs(text: str | None = "price", **fields: Any) -> Callable[[Customer], list[Line]]:
    """One message of theirs."""
    return lambda ana: [ana.says(ASKED, text, **fields)]


def deleted_question(ana: Customer) -> list[Line]:
    asked = ana.says(ASKED, "price")
    return [asked, revoked(asked, LATER)]


THEIRS_IN_TURN: Sequence[Callable[[Customer], list[Line]]] = (
    theirs(None, message_type="unknown"), deleted_question, theirs(marks={"broadcast": True}),
    theirs(marks={"assistant": True}), theirs(message_type="pinned_message"), theirs(None, message_type="holographic"),
    lambda ana: [ana.call(ASKED)],
)  # fmt: skip
"""The same for the second."""


def rows_of(heading: str) -> list[tuple[str, str, str]]:
    """The cells of the table with this heading in its first column."""
    lines = (ROOT / "docs" / "leads.md").read_text().split(f"| {heading} |")[1].split("\n\n")[0].splitlines()[2:]
    return [(cells[1].strip(), cells[2].strip(), cells[3].strip()) for cells in (line.split("|") for line in lines)]


@pytest.mark.parametrize(("row", "happens"), list(zip(rows_of("from our side"), OURS_IN_TURN, strict=True)), ids=_name)
def test_what_ends_a_wait_is_as_the_document_says(
    row: tuple[str, str, str], happens: Callable[[Customer, Line], list[Line]]
) -> None:
    """Each row of the table, after a question."""
    _, author, ends = row
    ana = Customer()
    asked = ana.says(ASKED, "price")
    with Books() as books:
        books.tell([asked, *happens(ana, asked)])
        [waits] = books.column("SELECT waiting_since IS NOT NULL FROM conversations WHERE chat = ?", ana.chat)
        assert waits == (ends == "no")
        assert set(books.column("SELECT author FROM messages WHERE direction = 'out'")) == {author.strip("`")} - {""}


@pytest.mark.parametrize(
    ("row", "happens"), list(zip(rows_of("from their side"), THEIRS_IN_TURN, strict=True)), ids=_name
)
def test_what_begins_a_wait_is_as_the_document_says(
    row: tuple[str, str, str], happens: Callable[[Customer], list[Line]]
) -> None:
    """Each row of the table, from a stranger."""
    _, author, begins = row
    ana = Customer()
    with Books() as books:
        books.tell(happens(ana))
        [waits] = books.column("SELECT waiting_since IS NOT NULL FROM conversations")
        assert waits == (begins == "yes")
        assert set(books.column("SELECT author FROM messages")) == {author.strip("`")} - {""}
