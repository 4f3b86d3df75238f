"""`make chaos`: a storm of faults over the whole program with real processes, and what became of every message.

The seed decides who writes what, and what breaks in which order. It does not decide the timing: the same seed gives the
same schedule, not the same run.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Final

from leadmasterd.errors import CannotUseProgram
from leadmasterd.listener import programs
from tests import browsers
from tests.chaos import storm
from tests.chaos.mix import MIX
from tests.chaos.plan import SIDES, Side, make_plan
from tests.chaos.product import OURS, CannotPrepare, Product, prepared
from tests.chaos.verdict import Verdict, beside, judge

_INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 only if nothing was lost, duplicated or sent by the product that was played last."""
    chosen = _parser().parse_args(arguments)
    if chosen.mix:
        sys.stdout.write("\n".join(f"{kind.weight} {name}: {kind.recovery.value}" for name, kind in MIX.items()) + "\n")
        return 0
    if chosen.browser:
        os.environ[browsers.VARIABLE] = chosen.browser
    for number in _INTERRUPTS:
        signal.signal(number, _interrupt)
    try:
        browser = browsers.browser()
    except CannotUseProgram as why:
        storm.to_stderr(str(why))
        return 2
    storm.to_stderr(f"in {browser.name}, {programs.browser_version(browser)}")
    storm.to_stderr(f"seed {chosen.seed}, {chosen.messages} messages, {chosen.faults} faults")
    folder = Path(tempfile.mkdtemp(prefix="leadmasterd-chaos-"))
    verdicts: dict[str, Verdict] = {}
    try:
        with ExitStack() as prepared_ones:
            products = [prepared_ones.enter_context(prepared(checkout)) for checkout in chosen.product]
            if not products or chosen.beside:
                products.append(OURS)
            for product in products:
                storm.to_stderr(f"playing {product.label}")
                verdicts[product.label] = play(
                    folder / str(len(verdicts)),
                    (chosen.seed, chosen.messages, chosen.faults),
                    side=chosen.ways,
                    product=product,
                    without_sweeps=chosen.without_sweeps,
                    feed=chosen.feed,
                )
    except KeyboardInterrupt:
        shutil.rmtree(folder)
        storm.to_stderr("interrupted; nothing is left running")
        return 130
    except CannotPrepare as why:
        shutil.rmtree(folder)
        storm.to_stderr(str(why))
        return 2
    _print(verdicts, as_json=chosen.json)
    good = verdicts[products[-1].label].good
    if all(verdict.good for verdict in verdicts.values()):
        shutil.rmtree(folder)
    else:
        storm.to_stderr(f"the state and the daemon's log are kept in {folder}")
    return 0 if good else 1


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Shut the run down properly; further signals do not interrupt that."""
    for number in _INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="default: a random one")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument(
        "--ways",
        choices=SIDES,
        default="mixed",
        help="page: every page as WhatsApp's own; old: as it was once taken to be; mixed (the default): from the seed",
    )
    parser.add_argument("--without-sweeps", action="store_true", help="every sweep finds nothing: this must lose")
    parser.add_argument("--feed", action="store_true", help="with a feed on, whose every event is compared as well")
    parser.add_argument(
        "--product",
        action="append",
        default=[],
        metavar="CHECKOUT",
        help="play the same storm with the daemon of another checkout, a folder or a commit, on this stand-in",
    )
    parser.add_argument("--beside", action="store_true", help="with --product: then also with this checkout's")
    parser.add_argument(
        "--browser", metavar="NAME", help="chromium, chromium-headless-shell or a path; default: as the daemon chooses"
    )
    parser.add_argument("--mix", action="store_true", help="list the faults with how often each comes, and end")
    parser.add_argument("--json", action="store_true", help="print one object a product instead of tables")
    return parser


def play(
    folder: Path,
    size: tuple[int, int, int],
    *,
    side: Side = "mixed",
    product: Product = OURS,
    without_sweeps: bool = False,
    feed: bool = False,
) -> Verdict:
    """Run one storm of (seed, messages, faults) and judge it. What it leaves stays in `folder`."""
    plan = make_plan(*size, side=side)
    folder.mkdir(exist_ok=True)
    found = storm.run(plan, folder, product=product, without_sweeps=without_sweeps, feed=feed, say=storm.to_stderr)
    return judge(plan, found)


def _print(verdicts: dict[str, Verdict], *, as_json: bool) -> None:
    lines: list[str] = []
    for label, verdict in verdicts.items():
        if as_json:
            lines.append(json.dumps({"product": label, **verdict.as_json()}, ensure_ascii=False))
        else:
            lines += [f"--- {label}", *verdict.table(), ""]
    if len(verdicts) > 1 and not as_json:
        lines += beside(verdicts)
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
