"""What a benchmark gives back, and the lines that all of them feed."""

import json
import os
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypedDict

import leadmasterd


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of the table.

    Rows of two commits are joined by `name`, so it holds nothing that was measured.
    """

    name: str
    number: float
    """What two commits are compared by, unrounded."""
    unit: str
    """`x` for a ratio against the limit measured in the same run."""
    better: Literal["lower", "higher"] = "lower"
    growth: bool = False
    """The number is a difference that should be 0, so a ratio of two of them means nothing."""
    measured: str
    """For people; it may tell more than the number."""
    promised: str
    held: bool


class Row(TypedDict):
    """A figure in the JSON of `--json`."""

    name: str
    number: float
    unit: str
    better: str
    growth: bool
    text: str
    promised: str
    held: bool


class Report(TypedDict):
    """The JSON of `--json`."""

    package: str
    """The folder of the leadmasterd that was measured."""
    rows: list[Row]


def report(figures: Iterable[Figure]) -> Report:
    """The figures, unrounded."""
    return {
        "package": str(Path(leadmasterd.__file__).resolve().parent),
        "rows": [
            {
                "name": figure.name,
                "number": figure.number,
                "unit": figure.unit,
                "better": figure.better,
                "growth": figure.growth,
                "text": figure.measured,
                "promised": figure.promised,
                "held": figure.held,
            }
            for figure in figures
        ],
    }


def percentile(values: Sequence[float], percent: int) -> float:
    """The value below which so many percent lie."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


BODY: Final = "Hola, buenas tardes! cuánto sale el combo de 12 empanadas con envío a Caballito?"


def message_line(number: int, seq: int, body: str = BODY) -> bytes:
    """One live message of about 1 KB, from one of 500 customers, as the child writes it. With its newline."""
    chat = f"549115555{number % 500:04d}@c.us"
    message = {
        "v": 1,
        "type": "message",
        "seq": seq,
        "at": 1795400220000 + number,
        "via": "live",
        "id": {"fromMe": False, "remote": chat, "id": f"3EB0{os.urandom(9).hex().upper()}", "participant": None},
        "t": 1795300000 + number,
        "message_type": "chat",
        "from": chat,
        "to": "5491155550100@c.us",
        "author": None,
        "notify_name": "Ana",
        "body": body,
        "media": None,
        "location": None,
        "contact_cards": [],
        "quoted": None,
        "order": None,
        "reply": None,
        "referral": None,
        "contact": {"saved_name": None, "business": False, "phone": chat, "lid": None},
        "ephemeral_seconds": None,
        "forwarded": False,
        "data": {"type": "chat", "filler": "x" * 300},
    }
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def ready_line() -> bytes:
    """The line that says whose messages follow."""
    account = {"wid": "5491155550100@c.us", "lid": None, "push_name": "Tienda", "platform": "android"}
    ready = {"v": 1, "type": "ready", "seq": 1, "at": 1795400000000, "account": account, "fresh": False}
    return json.dumps({**ready, "web_version": None}).encode() + b"\n"
