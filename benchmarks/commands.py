"""How long `status`, `leads waiting` and `--help` take, against a bare Python."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.figures import Figure
from leadmasterd.settings.paths import resolve_paths
from leadmasterd.state.files import write_status
from leadmasterd.store.database import open_for_writing

RUNS = 31


def run() -> list[Figure]:
    """Medians of each command and the bare Python in turn. `status` reads the files of a daemon that has run."""
    with tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name:
        state = prepared_state(Path(name))
        return [
            _compare(["status"], 5, state),
            _compare(["leads", "waiting"], 5, state),
            _compare(["--help"], 4, state),
        ]


def prepared_state(folder: Path) -> Path:
    """The state folder as a daemon leaves it that has run: `status.json`, and a database with an account."""
    folder.mkdir(exist_ok=True)
    where = resolve_paths(None, str(folder), "leadmaster.db")
    write_status(
        where,
        {
            "v": 1,
            "phase": "ready",
            "since": "2026-11-23T12:00:00.000Z",
            "code": "ready",
            "values": {"account": "5491155550100@c.us"},
            "capture": {"live": 1234, "sweep": 56, "open_gaps": 0, "last_message_at": "2026-11-23T12:00:00.000Z"},
        },
    )
    with closing(open_for_writing(where.database)) as database:  # status sums up the last seven days too
        database.execute(
            "INSERT INTO accounts (wid, first_linked_at, last_ready_at) VALUES "
            "('5491155550100@c.us', '2026-11-01T10:00:00.000Z', '2026-11-23T10:00:00.000Z')"
        )
    return folder


def _compare(words: Sequence[str], limit: float, state_dir: Path) -> Figure:
    environment = {**os.environ, "LEADMASTERD_STATE_DIR": str(state_dir)}
    bare, ours = [], []
    for _ in range(RUNS):
        bare.append(_seconds([sys.executable, "-c", "pass"], environment))
        ours.append(_seconds([sys.executable, "-m", "leadmasterd", *words], environment))
    took, base = statistics.median(ours), statistics.median(bare)
    ratio = took / base
    return Figure(
        name=f"`leadmasterd {' '.join(words)}` against `python -c pass`",
        number=ratio,
        unit="x",
        measured=f"{ratio:.1f}x ({took * 1000:.0f} ms; bare {base * 1000:.0f} ms)",
        promised=f"at most {limit:.0f}x",
        held=ratio <= limit,
    )


def _seconds(argv: Sequence[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    took = time.perf_counter() - began
    assert done.returncode in (0, 3), f"{argv} exited with {done.returncode}"  # 3: the daemon does not run
    return took
