"""What is sampled of a running daemon, and which series are judged of it."""

import contextlib
import os
import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal, TypedDict

import psutil

from benchmarks.soak.trend import Ceiling, Judged, judge
from leadmasterd.settings.paths import Paths


class Kind(TypedDict):
    """All processes of one kind: the daemon, Node, the browser itself and each type of its processes."""

    processes: int
    pss: int
    """Bytes."""
    descriptors: int
    threads: int


class Sample(TypedDict):
    """One line of the file."""

    at: str
    seconds: float
    """Since the start."""
    days: float
    """Of the shop."""
    ready: bool
    """Whether it was ready now and at the last sample, with no cut between."""
    life: str
    """Which Node and which browser: a new one begins with little memory."""
    delivered: int
    captured: int
    kinds: dict[str, Kind]
    database: int
    wal: int
    beside: int
    """Bytes of the state folder besides those two: the profile, its snapshots, and files."""
    latency: float | None
    """Milliseconds from the phone to the commit: the median since the last sample."""


DAEMON: Final = "daemon"
NODE: Final = "node"
BROWSER: Final = "browser"

CEILINGS: Final = (
    Ceiling("daemon, memory", "MB", 150, "twice what it starts with"),
    Ceiling("Node, memory", "MB", 150, "three times what it starts with"),
    Ceiling("browser, memory", "MB", 600, "what the two others leave of a machine of 1 GB"),
    Ceiling("all, memory", "MB", 800, "a machine of 1 GB, less what its system takes"),
    Ceiling("daemon, descriptors", "", 512, "half of the 1,024 that a service may have open"),
    Ceiling("Node, descriptors", "", 512, "the same"),
    Ceiling("browser, descriptors", "", 2048, "1,024 for each of its processes; they have some 350 in all"),
    Ceiling("all, threads", "", 512, "TasksMax of the unit"),
    Ceiling(
        "WAL",
        "MB",
        64,
        "a checkpoint at each 4 MB, or 16 while a large backlog is judged, keeps it small, unless a reader never ends",
        fills=5,
    ),
    Ceiling("state besides the database", "MB", 1000, "the profile and its snapshots, on a disk of 10 GB"),
    Ceiling("database, a message", "bytes", 4000, "a million messages in 4 GB", by_message=True),
    Ceiling("latency", "ms", 250, "what `whole` promises of 99 of 100 messages, of their median"),
)

_OF_A_LIFE: Final = {"Node, memory", "browser, memory", "all, memory", "Node, descriptors", "browser, descriptors"}
_What = Literal["pss", "descriptors", "threads"]


def _all(sample: Sample, what: _What) -> float:
    return sum(kind[what] for kind in sample["kinds"].values())


def _of(sample: Sample, what: _What, name: str) -> float:
    return sample["kinds"][name][what] if name in sample["kinds"] else 0


def _of_browser(sample: Sample, what: _What) -> float:
    """What is neither the daemon nor Node is the browser's."""
    return _all(sample, what) - _of(sample, what, DAEMON) - _of(sample, what, NODE)


_VALUES: Final[dict[str, Callable[[Sample], float | None]]] = {
    "daemon, memory": lambda sample: _of(sample, "pss", DAEMON) / 1e6,
    "Node, memory": lambda sample: _of(sample, "pss", NODE) / 1e6,
    "browser, memory": lambda sample: _of_browser(sample, "pss") / 1e6,
    "all, memory": lambda sample: _all(sample, "pss") / 1e6,
    "daemon, descriptors": lambda sample: _of(sample, "descriptors", DAEMON),
    "Node, descriptors": lambda sample: _of(sample, "descriptors", NODE),
    "browser, descriptors": lambda sample: _of_browser(sample, "descriptors"),
    "all, threads": lambda sample: _all(sample, "threads"),
    "WAL": lambda sample: sample["wal"] / 1e6,
    "state besides the database": lambda sample: sample["beside"] / 1e6,
    "database, a message": lambda sample: sample["database"],
    "latency": lambda sample: sample["latency"],
}


def series(samples: Sequence[Sample], name: str) -> list[tuple[float, float]]:
    """The values of a series while it was ready, by day of the shop.

    Those of Node and the browser are of the life with most samples: a growth of one is over with it, and the next
    begins with another amount.
    """
    whole = [each for each in samples if each["ready"]]
    if name in _OF_A_LIFE and whole:
        longest = statistics.mode(each["life"] for each in whole)
        whole = [each for each in whole if each["life"] == longest]
    values = [(each["days"], _VALUES[name](each)) for each in whole]
    return [(days, value) for days, value in values if value is not None]


def judged(samples: Sequence[Sample]) -> list[Judged]:
    """The verdict on each series."""
    found = []
    for ceiling in CEILINGS:
        points = series(samples, ceiling.name)
        xs = [days for days, _ in points]
        if ceiling.by_message:
            xs = [float(each["captured"]) for each in samples if each["ready"]]
        found.append(judge(ceiling, xs, [value for _, value in points]))
    return found


def processes(daemon: psutil.Process) -> tuple[dict[str, Kind], str]:
    """Everything below the daemon by kind, and the life: the pids of Node and of the browser."""
    kinds: dict[str, Kind] = defaultdict(lambda: Kind(processes=0, pss=0, descriptors=0, threads=0))
    life = {NODE: 0, BROWSER: 0}
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in (daemon, *daemon.children(recursive=True)):
            with contextlib.suppress(psutil.Error):  # it has ended since
                kind = DAEMON if process == daemon else _kind(process)
                pss, descriptors = process.memory_full_info().pss, process.num_fds()
                each, threads = kinds[kind], process.num_threads()
                each["processes"] += 1
                each["pss"] += pss
                each["descriptors"] += descriptors
                each["threads"] += threads
                if kind in life:
                    life[kind] = process.pid
    return dict(kinds), f"{life[NODE]}-{life[BROWSER]}"


def _kind(process: psutil.Process) -> str:
    """By its program, and of a browser's process by its type."""
    name, arguments = Path(process.exe()).name, process.cmdline()
    if name.startswith("node"):  # or node-24, as some distributions name it
        return NODE
    of_browser = next((each.removeprefix("--type=") for each in arguments if each.startswith("--type=")), None)
    if of_browser:
        return of_browser
    return BROWSER if any(each.startswith("--user-data-dir=") for each in arguments) else name


def sizes(where: Paths) -> tuple[int, int, int]:
    """Bytes of the database, its WAL, and the rest of the state folder."""
    database, wal = (_size(Path(f"{where.database}{end}")) for end in ("", "-wal"))
    everything = sum(_size(Path(folder, name)) for folder, _, files in os.walk(where.state_dir) for name in files)
    return database, wal, max(0, everything - database - wal)


def _size(file: Path) -> int:
    try:
        return file.lstat().st_size
    except OSError:  # it has gone since
        return 0
