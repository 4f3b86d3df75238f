"""Lines from a pipe: whole lines pass, too long ones are counted and skipped, and a cut one is reported."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from leadmasterd.listener.framing import LineReader
from leadmasterd.wire.decode import MAX_LINE


class Heard:
    """A reader and what it reported, in order."""

    def __init__(self, max_line: int) -> None:
        self.lines: list[bytes] = []
        self.oversize: list[tuple[bytes, int]] = []
        self.cut: list[bytes] = []
        self.reader = LineReader(
            self._on_lines, lambda head, size: self.oversize.append((head, size)), self.cut.append, max_line
        )

    def _on_lines(self, lines: Sequence[bytes]) -> None:
        assert lines, "an empty read is nothing to tell"
        self.lines += lines

    def feed(self, *chunks: bytes) -> "Heard":
        """Feed these reads, then the end of the pipe."""
        for chunk in chunks:
            self.reader.data_received(chunk)
        self.reader.connection_lost(None)
        return self


def heard(*chunks: bytes, max_line: int = 8) -> Heard:
    """What a reader makes of these reads."""

    async def read() -> Heard:
        return Heard(max_line).feed(*chunks)

    return asyncio.run(read())


def expected(data: bytes, max_line: int) -> tuple[list[bytes], list[int], list[bytes]]:
    """The same result computed simply from all the bytes at once."""
    *whole, rest = data.split(b"\n")
    long = [len(line) for line in whole if len(line) > max_line]
    if len(rest) > max_line:
        return [line for line in whole if len(line) <= max_line], [*long, len(rest)], []
    return [line for line in whole if len(line) <= max_line], long, [rest] if rest else []


@given(
    st.lists(st.sampled_from([b"\n", b"a", b"bb", b"cccc", b"dddddddd", b"e" * 9, b"\r", b"\xff"]), max_size=30),
    st.data(),
)
def test_however_the_pipe_cuts_it_the_lines_are_the_same(pieces: list[bytes], data: Any) -> None:
    """A read may end within a line, on a newline, or within an overlong line."""
    whole = b"".join(pieces)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=10)) | {0, len(whole)})
    told = heard(*(whole[start:end] for start, end in pairwise(cuts)))
    lines, long, cut = expected(whole, 8)
    assert told.lines == lines
    assert [size for _, size in told.oversize] == long
    assert told.cut == cut


def test_the_longest_line_allowed_is_a_line_and_one_byte_more_is_not() -> None:
    """The limit is the protocol's."""
    told = heard(b"a" * MAX_LINE + b"\n" + b"b" * (MAX_LINE + 1) + b"\nc\n", max_line=MAX_LINE)
    assert told.lines == [b"a" * MAX_LINE, b"c"]
    assert told.oversize == [(b"b" * 200, MAX_LINE + 1)]


def test_of_a_long_line_only_the_head_is_remembered() -> None:
    """Its tail is never read as a line of its own, and memory stays small."""

    async def read() -> Heard:
        told = Heard(MAX_LINE)
        for _ in range(100):
            told.reader.data_received(b"x" * 65536)
        assert len(told.reader._buffer) == 0
        return told.feed(b"tail\nnext\n")

    told = asyncio.run(read())
    assert told.lines == [b"next"]
    assert told.oversize == [(b"x" * 200, 100 * 65536 + 4)]


def test_an_empty_line_is_a_line() -> None:
    """Later code decides what it means."""
    assert heard(b"\n\na\n").lines == [b"", b"", b"a"]


def test_a_pipe_that_ends_well_was_not_cut() -> None:
    """Nothing is left after the last newline."""
    told = heard(b"a\n")
    assert (told.lines, told.cut, told.oversize) == ([b"a"], [], [])


def test_the_end_is_told_once() -> None:
    """`closed` is done at the end and not before."""

    async def read() -> None:
        told = Heard(8)
        told.reader.data_received(b"a")
        assert not told.reader.closed.done()
        told.reader.connection_lost(None)
        assert told.reader.closed.done()
        told.reader.connection_lost(None)
        assert told.cut == [b"a"]

    asyncio.run(read())
