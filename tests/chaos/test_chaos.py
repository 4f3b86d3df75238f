"""A small storm with real processes, and one without sweeps, which must lose messages."""

import sys
from pathlib import Path

import pytest

from tests import depth
from tests.chaos.run import play

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600 if depth.DEEP else 1200)]

SEED = 270476
MESSAGES, FAULTS = (20_000, 200) if depth.DEEP else (600, 16)
PROOF_SEED, PROOF_MESSAGES, PROOF_FAULTS = 842, 120, 5
"""This seed's faults interrupt live capture; with others a run without sweeps may lose nothing."""


def test_a_storm_loses_nothing(tmp_path: Path) -> None:
    """Nothing is lost, duplicated or sent, and every gap is closed. A deep run has a random seed and the full size."""
    seed = depth.seed(SEED)
    repeat = f'make chaos ARGS="--seed {seed} --messages {MESSAGES} --faults {FAULTS}"'
    sys.stdout.write(f"to repeat it: {repeat}\n")
    verdict = play(tmp_path, seed, MESSAGES, FAULTS)
    table = "\n".join(verdict.table())
    sys.stdout.write(f"{table}\n")
    assert sum(verdict.faults.values()) >= 15
    assert verdict.good, f"to repeat it: {repeat}\n{table}\n{(tmp_path / 'state.log').read_text()[-6000:]}"


def test_without_sweeps_the_same_storm_loses(tmp_path: Path) -> None:
    """Otherwise the storm would prove nothing about sweeps."""
    for name in ("with", "without"):
        (tmp_path / name).mkdir()
    verdict = play(tmp_path / "with", PROOF_SEED, PROOF_MESSAGES, PROOF_FAULTS)
    assert verdict.good, "\n".join(verdict.table())
    assert verdict.sweep > 0
    blind = play(tmp_path / "without", PROOF_SEED, PROOF_MESSAGES, PROOF_FAULTS, without_sweeps=True)
    assert len(blind.lost) > 0
    assert blind.sweep == 0
    assert not blind.doubled
