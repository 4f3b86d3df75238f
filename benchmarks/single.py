"""One message at a time, from the byte on the pipe to the durable commit, against a raw commit of the same rows."""

import asyncio
import os
import sqlite3
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, percentile
from benchmarks.lines import CHATS, chat_of, message_line, ready_line
from leadmasterd.capture import CaptureRules
from leadmasterd.daemon.intake import Intake
from leadmasterd.listener.framing import LineReader
from leadmasterd.store.database import open_for_writing
from leadmasterd.store.messages import INSERT_ALIAS, INSERT_MESSAGE, INSERT_RAW, MessageRow, RawRow
from leadmasterd.store.writer import Writer

MESSAGES = 5000


def run() -> list[Figure]:
    """Ours and raw in turn, so that both meet the same machine."""
    with tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name:
        ours, raw = asyncio.run(_both(Path(name)))
    ours_p99, raw_p99 = percentile(ours, 99), percentile(raw, 99)
    return [
        Figure(
            name="one message, pipe to durable commit: p99 against a raw commit's p99",
            number=ours_p99 / raw_p99,
            unit="x",
            measured=f"{ours_p99 / raw_p99:.1f}x ({ours_p99 * 1000:.2f} ms; raw {raw_p99 * 1000:.2f} ms)",
            promised="at most 10x",
            held=ours_p99 <= 10 * raw_p99,
        )
    ]


async def _both(folder: Path) -> tuple[list[float], list[float]]:
    loop = asyncio.get_running_loop()
    committed = asyncio.Event()
    done_at = 0.0

    def durable(_: object) -> None:
        nonlocal done_at
        done_at = time.perf_counter()
        loop.call_soon_threadsafe(committed.set)

    writer = Writer(folder / "ours.db", on_batch=durable, on_error=print)
    writer.start()
    intake = Intake(
        CaptureRules(), writer, on_lifecycle=lambda _: None, on_missing=lambda _: None, on_pressure=lambda _: None
    )
    read, write = os.pipe()
    transport, _ = await loop.connect_read_pipe(
        lambda: LineReader(intake.lines, intake.oversize, intake.cut_short), os.fdopen(read, "rb", 0)
    )
    raw = open_for_writing(folder / "raw.db")
    raw.execute("PRAGMA foreign_keys = OFF")
    os.write(write, ready_line())
    await committed.wait()
    ours_times, raw_times = [], []
    for number in range(MESSAGES):
        committed.clear()
        line = message_line(number, number + 2)
        began = time.perf_counter()
        os.write(write, line)
        await committed.wait()
        ours_times.append(done_at - began)
        raw_times.append(_raw_commit(raw, number, line))
    os.close(write)
    transport.close()
    writer.stop(10)
    raw.close()
    return ours_times, raw_times


def _raw_commit(raw: sqlite3.Connection, number: int, line: bytes) -> float:
    at = "2026-11-23T12:00:00.000Z"
    text = line.decode()
    chat = chat_of(number)
    row = tuple(
        MessageRow(
            message_id=number + 1,
            account_id=1,
            conversation_id=number % CHATS + 1,
            direction="in",
            author="contact",
            type="chat",
            body="Hola, buenas tardes!",
            sent_at=at,
            captured_at=at,
            captured_via="live",
            readable_at=at,
            revoked_at=None,
            sender=chat,
            notify_name="Ana",
            saved_name=None,
            business=False,
            truncated=False,
            forwarded=False,
            media=None,
            quoted=None,
            referral=None,
            details=None,
            marks=None,
            stanza_id=f"3EB0{os.urandom(9).hex().upper()}",
            group_id="",
            participant="",
            wire_t=number,
        )
    )
    line_row = tuple(RawRow(1, number + 1, at, text))
    began = time.perf_counter()
    raw.execute("BEGIN IMMEDIATE")
    raw.execute(INSERT_MESSAGE, row)
    raw.execute(INSERT_ALIAS, (number + 1, chat, ""))
    raw.execute(INSERT_RAW, line_row)
    raw.execute("COMMIT")
    return time.perf_counter() - began
