"""`leadmasterd auth pair`: link an account in a window of this computer, for a listener on another machine."""

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypedDict, TypeVar

from leadmasterd import causes
from leadmasterd.cli.arguments import add_epilog, add_json
from leadmasterd.errors import Refused
from leadmasterd.listener import tree
from leadmasterd.listener.linking import History, Linked, link, number
from leadmasterd.listener.programs import check_temporary_folder, find_browser, find_node
from leadmasterd.listener.session_file import SPARE, Origin, pack
from leadmasterd.settings.model import load
from leadmasterd.text import _

Answer = TypeVar("Answer")

_NEEDS: Final = 2 * SPARE
"""Bytes that must be free where the browser keeps its profile: the session, and as much again for caches."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the file goes, where the browser's profile is meanwhile, and `--json`."""
    parser.add_argument(
        "--output", metavar=_("FILE"), help=_("the file to write (default: leadmasterd-session-DATE.zip here)")
    )
    parser.add_argument(
        "--work-dir",
        metavar=_("FOLDER"),
        help=_("where to keep the browser's profile meanwhile (default: the folder for temporary files)"),
    )
    add_json(parser, after_command=True)
    add_epilog(
        parser,
        "leadmasterd auth pair",
        "leadmasterd auth pair --output shop.zip",
        notes=_(
            "Needs a screen and Chromium on this computer, and no daemon. Opens a window;\n"
            "scan the code in it and answer what WhatsApp asks. The file that it writes is\n"
            "for `leadmasterd auth import` on the machine that listens."
        ),
    )


class PairRecord(TypedDict):
    """`auth pair --json`. `files`: how many are in the file that was written; `bytes`: the size of that file."""

    file: str
    account: str
    browser: str | None
    history: History
    files: int
    bytes: int


def run(arguments: argparse.Namespace) -> int:
    """Open the window, wait until the account is linked, and write the file. Returns 0.

    Raises Refused if nothing was linked or the file can't be written, CannotUseProgram without a browser or Node.
    """
    settings, _paths = load(arguments.config)
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise Refused(
            _(
                "cannot pair: there is no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set); "
                "run it on your own computer, in a terminal of its desktop"
            )
        )
    node, browser = find_node(settings.listener.node), find_browser(settings.listener.browser, window=True)
    check_temporary_folder()
    now = datetime.now(UTC)
    file = Path(arguments.output or f"leadmasterd-session-{now.astimezone():%Y-%m-%d}.zip")
    _check_output(file)
    out = sys.stderr if arguments.json else sys.stdout  # with --json stdout has the object alone

    def say(sentence: str) -> None:
        print(sentence, file=out, flush=True)

    with _work_folder(arguments.work_dir) as work:

        async def link_account() -> Linked:
            linked = await link(settings, node=node, browser=browser, profile=work.profile, say=say)
            work.stays = True  # in the coroutine, as no signal can come in between
            return linked

        try:
            linked = _run_until_signal(link_account)
            origin = Origin(linked.account, linked.browser, linked.at)
            packed = pack(work.profile, file, origin=origin, now=datetime.now(UTC))
        except BaseException as error:
            if not work.stays:
                raise
            raise _linked_in_vain(error, file, work.profile) from error
        work.stays = False
    record = PairRecord(
        file=str(file),
        account=linked.account,
        browser=linked.browser,
        history=linked.history,
        files=packed.files,
        bytes=packed.size,
    )
    if arguments.json:
        print(json.dumps(record, ensure_ascii=False))
        return 0
    say(_("Wrote {file}: the session of {number}.").format(file=file, number=number(linked.account)))
    say(_("Copy it to the machine that listens, stop the daemon there, and run:"))
    say(f"    leadmasterd auth import {file.name}")
    say(_("Whoever has this file can read the chats. Use it once, and delete it when the daemon is ready."))
    return 0


def _check_output(file: Path) -> None:
    """Check before anybody links an account that the file can be written afterwards. Raises Refused."""
    if file.exists() or file.is_symlink():
        raise Refused(_("cannot write {file}: it exists already; name another --output").format(file=file))
    if not file.parent.is_dir():
        raise Refused(_("cannot write {file}: there is no such folder; name another --output").format(file=file))
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise Refused(_("cannot write {file}: permission denied; name another --output").format(file=file))


@dataclass(slots=True)
class _Work:
    """The folder that the work is done in."""

    profile: Path
    """The browser's profile, in that folder."""
    stays: bool = False
    """Whether the folder is kept: the account is linked and not in the file yet. Linking again may be impossible."""


@contextmanager
def _work_folder(place: str | None) -> Iterator[_Work]:
    """A new folder within `place` (None: where temporary files are), for the browser's profile.

    It is deleted afterwards, unless it `stays`, and every process that still uses the profile is killed.
    Raises Refused if it can't be made, or if the disk has too little room.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="leadmasterd-pair-", dir=place))
    except OSError as error:
        raise Refused(
            _("cannot use {folder}: {why}; name another --work-dir").format(
                folder=place or tempfile.gettempdir(), why=causes.of_system(error)
            )
        ) from error
    work = _Work(folder / "profile")
    try:
        free = shutil.disk_usage(folder).free
        if free < _NEEDS:
            raise Refused(
                _("cannot pair: {folder} has {free} MB free and {needs} MB are needed; name another --work-dir").format(
                    folder=folder.parent, free=free // 1_000_000, needs=_NEEDS // 1_000_000
                )
            )
        yield work
    finally:
        tree.signal_all(tree.find_ours(tree.marker_of(work.profile)), signal.SIGKILL)
        if not work.stays:
            shutil.rmtree(folder, ignore_errors=True)


def _run_until_signal(start: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
    """Run a coroutine to its end and return its result.

    A signal such as Ctrl-C cancels the coroutine instead of ending the process, so that it can close the browser.
    """

    async def cancellable() -> Answer:
        task = asyncio.current_task()
        assert task is not None
        for each in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(each, task.cancel)
        return await start()

    return asyncio.run(cancellable())


def _linked_in_vain(error: BaseException, file: Path, profile: Path) -> Refused:
    """The error to raise when the account is linked and `error` kept the session from being written to `file`.

    If it is not one of the system's, it is a defect: its traceback is printed.
    """
    if isinstance(error, KeyboardInterrupt):
        why = _("it was interrupted")
    else:
        why = causes.of_system(error)
        if getattr(error, "errno", None) is None:
            traceback.print_exception(error)
    return Refused(
        _("cannot write {file}: {why}; the account is linked, so zip the folder {kept} and import that").format(
            file=file, why=why, kept=profile
        )
    )
