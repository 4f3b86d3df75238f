"""The nightly training on a machine with little memory: what it takes, and what is said where that is not there."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from leadmasterd import health
from leadmasterd.classify import train as training
from leadmasterd.classify.train import LEAST_CORRECTIONS, NEEDED_BYTES, main
from leadmasterd.daemon.leads import LeadJobs
from leadmasterd.daemon.warnings import ActiveWarnings
from leadmasterd.settings.model import load
from tests.depth import only_deep
from tests.test_cli import called

HERE = Path(__file__).parent.parent
KILLED = "cannot learn now: it was killed, as the system does when no memory is left; try again later\n"


@pytest.fixture
def corrections(tmp_path: Path) -> Path:
    """Just enough of them."""
    file = tmp_path / "corrections.jsonl"
    lines = [{"text": f"sale {chr(97 + number)}", "intent": "price"} for number in range(LEAST_CORRECTIONS)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def killing(folder: Path, module: str) -> str:
    """A PYTHONPATH with which this module's process dies as it starts, as if the kernel had needed its memory."""
    (folder / "sitecustomize.py").write_text(
        f"import os, sys\nif {module!r} in ' '.join(sys.orig_argv):\n    os.kill(os.getpid(), 9)\n"
    )
    return str(folder)


def test_where_little_memory_is_free_nothing_is_begun(
    tmp_path: Path, corrections: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, and the model in force stays."""
    monkeypatch.setattr(training, "NEEDED_BYTES", 1 << 60)
    monkeypatch.setattr(training, "train", None)
    assert main(["--corrections", str(corrections), "--model", str(tmp_path / "model.json.gz")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("cannot learn now: it takes 1,152,921.5 TB of memory, and ")
    assert said.err.endswith(" are free; try again later\n")
    assert list(tmp_path.iterdir()) == [corrections]


def test_memory_that_runs_out_on_the_way_is_a_sentence(
    tmp_path: Path, corrections: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, and no new model."""
    monkeypatch.setattr(training, "train", lambda *_arguments: bytearray(1 << 60))
    assert main(["--corrections", str(corrections), "--model", str(tmp_path / "model.json.gz")]) == 1
    assert capsys.readouterr().err == "cannot learn now: no memory is left; try again later\n"
    assert list(tmp_path.iterdir()) == [corrections]


def test_a_training_that_is_killed_is_a_sentence(tmp_path: Path, corrections: Path) -> None:
    """The kernel kills without a word."""
    path = killing(tmp_path, "leadmasterd.classify.train")
    done = called(tmp_path, "rules", "train", "--corrections", str(corrections), variables={"PYTHONPATH": path})
    assert (done.returncode, done.stdout, done.stderr) == (1, "", KILLED)


@pytest.mark.parametrize(
    ("module", "what"),
    [
        ("leadmasterd.classify.train", KILLED.strip()),
        ("leadmasterd rules train", "it was killed, as the system does when no memory is left"),
    ],
)
async def test_the_daemon_warns_of_a_night_without_training(
    module: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In the journal, `status` and `doctor`, until a night in which it works."""
    caplog.set_level(logging.INFO)
    monkeypatch.chdir(tmp_path)
    settings, paths = load(None)
    warnings = ActiveWarnings(lambda: None)
    jobs = LeadJobs(settings.leads.plain(), paths, warnings=warnings, changed=lambda: None)
    monkeypatch.setenv("PYTHONPATH", killing(tmp_path, module))
    await jobs.train()
    assert warnings.concerns() == {"training": what}
    assert health.text("training", what) in caplog.messages
    monkeypatch.delenv("PYTHONPATH")
    await jobs.train()
    assert warnings.concerns() == {}
    assert "0 corrections" in caplog.messages[-1]


def test_the_kernel_would_kill_a_training_first(tmp_path: Path) -> None:
    """And neither the daemon nor the browser, whose part of the memory may be larger."""
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, sys\n"
        "from pathlib import Path\n"
        "atexit.register(lambda: sys.stderr.write(Path('/proc/self/oom_score_adj').read_text()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "leadmasterd.classify.train", "--corrections", "-", "--model", "none/m"],
        cwd=HERE,
        env={"PYTHONPATH": str(tmp_path)},
        input="",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "1000\n"


@only_deep("a fit of all examples takes a quarter of a minute, and every training is eleven of them")
def test_a_fit_takes_no_more_memory_than_is_asked_for() -> None:
    """With a tenth to spare for the corrections of a large shop."""
    program = (
        "from leadmasterd.classify import train as t; examples, filled = t._packaged_lessons();"
        "t._temperature = lambda lessons, filled: 1.0; t.document_of(examples, '', filled);"
        "print(open('/proc/self/status').read())"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=HERE, capture_output=True, text=True, check=True)
    # Not getrusage: its maximum holds that of the process which started this one, of before the exec.
    [kibibytes] = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("VmHWM:")]
    assert int(kibibytes) * 1024 < NEEDED_BYTES * 0.9
