"""`leadmasterd qr`: the code to scan, live until it is scanned."""

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
_BELOW = 3
"""Rows for the two lines below a code, and for the cursor."""
_NO_CODE_FOLLOWS = frozenset({"syncing", "ready", "paused", "halted", "needs_passkey"})
"""Phases in which the command ends instead of waiting for one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How the code is shown."""
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
    """0 once scanned or if no code is needed, 1 if there is none to show, 3 without a running daemon."""
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
    clock = clock_of(paths)
    presenter = TerminalPresenter(clock) if sys.stdout.isatty() else JournalPresenter(clock)
    if arguments.light and not sys.stdout.isatty():
        presenter.ink = qr.Ink.DARK_MODULES
    shown: str | None = None
    told = ""
    while True:
        status: dict[str, Any] = read_status(paths) or {}
        scan = status.get("scan") or {}
        text = scan.get("pairing_code") or (None if arguments.pairing_code else scan.get("qr"))
        if not text and not arguments.once and status.get("code") != told:  # in a wait the sentence counts its tries
            told = str(status.get("code"))
            if status.get("phase") not in _NO_CODE_FOLLOWS:
                print(_no_code(status), file=sys.stderr, flush=True)
        if text and text != shown and not (lacking := _does_not_fit(scan, paths)):
            shown = text
            show = presenter.pairing_code if "pairing_code" in scan else presenter.code
            show(text, datetime.fromisoformat(scan["valid_until"]))
        elif text and text != shown and lacking != told:
            told = lacking
            print(lacking, file=sys.stderr, flush=True)
            if arguments.once:
                return 1
        if arguments.once and (text or not arguments.pairing_code):
            if not text:
                print(_no_code(status), file=sys.stderr)
            return 0 if text else 1
        if status.get("phase") in ("syncing", "ready"):
            print(_("Scanned.") if shown else _no_code(status))
            return 0
        if not is_running(paths):
            raise CannotReachDaemon(_("the daemon has stopped"))
        if status.get("phase") in ("paused", "halted", "needs_passkey"):
            print(_no_code(status), file=sys.stderr)
            return 1
        time.sleep(_LOOK_EVERY)


def _does_not_fit(scan: Mapping[str, Any], paths: Paths) -> str:
    """What the terminal lacks for this code, and where the picture is. Empty where it fits, or its size is unknown."""
    if "pairing_code" in scan or not sys.stdout.isatty():
        return ""
    lines = len(qr.matrix(scan["qr"]))
    columns, rows = lines, (lines + 1) // 2
    has = os.get_terminal_size(sys.stdout.fileno())
    if not has.columns or not has.lines or (has.columns >= columns and has.lines >= rows + _BELOW):
        return ""
    return _(
        "The code needs {columns} columns and {rows} rows, with {below} more for the text below it, and this window "
        "has {has_columns} and {has_rows}: enlarge it, or open the picture {picture} "
        "(a copy: `leadmasterd qr --png FILE`)."
    ).format(
        columns=columns,
        rows=rows,
        below=_BELOW,
        has_columns=has.columns,
        has_rows=has.lines,
        picture=paths.qr_picture.absolute(),
    )


def phone(text: str) -> str:
    """Digits with the country code, whatever stands between them."""
    digits = "".join(char for char in text if char not in " +-().\u00a0")
    if not re.fullmatch(r"[1-9][0-9]{6,14}", digits):
        raise argparse.ArgumentTypeError(
            _("{text} is no phone number: digits with the country code, as 5491155550100").format(text=repr(text))
        )
    return digits


def _no_code(status: dict[str, Any]) -> str:
    if not status:
        return _("No code is shown now: leadmasterd is starting.")
    if trouble := status.get("trouble"):
        return _("No code is shown now: {trouble}.").format(trouble=health.text(trouble["code"], trouble["detail"]))
    return _("No code is shown now: {phase}, {because}.").format(
        phase=sentences.phase(str(status.get("phase"))),
        because=sentences.because(str(status.get("code")), status.get("values") or {}),
    )
