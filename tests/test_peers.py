"""`make bench ARGS=peers`: when it refuses, what its rows say, and that the bare library hears on our stand-in."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import earlier, peers
from benchmarks import run as bench
from benchmarks.figures import CannotMeasure
from benchmarks.listeners import Bare, other_browsers
from benchmarks.peers import Score, figures
from leadmasterd.demo.standin import StandIn
from tests.chaos.product import OURS
from tests.waiting import wait_for


def test_without_the_library_it_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a machine without npm or network; what is written elsewhere stays."""
    monkeypatch.setattr(peers, "LIBRARY", tmp_path / "whatsapp-web.js" / "package.json")
    output = tmp_path / "rows.json"
    assert not bench.measure(["peers"], output)
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith(f"cannot measure peers: {tmp_path / 'whatsapp-web.js'} is missing")
    assert not output.exists()


def test_beside_another_browser_it_is_refused(tmp_path: Path) -> None:
    """Its pages would be shared, so that each seems to need less. The same for another checkout beside ours."""
    program = tmp_path / "chromium"
    shutil.copy(sys.executable, program)
    with subprocess.Popen([program, "-S", "-c", "input()", "--user-data-dir=x"], stdin=subprocess.PIPE) as browser:
        try:
            wait_for(lambda: f"{browser.pid} (chromium)" in other_browsers(), "it to be seen")
            with pytest.raises(CannotMeasure, match=r"browsers share memory, and others run: \d+ \("):
                peers.run()
            with pytest.raises(CannotMeasure, match=r"browsers share memory, and others run: \d+ \("):
                earlier.measure(OURS, Path("node"))
        finally:
            browser.kill()


def test_the_rows_stand_side_by_side() -> None:
    """Ours first, in the number that two commits are compared by."""
    ours = Score(delivered=["a", "b"], heard_again={"one": 2.0, "two": 4.0})
    bare = Score(delivered=["a", "b"], heard_again={"one": 3.0}, helped=["two"], lost=1)
    megabytes = {"ours": [300.0], "the bare library": [400.0]}
    seconds = {"ours": [1.5], "the bare library": [1.0]}
    rows = figures(megabytes, seconds, {"ours": ours, "the bare library": bare})
    told = {row.name.removeprefix("beside the bare library: "): row for row in rows}
    assert told["messages lost"].measured.startswith("0 (bare library: 1;")
    assert told["messages lost"].held
    assert told["faults after which a person had to start it again"].measured.startswith("0 (bare library: 1;")
    memory = told["whole tree, idle, each alone: memory (PSS)"]
    assert (memory.number, memory.measured, memory.held) == (0.75, "0.75x (300 MB; bare library: 400 MB)", True)
    assert told["start to ready on a linked profile"].measured.startswith("1.50x ")


def test_another_checkout_stands_beside_ours() -> None:
    """By medians; above 1 is worse."""
    ours = earlier.Measured(tree=[280.0, 276.0, 277.0], daemon=[50.0, 52.0], seconds=[1.2, 1.0, 9.0])
    theirs = earlier.Measured(tree=[440.0, 441.0, 450.0], daemon=[80.0, 81.0], seconds=[1.5])
    assert earlier.table({"this checkout": ours, "1a2b3c4": theirs}) == [
        "| figure | this checkout | 1a2b3c4 | ratio |",
        "|---|---|---|---|",
        "| whole tree, idle, each alone: memory (PSS), MB | 277 | 441 | 0.628x |",
        "| the daemon of it (PSS), MB | 51 | 80.5 | 0.634x |",
        "| start to ready on a linked profile, s | 1.2 | 1.5 | 0.800x |",
    ]


def test_what_is_no_checkout_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """Neither a folder without the program, nor a commit that is unknown."""
    command = [sys.executable, "-m", "benchmarks.earlier"]
    for name, says in ((str(tmp_path), "name a checkout of leadmasterd"), ("no-such-commit", "neither a folder nor")):
        done = subprocess.run([*command, name], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert says in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.e2e
def test_the_bare_library_hears_on_our_stand_in_and_is_started_again(tmp_path: Path) -> None:
    """Otherwise the comparison would be with one that could not work."""
    node = shutil.which("node")
    assert node
    with StandIn(Path(node), *peers.WAYS, key_shape="serialized") as standin:
        bare = Bare(standin, tmp_path / "bare", Path(node))
        try:
            bare.start()
            bare.pair()
            ids = standin.act("deliver", **{"from": "5491155550001", "body": "uno {n}", "count": 3, "spread": 1})["ids"]
            wait_for(lambda: bare.heard().keys() == {*ids}, "its messages to be written")
            bare.browser()[0].kill()
            wait_for(lambda: bare.main() is None, "it to end with its browser")
            bare.tend()
            wait_for(bare.is_ready, "it to be ready again")
            assert bare.restarted == 1
            ids += standin.act("deliver", **{"from": "5491155550001", "body": "dos"})["ids"]
            wait_for(lambda: bare.heard().keys() == {*ids}, "the message after it")
        finally:
            bare.end()
    assert bare.tree() == []
