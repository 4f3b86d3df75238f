"""HTTP receivers that behave in every way they do, on a real socket."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Request:
    """What came. Header names in lower case."""

    line: str
    headers: Mapping[str, str]
    body: bytes


Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class HttpReceiver:
    """Answers each request by `behaviour`."""

    behaviour: Behaviour
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        try:
            while line := (await reader.readline()).decode().strip():
                headers: dict[str, str] = {}
                while header := (await reader.readline()).decode().strip():
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append(Request(line, headers, body))
                await self.behaviour(writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()


def answers(status: str, *headers: str, body: bytes = b"") -> Behaviour:
    """A whole answer."""
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers))

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(f"{head}\r\n".encode() + body)

    return behave


def writes(data: bytes, *, then_closes: bool = True, a_byte_every: float = 0) -> Behaviour:
    """These bytes, perhaps slowly, and then nothing more."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        if not a_byte_every:
            writer.write(data)
        for byte in data if a_byte_every else b"":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(a_byte_every)
        if then_closes:
            await writer.drain()
            writer.close()
        else:
            await asyncio.sleep(3600)

    return behave


@asynccontextmanager
async def receiving(behaviour: Behaviour, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[HttpReceiver]:
    """A receiver on 127.0.0.1."""
    receiver = HttpReceiver(behaviour)
    tasks: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(receiver.connected(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
