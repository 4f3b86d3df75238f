"""One child's life: exit, end of file and lines are three separate facts, and a stop leaves no process."""

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from leadmasterd.listener.child import NODE_HEAP, CannotStart, Child, environment_for
from leadmasterd.supervisor.timing import Timing
from leadmasterd.wire.decode import MAX_LINE
from tests.processes import adopting_orphans
from tests.waiting import until

PROGRAMS = Path(__file__).parent / "programs"
PATIENT = Timing()
BRISK = replace(PATIENT, stop_ask=0.2, stop_term=0.3, stop_kill=5)
MARKER = "lm-test-of-a-child"


@pytest.fixture(autouse=True)
def _subreaper() -> Iterator[None]:
    with adopting_orphans():
        yield


class Heard:
    """A child and everything it reported."""

    child: Child

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.raw: list[bytes] = []
        self.oversize: list[tuple[bytes, int]] = []
        self.cut: list[bytes] = []

    def on_lines(self, lines: Sequence[bytes]) -> None:
        self.raw += lines
        self.lines += [line.decode("utf-8", "replace") for line in lines]

    async def says(self, text: str) -> str:
        """Wait for a line that begins like this."""
        await until(lambda: any(line.startswith(text) for line in self.lines))
        return next(line for line in self.lines if line.startswith(text))


async def start(program: str, *arguments: str) -> Heard:
    """Start one of the tests' programs as the daemon starts Node."""
    heard = Heard()
    path = str(PROGRAMS / program)
    command = [sys.executable, path] if program.endswith(".py") else [path]
    heard.child = await Child.start(
        [*command, *arguments],
        environment=environment_for({"a": 1}),
        marker=MARKER,
        on_lines=heard.on_lines,
        on_oversize=lambda head, length: heard.oversize.append((head, length)),
        on_cut=heard.cut.append,
    )
    return heard


@asynccontextmanager
async def living(program: str, *arguments: str, timing: Timing = BRISK) -> AsyncIterator[Heard]:
    """A child that is stopped at the end."""
    heard = await start(program, *arguments)
    try:
        yield heard
    finally:
        await heard.child.stop(timing)


def alive(*pids: int) -> list[int]:
    """The pids that are still alive."""
    found = []
    for pid in pids:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except psutil.NoSuchProcess:
            pass
    return found


@pytest.mark.parametrize("code", [0, 3, 78])
async def test_the_exit_code_is_the_childs(code: int) -> None:
    """It is known as soon as the process is gone."""
    async with living("exits_at_once.sh", str(code)) as heard:
        assert await asyncio.wait_for(asyncio.shield(heard.child.exited), 10) == code
        await heard.says('{"said":"hello"}')


async def test_a_child_that_is_killed_has_a_negative_code() -> None:
    """It is the negative signal number."""
    async with living("ignores_sigterm.sh") as heard:
        await heard.says("ready")
        os.kill(heard.child.pid, signal.SIGKILL)
        assert await asyncio.wait_for(asyncio.shield(heard.child.exited), 10) == -signal.SIGKILL


async def test_a_program_that_is_not_there_can_not_be_started() -> None:
    """The error names it in one sentence, and no descriptor leaks."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not walked
    for _ in range(20):
        with pytest.raises(CannotStart, match=r"cannot start /nowhere/node: no such file"):
            await Child.start(
                ["/nowhere/node"],
                environment={},
                marker=MARKER,
                on_lines=lambda _: None,
                on_oversize=lambda *_: None,
                on_cut=lambda _: None,
            )
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


async def test_a_child_whose_pipes_cannot_be_connected_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else knows of it, so nobody else would end it. No descriptor leaks."""

    async def refuses(*_: object) -> None:
        raise OSError(errno.ENOMEM, "no memory")

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not walked

    before, open_before = set(psutil.Process().children()), descriptors()
    monkeypatch.setattr(asyncio.get_running_loop(), "connect_write_pipe", refuses)
    with pytest.raises(OSError, match="no memory"):
        await start("hears_stop.py")
    await until(lambda: set(psutil.Process().children()) == before)
    await until(lambda: descriptors() == open_before)


async def test_an_orphan_that_holds_the_pipe_does_not_hide_the_exit() -> None:
    """The exit is known at once; the end of the file comes when the orphan is killed."""
    async with living("orphan_holds_the_pipe.sh") as heard:
        assert await asyncio.wait_for(asyncio.shield(heard.child.exited), 10) == 7
        orphan = int((await heard.says("orphan ")).split()[1])
        assert alive(orphan)
        assert not heard.child.ended.done()
    assert alive(orphan) == []


async def test_a_child_that_hears_stop_leaves_by_itself() -> None:
    """It is asked on stdin, not killed, and its last lines are read."""
    heard = await start("hears_stop.py")
    await heard.says("ready")
    heard.child.send("ping", n=7)
    await heard.says('told {"type": "ping", "n": 7}')
    await heard.child.stop(PATIENT)
    assert heard.lines[-2:] == ['told {"type": "stop"}', "bye"]
    assert await heard.child.exited == 0


async def test_a_child_that_does_not_hear_stop_gets_sigterm() -> None:
    """Its last lines are read."""
    heard = await start("hears_sigterm.sh")
    await heard.says("ready")
    await heard.child.stop(replace(BRISK, stop_term=20))
    assert heard.lines == ["ready", "last"]
    assert await heard.child.exited == 0


async def test_a_child_that_ignores_sigterm_is_killed() -> None:
    """It is asked, then signalled, then killed, in bounded time."""
    heard = await start("ignores_sigterm.sh")
    await heard.says("ready")
    since = time.monotonic()
    await heard.child.stop(BRISK)
    assert time.monotonic() - since < BRISK.stop_ask + BRISK.stop_term + BRISK.stop_kill + 2
    assert await heard.child.exited == -signal.SIGKILL


@pytest.mark.parametrize("how", ["stay", "leave"])
async def test_grandchildren_in_sessions_of_their_own_are_killed_too(how: str) -> None:
    """Their parent may be alive or have exited before."""
    async with living("hides_grandchildren.py", how) as heard:
        await until(lambda: heard.lines)
        parent, *grandchildren = (int(pid) for pid in heard.lines[0].split())
        # theirs only: with `leave` the parent may be gone at any moment
        assert len({os.getsid(pid) for pid in grandchildren} - {os.getsid(0)}) == 2
        assert len(grandchildren) == 2
        if how == "leave":
            assert await asyncio.wait_for(asyncio.shield(heard.child.exited), 10) == 3
    assert alive(parent, *grandchildren) == []


async def test_stopping_twice_and_stopping_the_dead_is_nothing() -> None:
    """The daemon stops its child once more at its own end."""
    heard = await start("exits_at_once.sh")
    await asyncio.shield(heard.child.exited)
    for _ in range(3):
        await asyncio.wait_for(heard.child.stop(PATIENT), PATIENT.stop_ask)
    heard.child.send("ping", n=1)
    heard.child.pause_reading()
    heard.child.resume_reading()


@pytest.mark.parametrize("size", [3_000_000, 50_000_000])
async def test_a_line_too_long_is_counted_and_the_next_is_read(size: int) -> None:
    """Of three or fifty megabytes only the length and the beginning are kept."""
    async with living("long_lines.py", str(size), timing=PATIENT) as heard:
        await heard.says("after")
        assert heard.lines == ["before", "after"]
        assert heard.oversize == [(b"x" * 200, size)]


async def test_the_longest_line_allowed_arrives_whole() -> None:
    """It has one mebibyte."""
    async with living("long_lines.py", str(MAX_LINE), timing=PATIENT) as heard:
        await heard.says("after")
        assert [len(line) for line in heard.lines] == [6, MAX_LINE, 5]


async def test_a_line_cut_by_the_childs_death_is_told() -> None:
    """It is reported after the whole lines, and not as one of them."""
    async with living("dies_in_a_line.py") as heard:
        await asyncio.wait_for(asyncio.shield(heard.child.ended), 10)
        assert heard.lines == ['{"n":1}', '{"n":2}']
        assert heard.cut == [b'{"cut']


async def test_garbage_between_lines_is_passed_on_as_it_is() -> None:
    """The protocol's decoder handles it."""
    async with living("garbage_between.py") as heard:
        await heard.says('{"n":2}')
        assert heard.raw == [b'{"n":1}', b"DevTools listening", b"\xff\xfe\0", b"", b"\r", b'{"n":2}']


async def test_a_child_that_writes_much_and_leaves_is_read_to_its_end() -> None:
    """This holds even if reading was paused and the stop came first."""
    heard = await start("spews.py", "100000")
    await until(lambda: heard.lines)
    heard.child.pause_reading()
    assert heard.child.reading_paused
    paused_at = len(heard.lines)
    await heard.child.stop(PATIENT)
    assert paused_at < len(heard.lines) == 100_000
    assert [int(line.split()[0]) for line in heard.lines] == list(range(100_000))


async def test_a_child_that_reads_nothing_costs_bounded_memory() -> None:
    """Commands to it are dropped."""
    async with living("ignores_sigterm.sh") as heard:
        await heard.says("ready")
        for n in range(3000):
            heard.child.send("sweep", sweep=n, chats={"x" * 1000: n})
        assert heard.child._stdin.get_write_buffer_size() < 3 << 20


async def test_the_child_has_a_session_of_its_own_and_nothing_it_should_not_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C reaches only us, and it inherits no settings, no systemd variables and no open files."""
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setenv("WATCHDOG_USEC", "1")
    monkeypatch.setenv("LEADMASTERD_STATE_DIR", "/secret")
    async with living("shows_itself.py") as heard:
        seen = json.loads(await heard.says("{"))
    assert seen["session"] is True
    assert seen["environment"] == ["LEADMASTERD_LISTENER", "PATH"]
    assert seen["files"] == [0, 1, 2, 3], "3 is the folder it looked into"


def test_the_options_travel_as_one_json_object() -> None:
    """They are in one environment variable."""
    assert json.loads(environment_for({"profile": "/p", "ñ": [1]})["LEADMASTERD_LISTENER"]) == {
        "profile": "/p",
        "ñ": [1],
    }


def test_nodes_heap_is_bounded_unless_somebody_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real Node takes both bounds from its environment, and of two values the last."""

    def limit() -> float:
        code = "console.log(require('v8').getHeapStatistics().heap_size_limit / 2 ** 20)"
        return float(
            subprocess.run(["node", "-e", code], env=environment_for({}), capture_output=True, check=True).stdout
        )

    assert NODE_HEAP <= limit() < 2 * NODE_HEAP
    monkeypatch.setenv("NODE_OPTIONS", "--max-old-space-size=900")
    assert 900 <= limit() < 1000


def test_node_takes_one_arena_of_malloc_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thread's own would keep what it has freed."""
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    assert environment_for({})["MALLOC_ARENA_MAX"] == "1"
    monkeypatch.setenv("MALLOC_ARENA_MAX", "4")
    assert environment_for({})["MALLOC_ARENA_MAX"] == "4"


async def test_two_hundred_starts_leave_no_file_and_no_thread() -> None:
    """A child that dies at once may be restarted forever."""

    async def one() -> None:
        heard = await start("exits_at_once.sh", "1")
        await asyncio.shield(heard.child.exited)
        # what `stop` does, without the search for a process tree, which would be slow two hundred times
        await asyncio.shield(heard.child.ended)
        heard.child._stdin.close()
        assert heard.lines == ['{"said":"hello"}']

    heard = await start("exits_at_once.sh")
    await heard.child.stop(PATIENT)
    files, threads = len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208
    for _ in range(20):
        await asyncio.gather(*(one() for _ in range(10)))
    await until(lambda: len(os.listdir("/proc/self/fd")) <= files)  # noqa: PTH208
    await until(lambda: threading.active_count() <= threads)
