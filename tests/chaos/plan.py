"""The whole schedule from a seed: the messages, the faults, and what must be in the database at the end.

Pure: the same seed gives the same schedule. When things really happen depends on the machine and differs each time.
Every message has its own id and text, so a lost or duplicated one can be named.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from tests.chaos.mix import DECK, MIX, WAYS, Value

FIRST_CUSTOMER: Final = 5491155551000
CUSTOMERS: Final = 300
MAX_BURST: Final = 60
MOST_IN_CROWDS: Final = 1 / 3
"""Of all messages, so that some are left for every other fault."""
EVENING: Final = 3
"""Messages before the day away."""
DAY: Final = 1_020
"""Messages of the day away. From 1,000 on the page stores what waited before it is synced, emits none of it, and then
has only the newest of each chat in memory."""
LASTS: Final = (0.2, 4.0)
"""Seconds of a fault, from and to. Half of them are below a quarter of that."""
HOSTED: Final = 0.1
"""How much comes from a business's device at a provider, whose ids have a server of their own."""
TOLD: Final = ("before", "between", "after")
"""When WhatsApp says that two ids are one person's: before a message comes under the first, between both, or after."""
AS_THE_PAGE: Final = 0.75
"""How likely a way is the page's own in a round."""
Side = Literal["mixed", "page", "old"]
SIDES: Final[tuple[Side, ...]] = ("mixed", "page", "old")


@dataclass(frozen=True, slots=True)
class Act:
    """One request to the stand-in."""

    action: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Expected:
    """A message that must be in the database exactly once, in its last form."""

    stanza_id: str
    body: str
    slot: int
    kind: str
    customer: str
    own: bool = False
    mapped: bool = False
    """WhatsApp said with it which ids are the customer's: a LID beside the phone, or the phone at a provider."""


@dataclass(frozen=True, slots=True)
class Round:
    """Messages before a fault, the fault, and messages while it lasts."""

    calm: tuple[Act, ...]
    fault: str
    during: tuple[Act, ...]
    seconds: float
    """How long the fault lasts, or the daemon stays down."""
    patient: bool
    """Whether to wait for ready before; otherwise the fault may meet the recovery from the last one."""
    ways: Mapping[str, Value]
    """How the page behaves from here on; some of it only from its next load on."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole schedule of a run."""

    seed: int
    rounds: tuple[Round, ...]
    expected: tuple[Expected, ...]
    day: tuple[Act, ...] = ()
    """A burst of the evening before, then those of a day away; none in a run too small for it. Their slot is -1.

    Played with the page's own ways: by the old ones nobody can tell a failure to read back from the end of a chat.
    """

    def where(self, slot: int) -> str:
        """The round of a message of this slot, and whether its fault had begun."""
        if slot < 0:
            return "the day away"
        number, down = divmod(slot, 2)
        each = self.rounds[number]
        unlike = ", ".join(f"{name} {value}" for name, value in each.ways.items() if value != WAYS[name][0])
        when = f"round {number + 1}, {'during' if down else 'before'}: {each.fault}"
        return f"{when}{' with ' * bool(unlike)}{unlike}"


@dataclass(slots=True)
class _Draft:
    """A plan in the making. Slot 2n is before the fault of round n, slot 2n+1 during it."""

    slots: list[list[Act]]
    expected: list[Expected] = field(default_factory=list)

    def add(self, slot: int, action: str, **body: object) -> None:
        """Add an act to a slot, or to the last one if that is beyond it."""
        self.slots[min(slot, len(self.slots) - 1)].append(Act(action, body))


def make_plan(seed: int, messages: int, faults: int, *, side: Side = "mixed") -> Plan:
    """A plan with that many messages and faults, on a page with the ways of that side."""
    chance = random.Random(seed)
    deck = _deck(chance)
    kinds = [next(deck) for _ in range(faults)]
    draft = _Draft([[] for _ in range(2 * faults)])
    day = _day(draft, chance) if messages * MOST_IN_CROWDS >= DAY else ()
    for number, kind in enumerate(kinds):
        if len(draft.expected) + MIX[kind].crowd <= messages * MOST_IN_CROWDS:
            _crowd(draft, chance, 2 * number + 1, MIX[kind].crowd)
    while (left := messages - len(draft.expected)) > 0:
        slot = chance.randrange(len(draft.slots))
        if left >= 3 and chance.random() < 0.02:
            _burst(draft, chance, slot, chance.randint(3, min(left, MAX_BURST)))
        else:
            _message(draft, chance, slot)
    ways = _ways(random.Random(f"ways {seed}"), side)
    rounds = tuple(
        Round(
            calm=tuple(draft.slots[2 * number]),
            fault=kinds[number],
            during=tuple(draft.slots[2 * number + 1]),
            seconds=_seconds(chance),
            patient=chance.random() < 0.75,
            ways=next(ways),
        )
        for number in range(faults)
    )
    return Plan(seed, rounds, tuple(draft.expected), day)


def _seconds(chance: random.Random) -> float:
    shortest, longest = LASTS
    return round(shortest + (longest - shortest) * chance.random() ** 2, 2)


def _deck(chance: random.Random) -> Iterator[str]:
    """The deck of faults, shuffled, again and again."""
    while True:
        yield from chance.sample(DECK, len(DECK))


def _day(draft: _Draft, chance: random.Random) -> tuple[Act, ...]:
    """Bursts with a slot of their own."""
    day = _Draft([[]], draft.expected)
    _burst(day, chance, 0, EVENING)
    _crowd(day, chance, 0, DAY)
    draft.expected[:] = [replace(each, slot=-1) for each in draft.expected]
    return tuple(day.slots[0])


def _ways(chance: random.Random, side: Side) -> Iterator[Mapping[str, Value]]:
    """The ways of each round, from their own random source, so that the rest of a plan is the same on every side."""
    likely = {"mixed": AS_THE_PAGE, "page": 1.0, "old": 0.0}[side]
    while True:
        ways = {
            name: of_page if chance.random() < likely else (others[0] if side == "old" else chance.choice(others))
            for name, (of_page, *others) in WAYS.items()
        }
        if not ways["find_local"]:
            ways["paging"] = "old"  # the page's own reads by what is missing then (WAWebDBMessageFindLocal)
        yield ways


def _crowd(draft: _Draft, chance: random.Random, slot: int, count: int) -> None:
    while count > 0:
        _burst(draft, chance, slot, min(count, MAX_BURST))
        count -= MAX_BURST


def _burst(draft: _Draft, chance: random.Random, slot: int, count: int) -> None:
    number = len(draft.expected)
    nonce = f"ráfaga {number}"
    stanza_id = f"CHAOS{number:06d}"
    first = FIRST_CUSTOMER + chance.randrange(CUSTOMERS - 20)
    spread = chance.choice([1, 20])
    draft.add(
        slot,
        "deliver",
        **{"from": str(first), "body": nonce + ".{n}", "id": stanza_id, "count": count},
        spread=spread,
    )
    draft.expected += [
        Expected(f"{stanza_id}-{n + 1}", f"{nonce}.{n + 1}", slot, "burst", str(first + n % spread))
        for n in range(count)
    ]


def _aside(draft: _Draft, chance: random.Random, slot: int, stanza_id: str, phone: str) -> None:
    """Sometimes add a reaction or a call, which is not counted."""
    match chance.randrange(20):
        case 0:
            draft.add(slot, "react", id=stanza_id, emoji=chance.choice(["👍", "❤️", ""]), from_me=chance.random() < 0.3)
        case 1:
            draft.add(slot, "call", **{"from": phone, "log": False}, video=chance.random() < 0.5)
        case _:
            pass


def _message(draft: _Draft, chance: random.Random, slot: int) -> None:
    number = len(draft.expected)
    stanza_id = f"CHAOS{number:06d}"
    body = f"mensaje {number}"
    customer = chance.randrange(CUSTOMERS)
    kind = chance.choices(
        ["plain", "edited", "revoked", "ciphertext", "again", "both ids"], weights=[70, 8, 6, 6, 5, 5]
    )[0]
    own = kind in ("plain", "edited") and chance.random() < 0.25
    lid = f"{70_000_000_000 + customer}" if customer % 3 == 0 else None
    if lid is None and kind == "both ids":
        kind = "again"
    phone = str(FIRST_CUSTOMER + customer)
    hosted = chance.random() < HOSTED and kind != "both ids"
    who = {"to" if own else "from": phone, "id": stanza_id}
    if hosted:
        who |= {"to" if own else "from": f"{lid}@hosted.lid" if lid else f"{phone}@hosted"}
    # Some come under the phone, some under the LID, and for some WhatsApp does not tell the LID.
    elif lid and (draw := chance.random()) < 0.8 and kind != "both ids":
        who |= {"lid": lid} | ({"addressing": "pn"} if draw < 0.25 else {})
    later = slot + chance.choice([0, 0, 1, 1, 2, 3])
    # Without a mapping the two ids would be two people, and two rows would be right. In turn: small plans have few.
    told = TOLD[sum(each.kind == "both ids" for each in draft.expected) % len(TOLD)]
    if kind == "both ids" and told == "before":
        draft.add(slot, "contact", phone=phone, lid=lid)
    if kind == "ciphertext":
        draft.add(slot, "ciphertext", **who)
    else:
        draft.add(slot, "own" if own else "deliver", body=body, **who)
    match kind:
        case "ciphertext":
            draft.add(later, "decrypt", id=stanza_id, body=body)
        case "edited":
            body += ", corregido"
            draft.add(later, "edit", id=stanza_id, body=body, sealed=chance.random() < 0.5)
        case "revoked":
            draft.add(later, "revoke", id=stanza_id)
        case "again":
            draft.add(later, "same", id=stanza_id, times=chance.randint(1, 4), wait=0)
        case "both ids":
            if told == "between":
                draft.add(later, "contact", phone=phone, lid=lid)
            draft.add(later, "same", id=stanza_id, lid=lid, wait=0)
            if told == "after":
                draft.add(later + 1, "contact", phone=phone, lid=lid)
        case _:
            _aside(draft, chance, later, stanza_id, phone)
    mapped = "lid" in who or (hosted and lid is None) or kind == "both ids"
    draft.expected.append(Expected(stanza_id, body, slot, kind, phone, own, mapped))
