"""`leadmasterd demo`: everything is real except WhatsApp, which is a stand-in on this machine."""

import argparse
import shlex
import shutil
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Final

from leadmasterd import causes
from leadmasterd.cli.arguments import add_epilog
from leadmasterd.demo.conversations import CONVERSATIONS
from leadmasterd.demo.show import Demo, Outcome, zone_here
from leadmasterd.demo.standin import StandInError
from leadmasterd.errors import CannotUseState, DemoFailed
from leadmasterd.leads.calendar import WEEKDAYS
from leadmasterd.listener.programs import find_browser, find_node
from leadmasterd.text import _, spoken_language

_SETTINGS: Final = "config.toml"

_OTHER_LINES: Final = 12
"""Lines of the last screen besides the waiting customers: headings, the summary, the next command."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how to scan, what to keep, whether to take a picture, and how the stand-in shapes message keys."""
    parser.add_argument("--auto", action="store_true", help=_("scan without asking (the default without a terminal)"))
    parser.add_argument("--keep", metavar=_("FOLDER"), help=_("keep the demo's state in FOLDER, to look around in"))
    parser.add_argument(
        "--picture",
        metavar=_("FILE"),
        type=_picture,
        help=_("take a picture of the page at the end: .png or .webp (with --auto and --keep: FOLDER/page.png)"),
    )
    parser.add_argument(
        "--key-shape",
        choices=("serialized", "dollar"),
        default="dollar",
        help=_("shape of message keys: `dollar` as WhatsApp Web has them today, `serialized` as before"),
    )
    add_epilog(parser, "leadmasterd demo", "leadmasterd demo --auto", "leadmasterd demo --keep demo-state")


def run(arguments: argparse.Namespace) -> int:
    """Play the demo. Returns 0 only if every message was captured exactly once and nothing was sent, else 1."""
    if arguments.keep:
        _prepare(Path(arguments.keep))
    # A person sees the code, presses Enter for the scan, and may open the page.
    by_hand = sys.stdin.isatty() and sys.stdout.isatty() and not arguments.auto
    picture: Path | None = arguments.picture
    if arguments.keep and not by_hand:
        picture = picture or Path(arguments.keep, "page.png")
    print(
        _(
            "This is a demo. WhatsApp is played by a stand-in on this machine: no phone,\n"
            "no account, no network. Everything else is real: the daemon, the Node child,\n"
            "whatsapp-web.js, the browser, SQLite.\n"
        ),
        flush=True,
    )
    state_folder: AbstractContextManager[str]
    if arguments.keep:
        state_folder = nullcontext(arguments.keep)
    else:
        state_folder = tempfile.TemporaryDirectory(prefix="leadmasterd-demo-")
    with state_folder as folder:
        demo = Demo(
            Path(folder),
            find_node(""),
            key_shape=arguments.key_shape,
            wait_for_enter=_wait_for_enter if by_hand else None,
            say=lambda line: print(line, flush=True),
        )
        try:
            outcome = demo.run(
                lambda outcome: _show(demo, outcome, by_hand=by_hand, keep=arguments.keep, picture=picture)
            )
        except (DemoFailed, StandInError) as error:
            print(_("The demo failed: {error}").format(error=error), file=sys.stderr)
            return 1
    return 0 if outcome.good else 1


def _show(demo: Demo, outcome: Outcome, *, by_hand: bool, keep: str | None, picture: Path | None) -> None:
    """Print what was captured and two tables. Serve the page if `by_hand`; save a `picture` of it if that is a file.

    `keep`: the folder that keeps the demo's state; commands to look around in it are printed. None: the state is
    deleted. Raises DemoFailed.
    """
    _report(outcome)
    heading = _("What each customer wants (`leadmasterd leads list`):")
    print(f"\n{heading}\n", flush=True)
    demo.show("leads", "list")
    heading = _("Who is waiting for an answer, and how long (`leadmasterd leads waiting`):")
    print(f"\n{heading}\n", flush=True)
    demo.show("leads", "waiting", *_limit_that_fits())
    print()
    if by_hand:
        with demo.page() as link, suppress(KeyboardInterrupt, EOFError):  # Ctrl-C and Ctrl-D close it too
            print(_("The page for whoever answers them, in a browser on this machine:") + f"\n  {link}\n")
            input(_("It is open until you press Enter. "))
            print()
    if picture:
        demo.take_picture(find_browser(""), picture.absolute())
        print(_("A picture of the page for whoever answers them:"), picture)
    if not keep:
        print(_('To look around in it afterwards: --keep FOLDER (make demo ARGS="--keep FOLDER")'))
        return
    program = [_program(), "--config", str(Path(keep, _SETTINGS))]
    lead_command = [*program, "leads", "show", "1"]
    page_command = [*program, "web"]
    print(_("Look around:"), shlex.join(lead_command))
    print(_("The page:"), shlex.join(page_command))


def _picture(text: str) -> Path:
    """The type of `--picture`: a file name that ends with .png or .webp."""
    file = Path(text)
    if file.suffix not in (".png", ".webp"):
        raise argparse.ArgumentTypeError(_("{text} must end with .png or .webp").format(text=repr(text)))
    return file


def _prepare(folder: Path) -> None:
    """Make the folder of `--keep`, with the settings of the demo's shop. Raises CannotUseState if it is not empty."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise CannotUseState(
                _("cannot keep the demo in {folder}: it is not empty; name a new folder").format(folder=folder)
            )
        hours = "".join(f'{day} = [["00:00", "24:00"]]\n' for day in WEEKDAYS)
        lines = (
            "# " + _("The shop of the demo, which never closes."),
            'state_dir = "."\n',
            f'[general]\nlanguage = "{spoken_language()}"\n',
            f'[leads]\ncountry = ""\ntimezone = "{zone_here()}"\n',
            f"[leads.hours]\n{hours}",
        )
        (folder / _SETTINGS).write_text("\n".join(lines), encoding="utf-8")
    except OSError as error:
        raise CannotUseState(
            _("cannot keep the demo in {folder}: {why}; name another folder").format(
                folder=folder, why=causes.of_system(error)
            )
        ) from error


def _limit_that_fits() -> list[str]:
    """`--limit N` for as many rows (of two lines) as fit on the terminal, but at least three. Empty on a pipe."""
    if not sys.stdout.isatty():
        return []
    room = shutil.get_terminal_size().lines - _OTHER_LINES
    return ["--limit", str(max(3, room // 2))]


def _program() -> str:
    """What to type in the current folder to start this program: its name, or the path next to Python's."""
    next_to_python = Path(sys.executable).with_name("leadmasterd")
    if shutil.which("leadmasterd") or not next_to_python.exists():
        return "leadmasterd"
    if next_to_python.is_relative_to(Path.cwd()):
        return str(next_to_python.relative_to(Path.cwd()))
    return str(next_to_python)


def _wait_for_enter() -> None:
    input("\n" + _("Now a phone would scan this code. Press Enter: the stand-in's phone scans it. "))


def _report(outcome: Outcome) -> None:
    """Print how many messages were written, captured and sent, and each that is missing or was stored twice."""
    captured = outcome.live + outcome.sweep
    print()
    said = [each for conversation in CONVERSATIONS for each in conversation.said]
    own = sum(each.own for each in said)
    text = _("In the stand-in's chats:       {n:4} messages, {own} of them from the shop's phone")
    print(text.format(n=outcome.expected, own=own))
    print(_("In the database, exactly once: {n:4}").format(n=captured - len(outcome.doubled)))
    print(_("  captured live:               {n:4}").format(n=outcome.live))
    print(_("  backfilled after an outage:  {n:4}").format(n=outcome.sweep))
    print(_("Sent by us:                    {n:4}").format(n=outcome.attempts_to_send))
    for line in outcome.missing:
        print(_("  missing: {line}").format(line=line))
    for line in outcome.doubled:
        print(_("  too many: {line}").format(line=line))
    print(_("All of it was captured, nothing was sent.") if outcome.good else _("This is a bug: please report it."))
