"""docs/leads.md: its table matches the code, and the code does what the table says."""

import subprocess
import sys
from pathlib import Path

import pytest

from leadmasterd.leads.fold import OPENING, Enquiry, LastLead
from tests.stories import Customer, policy, tell

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
