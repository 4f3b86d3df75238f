"""One life of the Node child: started, read line by line, sent commands, and stopped for good.

The pipes are our own, because asyncio's `wait()` on its own pipes waits until nobody holds them: an orphaned Chromium
would keep it waiting for a dead child. With ours, the exit, the end of the pipe and its lines are independent events.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from leadmasterd import causes
from leadmasterd.listener import tree
from leadmasterd.listener.framing import LineReader
from leadmasterd.supervisor.timing import Timing
from leadmasterd.text import _
from leadmasterd.wire import decode

ENTRY: Final = Path(__file__).resolve().parent.parent.parent / "node_listener" / "src" / "main.js"
NODE_HEAP: Final = 256
"""The limit of Node's heap in MiB. It is three times the most that was needed: 81 MB for 1,000 live messages of 20 KB
at once, 78 MB for 5,000 of 1 KB, 29 MB for a sweep of 20,000 into a pipe that nobody read for half a minute. Node's own
limit grows with the machine."""
NODE_YOUNG: Final = 2
"""MiB of each half of Node's space for new objects, which by default grows to 16 and stays. With 2 Node takes some
10 MB less when idle, and no more processor time for a sweep (1.28 s for 5,000 messages with 2, 4 and 16; 1.36 s with
1)."""
_ARENAS: Final = {"MALLOC_ARENA_MAX": "1"}
"""By default glibc gives each thread its own part of the heap and keeps what is free there: 1.5 MB in an idle Node."""
_PIPE_BYTES: Final = 1 << 20
_DRAIN_SECONDS: Final = 1.0
"""How long `stop` waits for the pipe's end before it kills what still holds it."""
_MOST_UNSENT: Final = 1 << 20
"""Bytes of commands that may wait for a child that does not read. Further commands are dropped."""


class CannotStart(Exception):
    """The child could not be spawned; the text says why."""


class Child:
    """A running child. Create one with `start`, and end it with `stop`."""

    def __init__(self, process: asyncio.subprocess.Process, marker: str) -> None:
        self.process = process
        self.marker = marker
        """An argument on the command lines of Node and of its browser. Together with descent from us since `_born` it
        tells which processes `stop` must kill."""
        self._born = _created(process.pid)
        self.exited: asyncio.Task[int] = asyncio.create_task(  # noqa: TID251 - held here, awaited by `stop`
            process.wait(), name="waiting for the child's exit"
        )
        """Its result is Node's exit code, as soon as Node is gone; others of its tree may still live."""
        # `start` sets these three once the pipes are connected.
        self._reader: LineReader
        self._stdout: asyncio.ReadTransport
        self._stdin: asyncio.WriteTransport
        self._paused = False
        self.ended_well = False
        """Set by `stop`: Node exited by itself with status 0 when it was asked, so the profile is whole."""

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        marker: str,
        on_lines: Callable[[Sequence[bytes]], None],
        on_oversize: Callable[[bytes, int], None],
        on_cut: Callable[[bytes], None],
    ) -> "Child":
        """Spawn a child in a session of its own, so that Ctrl-C reaches only us. Raises CannotStart, OSError.

        `marker`: the one in `argv`, made by `tree.marker_of`. The callbacks are those of `LineReader`. If this fails
        or is cancelled half way, the process is killed: nobody else knows of it yet.
        """
        loop = asyncio.get_running_loop()
        out_read, out_write = os.pipe()
        in_read, in_write = os.pipe()
        output, commands = os.fdopen(out_read, "rb", 0), os.fdopen(in_write, "wb", 0)
        with contextlib.suppress(OSError):  # room for bursts; a container may forbid it
            fcntl.fcntl(out_write, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(output.close)
            on_failure.callback(commands.close)
            try:
                process = await asyncio.create_subprocess_exec(
                    *argv, stdin=in_read, stdout=out_write, stderr=None, start_new_session=True, env=dict(environment)
                )
            except OSError as error:
                raise CannotStart(
                    _("cannot start {program}: {why}").format(program=argv[0], why=causes.of_system(error))
                ) from error
            finally:
                os.close(out_write)
                os.close(in_read)
            on_failure.callback(_kill, process)
            child = cls(process, marker)
            child._stdout, child._reader = await loop.connect_read_pipe(
                lambda: LineReader(on_lines, on_oversize, on_cut), output
            )
            on_failure.callback(child._stdout.close)
            child._stdin, _protocol = await loop.connect_write_pipe(asyncio.Protocol, commands)
            on_failure.pop_all()
        return child

    @property
    def pid(self) -> int:
        """Node's process id."""
        return self.process.pid

    @property
    def ended(self) -> "asyncio.Future[None]":
        """Done when no process can write to its stdout any more, and everything written has been read."""
        return self._reader.closed

    def send(self, type_: str, **fields: object) -> None:
        """Send a command (`decode.command`). Dropped if the child no longer reads: the supervisor will replace it."""
        if not self._stdin.is_closing() and self._stdin.get_write_buffer_size() < _MOST_UNSENT:
            self._stdin.write(decode.command(type_, **fields))

    @property
    def reading_paused(self) -> bool:
        """Whether reading is paused: then no line comes, however much the child writes."""
        return self._paused

    def pause_reading(self) -> None:
        """Read no more lines for now. When the pipe is full, the child queues, then drops what a backfill can fetch."""
        if not self._paused and not self._stdout.is_closing():
            self._stdout.pause_reading()
            self._paused = True

    def resume_reading(self) -> None:
        """Read lines again after `pause_reading`."""
        if self._paused and not self._stdout.is_closing():
            self._stdout.resume_reading()
            self._paused = False

    async def stop(self, timing: Timing) -> None:
        """End the whole tree: ask the child to stop, then SIGTERM, then SIGKILL until no process is left.

        Sets `ended_well`. Lines are read to the end of the pipe, so nothing that was written before is lost. May be
        called again, and for a child that is dead already.
        """
        self.resume_reading()
        self.send("stop")
        was_alive = not self.exited.done()
        if await self._exits_within(timing.stop_ask):
            if was_alive:  # one that was dead before did not end because it was asked
                self.ended_well = self.exited.result() == 0
        else:
            tree.signal_all(await self._live_processes(), signal.SIGTERM)
            await self._exits_within(timing.stop_term)
        with contextlib.suppress(TimeoutError):  # another process may still hold the write end
            async with asyncio.timeout(_DRAIN_SECONDS):
                await asyncio.shield(self._reader.closed)
        await self._kill_all(within=timing.stop_kill)
        for transport in (self._stdin, self._stdout):
            if not transport.is_closing():
                transport.close()
        await self._reader.closed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timing.stop_kill):
                await asyncio.shield(self.exited)
        await asyncio.to_thread(tree.reap_orphans, frozenset({self.pid}))

    async def _kill_all(self, *, within: float) -> None:
        """Kill all processes of the tree, again and again until none is left. Gives up after `within` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while processes := await self._live_processes():
            tree.signal_all(processes, signal.SIGKILL)
            if loop.time() > deadline:
                break
            await asyncio.sleep(0.02)

    async def _live_processes(self) -> list[psutil.Process]:
        return await asyncio.to_thread(tree.find_ours, self.marker, since=self._born)

    async def _exits_within(self, seconds: float) -> bool:
        """Whether Node exits in this time. Others of its tree may still live then."""
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(self.exited)
        except TimeoutError:
            return False
        return True


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended by itself
        process.kill()


def _created(pid: int) -> float:
    """When a process was created, in seconds since 1970; a second ago if it is gone already.

    By psutil, as `tree.find_ours` compares it: psutil's times may be up to a second before those of `time.time`.
    """
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:  # it has exited already
        return time.time() - 1.1


def command_for(node: Path, marker: str) -> list[str]:
    """The child's command line. `marker`: made by `tree.marker_of`; `tree.find_ours` finds the process by it."""
    return [str(node), str(ENTRY), f"--instance={marker}"]


def environment_for(options: Mapping[str, object]) -> dict[str, str]:
    """The child's environment: ours without leadmasterd's settings, its options as JSON, and limits for its memory.

    `options`: `options.child_options`. What our own environment has in NODE_OPTIONS and MALLOC_ARENA_MAX takes
    precedence over these limits.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEADMASTERD_")}
    inherited.pop("NOTIFY_SOCKET", None)
    inherited.pop("WATCHDOG_USEC", None)
    bounds = f"--max-old-space-size={NODE_HEAP} --max-semi-space-size={NODE_YOUNG}"
    inherited["NODE_OPTIONS"] = f"{bounds} {inherited.get('NODE_OPTIONS', '')}".strip()
    return {**_ARENAS, **inherited, "LEADMASTERD_LISTENER": json.dumps(options)}
