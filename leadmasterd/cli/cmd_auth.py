"""`leadmasterd auth list|snapshot|restore|reset`: the session on disk. `pair` and `import` have files of their own."""

import argparse
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypedDict

from leadmasterd.cli.arguments import Command, add_commands, add_epilog, add_json, add_json_before_command
from leadmasterd.cli.auth_lock import locked
from leadmasterd.cli.times import clock_of
from leadmasterd.errors import CannotUseSnapshot, Refused
from leadmasterd.listener.profile import Auth, Snapshot
from leadmasterd.settings.paths import find_paths
from leadmasterd.state.control import ask
from leadmasterd.state.files import is_running
from leadmasterd.text import _


def commands() -> Mapping[str, Command]:
    """The subcommands by name, in the order of `--help`."""
    return {
        "list": Command(_("list the session, its snapshots, and sessions that were set aside"), "cmd_auth", "list"),
        "snapshot": Command(_("take a snapshot; a running listener stops for a moment"), "cmd_auth", "snapshot"),
        "restore": Command(_("put a snapshot back; the daemon must be stopped"), "cmd_auth", "restore"),
        "pair": Command(_("link an account in a window of this computer, into a file"), "auth_pair"),
        "import": Command(_("put a session in place that was linked on another computer"), "auth_import"),
        "reset": Command(_("set the session aside, to scan again; the daemon must be stopped"), "cmd_auth", "reset"),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands, and the end of `--help`."""
    add_commands(parser, commands(), dest="action")
    add_json_before_command(parser)
    add_epilog(parser, "leadmasterd auth list", "leadmasterd auth snapshot", "leadmasterd auth restore")


def add_list_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--json`, the only flag."""
    add_json(parser, after_command=True)
    add_epilog(parser, "leadmasterd auth list", "leadmasterd auth list --json | jq .snapshots[0].good")


def add_snapshot_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--json`, the only flag."""
    add_json(parser, after_command=True)
    add_epilog(parser, "leadmasterd auth snapshot")


def add_restore_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the name of a snapshot, and `--json`."""
    parser.add_argument(
        "name", nargs="?", metavar=_("NAME"), help=_("a snapshot's name (default: the newest good one)")
    )
    add_json(parser, after_command=True)
    add_epilog(parser, "leadmasterd auth restore", "leadmasterd auth restore 20261123T033000Z")


def add_reset_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--json`, the only flag."""
    add_json(parser, after_command=True)
    add_epilog(parser, "leadmasterd auth reset")


class SnapshotObject(TypedDict):
    """An object of `snapshots` in `auth list --json`. `code`: `good`, or the code of CannotUseSnapshot."""

    name: str
    made_at: str
    account: str | None
    browser: str | None
    files: int
    bytes: int
    good: bool
    code: str
    problem: str | None


class SessionList(TypedDict):
    """`auth list --json`. `linked`: the account of the live session; `quarantined`: names of sessions set aside."""

    linked: str | None
    snapshots: list[SnapshotObject]
    quarantined: list[str]


class Done(TypedDict):
    """`auth snapshot`, `restore` and `reset` with `--json`."""

    code: str
    values: dict[str, str]


# ---------------------------------------------------------------------- list


def run_list(arguments: argparse.Namespace) -> int:
    """Print the live session, its snapshots (each verified by reading all of its files) and what was set aside."""
    paths = find_paths(arguments.config)
    auth, clock = Auth(paths), clock_of(paths)
    snapshots = [_snapshot_object(auth, each) for each in auth.snapshots()]
    if arguments.json:
        quarantined = [path.name for path in auth.quarantined()]
        found = SessionList(linked=auth.linked_account(), snapshots=snapshots, quarantined=quarantined)
        print(json.dumps(found, ensure_ascii=False))
        return 0
    account = auth.linked_account()
    print(_("live session: {account}").format(account=account.partition("@")[0] if account else _("none")))
    for each in snapshots:
        print(
            _("snapshot {name}  {made}  {mb} MB  {state}").format(
                name=each["name"],
                made=clock.full(each["made_at"]) + clock.where(),
                mb=each["bytes"] // 1_000_000,
                state=each["problem"] or _("good"),
            )
        )
    if not snapshots:
        print(_("no snapshots yet; one is taken at each nightly restart, or by `leadmasterd auth snapshot`"))
    for path in auth.quarantined():
        print(_("set aside {path}").format(path=path))
    return 0


def _snapshot_object(auth: Auth, snapshot: Snapshot) -> SnapshotObject:
    """Verify the snapshot, which reads all of its files, and describe it with the result."""
    code = "good"
    problem = None
    try:
        auth.verify(snapshot)
    except CannotUseSnapshot as error:
        code = error.code
        problem = str(error)
    return SnapshotObject(
        name=snapshot.name,
        made_at=snapshot.made_at,
        account=snapshot.account,
        browser=snapshot.browser,
        files=snapshot.files,
        bytes=snapshot.size,
        good=problem is None,
        code=code,
        problem=problem,
    )


# ---------------------------------------------------------------------- snapshot, restore, reset


def run_snapshot(arguments: argparse.Namespace) -> int:
    """Ask the running daemon for a snapshot, or take it here if none is running. Raises CannotUseSnapshot."""
    paths = find_paths(arguments.config)
    if is_running(paths):
        ask(paths.socket, "snapshot")
        text = _("The listener stops briefly for a snapshot and starts again; see `leadmasterd history`.")
        return _report(arguments, text, Done(code="requested", values={}))
    with locked(paths) as auth:
        snapshot = auth.take_snapshot(account=auth.linked_account(), browser=None, now=datetime.now(UTC))
    text = _("Took the snapshot {name}.").format(name=snapshot.name)
    return _report(arguments, text, Done(code="taken", values={"name": snapshot.name}))


def run_restore(arguments: argparse.Namespace) -> int:
    """Make a snapshot the live session: the named one, or the newest good one. Raises Refused if there is none."""
    paths = find_paths(arguments.config)
    name = arguments.name
    with locked(paths) as auth:
        if name is None:
            snapshot = auth.newest_good(account=None)
        else:
            snapshot = next((each for each in auth.snapshots() if each.name == name), None)
        if snapshot is None:
            if name is None:
                raise Refused(_("cannot restore: there is no good snapshot; see `leadmasterd auth list`"))
            raise Refused(
                _("cannot restore {name}: there is no such snapshot; see `leadmasterd auth list`").format(
                    name=name or '""'  # an empty name was typed
                )
            )
        auth.restore(snapshot, now=datetime.now(UTC), why="a person restored a snapshot")
    text = _("Restored {name}; the previous session was set aside. Start the daemon.").format(name=snapshot.name)
    return _report(arguments, text, Done(code="restored", values={"name": snapshot.name}))


def run_reset(arguments: argparse.Namespace) -> int:
    """Move the live session to the quarantine, where it is kept, so that the next start asks for a scan."""
    paths = find_paths(arguments.config)
    with locked(paths) as auth:
        path = auth.quarantine(now=datetime.now(UTC), why="a person reset the session")
    if path is None:
        text = _("There is no session; the next start asks for a scan.")
        return _report(arguments, text, Done(code="no_session", values={}))
    text = _("The session was set aside in {path}; the next start asks for a scan.").format(path=path)
    return _report(arguments, text, Done(code="set_aside", values={"path": str(path)}))


def _report(arguments: argparse.Namespace, text: str, done: Done) -> int:
    """Print the result, as JSON with `--json`. Returns the exit code."""
    print(json.dumps(done, ensure_ascii=False) if arguments.json else text)
    return 0
