"""One life of the Node child: started, read line by line, sent commands, and stopped for good.

The pipes are our own, because asyncio's `wait()` on its pipes waits until nobody holds them: an orphaned Chromium
would keep it waiting for a dead child. With ours, exit, end of file and lines stay three separate facts.
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
"""MiB, three times what was needed at most: 81 MB for 1,000 live messages of 20 KB at once, 78 MB for 5,000 of 1 KB,
29 MB for a sweep of 20,000 into a pipe that nobody read for half a minute. Node's own limit grows with the machine."""
NODE_YOUNG: Final = 2
"""MiB of each half of the space for new objects, which Node lets grow to 16 and keeps. With 2 it takes some 10 MB less
when idle, and no more processor time for a sweep (1.28 s for 5,000 messages with 2, 4 and 16; 1.36 s with 1)."""
_ARENAS: Final = {"MALLOC_ARENA_MAX": "1"}
"""glibc gives each thread a part of the heap of its own and keeps what is free there: 1.5 MB of Node when idle."""
_PIPE_BYTES: Final = 1 << 20
_DRAIN_SECONDS: Final = 1.0
_HIGH_WATER: Final = 1 << 20


class CannotStart(Exception):
    """The child could not be spawned; the text says why."""


class Child:
    """A running child. Made by `start`; `exited` is done with its exit code as soon as the process is gone."""

    def __init__(self, process: asyncio.subprocess.Process, marker: str) -> None:
        self.process = process
        self.marker = marker
        self._born = _created(process.pid)
        self.exited: asyncio.Task[int] = asyncio.create_task(  # noqa: TID251 - held here, awaited by `stop`
            process.wait(), name="waiting for the child's exit"
        )
        self._reader: LineReader
        self._stdout: asyncio.ReadTransport
        self._stdin: asyncio.WriteTransport
        self._paused = False
        self.ended_well = False

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
        """Spawn it in a session of its own, so that Ctrl-C reaches only us. Raises CannotStart."""
        loop = asyncio.get_running_loop()
        out_read, out_write = os.pipe()
        in_read, in_write = os.pipe()
        with contextlib.suppress(OSError):  # room for bursts; a container may forbid it
            fcntl.fcntl(out_write, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=in_read, stdout=out_write, stderr=None, start_new_session=True, env=dict(environment)
            )
        except OSError as error:
            os.close(out_read)
            os.close(in_write)
            raise CannotStart(
                _("cannot start {program}: {why}").format(program=argv[0], why=causes.of_system(error))
            ) from error
        finally:
            os.close(out_write)
            os.close(in_read)
        child = cls(process, marker)
        child._stdout, child._reader = await loop.connect_read_pipe(
            lambda: LineReader(on_lines, on_oversize, on_cut), os.fdopen(out_read, "rb", 0)
        )
        child._stdin, _protocol = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(in_write, "wb", 0))
        return child

    @property
    def pid(self) -> int:
        """Node's process id."""
        return self.process.pid

    @property
    def ended(self) -> "asyncio.Future[None]":
        """Done when everybody who could write to its stdout is gone, and all that was written has been read."""
        return self._reader.closed

    def send(self, type_: str, **fields: object) -> None:
        """Send a command. It is lost if the child no longer reads; the supervisor will replace that child."""
        if not self._stdin.is_closing() and self._stdin.get_write_buffer_size() < _HIGH_WATER:
            self._stdin.write(decode.command(type_, **fields))

    @property
    def reading_paused(self) -> bool:
        """Whether we, and not the child, are why no line comes."""
        return self._paused

    def pause_reading(self) -> None:
        """Let the pipe fill up: the child then queues, and drops what a sweep can backfill."""
        if not self._paused and not self._stdout.is_closing():
            self._stdout.pause_reading()
            self._paused = True

    def resume_reading(self) -> None:
        """Read on after `pause_reading`."""
        if self._paused and not self._stdout.is_closing():
            self._stdout.resume_reading()
            self._paused = False

    async def stop(self, timing: Timing) -> None:
        """Ask, insist, kill, verify. Safe when the child is dead already, and idempotent.

        Afterwards `ended_well` says whether it left by itself when asked, so that its profile is whole. Lines are read
        until the end, so nothing that was written before the stop is lost.
        """
        self.resume_reading()
        self.send("stop")
        was_alive = not self.exited.done()
        if await self._ends_within(timing.stop_ask):
            self.ended_well = self.exited.result() == 0 if was_alive else self.ended_well
        else:
            tree.signal_all(await self._members(), signal.SIGTERM)
            await self._ends_within(timing.stop_term)
        with contextlib.suppress(TimeoutError):  # another process may still hold the write end
            async with asyncio.timeout(_DRAIN_SECONDS):
                await asyncio.shield(self._reader.closed)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timing.stop_kill
        while members := await self._members():
            tree.signal_all(members, signal.SIGKILL)
            if loop.time() > deadline:
                break
            await asyncio.sleep(0.02)
        for transport in (self._stdin, self._stdout):
            if not transport.is_closing():
                transport.close()
        await self._reader.closed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timing.stop_kill):
                await asyncio.shield(self.exited)
        await asyncio.to_thread(tree.reap_orphans, frozenset({self.pid}))

    async def _members(self) -> list[psutil.Process]:
        return await asyncio.to_thread(tree.find_ours, self.marker, since=self._born)

    async def _ends_within(self, seconds: float) -> bool:
        """True when Node is gone and everything of its tree as well."""
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(self.exited)
        except TimeoutError:
            return False
        return True


def _created(pid: int) -> float:
    """Its creation time by psutil, which counts from the boot's whole second: up to a second before our own clock."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:  # it has exited already
        return time.time() - 1.1


def command_for(node: Path, marker: str) -> list[str]:
    """The child's command line."""
    return [str(node), str(ENTRY), f"--instance={marker}"]


def environment_for(options: Mapping[str, object]) -> dict[str, str]:
    """The child's environment: ours without our settings, plus its options as one JSON object and bounds of memory.

    NODE_OPTIONS of our own environment come last, and so hold; MALLOC_ARENA_MAX of it holds too.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEADMASTERD_")}
    inherited.pop("NOTIFY_SOCKET", None)
    inherited.pop("WATCHDOG_USEC", None)
    bounds = f"--max-old-space-size={NODE_HEAP} --max-semi-space-size={NODE_YOUNG}"
    inherited["NODE_OPTIONS"] = f"{bounds} {inherited.get('NODE_OPTIONS', '')}".strip()
    return {**_ARENAS, **inherited, "LEADMASTERD_LISTENER": json.dumps(options)}
