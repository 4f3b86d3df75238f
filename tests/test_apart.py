"""Work in a process of its own: what comes back, and that nothing stays."""

import os
import pickle
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from leadmasterd import errors
from leadmasterd.apart import _answer, apart, begun_apart
from leadmasterd.errors import DatabaseBusy, LeadmasterdError, MayNotWrite
from leadmasterd.settings.paths import resolve_paths
from leadmasterd.state.files import read_status
from leadmasterd.text import _, speak
from tests.daemons import CHECKOUT, NODE
from tests.processes import lives
from tests.waiting import LIMIT, until_true

MISSING = "a package that nobody has loaded"
HEAVY = ("holidays", "pydantic", "pydantic_core", "pydantic_settings", "sqlite_utils")


def add(one: int, other: int) -> tuple[int, int]:
    return one + other, os.getpid()


def say(word: str) -> str:
    sys.stdout.write(f"{word}\n")
    return _("cannot use {path}: {why}")


def fail(error: Exception) -> None:
    raise error


def touch(file: Path) -> int:
    file.touch()
    return os.getpid()


def die_unless_in(pid: int) -> int:
    if os.getpid() != pid:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def wait_forever(file: str) -> None:
    Path(file).write_text(str(os.getpid()))
    signal.pause()


def test_the_result_comes_from_another_process() -> None:
    """Unless the package is loaded here anyway."""
    total, pid = apart(add, 1, 2, package=MISSING)
    assert total == 3
    assert pid != os.getpid()
    assert apart(add, 1, 2, package="os") == (3, os.getpid())


def test_it_works_while_we_do_something_else(tmp_path: Path) -> None:
    """And its answer waits for us."""
    answer = begun_apart(touch, tmp_path / "made", package=MISSING)
    until_true((tmp_path / "made").exists)
    assert answer() != os.getpid()
    assert begun_apart(touch, tmp_path / "here", package="os")() == os.getpid()


def test_it_speaks_our_language_and_prints_nothing_into_the_answer(capfd: pytest.CaptureFixture[str]) -> None:
    """What it prints is for the log."""
    speak("es")
    assert apart(say, "hola", package=MISSING) == "no se puede usar {path}: {why}"
    assert capfd.readouterr() == ("", "hola\n")


@pytest.mark.parametrize(
    "error",
    [
        DatabaseBusy("disk_full", "cannot use it"),
        MayNotWrite("cannot write it", of_another_user=Path("/x")),
        *(
            each("cannot do it")
            for each in vars(errors).values()
            if isinstance(each, type)
            and issubclass(each, LeadmasterdError)
            and each.__init__ in (LeadmasterdError.__init__, errors.CannotUseState.__init__)
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_our_errors_come_back_as_they_were(error: LeadmasterdError) -> None:
    """Class, words and values. One with values comes from a process; of the others it is enough how they are sent."""
    if isinstance(error, DatabaseBusy):
        with pytest.raises(DatabaseBusy) as raised:
            apart(fail, error, package=MISSING)
        again: Exception | None = raised.value
    else:
        _result, again = pickle.loads(pickle.dumps(_answer(fail, (error,))))
    assert again is not None
    assert (type(again), str(again), again.args, vars(again)) == (type(error), str(error), error.args, vars(error))


def test_sqlites_errors_keep_their_names() -> None:
    """By which causes are told apart; a defect says where it was."""
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorname = "SQLITE_BUSY"
    with pytest.raises(sqlite3.OperationalError, match="database is locked") as raised:
        apart(fail, error, package=MISSING)
    assert raised.value.sqlite_errorname == "SQLITE_BUSY"
    assert "in fail" in raised.value.__notes__[0]


def test_work_whose_process_is_killed_is_done_here() -> None:
    """As where the machine is short of memory."""
    assert apart(die_unless_in, os.getpid(), package=MISSING) == os.getpid()


def test_nothing_is_imported_from_the_folder_where_a_command_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which may be anybody's, and hold a `pickle.py`. So it is for every process of ours in Python."""
    (tmp_path / "pickle.py").write_text("open('imported', 'w')")
    monkeypatch.chdir(tmp_path)
    _total, pid = apart(add, 1, 2, package=MISSING)
    assert pid != os.getpid()
    assert not (tmp_path / "imported").exists()
    sources = [file.read_text(encoding="utf-8") for file in (CHECKOUT / "leadmasterd").rglob("*.py")]
    begun = [found for text in sources for found in re.findall(r'sys\.executable,\s*"[^"]*"', text)]
    assert begun
    assert {found.rpartition('"-')[2] for found in begun} == {'P"'}


@pytest.mark.parametrize("letters", [0, 1, 11])
def test_work_whose_process_is_killed_while_it_answers_is_done_here(
    letters: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long answer does not fit into the pipe at once."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\n{sys.executable} "$@" | head -c {letters}\n')
    python.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(python))
    assert apart(add, 1, 2, package=MISSING) == (3, os.getpid())


def test_work_is_done_here_where_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit of processes, say."""
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    assert apart(add, 1, 2, package=MISSING) == (3, os.getpid())


def test_it_ends_with_the_process_that_asked(tmp_path: Path) -> None:
    """However that ends: a killed daemon updates no database."""
    file = tmp_path / "pid"
    program = (
        "from leadmasterd.apart import apart; from tests.test_apart import wait_forever;"
        f"apart(wait_forever, {str(file)!r}, package='none')"
    )
    asks = subprocess.Popen([sys.executable, "-c", program])
    until_true(lambda: file.exists() and file.read_text())
    worker = psutil.Process(int(file.read_text()))
    asks.kill()
    asks.wait()
    until_true(lambda: not lives(worker))


def test_the_daemon_keeps_nothing_that_it_needs_once(tmp_path: Path) -> None:
    """Neither what checks the settings nor what updates the database, which is new here; and garbage is little."""
    program = (
        "import atexit, gc, sys; from leadmasterd.cli import main; from leadmasterd.__main__ import _GARBAGE_AFTER;"
        "gc.set_threshold(_GARBAGE_AFTER);"
        f"atexit.register(lambda: print(sorted({set(HEAVY)!r} & sys.modules.keys())));"
        "atexit.register(lambda: print(gc.get_threshold(), gc.get_freeze_count() > 10_000));"
        "sys.exit(main(['run']))"
    )
    state, node = tmp_path / "state", tmp_path / "node"
    node.write_text(NODE)
    node.chmod(0o755)
    programs = {"LEADMASTERD_LISTENER__NODE": str(node), "LEADMASTERD_LISTENER__BROWSER": "/bin/true"}
    daemon = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, **programs, "PYTHONPATH": str(CHECKOUT), "LEADMASTERD_STATE_DIR": str(state)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until_true(lambda: (read_status(resolve_paths(None, str(state), "leadmaster.db")) or {}).get("scan"))
    daemon.terminate()
    output, log = daemon.communicate(timeout=LIMIT)
    assert (daemon.returncode, output.splitlines()[-2:]) == (0, ["(700, 10, 10) True", "[]"]), log
