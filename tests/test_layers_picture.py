"""The picture at the top of ARCHITECTURE.md matches the code."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_picture_of_the_layers_is_up_to_date() -> None:
    """Run `python tools/draw_layers.py` after adding or removing a module or changing its first line."""
    code = "import sys; sys.path.insert(0, 'tools'); import draw_layers as d; sys.stdout.write(d.picture())"
    drawn = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert max(map(len, drawn.splitlines())) <= 80
    assert f"\n{drawn}\n" in (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
