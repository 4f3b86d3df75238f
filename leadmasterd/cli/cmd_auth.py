"""`leadmasterd auth list|snapshot|restore|reset`: the WhatsApp session on disk."""

import argparse
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from leadmasterd.cli.arguments import Command, add_commands, add_epilog, add_json, add_json_before_command
from leadmasterd.cli.times import Clock, clock_of
from leadmasterd.errors import CannotUseSnapshot
from leadmasterd.listener.profile import Auth, Snapshot
from leadmasterd.settings.paths import Paths, find_paths
from leadmasterd.state.control import ask
from leadmasterd.state.files import Lock, is_running
from leadmasterd.text import _

COMMANDS: Final[Mapping[str, Command]] = {
    "list": Command(_("list the session, its snapshots, and sessions that were set aside"), "cmd_auth", "list"),
    "snapshot": Command(_("take a snapshot; a running listener stops for a moment"), "cmd_auth", "snapshot"),
    "restore": Command(_("put a snapshot back; the daemon must be stopped"), "cmd_auth", "restore"),
    "reset": Command(_("set the session aside, to scan again; the daemon must be stopped"), "cmd_auth", "reset"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its subcommands."""
    add_commands(parser, COMMANDS, dest="action")
    add_json_before_command(parser)
    add_epilog(parser, "leadmasterd auth list", "leadmasterd auth snapshot", "leadmasterd auth restore")


def add_list_arguments(parser: argparse.ArgumentParser) -> None:
    """Only --json."""
    add_json(parser, after_command=True)
    add_epilog(parser, "leadmasterd auth list", "leadmasterd auth list --json | jq .snapshots[0].good")


def add_snapshot_arguments(parser: argparse.ArgumentParser) -> None:
    """Only --json."""
    add_json(parser, after_command=True)
    add_epilog(parser, "leadmasterd auth snapshot")


def add_restore_arguments(parser: argparse.ArgumentParser) -> None:
    """Which snapshot."""
    parser.add_argument("name", nargs="?", metavar="NAME", help=_("a snapshot's name (default: the newest good one)"))
    add_json(parser, after_command=True)
    add_epilog(parser, "leadmasterd auth restore", "leadmasterd auth restore 20261123T033000Z")


def add_reset_arguments(parser: argparse.ArgumentParser) -> None:
    """Only --json."""
    add_json(parser, after_command=True)
    add_epilog(parser, "leadmasterd auth reset")


def run_list(arguments: argparse.Namespace) -> int:
    """What is there, good or not."""
    paths = find_paths(arguments.config)
    return _list(Auth(paths), clock_of(paths), as_json=arguments.json)


def run_snapshot(arguments: argparse.Namespace) -> int:
    """By the running daemon, or here when none is running."""
    paths = find_paths(arguments.config)
    return _snapshot(paths, Auth(paths))


def run_restore(arguments: argparse.Namespace) -> int:
    """1 when there is no such snapshot."""
    paths = find_paths(arguments.config)
    return _restore(paths, Auth(paths), arguments.name)


def run_reset(arguments: argparse.Namespace) -> int:
    """Nothing is deleted."""
    paths = find_paths(arguments.config)
    return _reset(paths, Auth(paths))


def _list(auth: Auth, clock: Clock, *, as_json: bool) -> int:
    snapshots = auth.snapshots()
    if as_json:
        found = [
            {
                "name": each.name,
                "made_at": each.made_at,
                "account": each.account,
                "browser": each.browser,
                "files": each.files,
                "bytes": each.size,
                "good": _problem(auth, each) is None,
            }
            for each in snapshots
        ]
        quarantined = [path.name for path in auth.quarantined()]
        print(json.dumps({"linked": auth.linked_account(), "snapshots": found, "quarantined": quarantined}))
        return 0
    account = auth.linked_account()
    print(_("live session: {account}").format(account=account.partition("@")[0] if account else _("none")))
    for each in snapshots:
        problem = _problem(auth, each)
        state = _("good") if problem is None else problem
        made = clock.full(each.made_at) + clock.where()
        print(_("snapshot {name}  {made}  {mb} MB  {state}").format(
            name=each.name, made=made, mb=each.size // 1_000_000, state=state
        ))  # fmt: skip
    if not snapshots:
        print(_("no snapshots yet; one is taken at each nightly restart, or by `leadmasterd auth snapshot`"))
    for path in auth.quarantined():
        print(_("set aside {path}").format(path=path))
    return 0


def _problem(auth: Auth, snapshot: Snapshot) -> str | None:
    try:
        auth.verify(snapshot)
    except CannotUseSnapshot as error:
        return str(error)
    return None


def _snapshot(paths: Paths, auth: Auth) -> int:
    if is_running(paths):
        ask(paths.socket, "snapshot")
        print(
            _("The listener stops for a moment, a snapshot is taken, and it starts again; see `leadmasterd history`.")
        )
        return 0
    _alone(paths)
    snapshot = auth.take(account=auth.linked_account(), browser=None, now=datetime.now(UTC))
    print(_("Kept {name}.").format(name=snapshot.name))
    return 0


def _restore(paths: Paths, auth: Auth, name: str | None) -> int:
    _alone(paths)
    if name is None:
        snapshot = auth.newest_good(account=None)
    else:
        snapshot = next((each for each in auth.snapshots() if each.name == name), None)
    if snapshot is None:
        wanted = name or _("one that is good")
        print(_("There is no such snapshot: {name}. See `leadmasterd auth list`.").format(name=wanted), file=sys.stderr)
        return 1
    auth.restore(snapshot, now=datetime.now(UTC), why="a person restored a snapshot")
    print(_("Restored {name}; the session that was there is set aside. Start the daemon.").format(name=snapshot.name))
    return 0


def _reset(paths: Paths, auth: Auth) -> int:
    _alone(paths)
    target = auth.quarantine(now=datetime.now(UTC), why="a person reset the session")
    print(
        _("The session is set aside in {path}; the next start asks for a scan.").format(path=target)
        if target
        else _("There is no session; the next start asks for a scan.")
    )
    return 0


def _alone(paths: Paths) -> None:
    """Hold the state directory for the rest of this command: a running daemon's profile is never touched."""
    Lock(paths).acquire()
