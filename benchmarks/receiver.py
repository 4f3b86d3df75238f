"""A receiver of webhooks, as a program: `python -m benchmarks.receiver --port N --log FILE [--fails SHARE]`.

Each event that it takes is a line of FILE: stream and number, as the benchmark put them into the data. Those that it
refuses get 503, as from an overloaded server.
"""

import argparse
import random
from pathlib import Path

from aiohttp import web


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--fails", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    with given.log.open("a", buffering=1) as file:

        async def take(request: web.Request) -> web.Response:
            event = await request.json()
            if chance.random() < given.fails:
                return web.Response(status=503)
            data = event["data"]
            file.write(f"{data.get('stream', 0)} {data.get('number', 0)}\n")
            return web.Response(status=204)

        application = web.Application()
        application.router.add_post("/", take)
        web.run_app(application, host="127.0.0.1", port=given.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
