"""A contact's history as pure values, in the order in which it happened, and the bursts it consists of.

Times are whole milliseconds since 1970 UTC. The order never depends on the order of capture: at one time the customer's
messages come first, then calls (missed ones first), answers, reactions, decisions and merges; then the own id decides.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from hashlib import blake2b
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple

from leadmasterd.classify.intents import Signals

PROMPT_MS: Final = 10_000
"""Their first words so soon after our first message may be a machine's: a person has to read it first."""
_NEXT_PART_MS: Final = 5_000
"""A machine that sends a picture, a greeting and a menu sends each part this soon after the one before."""
LONGEST_BURST: Final = 100
"""Messages. Who goes on and on says nothing new, and each message must cost the same to judge."""
NEVER: Final = 1 << 60
INSTANT_MS: Final = 5_000
"""A long text of ours so soon after the first words of a burst was not typed."""


class Inbound(NamedTuple):
    """An inbound message. A tuple, as `Answered`: each fold makes one per message, in a fifth of the time."""

    at: int
    conversation: int
    message_id: int
    own_id: str
    type: str
    text: str
    readable: bool = True
    edited: bool = False
    earlier: tuple[str, ...] = ()
    """Of an edited message: its texts before, oldest first."""
    saved: bool = False
    business: bool = False
    ad: bool = False
    media: bool = False
    about_product: bool = False
    """It quotes a product."""
    on_status: bool = False
    """It answers a status of ours."""


class Answered(NamedTuple):
    """An outgoing message by a person, from any device."""

    at: int
    conversation: int
    own_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A call. An answered one is an answer, in either direction."""

    at: int
    conversation: int
    own_id: str
    outgoing: bool
    answered: bool


@dataclass(frozen=True, slots=True)
class Reacted:
    """Our reaction."""

    at: int
    conversation: int
    own_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A person moved the lead to another stage. `number`: the order of the decisions."""

    at: int
    conversation: int
    stage: str
    actor: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dismissed:
    """A person said that what waited needs no answer. `seen`: the time of the last that they knew of."""

    at: int
    conversation: int
    seen: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A person merged two contacts. Until then each has a history of its own."""

    at: int
    kept: int
    merged: int
    actor: str
    number: int


SHARED_TYPES: Final = frozenset(
    {
        "product", "order", "payment", "event_creation", "groups_v4_invite", "newsletter_admin_invite",
        "newsletter_follower_invite",
    }
)  # fmt: skip
"""What a person shares on purpose: money, a thing for sale, a date, an invitation."""

Event = Inbound | Called | Answered | Reacted | Decided | Dismissed | Merged
_RANK = {Inbound: 0, Called: 1, Answered: 2, Reacted: 3, Decided: 4, Dismissed: 4, Merged: 5}


@dataclass(frozen=True, slots=True)
class Burst:
    """Inbound messages that belong together, because people split their sentences. `first_contact`: their first one;
    `prompt`: within seconds of our first message.
    """

    messages: tuple[Inbound, ...]
    first_contact: bool
    prompt: bool = False

    @property
    def at(self) -> int:
        return self.messages[0].at

    @property
    def conversation(self) -> int:
        return self.messages[0].conversation

    @property
    def first_message_id(self) -> int:
        return self.messages[0].message_id

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple([message.text for message in self.messages])

    @property
    def key(self) -> str:
        """Identifies these messages in this state: with one more, or one edited, it is a new burst to classify."""
        parts = ",".join(
            [
                f"{each.message_id}{'' if each.readable else '?'}{f'/{len(each.earlier)}' if each.edited else ''}"
                for each in self.messages
            ]
        )
        text = f"{parts}|{'1' if self.first_contact else '0'}{'|prompt' if self.prompt else ''}"
        return blake2b(text.encode(), digest_size=12).hexdigest()

    @property
    def saved(self) -> bool:
        """Whether they were in the operator's address book."""
        return True in [each.saved for each in self.messages]

    @property
    def ad(self) -> bool:
        """Whether they came from an ad."""
        return True in [each.ad for each in self.messages]

    @property
    def shares(self) -> bool:
        """Whether something was shared that somebody must look at, whatever the words with it."""
        return not SHARED_TYPES.isdisjoint([each.type for each in self.messages])

    @property
    def signals(self) -> Signals:
        """What the classifier gets besides the text."""
        if len(self.messages) == 1:  # of most bursts
            [only] = self.messages
            return Signals._make(  # in order, as it takes a third of the time
                (
                    only.saved,
                    only.business,
                    self.first_contact,
                    self.prompt,
                    only.ad,
                    only.media,
                    only.about_product,
                    (only.type,),
                )
            )
        return Signals(
            saved_contact=self.saved,
            business_account=any(each.business for each in self.messages),
            first_contact=self.first_contact,
            prompt_reply=self.prompt,
            ad_referral=self.ad,
            has_media=any(each.media for each in self.messages),
            about_product=any(each.about_product for each in self.messages),
            types=tuple(each.type for each in self.messages),
        )

    def earlier_texts(self) -> Iterator[tuple[str, ...]]:
        """The texts as they were before each edit of each message."""
        for position, message in enumerate(self.messages):
            for text in message.earlier:
                yield (*self.texts[:position], text, *self.texts[position + 1 :])


Step = Burst | Called | Answered | Reacted | Decided | Dismissed | Merged


_when: Final = attrgetter("at")


def in_order(events: Iterable[Event]) -> list[Event]:
    """Sorted by their places; only events of one time need to be told apart by more than their time."""
    in_time = sorted(events, key=_when)
    times = list(map(_when, in_time))
    return in_time if len({*times}) == len(times) else sorted(in_time, key=_place)


def _place(event: Event) -> tuple[int, int, bool, str]:
    if isinstance(event, Inbound | Answered):  # most are
        return event.at, _RANK[type(event)], False, event.own_id
    answered = isinstance(event, Called) and event.answered
    own_id = f"{event.number:012d}" if isinstance(event, Decided | Dismissed | Merged) else event.own_id
    return event.at, _RANK[type(event)], answered, own_id


@dataclass(frozen=True, slots=True)
class Boundary:
    """A moment that parts a history: nothing that is later can change how what is earlier is read.

    No burst goes on beyond it, and no run of prompt messages. `steps`, `events`: how many of those given came earlier.
    """

    at: int
    steps: int
    events: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A stretch of a history as steps, and where it may be parted."""

    steps: list[Step]
    boundaries: list[Boundary]
    events: int
    """How many events that is."""


def steps(
    events: Sequence[Event],
    burst_ms: int,
    people: Mapping[int, int],
    threads: Mapping[int, int],
    *,
    written_to: Mapping[int, int] | None = None,
    received: Set[int] = frozenset(),
    wrote: Set[int] = frozenset(),
    every: int = NEVER,
    may_part: Callable[[int], bool] = lambda _at: True,
) -> Reading:
    """Ordered events, with inbound messages joined to bursts; a burst stands where it began.

    A burst ends with a silence of `burst_ms`, with `LONGEST_BURST` messages, and with anything that we do in its
    thread, except a call that was not taken; and prompt messages share no burst with later ones. `people`:
    conversation -> whose it is; `threads`: conversation -> which WhatsApp thread it is part of; `written_to`: thread ->
    when anything of ours was first sent there.

    Of a stretch that begins at a boundary: `received`: threads where something had come in before; `wrote`: the people
    who had written. `every`: boundaries are at least so many events apart; `may_part`: of a moment, what else decides.
    """
    found: list[Step | list[Inbound]] = []
    boundaries: list[Boundary] = []
    running: dict[int, list[Inbound]] = {}
    prompt, prompt_times = _prompt_messages(events, threads, written_to or {}, received)
    last_at, wanted = -1, every
    for number, event in enumerate(events):
        if (
            number >= wanted
            and event.at > last_at
            and not any(begins < event.at <= ends for begins, ends in prompt_times)
            and not any(_goes_on(burst, event.at, burst_ms) for burst in running.values())
            and may_part(event.at)
        ):
            boundaries.append(Boundary(event.at, len(found), number))
            wanted = number + every
        last_at = event.at
        if isinstance(event, Inbound):
            burst = running.get(event.conversation)
            if burst is not None and prompt and (event.message_id in prompt) != (burst[-1].message_id in prompt):
                burst = None
            if burst is not None and _goes_on(burst, event.at, burst_ms):
                burst.append(event)
            else:
                running[event.conversation] = burst = [event]
                found.append(burst)
            continue
        if running and not isinstance(event, Merged) and (not isinstance(event, Called) or event.answered):
            thread = threads[event.conversation]
            running = {each: burst for each, burst in running.items() if threads[each] != thread}
        found.append(event)
    already_wrote = set(wrote)
    done: list[Step] = []
    for step in found:
        if isinstance(step, list):
            person = people[step[0].conversation]
            done.append(Burst(tuple(step), person not in already_wrote, prompt=step[0].message_id in prompt))
            already_wrote.add(person)
        else:
            done.append(step)
    return Reading(done, boundaries, len(events))


def _goes_on(burst: Sequence[Inbound], at: int, burst_ms: int) -> bool:
    """Whether a message at this time would still be part of it."""
    return at - burst[-1].at < burst_ms and len(burst) < LONGEST_BURST


def _prompt_messages(
    events: Iterable[Event], threads: Mapping[int, int], written_to: Mapping[int, int], received: Set[int]
) -> tuple[Set[int], Collection[tuple[int, int]]]:
    """The ids of the first messages in a thread where we wrote first, if they came within seconds.

    And of each such thread from when until when they, or a next part of them, may come.
    """
    until: dict[int, int] = dict.fromkeys(received, -1)
    found = set()
    times: dict[int, tuple[int, int]] = {}
    beginning = {*threads.values()}
    for event in events:
        if isinstance(event, Inbound):
            thread = threads[event.conversation]
            ours = written_to.get(thread)
            if thread not in until:
                until[thread] = ours + PROMPT_MS if ours is not None and ours < event.at else event.at - 1
            if event.at <= until[thread]:
                found.add(event.message_id)
                until[thread] = max(until[thread], event.at + _NEXT_PART_MS)
                times[thread] = times.get(thread, (event.at, 0))[0], until[thread]
            else:
                beginning.discard(thread)
                if not beginning:
                    break
    return found, times.values()


class Heard(NamedTuple):
    """What is remembered of a thread while its messages are looked at in order, to tell what nobody typed. Times.

    `first`: of the first inbound message of the running burst; `last`: of the last inbound one; `ours`: of the last
    that a person on our side wrote; `written`: of the first that was sent from our side. None: of none yet.
    """

    first: int | None = None
    last: int | None = None
    ours: int | None = None
    written: int | None = None


NOTHING_HEARD: Final = Heard()


class Sent(NamedTuple):
    """An outgoing message that could have been typed. `automatic`: by its body; `long`: too long for a few seconds."""

    at: int
    own_id: str
    message_id: int
    automatic: bool
    long: bool


def quick_replies(
    inbound: Sequence[int], outgoing: Sequence[tuple[int, int]], within_ms: int, before: Heard = NOTHING_HEARD
) -> list[int]:
    """The ids of outgoing messages (time, id) at most `within_ms` after an inbound one (time). Both in any order."""
    events = sorted([(at, 0, 0) for at in inbound] + [(at, 1, message_id) for at, message_id in outgoing])
    last = before.last
    quick = []
    for at, is_outgoing, message_id in events:
        if not is_outgoing:
            last = at
        elif last is not None and at - last <= within_ms:
            quick.append(message_id)
    return quick


def untyped(
    inbound: Sequence[int],
    outgoing: Sequence[Sent],
    burst_ms: int,
    before: Heard = NOTHING_HEARD,
    *,
    trail: list[tuple[int, Heard]] | None = None,
) -> set[int]:
    """The ids of one thread's outgoing messages that nobody typed. To `trail` what is remembered after each is added.

    `inbound`: times, in any order. A long one is untyped within seconds of the first words of a burst, unless a person
    on our side wrote shortly before them: they may have been typing since then. What nobody typed ends no burst.
    """
    events = sorted(
        [*((at, 0, "", None) for at in inbound), *((each.at, 1, each.own_id, each) for each in outgoing)],
        key=itemgetter(0, 1, 2),
    )
    first, last, ours, written = before
    found = set()
    for at, _rank, _own_id, sent in events:
        if sent is None:
            if first is None or last is None or at - last >= burst_ms:
                first = at
            last = at
        elif sent.automatic or (
            sent.long and first is not None and at - first <= INSTANT_MS and (ours is None or first - ours >= burst_ms)
        ):
            found.add(sent.message_id)
        else:
            first, ours = None, at
        if trail is not None:
            trail.append((at, Heard(first, last, ours, written)))
    return found
