"""The command `leadmaster-outbound`: its parser, help and exit codes. What the subcommands do is in `commands`."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from io import TextIOWrapper
from typing import Any, NamedTuple, NoReturn

from leadmasterd import __version__
from leadmasterd.errors import INTERNAL, SETTINGS, STATE, USAGE, LeadmasterdError
from leadmasterd.outbound import commands
from leadmasterd.outbound.decision import Purpose, TemplateStatus
from leadmasterd.outbound.records import State
from leadmasterd.settings.language_light import language_of
from leadmasterd.settings.paths import find_file, read_file
from leadmasterd.settings.variables import ignored_sections, ignored_variables
from leadmasterd.text import _, speak
from leadmasterd.usage import translate_usage

translate_usage()


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code. `argv`: without the program's name; by default `sys.argv`."""
    arguments = None
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a question mark for what the terminal can't show
    try:
        speak(language_of(sys.argv[1:] if argv is None else argv))
        arguments = make_parser().parse_args(argv)
        if arguments.json:
            speak("en")  # what programs read is English
        code = int(arguments.run(arguments))
        sys.stdout.flush()
        _note_what_is_ignored(arguments.config)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it again at exit
        return 141
    except PermissionError as error:
        print(_("cannot use {path}: this user may not").format(path=error.filename), file=sys.stderr)
        return STATE
    except LeadmasterdError as error:
        print(error, file=sys.stderr)
        if arguments is not None and error.exit_code != SETTINGS:
            _note_what_is_ignored(arguments.config)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the one place where everything ends
        import traceback

        traceback.print_exception(error)
        return INTERNAL
    return code


def _note_what_is_ignored(config: str | None) -> None:
    """Print which variables and sections of the settings are ignored: else a misspelt name would seem to work."""
    sentences = list(ignored_variables())
    file = find_file(config)
    if file:
        sentences += ignored_sections(file, read_file(file))
    for sentence in sentences:
        print(sentence, file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """Usage errors exit with 64, as `leadmasterd` does."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_formatter, **options)

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        advice = _("Try `{command} --help`.").format(command=self.prog)
        self.exit(USAGE, f"{self.prog}: {message}\n{advice}\n")


def _formatter(prog: str) -> argparse.RawDescriptionHelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=26, width=80)


# ---------------------------------------------------------------------- the flags of each command


def _no_flags(_parser: argparse.ArgumentParser) -> None:
    pass


def _request_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("to", metavar=_("TO"), help=_("a phone, or a lead's number"))
    parser.add_argument(
        "--for",
        dest="purpose",
        type=Purpose,
        choices=list(Purpose),
        default=Purpose.SERVICE,
        metavar=_("PURPOSE"),
        help=_("service (an answer, the default), utility or marketing"),
    )
    content = parser.add_mutually_exclusive_group(required=True)
    content.add_argument("--text", metavar=_("TEXT"), help=_("free text, for an open window"))
    content.add_argument("--template", metavar=_("NAME"), help=_("a recorded template"))
    parser.add_argument("--language", default="es_AR", help=_("of the template (default es_AR)"))
    parser.add_argument(
        "--value", action="append", default=[], metavar=_("TEXT"), help=_("for {{1}}, then {{2}}, … of the template")
    )
    parser.add_argument("--not-before", metavar=_("TIME"), help=_("ISO 8601; without an offset in leads.timezone"))
    parser.add_argument("--not-after", metavar=_("TIME"), help=_("the same (default: 24 hours from now)"))


def _requests_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("requests", metavar=_("REQUEST"), type=_number, nargs="+", help=_("as `list` shows them"))


def _list_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state",
        type=State,
        choices=list(State),
        metavar=_("STATE"),
        help=_("only those that are: {states}").format(states=", ".join(State)),
    )
    parser.add_argument("--limit", type=_number, default=20, metavar=_("N"), help=_("show at most N (default 20)"))


def _stop_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lift", action="store_true", help=_("turn it off: approved messages may go out again"))


def _template_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar=_("NAME"), nargs="?", help=_("its name at Meta; without it all are listed"))
    parser.add_argument("--language", default="es_AR", help=_("(default es_AR)"))
    parser.add_argument("--body", metavar=_("TEXT"), help=_("its text at Meta, with {{1}}, {{2}}, … for values"))
    parser.add_argument(
        "--category",
        choices=[Purpose.UTILITY, Purpose.MARKETING],
        type=Purpose,
        metavar=_("CATEGORY"),
        help=_("what Meta takes it for: utility or marketing"),
    )
    parser.add_argument(
        "--status",
        choices=list(TemplateStatus),
        type=TemplateStatus,
        metavar=_("STATUS"),
        help=_("what Meta says: {states}").format(states=", ".join(TemplateStatus)),
    )
    ours = parser.add_mutually_exclusive_group()
    ours.add_argument("--approve", action="store_true", help=_("we approve this text too"))
    ours.add_argument("--disapprove", action="store_true", help=_("take our approval back"))


def _consent_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("phone", metavar=_("PHONE"))
    parser.add_argument(
        "--for", dest="purpose", type=Purpose, choices=[Purpose.UTILITY, Purpose.MARKETING], required=True,
        metavar=_("PURPOSE"), help=_("utility or marketing"),
    )  # fmt: skip
    parser.add_argument(
        "--evidence", required=True, metavar=_("TEXT"), help=_("where it can be seen that they said so")
    )
    parser.add_argument("--withdraw", action="store_true", help=_("they took it back"))


def _suppress_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("phone", metavar=_("PHONE"))
    parser.add_argument("--lift", action="store_true", help=_("they want to be written to again"))


def _forget_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("phone", metavar=_("PHONE"))


def _number(text: str) -> int:
    """A whole number of at least 1, as a row id of SQLite or a limit is."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**63):
        raise argparse.ArgumentTypeError(_("{text} must be a whole number, at least 1").format(text=repr(text)))
    return int(text)


class _Command(NamedTuple):
    """A subcommand: its line in the help, what adds its flags and runs it, and examples without the program's name."""

    summary: str
    flags: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    """Returns the exit code."""
    examples: tuple[str, ...]


def subcommands() -> Mapping[str, _Command]:
    """All subcommands by name, in the order of `--help`. Call it once the language is chosen (`speak`)."""
    return {
        "status": _Command(
            _("what is on and what is off, and how many requests there are"), _no_flags, commands.status, ("status",)
        ),
        "request": _Command(
            _("draft a message to one person; nothing is sent"),
            _request_flags,
            commands.request,
            (
                'request "+54 9 11 5555-0001" --text "Sí, tenemos."',
                "request 12 --for utility --template pedido_listo --value Ana",
            ),
        ),
        "check": _Command(
            _("may these be sent now, and if not, why; exits with 1 if one may not"),
            _requests_flag,
            commands.check,
            ("check 3",),
        ),
        "approve": _Command(
            _("a person approves drafts as they are"), _requests_flag, commands.approve, ("approve 3",)
        ),
        "cancel": _Command(_("take drafts or approved requests back"), _requests_flag, commands.cancel, ("cancel 3",)),
        "list": _Command(
            _("requests and what became of them, the newest first"),
            _list_flags,
            commands.list_requests,
            ("list", "list --state unknown"),
        ),
        "send": _Command(
            _("hand approved requests to the gateway, which sends nothing yet"), _no_flags, commands.send, ("send",)
        ),
        "stop": _Command(
            _("the kill switch: nothing is sent until it is lifted"),
            _stop_flags,
            commands.stop,
            ("stop", "stop --lift"),
        ),
        "template": _Command(
            _("record what Meta has, and approve its text"),
            _template_flags,
            commands.template,
            (
                "template",
                'template pedido_listo --category utility --status approved --body "Hola {{1}}, ya está."',
                "template pedido_listo --approve",
            ),
        ),
        "consent": _Command(
            _("record that somebody agreed to be written to, or took it back"),
            _consent_flags,
            commands.consent,
            (_('consent "+54 9 11 5555-0001" --for marketing --evidence "form, 3 May"'),),
        ),
        "suppress": _Command(
            _("never write to somebody who asked for that"),
            _suppress_flags,
            commands.suppress,
            ('suppress "+54 9 11 5555-0001"',),
        ),
        "forget": _Command(
            _("erase somebody from these records, and never write to them"),
            _forget_flags,
            commands.forget,
            ('forget "+54 9 11 5555-0001"',),
        ),
    }


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; what it returns has `run`, the function of the subcommand."""
    parser = _Parser(
        prog="leadmaster-outbound",
        description=_("Decides and records what may be sent through the Cloud API. Sends nothing yet."),
        epilog=_(
            "exit codes: 0 done, 1 the answer is no, 64 usage, 70 internal error,\n"
            "73 the records can't be used, 78 settings wrong"
        ),
    )
    version = _("show program's version number and exit")  # Python 3.11 has these words in English only
    parser.add_argument("--version", action="version", version=f"leadmaster-outbound {__version__}", help=version)
    parser.add_argument(
        "--config",
        metavar=_("FILE"),
        help=_("settings file (else ./config.toml, /etc/leadmasterd/config.toml, or defaults)"),
    )
    added = parser.add_subparsers(title=_("commands"), metavar=_("COMMAND"), required=True, dest="command")
    for name, command in subcommands().items():
        sub = added.add_parser(
            name,
            help=command.summary,
            description=f"{command.summary[0].upper()}{command.summary[1:]}.",
            epilog="\n".join((_("examples:"), *(f"  leadmaster-outbound {line}" for line in command.examples))),
        )
        command.flags(sub)
        sub.add_argument("--json", action="store_true", help=_("print one JSON object and nothing else"))
        sub.add_argument("--config", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        sub.set_defaults(run=command.run)
    return parser
