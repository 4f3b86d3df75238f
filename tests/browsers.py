"""The browser of the tests: TEST_BROWSER (a name or a path), or the one that the daemon takes by itself."""

import os
import shutil
from pathlib import Path
from typing import Final

import psutil

from leadmasterd.listener.programs import BROWSERS, HEADLESS_SHELLS, find_browser

VARIABLE: Final = "TEST_BROWSER"


def browser() -> Path:
    """Where it is. Raises CannotUseProgram."""
    named = os.environ.get(VARIABLE, "")
    return find_browser(shutil.which(named) or named)


def chosen() -> dict[str, str]:
    """The setting that makes a daemon use it, as an environment variable; none if it takes that by itself."""
    return {"LEADMASTERD_LISTENER__BROWSER": str(browser())} if os.environ.get(VARIABLE) else {}


def both() -> list[Path]:
    """The headless shell and Chromium, those that are here: what may differ between them is tested in both."""
    return [Path(found) for name in (HEADLESS_SHELLS[0], BROWSERS[0]) if (found := shutil.which(name))]


def is_browser(process: psutil.Process) -> bool:
    """Whether it is a browser's own process, whatever profile it has open."""
    return any(is_main_process(process, each) for each in process.cmdline() if each.startswith("--user-data-dir="))


def is_main_process(process: psutil.Process, argument: str) -> bool:
    """Whether it is a browser's own process with this argument: no part of it, and no script that has started it."""
    arguments = process.cmdline()
    return (
        argument in arguments
        and not any(each.startswith("--type=") for each in arguments)
        and Path(process.exe()).name not in ("sh", "dash", "bash")
    )
