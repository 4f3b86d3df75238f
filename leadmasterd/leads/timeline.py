"""A contact's history as pure values, in the order in which it happened, and the bursts it consists of.

Times are whole milliseconds since 1970 UTC. The order never depends on the order of capture: within one time the
customer's words come first, then calls (missed ones first), answers, reactions, decisions, and then the own id decides.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from typing import NamedTuple

from leadmasterd.classify.intents import Signals


class Inbound(NamedTuple):
    """An inbound message. One is made of every message each time: a tuple is made in a fifth of a dataclass's time."""

    at: int
    conversation: int
    message_id: int
    own_id: str
    type: str
    text: str
    readable: bool = True
    edited: bool = False
    earlier: tuple[str, ...] = ()
    """What an edited message said before, oldest first."""
    saved: bool = False
    business: bool = False
    ad: bool = False
    media: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """An own message by a person, from any device."""

    at: int
    conversation: int
    own_id: str


@dataclass(frozen=True, slots=True)
class Called:
    """A call. Answered, it is an answer, whoever rang."""

    at: int
    conversation: int
    own_id: str
    outgoing: bool
    answered: bool


@dataclass(frozen=True, slots=True)
class Reacted:
    """The operator's own reaction."""

    at: int
    conversation: int
    own_id: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A person moved the lead to another stage."""

    at: int
    conversation: int
    stage: str
    actor: str
    number: int


@dataclass(frozen=True, slots=True)
class Merged:
    """A person said that two contacts are one. What was before that moment stays what it was of each."""

    at: int
    kept: int
    merged: int
    actor: str
    number: int


Event = Inbound | Called | Answered | Reacted | Decided | Merged
_RANK = {Inbound: 0, Called: 1, Answered: 2, Reacted: 3, Decided: 4, Merged: 5}


@dataclass(frozen=True, slots=True)
class Burst:
    """Inbound messages that belong together, because people split their sentences."""

    messages: tuple[Inbound, ...]
    first_contact: bool

    @property
    def at(self) -> int:
        """When it began."""
        return self.messages[0].at

    @property
    def conversation(self) -> int:
        """Where."""
        return self.messages[0].conversation

    @property
    def texts(self) -> tuple[str, ...]:
        """The words, message by message."""
        return tuple(message.text for message in self.messages)

    @property
    def key(self) -> str:
        """Names these messages in this state: with another one, or one edited, it is another burst to classify."""
        parts = [
            f"{each.message_id}{'' if each.readable else '?'}{f'/{len(each.earlier)}' if each.edited else ''}"
            for each in self.messages
        ]
        text = f"{','.join(parts)}|{self.first_contact:d}"
        return blake2b(text.encode(), digest_size=12).hexdigest()

    @property
    def saved(self) -> bool:
        """Whether the operator had a name for them."""
        return any(each.saved for each in self.messages)

    @property
    def ad(self) -> bool:
        """Whether it came from an ad."""
        return any(each.ad for each in self.messages)

    @property
    def signals(self) -> Signals:
        """What is known besides the words."""
        return Signals(
            saved_contact=self.saved,
            business_account=any(each.business for each in self.messages),
            first_contact=self.first_contact,
            ad_referral=self.ad,
            has_media=any(each.media for each in self.messages),
            types=tuple(each.type for each in self.messages),
        )

    def earlier_texts(self) -> Iterator[tuple[str, ...]]:
        """The words as they were before each edit of each message."""
        for position, message in enumerate(self.messages):
            for text in message.earlier:
                yield (*self.texts[:position], text, *self.texts[position + 1 :])


Step = Burst | Called | Answered | Reacted | Decided | Merged


def in_order(events: Iterable[Event]) -> list[Event]:
    """The one order, whatever order they were captured in."""
    return sorted(events, key=_place)


def _place(event: Event) -> tuple[int, int, bool, str]:
    answered = isinstance(event, Called) and event.answered
    own_id = f"{event.number:012d}" if isinstance(event, Decided | Merged) else event.own_id
    return event.at, _RANK[type(event)], answered, own_id


def steps(events: Sequence[Event], burst_ms: int, people: Mapping[int, int], threads: Mapping[int, int]) -> list[Step]:
    """Ordered events with their inbound messages joined to bursts. `people`: whose a conversation is; `threads`: which
    WhatsApp thread it is part of.

    A burst ends with a silence of `burst_ms`, and with anything that the operator does; a call of ours that nobody took
    is nothing. It stands where it began.
    """
    found: list[Step | list[Inbound]] = []
    running: dict[int, list[Inbound]] = {}
    for event in events:
        if isinstance(event, Inbound):
            burst = running.get(event.conversation)
            if burst is not None and event.at - burst[-1].at < burst_ms:
                burst.append(event)
            else:
                running[event.conversation] = burst = [event]
                found.append(burst)
            continue
        if not isinstance(event, Called | Merged) or (isinstance(event, Called) and event.answered):
            thread = threads[event.conversation]
            running = {each: burst for each, burst in running.items() if threads[each] != thread}
        found.append(event)
    heard: set[int] = set()
    done: list[Step] = []
    for step in found:
        if isinstance(step, list):
            who = people[step[0].conversation]
            done.append(Burst(tuple(step), who not in heard))
            heard.add(who)
        else:
            done.append(step)
    return done


def quick_replies(said: Sequence[tuple[int, int]], own: Sequence[tuple[int, int]], within_ms: int) -> list[int]:
    """Of own messages (time, id) those within `within_ms` after an inbound one (time, id). Both in order of time."""
    events = sorted([(at, 0, number) for at, number in said] + [(at, 1, number) for at, number in own])
    last: int | None = None
    quick = []
    for at, group in groupby(events, key=lambda event: event[0]):
        for _, is_own, number in group:
            if not is_own:
                last = at
            elif last is not None and at - last <= within_ms:
                quick.append(number)
    return quick
