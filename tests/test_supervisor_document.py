"""docs/supervisor.md is what the table says."""

import subprocess
import sys
from pathlib import Path

from leadmasterd.supervisor.machine import Happened, Phase

ROOT = Path(__file__).resolve().parent.parent


def test_the_drawing_of_the_table_is_up_to_date(tmp_path: Path) -> None:
    """Run `python tools/draw_supervisor.py` after a change of the table."""
    code = "import sys; sys.path.insert(0, 'tools'); import draw_supervisor as d; sys.stdout.write(d.render())"
    drawn = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs" / "supervisor.md").read_text() == drawn


def test_the_drawing_shows_every_phase_and_every_event() -> None:
    """A new one has to be given words there."""
    sys.path.insert(0, str(ROOT / "tools"))
    import draw_supervisor  # type: ignore[import-not-found]

    text = draw_supervisor.render()
    assert all(f"`{phase.value}`" in text for phase in Phase)
    assert {happened for happened, _, _ in draw_supervisor.SAMPLES} == set(Happened)
