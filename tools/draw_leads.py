"""Write the table of docs/leads.md: `python tools/draw_leads.py`. tests/test_leads_document.py fails if it is stale."""

import re
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from leadmasterd.leads.fold import OPENING, Enquiry  # noqa: E402

DOCUMENT: Final = ROOT / "docs" / "leads.md"
BEGIN: Final = "<!-- written by tools/draw_leads.py -->"
END: Final = "<!-- end -->"
WORDS: Final = {
    "new": "opens as `new`",
    "unsorted": "opens as `unsorted`",
    "reopen": "reopens the last as `new`",
    None: "-",
}


def table() -> str:
    """Rows: the contact's last lead; columns: what the burst is."""
    lines = [
        f"| the last lead | {' | '.join(Enquiry)} |",
        f"|---|{'---|' * len(Enquiry)}",
        *(
            f"| {last_lead} | {' | '.join(WORDS[cells[enquiry]] for enquiry in Enquiry)} |"
            for last_lead, cells in OPENING.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def render(text: str) -> str:
    """The document with the table between the marks replaced."""
    return re.sub(f"(?s)(?<={BEGIN}\n).*?(?={END})", table(), text)


if __name__ == "__main__":
    DOCUMENT.write_text(render(DOCUMENT.read_text()))
