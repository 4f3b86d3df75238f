"""The `leadmasterd rules` commands: unreadable files, unwritable folders, and Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import psutil
import pytest

from tests.processes import lives
from tests.test_cli import CHECKOUT, called, typed
from tests.waiting import until_true

LESSONS = "".join(
    json.dumps({"texts": [f"zapatilla {word}"], "intent": "price"}) + "\n" for word in ["uno", "dos", "tres", "cuatro"]
)


@pytest.mark.parametrize(
    ("content", "why"), [(None, "no such file or folder"), (b"", None), (b"\xff\xfe\x00", "it is not UTF-8")]
)
@pytest.mark.parametrize("words", [["rules", "test"], ["rules", "train", "--corrections"]])
def test_a_file_that_can_not_be_read_is_told(
    tmp_path: Path, words: list[str], content: bytes | None, why: str | None
) -> None:
    """One sentence says which file and why; an empty file teaches and tests nothing."""
    if content is not None:
        (tmp_path / "lines.jsonl").write_bytes(content)
    done = called(tmp_path, *words, "lines.jsonl", "--json")
    if why:
        assert done.stderr == f"cannot read lines.jsonl: {why}; name a file of JSON lines in UTF-8\n"
    assert "Traceback" not in done.stderr
    assert (done.returncode, bool(done.stdout)) == ((0, True) if "train" in words and not why else (1, False))


@pytest.mark.parametrize("words", [[], ["lines.jsonl", "--text", "hola"]])
def test_what_to_test_is_said_once(tmp_path: Path, words: list[str]) -> None:
    """Two sources are refused rather than one of them ignored."""
    done = called(tmp_path, "rules", "test", *words)
    assert (done.returncode, done.stdout) == (64, "")
    assert "either FILE or --text" in done.stderr


@pytest.mark.parametrize("words", [["test"], ["train", "--corrections"]])
def test_lines_are_read_from_standard_input_too(
    tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in `replay`, an error gives the number of its line. What is to be learned comes from a real stdin."""

    def given(text: str, *more: str) -> "subprocess.CompletedProcess[str]":
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(text.encode()), "utf-8"))
        return called(tmp_path, "rules", *words, "-", *more)

    good = f"\ufeff{LESSONS}"
    done = given(good, "--json") if "test" in words else typed(tmp_path, "rules", *words, "-", "--json", input=good)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["n" if "test" in words else "corrections"] == 4
    done = given('{"text": "a", "intent": "price"}\n{"texts": [], "intent": 1}\n')
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("cannot use -, line 2: 1 is no intent")


def test_training_without_anything_to_learn_from_makes_nothing(tmp_path: Path) -> None:
    """Where nothing was captured, no state directory is created."""
    done = called(tmp_path, "rules", "train", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["result"] == "too_few"
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_can_not_be_written_is_73_before_anything_is_learned(tmp_path: Path) -> None:
    """The error names the folder and the setting."""
    (tmp_path / "lines.jsonl").write_text(LESSONS)
    (tmp_path / "state").write_text("a file")
    done = called(tmp_path, "rules", "train", "--corrections", "lines.jsonl")
    assert (done.returncode, done.stdout) == (73, "")
    why = "there is already something in its place; set state_dir to another one"
    assert done.stderr == f"cannot use the state directory {tmp_path / 'state'}: {why}\n"


def test_what_is_learned_from_is_read_as_utf8_whatever_the_terminal_speaks(tmp_path: Path) -> None:
    """Accents and emoji reach the training process."""
    (tmp_path / "lines.jsonl").write_text('{"text": "¿cuánto sale? 🙏", "intent": "price"}\n', encoding="utf-8")
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = typed(tmp_path, "rules", "train", "--corrections", "lines.jsonl", "--json", variables=plain)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["corrections"] == 1


def test_ctrl_c_while_it_learns_ends_both_processes_without_a_traceback(tmp_path: Path) -> None:
    """The training process's own output is suppressed."""
    enough = "".join(LESSONS.replace("zapatilla", thing) for thing in ("zapatilla", "campera", "remera"))
    (tmp_path / "lines.jsonl").write_text(enough)
    training = subprocess.Popen(
        [sys.executable, "-m", "leadmasterd", "rules", "train", "--corrections", "lines.jsonl"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    until_true(lambda: bool(psutil.Process(training.pid).children()))
    [learning] = psutil.Process(training.pid).children()
    os.killpg(training.pid, signal.SIGINT)
    said = training.communicate(timeout=30)
    assert (training.returncode, said) == (130, (b"", b""))
    assert not lives(learning)


def test_a_line_that_teaches_nothing_is_told_with_its_file(tmp_path: Path) -> None:
    """The file may be a pipe and may start with a byte order mark."""
    lines = f"\ufeff{LESSONS}no json\n"
    done = typed(tmp_path, "rules", "train", "--corrections", "/dev/stdin", input=lines)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("cannot use /dev/stdin, line 5: it is not JSON")
