"""A small storm with real processes, and one without sweeps, which must lose messages."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests import depth
from tests.chaos.run import play
from tests.e2e.daemon import ROOT
from tests.processes import lives
from tests.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600 if depth.DEEP else 1200)]

SEED = 270476
MESSAGES, FAULTS = (20_000, 200) if depth.DEEP else (600, 16)
PROOF = (570, 120, 5)
"""This seed's faults interrupt live capture; with others a run without sweeps may lose nothing."""


@pytest.mark.long
def test_a_storm_loses_nothing(tmp_path: Path) -> None:
    """Nothing is lost, duplicated or sent, and every gap is closed. A deep run has a random seed and the full size."""
    seed = depth.seed(SEED)
    repeat = f'make chaos ARGS="--seed {seed} --messages {MESSAGES} --faults {FAULTS} --feed"'
    sys.stdout.write(f"to repeat it: {repeat}\n")
    verdict = play(tmp_path, (seed, MESSAGES, FAULTS), feed=True)
    table = "\n".join(verdict.table())
    sys.stdout.write(f"{table}\n")
    assert sum(verdict.faults.values()) >= 15
    assert verdict.good, f"to repeat it: {repeat}\n{table}\n{(tmp_path / 'state.log').read_text()[-6000:]}"
    assert verdict.sweep > 0


@pytest.mark.long
def test_without_sweeps_the_same_storm_loses(tmp_path: Path) -> None:
    """Otherwise the storm would prove nothing about sweeps.

    On the old ways: by the page's own, what waited is emitted after hasSynced, and few messages need a sweep. That
    nothing is lost with sweeps is for the storm above; only a deep run plays this one with them too.
    """
    if depth.DEEP:
        verdict = play(tmp_path / "with", PROOF, side="old")
        assert verdict.good, "\n".join(verdict.table())
        assert verdict.sweep > 0
    blind = play(tmp_path / "without", PROOF, side="old", without_sweeps=True)
    assert len(blind.lost) > 0
    assert blind.sweep == 0
    assert not blind.doubled


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A temporary folder with a short path: a socket's may have 107 characters, and pytest's own is long."""
    with tempfile.TemporaryDirectory(prefix="lm-") as name:
        yield Path(name)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=depth.only_deep("one function hears all signals"))]
)
def test_an_interrupted_storm_leaves_nothing(short_folder: Path, number: signal.Signals) -> None:
    """No process, file or mount is left."""
    said = short_folder / "said"
    with said.open("wb") as output:
        run = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.run", "--seed", "1", "--messages", "900", "--faults", "30"],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(short_folder)},
            stderr=output,
        )
    try:
        wait_for(lambda: "messages captured" in said.read_text(), "the storm to begin", limit=240)
        started = psutil.Process(run.pid).children(recursive=True)
        assert len(started) > 5
    finally:
        run.send_signal(number)  # also when it did not begin: nothing may go on behind the tests that follow
        left = run.wait(60)
    assert left == 130, said.read_text()
    wait_for(lambda: not any(lives(each) for each in started), "its processes to be gone")
    assert not list(short_folder.glob("leadmasterd-chaos-*"))
    assert str(short_folder) not in Path("/proc/mounts").read_text()
