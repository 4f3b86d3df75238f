"""`leadmasterd feeds pause|resume|retry|replay|test NAME`: what a person wants a feed to do.

All of them raise Refused if there is no such feed.
"""

import argparse
import sys

from leadmasterd import times
from leadmasterd.actions import feeds
from leadmasterd.cli.arguments import add_epilog, add_time, positive, typed
from leadmasterd.cli.editing import clock_of, lead_editor
from leadmasterd.cli.times import time_from
from leadmasterd.errors import NO, Interrupted
from leadmasterd.settings.model import load
from leadmasterd.state.files import is_running
from leadmasterd.text import _, figure, ngettext, printable


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", type=typed, metavar=_("NAME"), help=_("the feed"))


def add_pause_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the feed's name."""
    _add_name(parser)
    add_epilog(parser, "leadmasterd feeds pause crm")


def add_resume_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the feed's name."""
    _add_name(parser)
    add_epilog(parser, "leadmasterd feeds resume crm")


def add_retry_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the feed's name, and which of its dead letters."""
    _add_name(parser)
    parser.add_argument(
        "events", type=positive, nargs="*", metavar=_("EVENT"), help=_("events that `feeds dead` lists; default: all")
    )
    add_epilog(parser, "leadmasterd feeds retry crm", "leadmasterd feeds retry crm 1207 1213")


def add_replay_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the feed's name, and the period whose events are replayed."""
    _add_name(parser)
    add_time(parser, "--from", _("from this date or time"), required=True)
    add_time(parser, "--until", _("until this date or time; default: now"))
    add_epilog(
        parser,
        "leadmasterd feeds replay crm --from ayer",
        "leadmasterd feeds replay crm --from 2026-11-01 --until 2026-11-08",
        notes=_("The events are marked `replayed` and have new ids. Nobody else gets them."),
    )


def add_test_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the feed's name."""
    _add_name(parser)
    add_epilog(parser, "leadmasterd feeds test crm")


def run_pause(arguments: argparse.Namespace) -> int:
    """Stop delivering until `feeds resume`, across restarts too."""
    _set_state(arguments, "paused")
    print(_("{name} is paused until `leadmasterd feeds resume {name}`.").format(name=arguments.name))
    return 0


def run_resume(arguments: argparse.Namespace) -> int:
    """Deliver again after a pause, or after the receiver disabled the feed by answering 410."""
    running = _set_state(arguments, "active")
    sentence = _("{name} delivers again.") if running else _("{name} delivers again once the daemon runs.")
    print(sentence.format(name=arguments.name))
    return 0


def _set_state(arguments: argparse.Namespace, state: feeds.State) -> bool:
    """Store the feed's new state. Returns whether the daemon runs, and so acts on it at once."""
    settings, paths = load(arguments.config)
    feeds.set_state(settings, paths, arguments.name, state)
    return is_running(paths)


def run_retry(arguments: argparse.Namespace) -> int:
    """Make dead letters due again: the named ones, or all. Those of kinds it no longer delivers stay as they are."""
    settings, _paths = load(arguments.config)
    with lead_editor(arguments.config) as editor:
        done = feeds.retry(editor, settings, arguments.name, arguments.events)
    all_stay = done.stay and not done.number
    if not all_stay:  # also if there was no dead letter at all
        print(
            ngettext("{n} event is due again.", "{n} events are due again.", done.number).format(n=figure(done.number))
        )
    if done.stay:
        text = ngettext(
            "{n} event is left as it is: {name} no longer delivers its kind.",
            "{n} events are left as they are: {name} no longer delivers their kinds.",
            done.stay,
        )
        print(text.format(n=figure(done.stay), name=arguments.name))
    return 0


def run_replay(arguments: argparse.Namespace) -> int:
    """Write all events of a period once more, for this feed to deliver. They are written in several transactions.

    Ctrl-C stops between two transactions and raises Interrupted; the events written by then are delivered.
    """
    written = 0

    def on_progress(done: int, total: int) -> None:
        """Remember how many are written, and show it on a terminal in a line that is erased at the end."""
        nonlocal written
        written = done
        if sys.stderr.isatty() and total > feeds.PART:
            erased = "\r\x1b[K"
            line = f"\r{figure(done)} / {figure(total)}" if done < total else erased
            print(line, end="", file=sys.stderr, flush=True)

    settings, _paths = load(arguments.config)
    with lead_editor(arguments.config) as editor:
        zone = clock_of(editor).zone
        from_at = times.iso(time_from(vars(arguments)["from"], zone))
        until = times.iso(time_from(arguments.until, zone)) if arguments.until else "9999"  # later than every time
        try:
            feeds.replay(
                editor, settings, arguments.name, from_at, until=until, on_plan=_print_plan, on_progress=on_progress
            )
        except KeyboardInterrupt as error:
            text = ngettext(
                "stopped: {n} event was written, and will be delivered",
                "stopped: {n} events were written, and will be delivered",
                written,
            )
            raise Interrupted(text.format(n=figure(written))) from error
    print(
        ngettext("{n} event is due for {name}.", "{n} events are due for {name}.", written).format(
            n=figure(written), name=arguments.name
        )
    )
    return 0


def _print_plan(number: int, size: int) -> None:
    """Say on stderr how many events will be written, and how large they are in bytes."""
    text = ngettext("{n} event, some {size} MB.", "{n} events, some {size} MB.", number)
    print(text.format(n=figure(number), size=figure(size / 1e6, 1)), file=sys.stderr, flush=True)


def run_test(arguments: argparse.Namespace) -> int:
    """Send one harmless event to the receiver, at once. Returns 0 if it was accepted, else 1."""
    settings, paths = load(arguments.config)
    answer = feeds.send_test(settings, paths, arguments.name)
    seconds, why = figure(answer.seconds, 2), printable(answer.why)
    if answer.result == "delivered":
        answered = f" ({why})" if why else ""
        print(
            _("{name}: delivered in {seconds} s{answered}.").format(
                name=arguments.name, seconds=seconds, answered=answered
            )
        )
        return 0
    print(_("{name}: not delivered after {seconds} s: {why}.").format(name=arguments.name, seconds=seconds, why=why))
    return NO
