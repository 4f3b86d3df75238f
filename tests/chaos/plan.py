"""The whole schedule from a seed: the messages, the faults, and what must be in the database at the end.

Pure: the same seed gives the same schedule. When things really happen depends on the machine and differs each time.
Every message has its own id and text, so a lost or duplicated one can be named.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from tests.chaos.mix import DECK, MIX, WAYS, Value
from tests.e2e.daemon import OUR_PHONE

FIRST_CUSTOMER: Final = 5491155551000
FIRST_LID: Final = 70_000_000_000
CUSTOMERS: Final = 300
WAITERS: Final = 2_000
"""Further customers, each of whom asks once and is sent nothing but copies of our broadcast lists."""
LISTENERS: Final = range(CUSTOMERS + WAITERS, CUSTOMERS + WAITERS + 40)
"""Further customers, of whom nothing comes but by their broadcast lists."""
MAX_BURST: Final = 60
MAX_LIST: Final = 20
"""Recipients of a broadcast list of ours, at most."""
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
EQUAL_IDS: Final = 0.1
"""How many have a message id that another customer's phone has chosen too."""
AGO: Final = (0, 90, 600)
"""Seconds that such a message is old when it comes, if it does not come right after the other: two with one id are told
apart by a minute, but only in one chat."""
SECRETS: Final = 0.04
"""How many messages come beside these in chats that are never captured."""
SECRET: Final = "secreto "
"""How the text of each of those begins, and no other."""
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
    """As the stand-in takes it, but for `ago`: how many seconds old the message is when it comes."""


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

    @property
    def author(self) -> str:
        """Whose it is in the database: a copy of a list is no answer of a person."""
        return "mailing" if self.kind == "our list" else "operator" if self.own else "contact"


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
    secrets: tuple[str, ...]
    """Texts that must be nowhere: of chats with bots, WhatsApp's own accounts, oneself, groups and channels."""
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
    secrets: list[str] = field(default_factory=list)
    customers: dict[str, set[int]] = field(default_factory=dict)
    """Who has a message with an id, by the id."""
    latest: dict[int, str] = field(default_factory=dict)
    """The last of these ids, by slot."""

    def add(self, slot: int, action: str, **body: object) -> None:
        """Add an act to a slot, or to the last one if that is beyond it."""
        self.slots[min(slot, len(self.slots) - 1)].append(Act(action, body))

    def choose_id(self, chance: random.Random, slot: int, customer: int) -> tuple[str, int]:
        """The id of a customer's next message, and how many seconds old it is when it comes.

        Sometimes another customer's phone has chosen the same id, a moment ago or at any other time.
        """
        stanza_id, ago = f"CHAOS{len(self.expected):06d}", 0
        if self.customers and chance.random() < EQUAL_IDS:
            is_near = slot in self.latest and chance.random() < 0.5
            known = self.latest[slot] if is_near else chance.choice([*self.customers])
            if customer not in self.customers[known]:
                stanza_id, ago = known, 0 if is_near else chance.choice(AGO)
        self.customers.setdefault(stanza_id, set()).add(customer)
        self.latest[slot] = stanza_id
        return stanza_id, ago


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
        draw = chance.random()
        if left >= 3 and draw < 0.02:
            _burst(draft, chance, slot, chance.randint(3, min(left, MAX_BURST)))
        elif left >= 2 and draw < 0.035:
            _our_list(draft, chance, slot, chance.randint(2, min(left, MAX_LIST)))
        elif draw < 0.055:
            _their_list(draft, chance, slot)
        elif draw < 0.085:
            _waiter(draft, slot)
        else:
            _message(draft, chance, slot)
        if chance.random() < SECRETS:
            _secret(draft, chance, slot)
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
    return Plan(seed, rounds, tuple(draft.expected), tuple(draft.secrets), day)


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


def _our_list(draft: _Draft, chance: random.Random, slot: int, count: int) -> None:
    """Our own message to a broadcast list: the same words under one id in the chat of each recipient."""
    number = len(draft.expected)
    stanza_id, body = f"CHAOS{number:06d}", f"promoción {number}"
    everybody = [*range(CUSTOMERS), *LISTENERS]
    waiters = sum(each.kind == "waiter" for each in draft.expected)
    customers = {
        CUSTOMERS + chance.randrange(waiters) if waiters and chance.random() < 0.3 else chance.choice(everybody)
        for _ in range(count)
    }
    recipients = {customer: chance.choice(ids_of(customer)) for customer in sorted(customers)}
    draft.add(slot, "own", to=f"{number}@broadcast", recipients=[*recipients.values()], id=stanza_id, body=body)
    draft.expected += [Expected(stanza_id, body, slot, "our list", phone_of(each), own=True) for each in recipients]
    draft.customers[stanza_id] = {*recipients}
    draft.latest[slot] = stanza_id


def _their_list(draft: _Draft, chance: random.Random, slot: int) -> None:
    """A message that came by the sender's broadcast list."""
    number, customer = len(draft.expected), chance.choice(LISTENERS)
    stanza_id, ago = draft.choose_id(chance, slot, customer)
    body, phone = f"¡oferta {number}! ¿Querés una?", phone_of(customer)
    whose = {"from": phone, "broadcastId": f"{number}@broadcast"}
    draft.add(slot, "deliver", id=stanza_id, body=body, ago=ago, **whose)
    draft.expected.append(Expected(stanza_id, body, slot, "their list", phone))


def _waiter(draft: _Draft, slot: int) -> None:
    """Somebody asks, and nobody answers."""
    number = len(draft.expected)
    phone = phone_of(CUSTOMERS + sum(each.kind == "waiter" for each in draft.expected) % WAITERS)
    stanza_id, body = f"CHAOS{number:06d}", f"Hola, ¿qué precio tiene la mesa {number}?"
    draft.add(slot, "deliver", **{"from": phone}, id=stanza_id, body=body)
    draft.expected.append(Expected(stanza_id, body, slot, "waiter", phone))


_NEVER: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    ("deliver", {"from": "867051314767696@bot"}),
    ("own", {"to": "867051314767696@bot"}),
    ("deliver", {"from": "13135550002@c.us"}),
    ("own", {"to": "13135550002@c.us"}),
    ("deliver", {"from": "0@c.us"}),
    ("own", {"to": f"{OUR_PHONE}@c.us"}),
    ("deliver", {"from": "status@broadcast", "author": str(FIRST_CUSTOMER)}),
    ("deliver", {"from": "120363000000000001@newsletter"}),
    ("deliver", {"from": "120363000000000002@g.us", "author": str(FIRST_CUSTOMER)}),
)
"""Chats that are never captured: bots, Meta's among them, WhatsApp itself, oneself, statuses, channels, and groups as
long as nobody wants them."""


def _secret(draft: _Draft, chance: random.Random, slot: int) -> None:
    """A message that must not be captured; half of them under an id that a customer's phone has chosen too."""
    text = f"{SECRET}{len(draft.secrets)}"
    action, party = chance.choice(_NEVER)
    borrowed = draft.latest.get(slot) if chance.random() < 0.5 else None
    stanza_id = borrowed or f"SECRET{len(draft.secrets):06d}"
    draft.add(slot, action, **party, id=stanza_id, body=text)
    chat = party.get("from") or party["to"]
    if chance.random() < 0.3 and not chat.endswith("@broadcast"):
        draft.add(slot + chance.choice([0, 1]), "edit", id=stanza_id, chat=chat, body=f"{text}, corregido")
    draft.secrets.append(text)


def _aside(draft: _Draft, chance: random.Random, slot: int, which: Mapping[str, str], phone: str) -> None:
    """Sometimes add a reaction or a call, which is not counted."""
    match chance.randrange(20):
        case 0:
            emoji, from_me = chance.choice(["👍", "❤️", ""]), chance.random() < 0.3
            draft.add(slot, "react", emoji=emoji, from_me=from_me, **which)
        case 1:
            draft.add(slot, "call", **{"from": phone, "log": False}, video=chance.random() < 0.5)
        case _:
            pass


def _message(draft: _Draft, chance: random.Random, slot: int) -> None:
    body = f"mensaje {len(draft.expected)}"
    customer = chance.randrange(CUSTOMERS)
    stanza_id, ago = draft.choose_id(chance, slot, customer)
    kind = chance.choices(
        ["plain", "edited", "revoked", "ciphertext", "again", "both ids"], weights=[70, 8, 6, 6, 5, 5]
    )[0]
    own = kind in ("plain", "edited") and chance.random() < 0.25
    lid = lid_of(customer)
    if lid is None and kind == "both ids":
        kind = "again"
    phone = phone_of(customer)
    hosted = chance.random() < HOSTED and kind != "both ids"
    who = {"to" if own else "from": phone, "id": stanza_id}
    chat = f"{phone}@c.us"
    if hosted:
        chat = f"{lid}@hosted.lid" if lid else f"{phone}@hosted"
        who |= {"to" if own else "from": chat}
    # Some come under the phone, some under the LID, and for some WhatsApp does not tell the LID.
    elif lid and (draw := chance.random()) < 0.8 and kind != "both ids":
        who |= {"lid": lid} | ({"addressing": "pn"} if draw < 0.25 else {})
        chat = chat if draw < 0.25 else f"{lid}@lid"
    later = slot + chance.choice([0, 0, 1, 1, 2, 3])
    # Without a mapping the two ids would be two people, and two rows would be right. In turn: small plans have few.
    told = TOLD[sum(each.kind == "both ids" for each in draft.expected) % len(TOLD)]
    if kind == "both ids" and told == "before":
        draft.add(slot, "contact", phone=phone, lid=lid)
    if kind == "ciphertext":
        draft.add(slot, "ciphertext", ago=ago, **who)
    else:
        draft.add(slot, "own" if own else "deliver", ago=ago, body=body, **who)
    which = {"id": stanza_id, "chat": chat}
    match kind:
        case "ciphertext":
            draft.add(later, "decrypt", body=body, **which)
        case "edited":
            body += ", corregido"
            draft.add(later, "edit", body=body, sealed=chance.random() < 0.5, **which)
        case "revoked":
            draft.add(later, "revoke", **which)
        case "again":
            draft.add(later, "same", times=chance.randint(1, 4), wait=0, **which)
        case "both ids":
            if told == "between":
                draft.add(later, "contact", phone=phone, lid=lid)
            draft.add(later, "same", lid=lid, wait=0, **which)
            if told == "after":
                draft.add(later + 1, "contact", phone=phone, lid=lid)
        case _:
            _aside(draft, chance, later, which, phone)
    mapped = "lid" in who or (hosted and lid is None) or kind == "both ids"
    draft.expected.append(Expected(stanza_id, body, slot, kind, phone, own, mapped))


def phone_of(customer: int) -> str:
    """The digits of a customer's phone, which name the customer."""
    return str(FIRST_CUSTOMER + customer)


def lid_of(customer: int) -> str | None:
    """The digits of a customer's LID; every third of those who write freely has one."""
    return f"{FIRST_LID + customer}" if customer < CUSTOMERS and customer % 3 == 0 else None


def ids_of(customer: int) -> tuple[str, ...]:
    """The ids that a customer's chat may have."""
    lid = lid_of(customer)
    return (f"{phone_of(customer)}@c.us", *([f"{lid}@lid"] if lid else []))


def customer_of(chat: str) -> str | None:
    """Whose chat an id is, in the canonical form; None for nobody's."""
    digits, _, server = chat.partition("@")
    first = {"c.us": FIRST_CUSTOMER, "lid": FIRST_LID}.get(server)
    if first is None or not digits.isdigit():
        return None
    customer = int(digits) - first
    return phone_of(customer) if 0 <= customer < LISTENERS.stop and chat in ids_of(customer) else None
