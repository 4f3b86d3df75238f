"""A program of Node beside the tests, that answers each line of JSON with one."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


@asynccontextmanager
async def running(program: str, *arguments: str) -> AsyncIterator[Ask]:
    """`program`: the name of a file in this folder."""
    process = await asyncio.create_subprocess_exec(
        *("node", str(Path(__file__).with_name(program)), *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )

    async def ask(question: dict[str, Any]) -> dict[str, Any]:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(question).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await process.stdout.readline())
        return answer

    try:
        yield ask
    finally:
        process.kill()
        await process.wait()
