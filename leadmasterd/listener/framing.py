"""Splits what comes out of a pipe into lines of bounded length, and notices the pipe's end.

asyncio's own `readline` fails on a long line, and then returns its tail as a line. The child's exit is no matter of
this module: it may come before or after the last line.
"""

import asyncio
from collections.abc import Callable, Sequence

from leadmasterd.wire.decode import MAX_LINE


class LineReader(asyncio.Protocol):
    """Splits a pipe's bytes into lines, which it gives to the callbacks without their newlines."""

    def __init__(
        self,
        on_lines: Callable[[Sequence[bytes]], None],
        on_oversize: Callable[[bytes, int], None],
        on_cut: Callable[[bytes], None],
        max_line: int = MAX_LINE,
    ) -> None:
        """`on_lines` gets the complete lines of one read; `on_oversize` the first bytes and the length of a longer one.

        `on_cut` gets what came after the last newline when the pipe ends: a line cut off by the child's death.
        `max_line`: bytes.
        """
        self._on_lines = on_lines
        self._on_oversize = on_oversize
        self._on_cut = on_cut
        self._max = max_line
        self._buffer = b""
        self._skipped = 0
        """While an oversized line is read: how many bytes of it were dropped so far. Else 0."""
        self._skipped_head = b""
        """The first bytes of that line."""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the pipe has ended and every callback was called."""

    def data_received(self, data: bytes) -> None:
        """Split `data` into lines. An unfinished line is buffered; one that grows too long is dropped up to its end."""
        if self._skipped:
            end = data.find(b"\n")
            if end < 0:
                self._skipped += len(data)
                return
            self._on_oversize(self._skipped_head, self._skipped + end)
            self._skipped = 0
            data = data[end + 1 :]
        only_continues_line = self._buffer and b"\n" not in data
        if only_continues_line and len(self._buffer) + len(data) <= self._max:
            self._buffer += data
            return
        *lines, rest = (self._buffer + data).split(b"\n")
        self._buffer = rest
        if any(len(line) > self._max for line in lines):
            lines = self._without_oversized(lines)
        if lines:
            self._on_lines(lines)
        if len(rest) > self._max:
            self._skipped = len(rest)
            self._skipped_head = rest[:200]
            self._buffer = b""

    def _without_oversized(self, lines: list[bytes]) -> list[bytes]:
        """Report the oversized ones of these lines, and return the others."""
        for line in lines:
            if len(line) > self._max:
                self._on_oversize(line[:200], len(line))
        return [line for line in lines if len(line) <= self._max]

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when no process can write to the pipe any more: report an unfinished line, and set `closed`."""
        if self._skipped:
            self._on_oversize(self._skipped_head, self._skipped)
        elif self._buffer:
            self._on_cut(self._buffer)
        self._buffer = b""
        if not self.closed.done():
            self.closed.set_result(None)
