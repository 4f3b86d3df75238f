"""The lines that benchmarks feed to the daemon, as the child writes them."""

import json
import os
from pathlib import Path
from typing import Final

from tests import wire

BODY: Final = "Hola, buenas tardes! cuánto sale el combo de 12 empanadas con envío a Caballito?"
CHATS: Final = 500


def chat_of(number: int) -> str:
    """The chat of message `number`: one of 500, none of them the listening number's own."""
    return f"549115555{1000 + number % CHATS}@c.us"


def message_line(number: int, seq: int, body: str = BODY) -> bytes:
    """A live message of about 1 KB, with its newline."""
    chat = chat_of(number)
    message = wire.message(
        f"3EB0{os.urandom(9).hex().upper()}",
        chat=chat,
        t=1795300000 + number,
        body=body,
        seq=seq,
        at=1795400220000 + number,
        contact=wire.contact(phone=chat),
        data={"type": "chat", "filler": "x" * 300},
    )
    return _compact(message)


def ready_line() -> bytes:
    """The line that names the account of the messages that follow, with its newline."""
    return _compact(wire.ready())


def write_lines(file: Path, number: int) -> None:
    """The account's line, and so many messages."""
    with file.open("wb") as lines:
        lines.write(ready_line())
        for each in range(number):
            lines.write(message_line(each, each + 2))


def _compact(message: dict[str, object]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
