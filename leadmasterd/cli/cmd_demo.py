"""`leadmasterd demo`: everything for real, but WhatsApp itself, which is a stand-in on this machine."""

import argparse
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from leadmasterd.demo.show import Demo, DemoFailed, Outcome
from leadmasterd.demo.standin import StandInError
from leadmasterd.environment import find_node
from leadmasterd.text import _


def run(arguments: argparse.Namespace) -> int:
    """0 only if every message was captured exactly once and nothing was sent."""
    by_hand = sys.stdin.isatty() and sys.stdout.isatty() and not arguments.auto
    print(
        _(
            "This is a demo. WhatsApp is played by a stand-in on this machine: no phone,\n"
            "no account, no network. Everything else is real: the daemon, the Node child,\n"
            "whatsapp-web.js, the browser, SQLite.\n"
        ),
        flush=True,
    )
    if arguments.keep:
        Path(arguments.keep).mkdir(mode=0o700, parents=True, exist_ok=True)
    where = nullcontext(arguments.keep) if arguments.keep else tempfile.TemporaryDirectory(prefix="leadmasterd-demo-")
    with where as folder:
        demo = Demo(
            Path(folder),
            find_node(""),
            key_shape=arguments.key_shape,
            wait_for_enter=_wait_for_enter if by_hand else None,
            say=lambda line: print(line, flush=True),
        )
        try:
            outcome = demo.run()
        except (DemoFailed, StandInError) as error:
            print(_("The demo failed: {error}").format(error=error), file=sys.stderr)
            return 1
        _report(outcome)
        for heading, words in (
            (_("What each of them wants (`leadmasterd leads list`):"), ("leads", "list")),
            (_("Who waits for an answer, and for how long (`leadmasterd leads waiting`):"), ("leads", "waiting")),
        ):
            print(f"\n{heading}\n", flush=True)
            demo.show(*words)
        print()
        if arguments.keep:
            print(_("Look around: LEADMASTERD_STATE_DIR={folder} leadmasterd messages").format(folder=folder))
    return 0 if outcome.good else 1


def _wait_for_enter() -> None:
    input("\n" + _("A phone would scan this code now. Press Enter, and the stand-in's phone does. "))


def _report(outcome: Outcome) -> None:
    captured = outcome.live + outcome.sweep
    print()
    print(_("Sent to us by the stand-in:    {n:4} messages").format(n=outcome.expected))
    print(_("In the database, exactly once: {n:4}").format(n=captured - len(outcome.doubled)))
    print(_("  captured live:               {n:4}").format(n=outcome.live))
    print(_("  by sweep, after a gap:       {n:4}").format(n=outcome.sweep))
    print(_("Sent by us:                    {n:4}").format(n=outcome.attempts_to_send))
    for label, lines in ((_("missing"), outcome.missing), (_("too many"), outcome.doubled)):
        for line in lines:
            print(f"  {label}: {line}")
    print(
        _("All of it was captured, nothing was sent.")
        if outcome.good
        else _("This is not what was promised: please report it.")
    )
