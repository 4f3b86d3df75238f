"""`leadmasterd qr`: shows the code to scan, and each that replaces it, until one is scanned.

The daemon writes the current code into status.json; this command only reads it there.
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from leadmasterd import causes, health, qr, sentences
from leadmasterd.cli.arguments import add_epilog
from leadmasterd.cli.cmd_run import JournalPresenter, TerminalPresenter
from leadmasterd.cli.times import clock_of
from leadmasterd.errors import CannotReachDaemon, Refused
from leadmasterd.settings.paths import Paths, find_paths
from leadmasterd.state.control import ask
from leadmasterd.state.files import is_running, read_status
from leadmasterd.text import _

_LOOK_EVERY = 0.3
"""Seconds between two looks at status.json."""
_ROWS_BELOW = 3
"""Rows for the two lines below a code, and for the cursor."""
_SCANNED = frozenset({"syncing", "ready"})
"""Phases in which the phone is linked, so that no code is needed."""
_NO_CODE_FOLLOWS = frozenset({"paused", "halted", "needs_passkey"})
"""Phases in which there is no code until a person does something else first."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which code to show, and how."""
    parser.add_argument("--png", metavar=_("FILE"), help=_("write it to FILE as a picture and exit"))
    parser.add_argument(
        "--pairing-code", type=phone, metavar=_("PHONE"), help=_("request an 8-character code for this phone instead")
    )
    parser.add_argument("--light", action="store_true", help=_("for light backgrounds, where colours can't be used"))
    parser.add_argument("--once", action="store_true", help=_("show the current code once and exit"))
    add_epilog(
        parser,
        "leadmasterd qr",
        "leadmasterd qr --png code.png",
        "leadmasterd qr --pairing-code 5491155550100",
    )


def run(arguments: argparse.Namespace) -> int:
    """Show codes until one is scanned, or only the current one. Returns 0 if that worked or no code is needed, else 1.

    Raises CannotReachDaemon, and Refused for a picture that can't be made.
    """
    paths = find_paths(arguments.config)
    if not is_running(paths):
        raise CannotReachDaemon(
            _("cannot show a code: the daemon is not running; start it with `leadmasterd run` or systemctl")
        )
    if arguments.pairing_code:
        ask(paths.socket, "pairing-code", phone=arguments.pairing_code)
    if arguments.png:
        return _save_picture(paths, arguments.png)
    return _show(paths, arguments)


def _save_picture(paths: Paths, target: str) -> int:
    """Write the current QR code as PNG. Returns 0. Raises Refused if there is none, or it can't be written."""
    scan = (read_status(paths) or {}).get("scan") or {}
    if "qr" not in scan:
        raise Refused(_("cannot write {file}: there is no QR code now; see `leadmasterd status`").format(file=target))
    try:
        Path(target).write_bytes(qr.png(scan["qr"]))
    except OSError as error:
        why = causes.of_system(error)
        raise Refused(_("cannot write {file}: {why}; name another --png").format(file=target, why=why)) from error
    print(_("Wrote {file}, good until {time}.").format(file=target, time=clock_of(paths).until(scan["valid_until"])))
    return 0


def _show(paths: Paths, arguments: argparse.Namespace) -> int:
    """Show codes on stdout, as the flags ask. Returns the exit code."""
    clock = clock_of(paths)
    presenter = TerminalPresenter(clock) if sys.stdout.isatty() else JournalPresenter(clock)
    if arguments.light and not sys.stdout.isatty():
        presenter.ink = qr.Ink.DARK_MODULES
    only_pairing_code = bool(arguments.pairing_code)
    if arguments.once:
        return _show_once(paths, presenter, only_pairing_code=only_pairing_code)
    return _show_until_scanned(paths, presenter, only_pairing_code=only_pairing_code)


def _show_once(paths: Paths, presenter: TerminalPresenter, *, only_pairing_code: bool) -> int:
    """Print the current code, or why there is none. Returns the exit code.

    `only_pairing_code`: a pairing code was requested just now; wait for it, and show no QR code.
    """
    while True:
        status = read_status(paths) or {}
        scan = status.get("scan") or {}
        if code := _code_in(scan, only_pairing_code=only_pairing_code):
            if too_small := _window_too_small(scan, paths):
                print(too_small, file=sys.stderr, flush=True)
                return 1
            _present(presenter, code, scan)
            return 0
        if not only_pairing_code:
            print(_no_code(status), file=sys.stderr)
            return 1
        if (exit_code := _end(status, paths, was_shown=False)) is not None:
            return exit_code
        time.sleep(_LOOK_EVERY)


def _show_until_scanned(paths: Paths, presenter: TerminalPresenter, *, only_pairing_code: bool) -> int:
    """Print each new code until one is scanned, or until none will follow. Returns the exit code.

    Says on stderr why there is no code, or that the window is too small for it; again only when that changes.
    """
    shown: str | None = None  # the code on the screen
    last_note = ""  # the last reason given on stderr: `code` of status.json, or the sentence about the window
    while True:
        status = read_status(paths) or {}
        scan = status.get("scan") or {}
        code = _code_in(scan, only_pairing_code=only_pairing_code)
        if code and code != shown:
            too_small = _window_too_small(scan, paths)
            if not too_small:
                shown = code
                _present(presenter, code, scan)
            elif too_small != last_note:
                last_note = too_small
                print(too_small, file=sys.stderr, flush=True)
        elif not code:
            # Compare codes and not sentences: while the daemon waits to start again, its sentence counts the tries.
            reason = str(status.get("code"))
            if reason != last_note:
                last_note = reason
                if status.get("phase") not in _SCANNED | _NO_CODE_FOLLOWS:  # for these phases `_end` prints it
                    print(_no_code(status), file=sys.stderr, flush=True)
        if (exit_code := _end(status, paths, was_shown=shown is not None)) is not None:
            return exit_code
        time.sleep(_LOOK_EVERY)


def _code_in(scan: Mapping[str, Any], *, only_pairing_code: bool) -> str | None:
    """The code to show, from `scan` of status.json: the pairing code, or else the QR's text. None: there is none."""
    code: str | None = scan.get("pairing_code")
    if not code and not only_pairing_code:
        code = scan.get("qr")
    return code


def _present(presenter: TerminalPresenter, code: str, scan: Mapping[str, Any]) -> None:
    """Print a code of either kind, with instructions and until when it is good."""
    show = presenter.pairing_code if "pairing_code" in scan else presenter.code
    show(code, datetime.fromisoformat(scan["valid_until"]))


def _end(status: dict[str, Any], paths: Paths, *, was_shown: bool) -> int | None:
    """Print why no further code will follow, and return the exit code; None if one may follow.

    `was_shown`: whether a code was shown here; if the phone is linked now, that code was scanned. Raises
    CannotReachDaemon if the daemon has stopped.
    """
    phase = status.get("phase")
    if phase in _SCANNED:
        print(_("Scanned.") if was_shown else _no_code(status))
        return 0
    if not is_running(paths):
        raise CannotReachDaemon(_("the daemon has stopped"))
    if phase in _NO_CODE_FOLLOWS:
        print(_no_code(status), file=sys.stderr)
        return 1
    return None


def _window_too_small(scan: Mapping[str, Any], paths: Paths) -> str:
    """A sentence about how large the terminal must be for this QR code, and which file has it as a picture.

    Empty if the code fits, if it is a pairing code, if stdout is no terminal, or if the terminal's size is unknown.
    """
    if "pairing_code" in scan or not sys.stdout.isatty():
        return ""
    modules = len(qr.matrix(scan["qr"]))  # in each direction
    columns, rows = modules, (modules + 1) // 2  # a character is one module wide and two high
    window = os.get_terminal_size(sys.stdout.fileno())
    size_is_unknown = not window.columns or not window.lines
    fits = window.columns >= columns and window.lines >= rows + _ROWS_BELOW
    if size_is_unknown or fits:
        return ""
    return _(
        "The code needs {columns} columns and {rows} rows, with {below} more for the text below it, and this window "
        "has {has_columns} and {has_rows}: enlarge it, or open the picture {picture} "
        "(a copy: `leadmasterd qr --png FILE`)."
    ).format(
        columns=columns,
        rows=rows,
        below=_ROWS_BELOW,
        has_columns=window.columns,
        has_rows=window.lines,
        picture=paths.qr_picture.absolute(),
    )


def phone(text: str) -> str:
    """The type of `--pairing-code`: a number's digits with the country code. Spaces and punctuation are dropped."""
    digits = "".join(char for char in text if char not in " +-().\u00a0")
    if not re.fullmatch(r"[1-9][0-9]{6,14}", digits):
        raise argparse.ArgumentTypeError(
            _("{text} is no phone number: digits with the country code, as 5491155550100").format(text=repr(text))
        )
    return digits


def _no_code(status: dict[str, Any]) -> str:
    """Why no code is shown, in a sentence. `status`: status.json; empty before the daemon has written it."""
    if not status:
        return _("No code is shown now: leadmasterd is starting.")
    if trouble := status.get("trouble"):
        return _("No code is shown now: {trouble}.").format(trouble=health.text(trouble["code"], trouble["detail"]))
    return _("No code is shown now: {phase}, {because}.").format(
        phase=sentences.phase(str(status.get("phase"))),
        because=sentences.because(str(status.get("code")), status.get("values") or {}),
    )
