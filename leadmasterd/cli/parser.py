"""The top level of the command line: every command with its summary.

Flags are in the commands' own modules, which are imported when the command is typed.
"""

from collections.abc import Mapping

from leadmasterd import __version__
from leadmasterd.cli.arguments import Command, CommandParser, add_commands
from leadmasterd.text import _


def commands() -> Mapping[str, Command]:
    """Every command by its name, in the order of `--help`."""
    return {
        "run": Command(_("run the daemon in the foreground (systemd runs this)"), "cmd_run"),
        "status": Command(_("is it listening, since when, and if not, why"), "cmd_status"),
        "qr": Command(_("show the QR code to scan, live, until it is scanned"), "cmd_qr"),
        "messages": Command(_("search and show captured messages"), "cmd_messages"),
        "history": Command(_("what happened and why: phases, outages, restarts, recoveries"), "cmd_history"),
        "doctor": Command(_("find problems on this machine, and how to fix them"), "cmd_doctor"),
        "auth": Command(_("the WhatsApp session: snapshots, restore, import"), "cmd_auth"),
        "leads": Command(_("who wrote, what they want, and who is waiting for an answer"), "cmd_leads"),
        "report": Command(_("the week in figures: answers, hours, sources, sales, and how complete"), "cmd_report"),
        "feeds": Command(_("what other programs are told: state, dead letters, replay, test"), "cmd_feeds"),
        "alerts": Command(_("who is told when a person is needed: addresses, test, history"), "cmd_alerts"),
        "web": Command(_("serve the operator's page, and say who gets in"), "cmd_web"),
        "rules": Command(_("check, measure and train the classification of messages"), "cmd_rules"),
        "replay": Command(_("which leads recorded lines would make"), "cmd_replay"),
        "demo": Command(_("try it all without a phone, against a WhatsApp Web stand-in"), "cmd_demo"),
        "pause": Command(_("stop listening until `resume`, even across restarts"), "cmd_control", "pause"),
        "resume": Command(_("listen again after a pause or a halt"), "cmd_control", "resume"),
        "restart-listener": Command(_("stop the browser and start it again"), "cmd_control", "restart_listener"),
        "config": Command(_("check or show the settings"), "cmd_config"),
    }


def make_parser() -> CommandParser:
    """The parser of the whole command line. A command's flags are added only when that command is typed."""
    parser = CommandParser(
        prog="leadmasterd",
        description=_("Keeps every message of one WhatsApp number in SQLite. Sends no messages."),
        epilog=_(
            "examples:\n"
            "  leadmasterd run                     start listening; scan the QR code it shows\n"
            "  leadmasterd status                  is it listening, and if not, why\n"
            "  leadmasterd leads waiting           who is waiting for an answer, and how long\n"
            "  leadmasterd messages --search envío captured messages with this word\n"
            "  leadmasterd demo                    try it without a phone\n\n"
            "exit codes: 0 done, 1 the answer is no, 64 usage, 70 internal error,\n"
            "73 the state can't be used, 78 settings, node or browser wrong"
        ),
    )
    version = _("show program's version number and exit")  # Python 3.11 has these words in English only
    parser.add_argument("--version", action="version", version=f"leadmasterd {__version__}", help=version)
    parser.add_argument(
        "--config",
        metavar=_("FILE"),
        help=_("settings file (else ./config.toml, /etc/leadmasterd/config.toml, or defaults)"),
    )
    add_commands(parser, commands(), dest="command")
    return parser
