"""`leadmasterd` in a process of its own, forked from one that has imported it.

To start Python and import the daemon takes half of the processor time of most tests that run it. The process is real:
it has its own environment, signals, output and exit code. For what the start itself does, tests run `python -m
leadmasterd`.

The page is served by what `leadmasterd web` becomes: here it goes on as that without a new Python.
"""

import fcntl
import multiprocessing
import os
import pty
import runpy
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NoReturn

from leadmasterd.cli import main
from tests.waiting import LIMIT

_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        __name__,
        *(
            f"leadmasterd.cli.{module}"
            for module in ("cmd_run", "cmd_status", "cmd_history", "cmd_web", "leads_list", "leads_show", "leads_stage")
        ),
        "leadmasterd.web.server",
        *("leadmasterd.settings.model", "sqlite_utils"),  # what the daemon would start a process for
        *("apscheduler.executors.asyncio", "leadmasterd.settings.variables", "rich.table", "segno"),  # imported late
        "tests.parsed",  # what takes most of its start
    ]
)


def run(*words: str, cwd: Path, env: Mapping[str, str], limit: float = LIMIT) -> "subprocess.CompletedProcess[str]":
    """`leadmasterd WORDS` until its end, at most so many seconds, as subprocess.run would run it."""
    with TemporaryDirectory() as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        process = Forked(*words, cwd=cwd, env=env, output=output, errors=errors)
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return subprocess.CompletedProcess(words, code, output.read_text(), errors.read_text())


def on_terminal(
    *words: str, columns: int, rows: int, cwd: Path, env: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """The same on a terminal of this size, which shows `stdout`; stderr goes elsewhere."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    with TemporaryDirectory() as folder:
        errors = Path(folder, "errors")
        process = Forked(*words, cwd=cwd, env=env, output=Path(os.ttyname(follower)), errors=errors)

        # Ours is the only end until the process has opened its own; reading ends with the last one.
        def close_ours() -> None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(LIMIT)
            os.close(follower)

        closing_ours = threading.Thread(target=close_ours)
        closing_ours.start()
        shown = b""
        with suppress(OSError), open(leader, "rb", buffering=0) as terminal:  # noqa: PTH123 - a descriptor
            while part := terminal.read(4096):
                shown += part
        closing_ours.join()
        assert process.returncode is not None
        return subprocess.CompletedProcess(words, process.returncode, shown.decode(), errors.read_text())


class Forked:
    """A running `leadmasterd WORDS`, with the methods of subprocess.Popen that tests use.

    `output` and `errors` are files, created if they are missing and written at their end; or a terminal. `session`: it
    leads a session of its own. `new_python`: what it becomes starts anew, as it does outside of tests.
    """

    def __init__(
        self,
        *words: str,
        cwd: Path,
        env: Mapping[str, str],
        output: Path,
        errors: Path | None = None,
        session: bool = False,
        new_python: bool = False,
    ) -> None:
        given = {"words": words, "cwd": cwd, "env": dict(env), "output": output, "errors": errors or output}
        self._process = _CONTEXT.Process(target=_run, kwargs={**given, "session": session, "new_python": new_python})
        self._process.start()
        self.pid: Final = self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, at most so many seconds; returns its exit code."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Signal it, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def _run(
    *,
    words: tuple[str, ...],
    cwd: Path,
    env: dict[str, str],
    output: Path,
    errors: Path,
    session: bool,
    new_python: bool,
) -> None:
    """What the forked process does, as if a shell had started it."""
    if session:
        os.setsid()
    if not new_python:
        os.execve = _go_on_as  # type: ignore[assignment]
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    for number, file in ((1, output), (2, errors)):
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOCTTY, 0o666)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", buffering=1 if os.isatty(1) else -1)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", buffering=1, errors="backslashreplace")
    sys.argv = ["leadmasterd", *words]
    sys.exit(main(list(words)))


def _go_on_as(_python: str, command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """`python -P -m MODULE WORDS` within this process."""
    os.environ.clear()
    os.environ.update(environment)
    module, sys.argv = command[3], [command[0], *command[4:]]
    runpy.run_module(module, run_name="__main__")
    sys.exit(0)
