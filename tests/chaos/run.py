"""`make chaos`: a storm of faults over the whole program with real processes, and what became of every message.

The seed decides who writes what, and what breaks in which order. It does not decide the timing: the same seed gives the
same schedule, not the same run.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos import storm
from tests.chaos.plan import make_plan
from tests.chaos.verdict import Verdict, judge


def main() -> int:
    """Exit code 0 only if nothing was lost, duplicated or sent."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="default: a random one")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--without-sweeps", action="store_true", help="every sweep finds nothing: this must lose")
    parser.add_argument("--json", action="store_true", help="print one object instead of the table")
    chosen = parser.parse_args()
    storm.to_stderr(f"seed {chosen.seed}, {chosen.messages} messages, {chosen.faults} faults")
    folder = Path(tempfile.mkdtemp(prefix="leadmasterd-chaos-"))
    try:
        verdict = play(folder, chosen.seed, chosen.messages, chosen.faults, without_sweeps=chosen.without_sweeps)
    except KeyboardInterrupt:
        shutil.rmtree(folder)
        return 130
    lines = [json.dumps(verdict.as_json(), ensure_ascii=False)] if chosen.json else verdict.table()
    sys.stdout.write("\n".join(lines) + "\n")
    if verdict.good:
        shutil.rmtree(folder)
    else:
        storm.to_stderr(f"the state and the daemon's log are kept in {folder}")
    return 0 if verdict.good else 1


def play(folder: Path, seed: int, messages: int, faults: int, *, without_sweeps: bool = False) -> Verdict:
    """Run one storm and judge it."""
    plan = make_plan(seed, messages, faults)
    return judge(plan, storm.run(plan, folder, without_sweeps=without_sweeps, say=storm.to_stderr))


if __name__ == "__main__":
    sys.exit(main())
