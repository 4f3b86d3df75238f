"""What can be typed. Light, because `--help` imports it."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from leadmasterd import __version__
from leadmasterd.text import _

_SPARE_COLUMNS = 80

_HERE = " " + _("(ISO 8601; the business's zone, leads.timezone, if it says none)")
"""Where a time counts that is typed without a zone."""


class _Parser(argparse.ArgumentParser):
    """Usage errors end with 64, as documented."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """What is left over is told by the command that it was typed after, which knows what may be."""
        found, left_over = super().parse_known_args(args, namespace)
        if left_over:
            self.error(_("unrecognized arguments: {words}").format(words=" ".join(left_over)))
        return found, left_over

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(64, f"{self.prog}: {message}\n{_('Try')} `{self.prog} --help`.\n")


def _formatter(prog: str) -> argparse.RawDescriptionHelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=26, width=_SPARE_COLUMNS)


def make_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = _Parser(
        prog="leadmasterd",
        description=_("Listens to one WhatsApp number and keeps every message in SQLite. It never sends."),
        epilog=_(
            "examples:\n"
            "  leadmasterd run                     start listening; scan the code it draws\n"
            "  leadmasterd status                  is it listening, since when, and why not\n"
            "  leadmasterd leads waiting           who waits for an answer, and for how long\n"
            "  leadmasterd messages --search envío what was captured\n"
            "  leadmasterd demo                    try it without a phone\n\n"
            "exit codes: 0 done, 1 the answer is no, 64 usage, 70 internal error,\n"
            "73 the state can't be used, 78 settings, node or browser wrong"
        ),
        formatter_class=_formatter,
    )
    parser.add_argument("--version", action="version", version=f"leadmasterd {__version__}")
    parser.add_argument(
        "--config", metavar="FILE", help=_("settings (else ./config.toml, /etc/leadmasterd/config.toml, defaults)")
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)

    def add(name: str, short: str, examples: Sequence[str], *, module: str | None = None) -> argparse.ArgumentParser:
        sub = _command(commands, name, short, examples)
        sub.set_defaults(module=module or name, command=name)
        return sub

    add("run", _("the daemon in the foreground (systemd runs this)"), ["leadmasterd run"])

    status = add(
        "status",
        _("is it listening, since when, and why not"),
        ["leadmasterd status", "leadmasterd status --json | jq .phase"],
    )
    _json(status)
    status.epilog = f"{status.epilog}\n\n" + _(
        "exit codes: 0 ready, 2 running but not ready, 3 not running, 4 needs a person"
    )

    code = add(
        "qr",
        _("show the code to scan, big and live, until it is scanned"),
        ["leadmasterd qr", "leadmasterd qr --png code.png", "leadmasterd qr --pairing-code 5491155550100"],
    )
    code.add_argument("--png", metavar="FILE", help=_("write the picture to FILE and leave"))
    code.add_argument("--pairing-code", metavar="PHONE", help=_("ask for an 8-character code for this phone instead"))
    code.add_argument("--light", action="store_true", help=_("for a light background where colours can't be shown"))
    code.add_argument("--once", action="store_true", help=_("show the current code once and leave"))

    messages = add(
        "messages",
        _("show what was captured"),
        [
            "leadmasterd messages",
            "leadmasterd messages --chat 5491155550001 --limit 50",
            "leadmasterd messages --search precio --json",
        ],
    )
    messages.add_argument("--chat", type=_typed, metavar="ID", help=_("only this chat: a phone, its id or a lead's"))
    messages.add_argument("--search", type=_typed, metavar="TEXT", help=_("only with this text, accents or not"))
    messages.add_argument("--since", metavar="WHEN", help=_("only messages since this date or time") + _HERE)
    messages.add_argument("--limit", type=_positive, default=20, metavar="N", help=_("at most N, newest (default 20)"))
    _json(messages)

    history = add(
        "history",
        _("what happened and why: phases, gaps, restarts, what was recovered"),
        ["leadmasterd history", "leadmasterd history --since 2026-11-01 --json"],
    )
    history.add_argument(
        "--since",
        metavar="WHEN",
        help=_("from this date or time (ISO 8601; the machine's zone if it says none; default: 7 days)"),
    )
    history.add_argument(
        "--limit", type=_positive, default=50, metavar="N", help=_("at most N events, newest (default 50)")
    )
    _json(history)

    doctor = add("doctor", _("what is wrong here and how to mend it"), ["leadmasterd doctor"])
    doctor.add_argument("--quick", action="store_true", help=_("don't start the browser to try it"))
    _json(doctor)

    auth = add(
        "auth",
        _("the WhatsApp session on disk: its snapshots, and what was set aside"),
        [
            "leadmasterd auth list",
            "leadmasterd auth snapshot",
            "leadmasterd auth restore",
            "leadmasterd auth reset",
        ],
    )
    auth.add_argument(
        "action",
        choices=("list", "snapshot", "restore", "reset"),
        help=_("`restore` and `reset` (set aside, scan anew) want the daemon stopped"),
    )
    auth.add_argument("name", nargs="?", help=_("for restore: which snapshot (default: the newest good one)"))
    _json(auth)

    _leads(
        add(
            "leads",
            _("who wrote, what they want, and who waits for an answer"),
            ["leadmasterd leads waiting", "leadmasterd leads list", "leadmasterd leads show 5"],
        )
    )

    _rules(
        add(
            "rules",
            _("what bursts of messages are taken for: check the rules, measure, learn"),
            ["leadmasterd rules check rules.toml", "leadmasterd rules test labelled.jsonl", "leadmasterd rules train"],
        )
    )

    replay = add(
        "replay",
        _("wire lines through ingest, classification and leads, in a throwaway database"),
        ["leadmasterd replay lines.jsonl", "leadmasterd replay lines.jsonl --at 2026-11-23T14:00:00Z"],
    )
    replay.add_argument(
        "file", metavar="FILE", help=_("lines of docs/protocol.md, and decisions; - for standard input")
    )
    replay.add_argument(
        "--at", metavar="TIME", help=_("as of this date or time (ISO 8601; UTC if it says no zone; default: now)")
    )
    _json(replay)
    replay.epilog = f"{replay.epilog}\n\n" + _(
        "The order of the lines is the order of capture. A decision is a line like\n"
        '  {"type":"decision","at":"2026-11-23T14:00:00Z",\n   "chat":"5491155550001@c.us","stage":"won"}'
    )

    demo = add(
        "demo",
        _("the whole thing against the bundled stand-in of WhatsApp Web: no phone needed"),
        ["leadmasterd demo", "leadmasterd demo --auto"],
    )
    demo.add_argument("--auto", action="store_true", help=_("scan by itself (so does a demo without a terminal)"))
    demo.add_argument("--keep", metavar="FOLDER", help=_("keep the demo's state here, to look around in"))
    demo.add_argument(
        "--key-shape",
        choices=("serialized", "dollar"),
        default="dollar",
        help=_("the shape of message keys: `dollar` is today's WhatsApp Web, `serialized` the one before"),
    )

    for name, short in (
        ("pause", _("stop listening until `resume`, across restarts too")),
        ("resume", _("listen again, after a pause or a halt")),
        ("restart-listener", _("stop the browser and start it again")),
    ):
        add(name, short, [f"leadmasterd {name}"], module="tell")

    config = add("config", _("check or show the settings"), ["leadmasterd config check", "leadmasterd config show"])
    config.add_argument("action", choices=("check", "show"))
    _json(config)
    return parser


def _command(
    commands: "argparse._SubParsersAction[_Parser]", name: str, short: str, examples: Sequence[str]
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=short,
        description=short[0].upper() + short[1:] + ".",
        epilog=_("examples:") + "\n" + "\n".join(f"  {line}" for line in examples),
        formatter_class=_formatter,
    )
    # Here it is typed too; the help of the whole program tells of it.
    command.add_argument("--config", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return command


def _leads(leads: argparse.ArgumentParser) -> None:
    words = leads.add_subparsers(metavar="WORD", required=True, parser_class=_Parser, dest="action")
    leads.epilog = f"{leads.epilog}\n\n" + _(
        "ID is a lead's number, a phone or a chat id. Words have --help and take --json."
    )

    def add(name: str, short: str, *examples: str) -> argparse.ArgumentParser:
        word = _command(words, name, short, [f"leadmasterd leads {each}" for each in examples])
        _json(word)
        return word

    listed = add(
        "list",
        _("open leads, the newest activity first"),
        "list",
        "list --stage quoted --stage qualified",
        "list --intent price --all --limit 100",
    )
    listed.add_argument(
        "--stage", action="append", default=[], metavar="STAGE", help=_("only this stage, closed ones too; repeatable")
    )
    listed.add_argument(
        "--intent", action="append", default=[], metavar="INTENT", help=_("only about this; repeatable")
    )
    listed.add_argument("--all", action="store_true", help=_("closed ones too"))
    _limit(listed)

    waiting = add("waiting", _("who waits for an answer and for how long, the longest first"), "waiting")
    _limit(waiting)

    show = add(
        "show",
        _("everything about one lead: who, what, why, what is to do, what was said"),
        "show 5",
        "show +5491155550001",
    )
    show.add_argument("id", type=_typed, metavar="ID")
    _limit(show, _("at most N of its messages, newest (default 20)"))

    label = add(
        "label",
        _("say what somebody wants; your word wins at once, and is learned from"),
        "label 5 price",
        "label +5491155550001 supplier",
        "label 5 delivery --message 1234",
        "label 5 --undo",
    )
    label.add_argument("id", type=_typed, metavar="ID")
    label.add_argument("intent", metavar="INTENT", nargs="?", help=_("one of the intents, by its id or in Spanish"))
    label.add_argument(
        "--message",
        type=_positive,
        metavar="MESSAGE_ID",
        help=_("the burst with this message (default: the one that opened the lead, or a chat's last)"),
    )
    label.add_argument("--undo", action="store_true", help=_("take what people said of it back"))

    stage = add(
        "stage",
        _("move a lead to another stage; an open stage opens a closed lead again"),
        "stage 5 quoted",
        'stage 5 lost --note "too dear"',
    )
    stage.add_argument("id", type=_typed, metavar="ID")
    stage.add_argument("stage", metavar="STAGE", help=_("one of the stages, by its id or in Spanish"))
    stage.add_argument("--note", type=_typed, metavar="TEXT", help=_("why, for the record"))

    note = add("note", _("write something on a lead's record"), 'note 5 "calls back on Monday"')
    note.add_argument("id", type=_typed, metavar="ID")
    note.add_argument("text", type=_typed, metavar="TEXT")

    merge = add(
        "merge",
        _("two contacts are one person: join them, or part them again"),
        "merge 5 +5491155550002",
        "merge --undo 1",
        "merge --proposals",
    )
    merge.add_argument("id", type=_typed, metavar="ID", nargs="?", help=_("who stays"))
    merge.add_argument("other", type=_typed, metavar="OTHER", nargs="?", help=_("who joins: the same person"))
    merge.add_argument("--undo", type=_positive, metavar="MERGE_ID", help=_("take this merge back"))
    merge.add_argument("--proposals", action="store_true", help=_("who may be one person"))

    export = add(
        "export",
        _("all leads as a table for a spreadsheet or a program"),
        "export --output leads.csv",
        "export --format jsonl --since 2026-11-01",
    )
    export.add_argument("--format", choices=("csv", "jsonl"), default="csv", help=_("csv (default) or jsonl"))
    export.add_argument("--since", metavar="WHEN", help=_("only with activity since this date or time") + _HERE)
    export.add_argument("--output", metavar="FILE", help=_("write FILE, whole or not at all (default: stdout)"))

    add(
        "rebuild",
        _("make all leads anew from messages, settings and what people decided"),
        "rebuild",
    )


def _rules(rules: argparse.ArgumentParser) -> None:
    words = rules.add_subparsers(metavar="WORD", required=True, parser_class=_Parser, dest="action")
    rules.epilog = f"{rules.epilog}\n\n" + _(
        "Each word has --help and takes --json. docs/classification.md tells more."
    )

    def add(name: str, short: str, *examples: str) -> argparse.ArgumentParser:
        word = _command(words, name, short, [f"leadmasterd rules {each}" for each in examples])
        _json(word)
        return word

    check = add("check", _("is the rules file right, and do its own examples hold"), "check", "check rules.toml")
    check.add_argument("file", metavar="FILE", nargs="?", help=_("default: leads.rules of the settings"))

    test = add(
        "test",
        _("how well rules and model do on bursts whose intent is known"),
        "test labelled.jsonl",
        "test labelled.jsonl --json | jq .accuracy",
        'test --text "hola" --text "cuanto sale el combo?"',
    )
    test.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        help=_("JSON lines with texts (or text), intent, also, context; - for standard input"),
    )
    test.add_argument(
        "--text",
        type=_typed,
        action="append",
        metavar="TEXT",
        help=_("classify this instead; again for the next of the burst"),
    )
    test.epilog = f"{test.epilog}\n\n" + _(
        "accuracy    share with a right answer: the intent, one of `also`, or their group;\n"
        "            `unknown` is a wrong one, unless it is what was expected\n"
        "coverage    share that got a label, that is anything but `unknown`\n"
        "precision_when_labelled\n"
        "            share of those labels that are right"
    )

    train = add("train", _("learn from what people corrected; a worse model never replaces a better one"), "train")
    train.add_argument(
        "--corrections", metavar="FILE", help=_("JSON lines with texts and intent (default: those of the database)")
    )

    again = add(
        "reclassify",
        _("label bursts anew by the rules and the model of today; people's words stay"),
        "reclassify --since 2026-11-01",
        "reclassify --all",
    )
    which = again.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help=_("every burst there is"))
    which.add_argument("--since", metavar="WHEN", help=_("those since this date or time") + _HERE)


def _limit(parser: argparse.ArgumentParser, text: str | None = None) -> None:
    text = text or _("at most N (default 20)")
    parser.add_argument("--limit", type=_positive, default=20, metavar="N", help=text)


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help=_("one JSON object, nothing else on stdout"))


def _typed(text: str) -> str:
    """What somebody typed. Bytes that are no UTF-8 can't be stored or looked for."""
    return text.encode("utf-8", "replace").decode()


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(_("{text} must be a whole number, at least 1").format(text=repr(text)))
    return min(number, 2**63 - 1)  # SQLite's largest
