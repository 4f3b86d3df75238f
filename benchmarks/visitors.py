"""Browsers that visit the page, as a program of its own so that they cost the measuring one nothing.

`ask PATH…`: so many clients send so many requests in all, in turn to each path, and then print what became of them as
one JSON object. `stay`: so many open pages, which listen to events and fetch what has changed as the page's own script
does, until stdin ends.
"""

import argparse
import asyncio
import json
import os
import re
import sys
import time
from collections import Counter
from typing import Final

import aiohttp

_LEAST_PAUSE: Final = 0.25
"""Seconds between two looks at one section, as in live.js."""
_SECTION: Final = re.compile(r'data-live="([^"]+)"[^>]*data-on="([^"]+)"')


async def ask(client: aiohttp.ClientSession, paths: list[str], *, clients: int, requests: int) -> None:
    """Print how many answers there were by status, and the seconds that each took."""
    statuses: Counter[str] = Counter()
    seconds: list[float] = []
    turns = iter(range(requests))

    async def work() -> None:
        for number in turns:
            began = time.perf_counter()
            try:
                async with client.get(paths[number % len(paths)], allow_redirects=False) as answer:
                    await answer.read()
                    statuses[str(answer.status)] += 1
            except aiohttp.ClientError as error:
                statuses[type(error).__name__] += 1
            seconds.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as tasks:
        for number in range(clients):
            tasks.create_task(work(), name=f"client {number}")
    print(json.dumps({"statuses": statuses, "seconds": seconds}))


async def stay(client: aiohttp.ClientSession, path: str, *, pages: int) -> None:
    """Print a line for each page once it listens, and how many sections were fetched at the end."""
    # Browsers are on other machines: on this one they give way at once to what is measured meanwhile.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    looks = 0

    async def page() -> None:
        nonlocal looks
        async with client.get(path) as answer:
            sections = [
                (url.replace("&amp;", "&"), {*names.split()}) for url, names in _SECTION.findall(await answer.text())
            ]
        due: set[str] = set()
        woken = asyncio.Event()
        async with client.get("/events", timeout=aiohttp.ClientTimeout(total=None)) as stream:
            print("listening", flush=True)
            looking = asyncio.get_running_loop().create_task(look(due, woken))
            try:
                async for line in stream.content:
                    if line.startswith(b"event: "):
                        event = line.removeprefix(b"event: ").strip().decode()
                        due.update(url for url, names in sections if event in names)
                        woken.set()
            finally:
                looking.cancel()

    async def look(due: set[str], woken: asyncio.Event) -> None:
        nonlocal looks
        while True:
            await woken.wait()
            woken.clear()
            urls = [*due]
            due.clear()
            for url in urls:
                async with client.get(url) as answer:
                    await answer.read()
                looks += 1
            await asyncio.sleep(_LEAST_PAUSE)

    async with asyncio.TaskGroup() as tasks:
        staying = [tasks.create_task(page(), name=f"page {number}") for number in range(pages)]
        await asyncio.to_thread(sys.stdin.read)
        for each in staying:
            each.cancel()
    print(looks)


async def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("ask", "stay"))
    parser.add_argument("paths", nargs="+", metavar="PATH")
    parser.add_argument("--url", required=True)
    parser.add_argument("--cookie", required=True, metavar="NAME=VALUE")
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--requests", type=int, default=0)
    given = parser.parse_args()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(given.url, headers={"Cookie": given.cookie}, connector=connector) as client:
        if given.what == "ask":
            await ask(client, given.paths, clients=given.clients, requests=given.requests)
        else:
            await stay(client, given.paths[0], pages=given.clients)


if __name__ == "__main__":
    asyncio.run(main())
