"""`leadmasterd config check` and `show`: whether the settings can be used, and which are in force."""

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from leadmasterd.cli.arguments import Command, add_commands, add_epilog, add_json, add_json_before_command
from leadmasterd.errors import CannotUseProgram, CannotUseSettings
from leadmasterd.listener.programs import find_browser, find_node
from leadmasterd.settings.model import LeadsSettings, ListenerSettings, Settings, load
from leadmasterd.settings.paths import Paths
from leadmasterd.text import _, printable


class Checked(TypedDict):
    """`config check --json`, and `config show --json` when something is wrong."""

    ok: bool
    file: NotRequired[str | None]
    problems: NotRequired[list[str]]
    warnings: NotRequired[list[str]]


class Shown(TypedDict):
    """`config show --json`."""

    file: str | None
    state_dir: str
    settings: dict[str, Any]


def commands() -> Mapping[str, Command]:
    """The subcommands by name, in the order of `--help`."""
    return {
        "check": Command(_("check the settings: every problem at once"), "cmd_config", "check"),
        "show": Command(_("show the settings in force, defaults and environment included"), "cmd_config", "show"),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands, and the end of `--help`."""
    add_commands(parser, commands(), dest="action")
    add_json_before_command(parser)
    add_epilog(parser, "leadmasterd config check", "leadmasterd config show")


def add_check_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--json`, the only flag."""
    add_json(parser, after_command=True)
    add_epilog(parser, "leadmasterd config check", "leadmasterd --config new.toml config check")


def add_show_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--json`, the only flag."""
    add_json(parser, after_command=True)
    add_epilog(parser, "leadmasterd config show", "leadmasterd config show --json | jq .settings.leads")


def run_check(arguments: argparse.Namespace) -> int:
    """Check the settings, with the programs and addresses that they name, and print every problem.

    Returns 0 if there is none. If there are any, returns 78 with `--json`, and raises CannotUseSettings without.
    """
    try:
        settings, paths = load(arguments.config)
        _check_programs(settings.listener)
        _check_alert_addresses(settings, paths)
    except CannotUseSettings as error:
        return _problems(arguments, error)
    warnings = _warnings(settings.leads)
    if arguments.json:
        report = Checked(ok=True, file=str(paths.file) if paths.file else None, warnings=warnings)
        print(json.dumps(report, ensure_ascii=False))
        return 0
    for each in warnings:
        print(_("{file}: it can be used, but {warning}.").format(file=_source(paths), warning=each))
    if not warnings:
        print(_("{file}: all good.").format(file=_source(paths)))
    return 0


def _warnings(leads: LeadsSettings) -> list[str]:
    """Settings that are valid but are probably a mistake: opening hours without any open day."""
    if any(leads.hours.values()):
        return []
    if any(leads.overrides.values()):
        return [_("`leads.hours` has no open day, so an answer is expected only on the dates in `leads.overrides`")]
    return [_("`leads.hours` has no open day, so nobody is ever expected to answer, and nobody's wait is ever overdue")]


def _check_programs(listener: ListenerSettings) -> None:
    """Check node and the browser if the settings name them. Raises CannotUseSettings.

    If the settings name none, `leadmasterd doctor` checks those that are found.
    """
    problems = []
    for program, find in ((listener.node, find_node), (listener.browser, find_browser)):
        if program:
            try:
                find(program)
            except CannotUseProgram as error:
                problems.append(str(error))
    if problems:
        raise CannotUseSettings("\n".join(problems))


def _check_alert_addresses(settings: Settings, paths: Paths) -> None:
    """Raises CannotUseSettings with a line for each alert address that can't be used."""
    if not settings.alerts.tells:
        return
    from leadmasterd.alerts.addresses import addresses_of

    _usable, unusable = addresses_of(settings.alerts, paths)
    if unusable:
        raise CannotUseSettings("\n".join(unusable))


def run_show(arguments: argparse.Namespace) -> int:
    """Print the settings in force as TOML that could be a settings file, or as JSON with `--json`."""
    try:
        settings, paths = load(arguments.config)
    except CannotUseSettings as error:
        return _problems(arguments, error)
    values = settings.model_dump(mode="json")
    if arguments.json:
        file = str(paths.file) if paths.file else None
        shown = Shown(file=file, state_dir=str(paths.state_dir), settings=values)
        print(json.dumps(shown, ensure_ascii=False))
        return 0
    print(f"# {printable(_source(paths))}")
    places = _("# state: {state}, database: {database}")
    print(places.format(state=printable(str(paths.state_dir)), database=printable(str(paths.database))))
    sys.stdout.write(_toml(values))
    return 0


def _problems(arguments: argparse.Namespace, error: CannotUseSettings) -> int:
    """Print the problems as JSON and return the exit code. Without `--json` raises the error, which `main` prints."""
    if not arguments.json:
        raise error
    print(json.dumps(Checked(ok=False, problems=str(error).splitlines()), ensure_ascii=False))
    return error.exit_code


def _source(paths: Paths) -> str:
    """Where the settings come from, for people."""
    return str(paths.file) if paths.file else _("built-in defaults")


def _toml(values: dict[str, object]) -> str:
    """Settings as TOML: plain values first, then the sections."""
    lines = [f"{key} = {_literal(value)}" for key, value in values.items() if not isinstance(value, dict)]
    for section, inner in values.items():
        if isinstance(inner, dict):
            lines += ["", f"[{section}]", *(f"{key} = {_literal(value)}" for key, value in inner.items())]
    return "\n".join(lines) + "\n"


def _literal(value: object) -> str:
    """A value in TOML. JSON is the same for all that settings hold, except tables and the DEL character."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(key)} = {_literal(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
