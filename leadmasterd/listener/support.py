"""Until when Node is supported, and how old the browser is. Used by `doctor`.

For Node there is a table. When it gets old it is incomplete but not wrong: past dates stay true, and the end of a newer
version is not known. For the browser a table would not do, since its versions come every two weeks: what counts is when
it was built, which packages keep as the time of the file.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

NODE_ENDS: Final[Mapping[int, date]] = {
    20: date(2026, 4, 30),
    21: date(2024, 6, 1),
    22: date(2027, 4, 30),
    23: date(2025, 6, 1),
    24: date(2028, 4, 30),
    25: date(2026, 6, 1),
    26: date(2029, 4, 30),
}
"""From schedule.json of github.com/nodejs/Release, as of November 2026."""
TESTED_NODES: Final = (20, 22, 24)
"""What `make test-versions` runs the Node tests on."""
BROWSER_DAYS: Final = 60
"""Chrome's longest channel, Extended Stable, gets security fixes for eight weeks."""
_EARLIEST: Final = date(2020, 1, 1)
"""A file's time before this is not when it was built: some packages write 1970 or 1980."""


def node_end(major: int) -> date | None:
    """The last day on which this major version of Node is supported; None if that is not known here."""
    return NODE_ENDS.get(major)


def good_nodes(today: date) -> list[int]:
    """The major versions of Node that are tested and supported today, ascending; none once this table is too old."""
    return [major for major in TESTED_NODES if NODE_ENDS[major] >= today]


def browser_age(browser: Path, today: date) -> int | None:
    """Days since the browser was built; None if its file can't be read or has no sensible time."""
    try:
        built = datetime.fromtimestamp(_program_of(browser).stat().st_mtime, UTC).date()
    except OSError:
        return None
    return max(0, (today - built).days) if built >= _EARLIEST else None


def _program_of(browser: Path) -> Path:
    """The program itself, if `browser` is a script that starts it and names its path; else `browser`. Raises OSError.

    The time of a script says nothing: Debian's, for its headless shell, is years older than the program.
    """
    with browser.open("rb") as file:
        head = file.read(2000).decode(errors="replace")
    if not head.startswith("#!"):
        return browser
    for word in head.split():
        program = Path(word)
        if program.is_absolute() and program.name == browser.name and program.is_file():
            return program
    return browser
