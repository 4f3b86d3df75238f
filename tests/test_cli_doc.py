"""docs/cli.md matches the parser."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_list_of_commands_is_up_to_date() -> None:
    """Run `python tools/draw_cli.py` after changing a command's flags or help."""
    code = "import sys; sys.path.insert(0, 'tools'); import draw_cli as d; sys.stdout.write(d.render())"
    drawn = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == drawn
