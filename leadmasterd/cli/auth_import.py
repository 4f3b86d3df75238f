"""`leadmasterd auth import`: a session that was linked on another computer becomes this machine's."""

import argparse
import contextlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypedDict

from leadmasterd import causes
from leadmasterd.cli.arguments import add_epilog, add_json
from leadmasterd.cli.auth_lock import locked
from leadmasterd.cli.times import clock_of
from leadmasterd.errors import CannotUseState, Refused
from leadmasterd.listener.profile import Auth
from leadmasterd.listener.programs import major, newest_version
from leadmasterd.listener.session_file import Kind, SessionFile, check_browser, check_space
from leadmasterd.settings.paths import Paths, find_paths
from leadmasterd.state.files import holder_of_lock, is_running, read_status
from leadmasterd.text import _, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the file, what may be done with it, and `--json`."""
    parser.add_argument("file", metavar=_("FILE"), help=_("from `auth pair`, or Chrome's zipped profile folder"))
    parser.add_argument("--dry-run", action="store_true", help=_("only verify it; the daemon may run meanwhile"))
    parser.add_argument("--new-number", action="store_true", help=_("accept another number than the linked one"))
    add_json(parser, after_command=True)
    add_epilog(
        parser,
        "leadmasterd auth import leadmasterd-session-2026-11-29.zip",
        "leadmasterd auth import --dry-run chrome-profile.zip",
        notes=_(
            "For accounts that WhatsApp asks for a passkey, which can only be answered on\n"
            "your own computer. docs/operations.md explains it step by step."
        ),
    )


class ImportRecord(TypedDict):
    """`auth import --json`. `bytes`: of the unpacked files; `former`: the folder that keeps this machine's old session.

    `account`, `made_at` and `browser` are None if the file does not say.
    """

    code: Literal["imported", "verified"]
    file: str
    kind: Kind
    account: str | None
    made_at: str | None
    browser: str | None
    files: int
    bytes: int
    former: str | None


def run(arguments: argparse.Namespace) -> int:
    """Verify the file. Without `--dry-run` also make its session this machine's, and set the old session aside.

    Nothing is replaced unless the whole file is good. Raises Refused and CannotUseState.
    """
    paths = find_paths(arguments.config)
    if not arguments.dry_run:
        _require_stopped(paths)
    with SessionFile(Path(arguments.file)) as file:
        our_browser = newest_version(_configured_browser(arguments.config))
        check_browser(file, our_browser)
        if not arguments.new_number:
            _require_same_number(file, paths)
        former: Path | None = None
        if arguments.dry_run:
            check_space(file, _nearest_folder(paths.profile))
            file.verify()
        else:
            with locked(paths) as auth:
                former = _put_in_place(file, auth, paths)
        record = ImportRecord(
            code="verified" if arguments.dry_run else "imported",
            file=str(file.path),
            kind=file.kind,
            account=file.account,
            made_at=file.made_at,
            browser=file.browser,
            files=file.files,
            bytes=file.size,
            former=str(former) if former else None,
        )
    if arguments.json:
        print(json.dumps(record, ensure_ascii=False))
    else:
        for line in _sentences(record, paths, our_browser):
            print(line)
    return 0


def _require_stopped(paths: Paths) -> None:
    """Raises CannotUseState while the daemon runs: it holds the profile open."""
    if is_running(paths):
        raise CannotUseState(
            _("cannot import a session while the daemon runs: stop it first with `{command}`").format(
                command=_stop_command(paths)
            )
        )


def _stop_command(paths: Paths) -> str:
    """The command that stops the running daemon: systemctl if it runs as a unit or its pid is unknown, else `kill`."""
    pid = holder_of_lock(paths)
    if pid is None:
        return "sudo systemctl stop leadmasterd"
    with contextlib.suppress(OSError, UnicodeDecodeError):  # it has just ended, or a name is not UTF-8
        group = Path(f"/proc/{pid}/cgroup").read_text()
        if unit := re.search(r"/(leadmasterd[^/\n]*\.service)$", group, re.MULTILINE):
            return f"sudo systemctl stop {unit[1]}"
    return f"kill {pid}"


def _configured_browser(config: str | None) -> str:
    """The browser that the settings name; empty: any that is found here."""
    from leadmasterd.settings.model import load

    return load(config)[0].listener.browser


def _require_same_number(file: SessionFile, paths: Paths) -> None:
    """Raises Refused if the file is of another number than the one linked here, unless one of the two is unknown."""
    last_account = (read_status(paths) or {}).get("account") or {}
    linked = Auth(paths).linked_account() or last_account.get("wid")  # by the session's notes, else by the last run
    if linked and file.account and file.account != linked:
        raise Refused(
            _(
                "cannot import {file}: it is a session of {theirs}, and {ours} is linked here; "
                "to change the number add --new-number"
            ).format(file=file.path, theirs=_number(file.account), ours=_number(linked))
        )


def _put_in_place(file: SessionFile, auth: Auth, paths: Paths) -> Path | None:
    """Make the file's session the live one. Returns where the former session is kept; None if there was none.

    Raises CannotUseState and Refused; the session here is then as it was.
    """
    if (pid := auth.browser_using_it()) is not None:
        raise CannotUseState(
            _("cannot import {file}: a browser (pid {pid}) has the profile open; close it first").format(
                file=file.path, pid=pid
            )
        )
    check_space(file, paths.state_dir)
    try:
        with auth.unfinished() as fresh:
            file.unpack(fresh)
            auth.note_browser(file.browser, profile=fresh)
            if file.linked_at:
                auth.note_link_elsewhere(fresh, file.linked_at)
            return auth.adopt(fresh, account=file.account, now=datetime.now(UTC), why=f"imported {file.path}")
    except OSError as error:
        raise Refused(
            _("cannot import {file}: cannot write {path}: {why}; the session here was not changed").format(
                file=file.path, path=error.filename or paths.profile.parent, why=causes.of_system(error)
            )
        ) from error


def _nearest_folder(path: Path) -> Path:
    """The nearest folder above the path that exists."""
    return next(folder for folder in path.absolute().parents if folder.is_dir())


def _sentences(record: ImportRecord, paths: Paths, our_browser: str) -> list[str]:
    """What was imported or verified, and what to do next. `our_browser`: the version here; empty if unknown."""
    imported = record["code"] == "imported"
    account = record["account"]
    clock = clock_of(paths)
    size = _("{files} files, {mb} MB").format(files=record["files"], mb=record["bytes"] // 1_000_000)
    first = _("Imported {file}: {size}.") if imported else _("{file} is good: {size}.")
    sentences = [first.format(file=record["file"], size=size)]
    if account and record["made_at"]:
        made = clock.full(record["made_at"]) + clock.where()
        sentences.append(_("It is the session of {number}, of {made}.").format(number=_number(account), made=made))
    else:
        sentences.append(
            _("It does not say whose account it is: `leadmasterd status` will, once the daemon has started.")
        )
    if major(record["browser"]) is None or major(our_browser) is None:
        sentences.append(_("It could not be checked whether the browser here is new enough for it."))
    if not imported:
        sentences.append(_("Nothing was changed."))
        return sentences
    if record["former"]:
        sentences.append(_("The session that was here is kept in {path}.").format(path=record["former"]))
    sentences.append(_("Start the daemon: `sudo systemctl start leadmasterd`, or `leadmasterd run`."))
    sentences.append(
        _("Once it is ready, delete {file} here and where it came from: whoever has it can read the chats.").format(
            file=record["file"]
        )
    )
    return sentences


def _number(account: str) -> str:
    """The phone number in a WhatsApp id."""
    return printable(account.partition("@")[0])
