"""Lines out of a pipe, with an upper bound: asyncio's own `readline` fails on long lines and returns their tails.

Lines, the end of the file and the child's exit are three facts that come in any order; this is the first two.
"""

import asyncio
from collections.abc import Callable, Sequence

from leadmasterd.wire.decode import MAX_LINE


class LineReader(asyncio.Protocol):
    """Frames a pipe. `on_lines` gets the complete lines of one read; `on_oversize` the head and length of a longer one.

    `on_cut` gets what came after the last newline when the pipe ends: a line cut by the child's death. Then `closed` is
    done.
    """

    def __init__(
        self,
        on_lines: Callable[[Sequence[bytes]], None],
        on_oversize: Callable[[bytes, int], None],
        on_cut: Callable[[bytes], None],
        max_line: int = MAX_LINE,
    ) -> None:
        self._on_lines = on_lines
        self._on_oversize = on_oversize
        self._on_cut = on_cut
        self._max = max_line
        self._buffer = b""
        self._skipped = 0
        self._head = b""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Split into lines. An unfinished one is buffered, or skipped to its end when it grows too long."""
        if self._skipped:
            end = data.find(b"\n")
            if end < 0:
                self._skipped += len(data)
                return
            self._on_oversize(self._head, self._skipped + end)
            self._skipped = 0
            data = data[end + 1 :]
        if self._buffer and b"\n" not in data and len(self._buffer) + len(data) <= self._max:
            self._buffer += data
            return
        *lines, rest = (self._buffer + data).split(b"\n")
        self._buffer = rest
        if any(len(line) > self._max for line in lines):
            lines = self._without_oversized(lines)
        if lines:
            self._on_lines(lines)
        if len(rest) > self._max:
            self._skipped, self._head, self._buffer = len(rest), rest[:200], b""

    def _without_oversized(self, lines: list[bytes]) -> list[bytes]:
        for line in lines:
            if len(line) > self._max:
                self._on_oversize(line[:200], len(line))
        return [line for line in lines if len(line) <= self._max]

    def connection_lost(self, exc: Exception | None) -> None:
        """The last writer is gone."""
        if self._skipped:
            self._on_oversize(self._head, self._skipped)
        elif self._buffer:
            self._on_cut(self._buffer)
        self._buffer = b""
        if not self.closed.done():
            self.closed.set_result(None)
