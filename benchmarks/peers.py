"""Ours beside the bare library: the same page, the same messages and the same faults, one after the other.

What the bare library gets is better than its README: what has ended is started again after a second, and it ends when
its browser does. What does not come back within some minutes is started again too, as a person would do, and counted.
Only faults that need nothing of ours are played: they end or cut what both have.
"""

import contextlib
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from benchmarks.daemon import until
from benchmarks.figures import CannotMeasure, Figure
from benchmarks.listeners import LIBRARY, Bare, Listener, Ours, must_be_alone
from leadmasterd.demo.standin import StandIn

ROUNDS: Final = 2
"""Of memory and starts, in the order A B, B A."""
STARTS: Final = 3
"""In a round."""
WARM: Final = 200
"""Messages before memory is measured."""
IDLE: Final = 60.0
PATIENCE: Final = 150.0
"""Seconds until a person starts it again. Ours gives a replaced session back after a minute and a half."""
CUT: Final = 20.0
SETTLE: Final = 90.0
FEW: Final = 50
MANY: Final = 1_050
"""Messages that come while nothing runs. From 1,000 on WhatsApp Web stores them before it is synced, and emits none."""
WAYS: Final = ("--ways", "page", "--way", "wait_for_listener=true", "--way", "modules=at_once")
"""The page's own, but for two without which the bare library never says that it is ready. It waits for an event that
may come before it listens: the real page takes seconds to load, this one milliseconds, so this one waits for it. And it
needs modules that come late. Ids have the shape that it knows too."""
_SENDERS: Final = 20
_CHATS: Final = 5491155551000


@dataclass(slots=True)
class Score:
    """What became of a listener's messages."""

    delivered: list[str] = field(default_factory=list)
    heard_again: dict[str, float] = field(default_factory=dict)
    """Seconds from each fault, or from its end where it has one, to the first message after it that was written."""
    helped: list[str] = field(default_factory=list)
    """The faults after which it had to be started again by hand."""
    lost: int = 0
    doubled: int = 0
    restarted: int = 0


Break = Callable[["_Trial"], None]


def run() -> list[Figure]:
    """Raises CannotMeasure when there is no library, or another browser runs."""
    node = shutil.which("node")
    if node is None or not LIBRARY.is_file():
        raise CannotMeasure(f"{LIBRARY.parent} is missing: run `tools/setup.sh test`, which takes it from npm")
    must_be_alone()
    kinds: Mapping[str, Callable[[StandIn, Path], Listener]] = {
        Ours.name: lambda standin, folder: Ours(standin, folder / "ours"),
        Bare.name: lambda standin, folder: Bare(standin, folder / "bare", Path(node)),
    }
    megabytes: dict[str, list[float]] = {name: [] for name in kinds}
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(ROUNDS):
        for name in list(kinds) if number % 2 == 0 else reversed([*kinds]):
            with page(Path(node), kinds[name]) as listener:
                seconds[name] += starts(listener)
                idle(listener)
                megabytes[name].append(listener.memory())
                _say(f"{name}: {megabytes[name][-1]:.0f} MB, ready in {seconds[name][-1]:.1f} s")
    scores = {}
    for name, make in kinds.items():
        with page(Path(node), make) as listener:
            scores[name] = _Trial(listener).run()
    return figures(megabytes, seconds, scores)


@contextmanager
def page(node: Path, make: Callable[[StandIn, Path], Listener]) -> Iterator[Listener]:
    """A listener that is paired and ready, alone on the machine."""
    with (
        tempfile.TemporaryDirectory(prefix="leadmasterd-peers-", ignore_cleanup_errors=True) as folder,
        StandIn(node, *WAYS, key_shape="serialized") as standin,
    ):
        listener = make(standin, Path(folder))
        try:
            listener.start()
            listener.pair()
            yield listener
        finally:
            listener.end()


def starts(listener: Listener) -> list[float]:
    """Seconds from each start to ready, on a linked profile."""
    found = []
    for _ in range(STARTS):
        listener.end()
        began = time.monotonic()
        listener.start()
        until(listener.is_ready)
        found.append(time.monotonic() - began)
    return found


def idle(listener: Listener) -> None:
    """Deliver some messages, and wait a minute."""
    ids = set(_deliver(listener, WARM))
    until(lambda: ids <= listener.heard().keys(), limit=PATIENCE)
    time.sleep(IDLE)


def _deliver(listener: Listener, count: int) -> list[str]:
    """The ids of so many messages in twenty chats."""
    body = {"from": str(_CHATS), "body": "¿Qué precio tiene la mesa {n}?", "count": count, "spread": _SENDERS}
    return [str(each) for each in listener.standin.act("deliver", **body)["ids"]]


class _Trial:
    """One listener and all faults."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.score = Score()

    def run(self) -> Score:
        """Play every fault, wait for what is on its way, and count."""
        for name, play in FAULTS.items():
            self._play(name, play)
        deadline = time.monotonic() + SETTLE
        while time.monotonic() < deadline and self._missing():
            self.listener.tend()
            time.sleep(0.5)
        heard = self.listener.heard()
        self.score.lost = len(self._missing())
        self.score.doubled = sum(count > 1 for count in heard.values())
        self.score.restarted = self.listener.restarted
        return self.score

    def deliver(self, count: int) -> list[str]:
        """So many messages that must be written."""
        ids = _deliver(self.listener, count)
        self.score.delivered += ids
        return ids

    def _missing(self) -> set[str]:
        return set(self.score.delivered) - self.listener.heard().keys()

    def _play(self, name: str, play: Break) -> None:
        self._await_a_message()  # so that each fault meets one that hears
        play(self)
        began = time.monotonic()
        self.deliver(5)
        if self._await_a_message():
            self.score.heard_again[name] = time.monotonic() - began
        else:
            self.score.helped.append(name)
            self.listener.end()
            self.listener.start()
            self._await_a_message()
        _say(f"{self.listener.name}, {name}: {self.score.heard_again.get(name, 'started again by hand')}")

    def _await_a_message(self) -> bool:
        """Deliver one a second until one of them is written, or for as long as a person is patient."""
        deadline = time.monotonic() + PATIENCE
        ids: set[str] = set()
        while time.monotonic() < deadline:
            ids.update(self.deliver(1))
            until_next = time.monotonic() + 1
            while time.monotonic() < until_next:
                if ids & self.listener.heard().keys():
                    return True
                self.listener.tend()
                time.sleep(0.02)
        return False


def _killed(what: Callable[[Listener], list[psutil.Process]]) -> Break:
    def play(trial: _Trial) -> None:
        for process in what(trial.listener):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    return play


def _reload(trial: _Trial) -> None:
    standin = trial.listener.standin
    loads = standin.state()["page_loads"]
    standin.act("reload")
    until(lambda: standin.state()["page_loads"] > loads)


def _cut(trial: _Trial) -> None:
    trial.listener.standin.act("offline", all=True)
    trial.deliver(5)
    time.sleep(CUT)
    trial.listener.standin.act("online")


def _replaced(trial: _Trial) -> None:
    trial.listener.standin.act("replaced")


def _down(count: int) -> Break:
    def play(trial: _Trial) -> None:
        trial.listener.end()
        trial.deliver(count)
        trial.listener.start()

    return play


FAULTS: Final[Mapping[str, Break]] = {
    "the browser is killed": _killed(Listener.browser),
    "the page's process is killed, as when memory is short": _killed(lambda listener: listener.browser("renderer")),
    "Node is killed": _killed(lambda listener: listener.node()),
    "the page reloads": _reload,
    "no network for 20 s": _cut,
    f"{FEW} messages come while it is down": _down(FEW),
    f"{MANY:,} messages come while it is down": _down(MANY),
    "another program takes the session": _replaced,
}


def figures(
    megabytes: Mapping[str, list[float]], seconds: Mapping[str, list[float]], scores: Mapping[str, Score]
) -> list[Figure]:
    """The rows: ours, and beside it the bare library's."""
    ours, bare = scores[Ours.name], scores[Bare.name]
    of = f"{len(ours.delivered):,} messages through {len(FAULTS)} faults"
    longest = [max(each.heard_again.values(), default=0.0) for each in (ours, bare)]
    middle = [statistics.median(each.heard_again.values() or [0.0]) for each in (ours, bare)]
    return [
        _count("messages lost", ours.lost, bare.lost, of),
        _count("messages doubled", ours.doubled, bare.doubled, of),
        _count("faults after which a person had to start it again", len(ours.helped), len(bare.helped), of),
        Figure(
            name="beside the bare library: from a fault to the next message written, median",
            number=middle[0],
            unit="s",
            measured=f"{middle[0]:.1f} s, longest {longest[0]:.0f} s (bare library: {middle[1]:.1f} s, longest "
            f"{longest[1]:.0f} s, and {len(bare.helped)} times never)",
            promised="",
            held=True,
        ),
        _ratio("whole tree, idle, each alone: memory (PSS)", megabytes, "MB", limit=0.75),
        _ratio("start to ready on a linked profile", seconds, "s"),
    ]


def _count(what: str, ours: int, bare: int, of: str) -> Figure:
    return Figure(
        name=f"beside the bare library: {what}",
        number=ours,
        unit="",
        measured=f"{ours} (bare library: {bare}; {of})",
        promised="0",
        held=ours == 0,
    )


def _ratio(what: str, values: Mapping[str, list[float]], unit: str, *, limit: float | None = None) -> Figure:
    ours, bare = statistics.median(values[Ours.name]), statistics.median(values[Bare.name])
    ratio = ours / bare
    return Figure(
        name=f"beside the bare library: {what}",
        number=ratio,
        unit="x",
        measured=f"{ratio:.2f}x ({ours:.3g} {unit}; bare library: {bare:.3g} {unit})",
        promised=f"at most {limit:g}x" if limit else "",
        held=limit is None or ratio <= limit,
    )


def _say(line: str) -> None:
    print(f"    {line}", file=sys.stderr, flush=True)
