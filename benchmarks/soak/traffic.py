"""What a shop's number hears day after day, as requests to the stand-in. Pure: a seed gives the same traffic."""

import heapq
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
OPENING: Final = 9
"""The hour of the day at which the traffic begins."""
BY_HOUR: Final = (4, 2, 1, 1, 1, 2, 5, 12, 30, 55, 70, 72, 62, 48, 40, 44, 52, 64, 74, 78, 68, 46, 26, 11)
"""How much is written in each hour of the day, in proportion."""
TALKS_A_DAY: Final = 200
"""Conversations that begin in a day: some 600 messages, ours included."""
KNOWN: Final = 400
"""Customers who wrote before, few of them often."""
NEW: Final = 0.15
"""How many talks are of somebody who never wrote before."""
FIRST_PHONE: Final = 5491155560000
CUTS_A_DAY: Final = 4
"""How often the connection is gone for less than a minute."""
LONG_CUT_EVERY: Final = 3
"""On each such day it is gone for a quarter of an hour too, which takes a restart of the listener."""
_ASKS: Final = (
    "Hola, ¿qué precio tiene {thing}?",
    "Buenas, ¿tenés {thing}? ¿Hacés envíos?",
    "Hola! Quería saber si queda {thing}",
    "¿Cuánto sale {thing}? ¿Aceptan tarjeta?",
    "dale, gracias",
    "¿A qué hora abren hoy?",
    "Te paso la dirección: calle {number}, casi esquina",
    "¿Y en otro color?",
)
_ANSWERS: Final = ("Hola, sí, nos queda {thing}", "Sale {number} pesos", "Sí, hacemos envíos", "Hoy abrimos a las 9")
_THINGS: Final = ("la mesa de pino", "el combo de 12 empanadas", "una torta de chocolate", "el sillón", "la remera")
_MEDIA: Final[tuple[Mapping[str, Any], ...]] = (
    {"type": "image", "mimetype": "image/jpeg", "directPath": "/v/soak", "caption": "¿Tenés este? {number}"},
    {"type": "ptt", "mimetype": "audio/ogg", "duration": "14", "directPath": "/v/soak"},
    {"type": "document", "mimetype": "application/pdf", "filename": "{number}.pdf", "directPath": "/v/soak"},
    {"type": "sticker", "mimetype": "image/webp", "directPath": "/v/soak"},
)


@dataclass(frozen=True, slots=True, order=True)
class Happening:
    """One request to the stand-in, at so many seconds of the shop's own time."""

    at: float
    number: int
    """Its place among those of one moment."""
    action: str = field(compare=False)
    body: Mapping[str, Any] = field(compare=False)
    message: str | None = field(compare=False, default=None)
    """The id of the message that must then be in the database exactly once."""


def traffic(seed: int) -> Iterator[Happening]:
    """Without end, in the order of time; it begins at nine in the morning."""
    return _Shop(random.Random(seed)).days()


class _Shop:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._waiting: list[Happening] = []
        self._number = 0
        self._newcomers = 0

    def days(self) -> Iterator[Happening]:
        hour = 0
        while True:
            of_day = (OPENING + hour) % 24
            if of_day == OPENING:
                self._cuts(hour * HOUR, long=hour // 24 % LONG_CUT_EVERY == LONG_CUT_EVERY - 1)
            for _ in range(self._talks(TALKS_A_DAY * BY_HOUR[of_day] / sum(BY_HOUR))):
                self._talk((hour + self._chance.random()) * HOUR)
            hour += 1
            while self._waiting and self._waiting[0].at < hour * HOUR:
                yield heapq.heappop(self._waiting)

    def _talks(self, expected: float) -> int:
        """So many on average: the whole part, and one more as often as the rest says."""
        return math.floor(expected) + (self._chance.random() < expected % 1)

    def _add(self, at: float, action: str, *, message: str | None = None, **body: Any) -> None:
        self._number += 1
        heapq.heappush(self._waiting, Happening(at, self._number, action, body, message=message))

    def _customer(self) -> str:
        if self._chance.random() < NEW:
            self._newcomers += 1
            return str(FIRST_PHONE + KNOWN + self._newcomers)
        return str(FIRST_PHONE + int(KNOWN * self._chance.random() ** 3))

    def _talk(self, at: float) -> None:
        customer, chance = self._customer(), self._chance
        for _ in range(chance.choices((1, 2, 3), weights=(5, 3, 1))[0]):
            self._message(at, customer, own=False)
            at += chance.uniform(5, 60)
        if chance.random() < 0.75:
            at += chance.expovariate(1 / 600)
            for _ in range(chance.choices((1, 2), weights=(3, 1))[0]):
                self._message(at, customer, own=True)
                at += chance.uniform(5, 40)

    def _message(self, at: float, customer: str, *, own: bool) -> None:
        chance = self._chance
        words = {"thing": chance.choice(_THINGS), "number": f"{self._number}"}
        stanza_id = f"SOAK{self._number:08d}"
        if not own and chance.random() < 0.15:
            body = {key: str(value).format(**words) for key, value in chance.choice(_MEDIA).items()}
        else:
            body = {"body": chance.choice(_ANSWERS if own else _ASKS).format(**words)}
        action, party = ("own", "to") if own else ("deliver", "from")
        self._add(at, action, message=stanza_id, id=stanza_id, **{party: customer}, **body)
        which = {"id": stanza_id, "chat": f"{customer}@c.us"}
        match chance.randrange(100):
            case 0 | 1 | 2 if "body" in body:
                self._add(at + 45, "edit", body=f"{body['body']} (corregido)", **which)
            case 3:
                self._add(at + 90, "revoke", **which)
            case 4 | 5 | 6 | 7 | 8:
                self._add(at + 120, "react", emoji=chance.choice(("👍", "❤️", "🙏")), from_me=not own, **which)
            case _:
                pass

    def _cuts(self, day: float, *, long: bool) -> None:
        """When the connection is gone, in the day that begins then."""
        for _ in range(CUTS_A_DAY):
            self._cut(day + self._chance.uniform(600, DAY - 1200), self._chance.uniform(15, 45))
        if long:
            self._cut(day + 19 * HOUR, 900)  # at four in the morning

    def _cut(self, at: float, seconds: float) -> None:
        self._add(at, "offline")
        self._add(at + seconds, "online")
