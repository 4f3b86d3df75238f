"""`leadmasterd demo --auto`, as the README says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.depth import only_deep
from tests.e2e.daemon import ROOT

pytestmark = pytest.mark.e2e
FEEDS = (ROOT / "docs" / "feeds.md").read_text(encoding="utf-8")
SHAPE = only_deep("shared_daemon/test_capture.py captures in both shapes")


@pytest.mark.long
@pytest.mark.parametrize("shape", ["dollar", pytest.param("serialized", marks=SHAPE)])
def test_the_demo_captures_everything_once_and_says_that_it_is_a_stand_in(shape: str, tmp_path: Path) -> None:
    """Exit code 0 means that it captured every message, live and by sweep. docs/feeds.md tries a feed with it."""
    [(name, feeds, words)] = re.findall(r"^    (\w+)='(.*)' leadmasterd (demo .*) --keep", FEEDS, re.MULTILINE)
    shown = subprocess.run(
        [sys.executable, "-m", "leadmasterd", *words.split(), "--keep", str(tmp_path / "demo"), "--key-shape", shape],
        cwd=ROOT,
        env={**os.environ, name: feeds},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    told = [json.loads(line)["type"] for line in (tmp_path / "demo/feeds/all.jsonl").read_text().splitlines()]
    assert {"message.stored", "lead.opened", "waiting.began", "gap.opened"} <= set(told)
    assert "stand-in" in shown.stdout
    assert "All of it was captured, nothing was sent." in shown.stdout
    wants, waits = shown.stdout.split("leadmasterd leads waiting")
    assert "pedido" in wants
    assert "Julián" in waits
    assert re.search(r"2 h 1\d min", waits), "ten minutes, and as long as the demo took"
    assert "reclamo" in waits
    with Image.open(tmp_path / "demo/page.png") as picture:
        assert picture.format == "PNG"
        assert picture.width == 800
        assert len(picture.convert("L").getcolors() or ()) > 50, "the picture is empty"
