"""Building blocks for the commands' flags: the parser class, shared flags, argument types.

Light imports, because `leadmasterd --help` imports this module; a command's own module is imported when that command
is typed.
"""

import argparse
import sys
from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from typing import Any, NamedTuple, NoReturn, cast

from leadmasterd.text import _
from leadmasterd.usage import translate_usage

translate_usage()

_WIDTH = 80
_LARGEST = 2**63 - 1
"""SQLite's largest integer."""


class Command(NamedTuple):
    """One command: its line in `--help`, and the module in `cli/` that implements it.

    The module has `add_arguments(parser)`, which adds flags and the end of `--help`, and `run(arguments)`, which prints
    the answer and returns the exit code.
    """

    summary: str
    module: str
    part: str = ""
    """For a module with several commands: `add_PART_arguments` and `run_PART` instead of `add_arguments` and `run`."""


class CommandParser(argparse.ArgumentParser):
    """Parses one command, whose module it imports when it is first used. Usage errors exit with 64.

    `command`: None for the program itself, which has no module but only commands. `subparsers`: those of its
    subcommands, by name.
    """

    def __init__(self, *, command: Command | None = None, **options: Any) -> None:
        super().__init__(formatter_class=_formatter, **options)
        self._command = command
        self.subparsers: Mapping[str, _LazyParser] = {}

    def load(self) -> None:
        """Import the command's module and add its flags and its `run`. Does nothing the second time."""
        command = self._command
        if command is None:
            return
        self._command = None
        module = import_module(f"leadmasterd.cli.{command.module}")
        part = f"_{command.part}" if command.part else ""
        add_arguments = getattr(module, f"add{part}_arguments")
        add_arguments(self)
        self.set_defaults(run=getattr(module, f"run{part}", None))  # None: it only has subcommands

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and refuse unknown arguments with this command's usage: argparse would print that of the program."""
        self.load()
        found, left_over = super().parse_known_args(args, namespace)
        if left_over:
            self.error(_("unrecognised arguments: {words}").format(words=" ".join(left_over)))
        return found, left_over

    def format_help(self) -> str:
        """The help. Loads the flags first, because tools/draw_cli.py asks for the help of commands nobody has typed."""
        self.load()
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message on stderr, and exit with 64."""
        self.print_usage(sys.stderr)
        advice = _("Try `{command} --help`.").format(command=self.prog)
        self.exit(64, f"{self.prog}: {message}\n{advice}\n")


def _formatter(prog: str) -> argparse.RawDescriptionHelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=26, width=_WIDTH)


def add_commands(
    parser: argparse.ArgumentParser, commands: Mapping[str, Command], *, dest: str, required: bool = True
) -> None:
    """Add these subcommands to a CommandParser.

    `dest`: the attribute of the parsed arguments that gets the name of the typed subcommand. `required`: whether one
    must be typed.
    """
    group = parser.add_subparsers(
        title=_("commands"),
        metavar=_("COMMAND"),
        required=required,
        dest=dest,
        parser_class=cast("type[CommandParser]", _LazyParser),
    )
    for name, command in commands.items():
        group.add_parser(name, help=command.summary, command=command)
    assert isinstance(parser, CommandParser)
    parser.subparsers = cast("Mapping[str, _LazyParser]", group.choices)


class _LazyParser:
    """Stands in for a command's parser and makes it on first use: making all of them takes as long as a short command.

    argparse makes an object of this class for each command, with the options that `add_parser` got.
    """

    def __init__(self, *, command: Command, prog: str) -> None:
        self._command, self._prog = command, prog

    @cached_property
    def parser(self) -> CommandParser:
        """The real parser, made on first use."""
        summary = self._command.summary
        description = f"{summary[0].upper()}{summary[1:]}."
        made = CommandParser(prog=self._prog, description=description, command=self._command)
        # `--config` may also follow the command; only the top-level help lists it.
        made.add_argument("--config", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        return made

    def __getattr__(self, name: str) -> Any:
        """Whatever argparse asks of a parser, the real one answers."""
        return getattr(self.parser, name)


def subcommands(parser: CommandParser) -> dict[str, CommandParser]:
    """This command's subcommands by name, with their flags loaded; empty if it has none."""
    found = {name: each.parser for name, each in parser.subparsers.items()}
    for each in found.values():
        each.load()
    return found


def add_epilog(parser: argparse.ArgumentParser, *examples: str, notes: str = "") -> None:
    """Set the end of `--help`: examples, each a complete command line, and then the notes."""
    parser.epilog = "\n".join((_("examples:"), *(f"  {line}" for line in examples)))
    if notes:
        parser.epilog += f"\n\n{notes}"


# ---------------------------------------------------------------------- flags shared by several commands


def add_json(parser: Any, *, after_command: bool = False) -> None:
    """Add `--json`, for a command with an object in docs/json.md. `parser` may be a group of flags.

    `after_command`: the parent command takes the flag too (`add_json_before_command`); so this flag has no default,
    which would overwrite the parent's.
    """
    parser.add_argument(
        "--json",
        action="store_true",
        default=argparse.SUPPRESS if after_command else False,
        help=_("print one JSON object and nothing else"),
    )


def add_json_before_command(parser: argparse.ArgumentParser) -> None:
    """Add a hidden `--json` to a parent command: `auth --json list` means `auth list --json`."""
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)


def add_id(parser: argparse.ArgumentParser) -> None:
    """Add a required `ID`, which `queries.people.find` resolves to a person or a lead."""
    parser.add_argument("id", type=typed, metavar=_("ID"), help=_("a lead's number, a phone, a chat id or a name"))


def add_limit(parser: argparse.ArgumentParser, text: str | None = None) -> None:
    """Add `--limit N`, 20 by default. `text`: its help, if the usual one does not fit."""
    parser.add_argument(
        "--limit", type=positive, default=20, metavar=_("N"), help=text or _("show at most N (default 20)")
    )


def add_time(parser: Any, flag: str, text: str, *, required: bool = False) -> None:
    """Add a flag that takes a date or a time, for `cli.times.time_from`. `parser` may be a group of flags."""
    form = _("(ISO 8601, hoy, ayer, 7d or 12h; without an offset: in leads.timezone)")
    parser.add_argument(flag, type=typed, metavar=_("TIME"), help=f"{text} {form}", required=required)


# ---------------------------------------------------------------------- types of arguments


def typed(text: str) -> str:
    """Text as typed. Bytes that are not UTF-8 become `?`, because they can be neither stored nor searched for."""
    return text.encode("utf-8", "replace").decode()


def positive(text: str) -> int:
    """A whole number of at least 1. A number above SQLite's largest integer becomes that integer."""
    try:
        number = int(text)
    except ValueError:
        number = 0  # refused below
    if number < 1:
        raise argparse.ArgumentTypeError(_("{text} must be a whole number, at least 1").format(text=repr(text)))
    return min(number, _LARGEST)
