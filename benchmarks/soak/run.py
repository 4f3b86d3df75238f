"""`make soak`: the whole program, against the stand-in, with a shop's traffic for hours, and whether anything grows.

It fails (exit code 1) when a message is lost or there twice, when anything was sent, when the daemon ends, and when
what grows would pass its ceiling in 30 days of the shop. Ctrl-C ends it earlier, and it still reports; a second one
does not wait for what is on its way.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypedDict, cast

from benchmarks.daemon import Setup, setup
from benchmarks.document import machine
from benchmarks.listeners import other_browsers
from benchmarks.soak.picture import picture
from benchmarks.soak.play import Interrupted, Outcome, Play, listen
from benchmarks.soak.samples import CEILINGS, Sample, judged, series
from benchmarks.soak.trend import DAYS, VERDICTS, Judged
from leadmasterd import causes

SAMPLES: Final = 240
"""In a run; the blocks of a judgement need some fifty."""
SHORTEST, LONGEST = 0.2, 300.0
"""Seconds between two samples."""
FASTEST: Final = 20.0
"""How many times as fast the daemon's own clock may go: its tests run at this. Beyond, only the traffic does."""
_SAMPLES, _PICTURE, _LOG = "samples.jsonl", "soak.svg", "daemon.log"
_EXAMPLES: Final = """examples:
  make soak ARGS="--hours 1 --speed 20"      20 hours of a shop in one
  make soak ARGS="--hours 36 --speed 20"     a month of a shop in a day and a half
  make soak ARGS="--hours 8 --seed 7 --json" one object on stdout, for programs
  make soak ARGS="--read soak-…"             judge and draw again what a run has left, however it ended
  make soak ARGS=--ceilings                  what each series may come to, and why
"""


class Run(TypedDict):
    """The first line of the file: what was run."""

    seed: int
    hours: float
    speed: float
    machine: str


class Report(TypedDict):
    """`--json`."""

    good: bool
    run: Run
    seconds: float
    days: float
    """Of the shop."""
    late: float
    """Seconds by which the traffic was behind, at most: more than a few, and the machine was too slow for the speed."""
    messages: int
    lost: list[str]
    doubled: list[str]
    sent: int
    interrupted: bool
    counted: bool
    """False: a second signal came, so what is missing may only have been on its way."""
    ended: str | None
    series: list[Judged]
    folder: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when everything held, 1 when not, 2 for a folder that cannot be read, 130 before anything began."""
    chosen = _parser().parse_args(arguments)
    if chosen.ceilings:
        print("\n".join(f"{each.name:<28}{each.most:>8g} {each.unit:<6} {each.why}" for each in CEILINGS))
        return 0
    if chosen.read:
        return _read(chosen.read, as_json=chosen.json)
    what = Run(seed=chosen.seed, hours=chosen.hours, speed=chosen.speed, machine=machine())
    folder = (chosen.out or Path(f"soak-{datetime.now(UTC):%Y%m%d-%H%M%S}")).resolve()
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        _say(f"cannot make {folder} ({causes.of_system(error)}): name a new folder with --out")
        return 2
    if browsers := other_browsers():
        _say(
            f"other browsers run ({', '.join(browsers[:5])}): the memory that this one shares moves as they come and go"
        )
    listen()
    try:
        samples, outcome = _soak(what, folder)
    except Interrupted:
        _say("interrupted before it began; nothing is left running")
        return 130
    return _report(what, samples, outcome, folder, as_json=chosen.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make soak",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--hours", type=_above_nothing, default=1.0, help="how long it runs (default 1)")
    parser.add_argument(
        "--speed",
        type=_above_nothing,
        default=FASTEST,
        help=f"how many times as fast as a shop (default {FASTEST:g}); beyond {FASTEST:g} only the traffic is faster",
    )
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="default: a random one")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="a new folder for what it leaves (default soak-TIME)"
    )
    parser.add_argument("--json", action="store_true", help="print one object instead of the table")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--read", type=Path, metavar="FOLDER", help="judge and draw again what a run has left")
    other.add_argument("--ceilings", action="store_true", help="list what each series may come to, and why")
    return parser


def _above_nothing(text: str) -> float:
    with suppress(ValueError):
        if 0 < (number := float(text)) < float("inf"):
            return number
    raise argparse.ArgumentTypeError(f"cannot use {text!r}: a number above 0 is needed")


def _soak(what: Run, folder: Path) -> tuple[list[Sample], Outcome]:
    samples: list[Sample] = []
    every = min(max(what["hours"] * 3600 / SAMPLES, SHORTEST), LONGEST)
    divisor = min(max(what["speed"], 1), FASTEST)
    _say(f"seed {what['seed']}, {what['hours']:g} hours at {what['speed']:g} times a shop's speed; {folder}")
    with (
        (folder / _SAMPLES).open("w", encoding="utf-8", buffering=1) as file,
        (folder / _LOG).open("wb") as log,
        setup(ways="page", output=log) as parts,
        parts.daemon(LEADMASTERD_SUPERVISOR__TIME_DIVISOR=f"{divisor:g}") as process,
    ):
        file.write(json.dumps(what) + "\n")
        progress = _Progress(what["hours"] * 3600)

        def sampled(sample: Sample) -> None:
            samples.append(sample)
            file.write(json.dumps(sample) + "\n")
            progress.show(sample, parts)

        parts.pair()
        play = Play(parts, process, speed=what["speed"], every=every, sampled=sampled)
        outcome = play.run(seed=what["seed"], hours=what["hours"])
        file.write(json.dumps({"lost": outcome.lost, "doubled": outcome.doubled, "sent": outcome.sent}) + "\n")
    return samples, outcome


class _Progress:
    """One line that is written over on a terminal, and one a minute elsewhere."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0

    def show(self, sample: Sample, parts: Setup) -> None:
        terminal = sys.stderr.isatty()
        if not terminal and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 60
        megabytes = sum(kind["pss"] for kind in sample["kinds"].values()) / 1e6
        line = (
            f"{sample['seconds'] / self._seconds:4.0%}  day {sample['days']:.2f}  {sample['captured']} of "
            f"{sample['delivered']} messages  {megabytes:.0f} MB  {parts.status().get('phase', '')}"
        )
        sys.stderr.write(f"\r\033[K{line}" if terminal else f"{line}\n")
        sys.stderr.flush()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _read(folder: Path, *, as_json: bool) -> int:
    """Report what a run has left. What was lost is known only if it came to its end."""
    try:
        lines = list(_objects((folder / _SAMPLES).read_text(encoding="utf-8")))
        what = cast("Run", lines[0])
        samples = [cast("Sample", line) for line in lines[1:] if "kinds" in line]
        end = next((line for line in lines if "lost" in line), None)
        last = samples[-1]
    except (OSError, ValueError, LookupError, TypeError):
        _say(f"cannot read {folder}: no {_SAMPLES} of a soak with at least one sample; name the folder that a run made")
        return 2
    outcome = Outcome(seconds=last["seconds"], days=last["days"], delivered=[""] * last["delivered"])
    if end:
        outcome.lost, outcome.doubled, outcome.sent = end["lost"], end["doubled"], end["sent"]
    else:
        outcome.interrupted, outcome.counted = True, False
    return _report(what, samples, outcome, folder, as_json=as_json)


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Those of the lines up to one that is cut."""
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return


def _report(what: Run, samples: Sequence[Sample], outcome: Outcome, folder: Path, *, as_json: bool) -> int:
    rows = judged(samples)
    good = outcome.whole and not any(each["verdict"] == "passes" for each in rows)
    title = f"{outcome.days:.2f} days of a shop in {outcome.seconds / 3600:.2f} hours, seed {what['seed']}"
    (folder / _PICTURE).write_text(
        picture(f"{title}: {what['machine']}", [(each, series(samples, each["name"])) for each in rows]),
        encoding="utf-8",
    )
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    if as_json:
        report = Report(
            good=good,
            run=what,
            seconds=outcome.seconds,
            days=outcome.days,
            late=outcome.late,
            messages=len(outcome.delivered),
            lost=outcome.lost,
            doubled=outcome.doubled,
            sent=outcome.sent,
            interrupted=outcome.interrupted,
            counted=outcome.counted,
            ended=outcome.ended,
            series=rows,
            folder=str(folder),
        )
        print(json.dumps(report))
    else:
        print("\n".join([title, "", *table(rows), "", *_in_words(outcome), f"the picture is {folder / _PICTURE}"]))
    return 0 if good else 1


def table(rows: Sequence[Judged]) -> list[str]:
    """The verdicts as lines for people."""
    lines = [f"{'':<34}{'now':>8}{'a day':>10}{f'in {DAYS} days':>12}{'ceiling':>9}"]
    for each in rows:
        name = f"{each['name']}{', ' * bool(each['unit'])}{each['unit']}"
        numbers = [_number(each["carried_on"]), _number(each["ceiling"])]
        over = [""] * 2 if each["by_message"] else [_number(each["now"]), _number(each["slope"], sign=True)]
        columns = [f"{number:>{width}}" for number, width in zip([*over, *numbers], (8, 10, 12, 9), strict=True)]
        lines.append(f"{name:<34}{''.join(columns)}  {VERDICTS[each['verdict']]}")
    return lines


def _number(value: float | None, *, sign: bool = False) -> str:
    return "" if value is None else f"{value:{'+' if sign else ''}.4g}"


def _in_words(outcome: Outcome) -> list[str]:
    lost, doubled = len(outcome.lost), len(outcome.doubled)
    lines = [f"{len(outcome.delivered)} messages: {lost} lost, {doubled} doubled, {outcome.sent} sent"]
    if not outcome.counted:
        lines[0] += "; what is missing may have been on its way"
    lines += [f"lost: {each}" for each in outcome.lost[:8]] + [f"doubled: {each}" for each in outcome.doubled[:8]]
    if outcome.interrupted:
        lines.append("it was interrupted: this is as far as it went")
    if outcome.ended:
        lines.append(outcome.ended)
    if outcome.late > 5:
        lines.append(f"the traffic was {outcome.late:.0f} s behind at most: the machine is too slow for this speed")
    return lines


if __name__ == "__main__":
    sys.exit(main())
