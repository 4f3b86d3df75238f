"""`leadmasterd alerts test`: one alert to each address, at once."""

import argparse
import asyncio
import json
import logging
import time
from typing import TypedDict

from leadmasterd.cli.arguments import add_epilog, add_json
from leadmasterd.errors import NO, CannotUseSettings, Refused
from leadmasterd.settings.model import load
from leadmasterd.text import _, figure, printable, speaking, translated


class Tested(TypedDict):
    """The result at one address. `seconds`: how long it took; `why`: empty if it was delivered."""

    to: str
    delivered: bool
    seconds: float
    why: str


class AlertTest(TypedDict):
    """`alerts test --json`."""

    ok: bool
    addresses: list[Tested]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--json`, the only flag."""
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd alerts test",
        "leadmasterd alerts test --json",
        notes=_("It needs no daemon, ignores quiet hours and the choice of kinds, and leaves\nnothing in the history."),
    )


def run(arguments: argparse.Namespace) -> int:
    """Send the test alert. Returns 0 if every address got it, else 1.

    Raises Refused if no address is configured. If some can't be used, tests the others and then raises
    CannotUseSettings.
    """
    from leadmasterd.alerts.addresses import Address, addresses_of
    from leadmasterd.alerts.kinds import Text

    logging.getLogger("leadmasterd").addHandler(logging.NullHandler())  # failures are printed here, not logged
    settings, paths = load(arguments.config)
    if not settings.alerts.tells:
        raise Refused(_("Nobody is told anything: no address is configured. docs/alerts.md shows how."))
    addresses, unusable = addresses_of(settings.alerts, paths)
    with speaking(settings.language()):  # the language of all alerts; this command may speak another
        text = Text(
            _("leadmasterd: a test"),
            _("This is a test: alerts of leadmasterd reach you here. Nothing is wrong."),
        )

    async def test(address: Address) -> Tested:
        began = time.monotonic()
        [result] = await address.notifier.send(text)
        seconds = round(time.monotonic() - began, 3)
        tested = Tested(to=address.shown, delivered=result.delivered, seconds=seconds, why=translated(result.why))
        if not arguments.json:
            print(_line(tested), flush=True)
        return tested

    async def test_all() -> list[Tested]:
        return list(await asyncio.gather(*map(test, addresses)))

    results = asyncio.run(test_all())
    ok = not unusable and all(each["delivered"] for each in results)
    if arguments.json:
        print(json.dumps(AlertTest(ok=ok, addresses=results), ensure_ascii=False))
    if unusable:
        raise CannotUseSettings("\n".join(unusable))
    return 0 if ok else NO


def _line(tested: Tested) -> str:
    seconds = figure(tested["seconds"], 1)
    if tested["delivered"]:
        return _("{to}: delivered in {seconds} s.").format(to=printable(tested["to"]), seconds=seconds)
    return _("{to}: not delivered after {seconds} s: {why}.").format(
        to=printable(tested["to"]), seconds=seconds, why=printable(tested["why"])
    )
