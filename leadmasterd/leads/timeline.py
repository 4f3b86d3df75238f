"""A contact's history as pure values: events in order, the bursts they form, and which messages of ours nobody typed.

`projection.history` loads the events, `leads.fold` derives leads from them.

Times are whole milliseconds since 1970 UTC. The order never depends on the order of capture: of events at one time, the
customer's messages come first, then calls (missed ones first), answers, reactions, decisions and merges; of equals the
id that WhatsApp gave them decides (`own_id`). A thread is a WhatsApp chat; several conversations are one thread if they
are the same phone under several spellings.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from hashlib import blake2b
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple

from leadmasterd.classify.intents import Signals

PROMPT_MS: Final = 10_000
"""A customer's first words so soon after our first message are called *prompt*: a machine may have sent them, because a
person would have to read ours first."""
_NEXT_PART_MS: Final = 5_000
"""A machine that sends a picture, a greeting and a menu sends each part this soon after the one before."""
LONGEST_BURST: Final = 100
"""A burst has at most so many messages: more say nothing new, and each message must cost the same to classify."""
NEVER: Final = 1 << 60
"""For `every` in `steps`: more events than any history has, so that there are no boundaries."""
INSTANT_MS: Final = 5_000
"""A long text of ours so soon after the first words of a burst was not typed."""


class Inbound(NamedTuple):
    """An inbound message. It is a tuple, like `Answered`, because every fold makes one per message: making a dataclass
    takes five times as long.
    """

    at: int
    conversation: int
    message_id: int
    own_id: str
    """WhatsApp's id, which does not depend on the order of capture."""
    type: str
    """As WhatsApp names it: chat, image, ptt, ..."""
    text: str
    readable: bool = True
    """Whether its content was decrypted."""
    edited: bool = False
    earlier: tuple[str, ...] = ()
    """Of an edited message: its texts before, oldest first."""
    saved: bool = False
    """Whether its sender was in the operator's address book."""
    business: bool = False
    """Whether it came from a business account."""
    ad: bool = False
    """Whether its sender came from an ad."""
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
    """A reaction of ours to a message."""

    at: int
    conversation: int
    own_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A person moved the lead to another stage."""

    at: int
    conversation: int
    stage: str
    actor: str
    number: int
    """Its id: decisions and dismissals of one time are ordered by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dismissed:
    """A person decided that what waits needs no answer."""

    at: int
    conversation: int
    seen: int
    """The time of the last message that the person had seen when they decided."""
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A person merged two contacts. Until then each is folded as a person of its own (`fold.PersonFold`)."""

    at: int
    kept: int
    """The person that both are from now on."""
    merged: int
    """The other person."""
    actor: str
    number: int


SHARED_TYPES: Final = frozenset(
    {
        "product", "order", "payment", "event_creation", "groups_v4_invite", "newsletter_admin_invite",
        "newsletter_follower_invite",
    }
)  # fmt: skip
"""Message types that a person sends on purpose: money, a thing for sale, a date, an invitation."""

Event = Inbound | Called | Answered | Reacted | Decided | Dismissed | Merged
_RANK = {Inbound: 0, Called: 1, Answered: 2, Reacted: 3, Decided: 4, Dismissed: 4, Merged: 5}
"""The order of events at one time."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Inbound messages of one conversation that are read as one, because people split their sentences."""

    messages: tuple[Inbound, ...]
    """At least one, in order."""
    first_contact: bool
    """Whether it is the first burst of this person."""
    prompt: bool = False
    """Whether it came so soon after our first message that a machine may have written it: see `PROMPT_MS`."""

    @property
    def at(self) -> int:
        """When it began."""
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
        """Identifies these messages in this state: with one more, or one edited, it is a new burst to classify.

        It is stored, so its form must not change.
        """
        messages = []
        for each in self.messages:
            unreadable = "" if each.readable else "?"
            edits = f"/{len(each.earlier)}" if each.edited else ""
            messages.append(f"{each.message_id}{unreadable}{edits}")
        first_contact = "1" if self.first_contact else "0"
        prompt = "|prompt" if self.prompt else ""
        text = f"{','.join(messages)}|{first_contact}{prompt}"
        return blake2b(text.encode(), digest_size=12).hexdigest()

    @property
    def saved(self) -> bool:
        """Whether the customer was in the operator's address book at any of these messages."""
        return True in [each.saved for each in self.messages]  # quicker than any()

    @property
    def ad(self) -> bool:
        """Whether the customer came from an ad."""
        return True in [each.ad for each in self.messages]

    @property
    def shares(self) -> bool:
        """Whether it has something that somebody must look at, whatever its words: see `SHARED_TYPES`."""
        return not SHARED_TYPES.isdisjoint([each.type for each in self.messages])

    @property
    def signals(self) -> Signals:
        """What the classifier is given besides the texts."""
        if len(self.messages) == 1:  # as of most bursts
            [only] = self.messages
            return Signals._make(  # by position, which takes a third of the time
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
        """For each edit of each message, the texts of the burst with that message as it was before the edit."""
        for position, message in enumerate(self.messages):
            for text in message.earlier:
                yield (*self.texts[:position], text, *self.texts[position + 1 :])


Step = Burst | Called | Answered | Reacted | Decided | Dismissed | Merged
"""What a fold takes: an event, with inbound messages joined to bursts."""


_when: Final = attrgetter("at")


def in_order(events: Iterable[Event]) -> list[Event]:
    """The events in the order of the module's docstring, whatever order they come in."""
    by_time = sorted(events, key=_when)
    times = list(map(_when, by_time))
    all_differ = len({*times}) == len(times)  # then nothing but the time is needed, which is quicker
    return by_time if all_differ else sorted(by_time, key=_sort_key)


def _sort_key(event: Event) -> tuple[int, int, bool, str]:
    """Sorts by time, then by the rank of the kind, then missed calls before answered ones, then by an id."""
    if isinstance(event, Inbound | Answered):  # as most are
        return event.at, _RANK[type(event)], False, event.own_id
    answered = isinstance(event, Called) and event.answered
    own_id = f"{event.number:012d}" if isinstance(event, Decided | Dismissed | Merged) else event.own_id
    return event.at, _RANK[type(event)], answered, own_id


@dataclass(frozen=True, slots=True)
class Boundary:
    """A moment that splits a history: nothing from then on can change how the earlier part is read.

    No burst goes on beyond it, and no run of prompt messages.
    """

    at: int
    steps: int
    """How many of the reading's steps come before it."""
    events: int
    """How many of the reading's events come before it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A stretch of a history as steps, and where it may be split."""

    steps: list[Step]
    boundaries: list[Boundary]
    events: int
    """How many events the steps are made of."""


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
    """Make steps of these events, which are in order (`in_order`), and find where the history may be split.

    Inbound messages are joined to bursts, each at the place of its first message. A burst ends with a silence of
    `burst_ms`, with `LONGEST_BURST` messages, and with anything that we do in its thread, except a call that was not
    taken. Prompt messages and later ones are in different bursts.

    `people`: by conversation, whose it is. `threads`: by conversation, which WhatsApp thread it is part of.
    `written_to`: by thread, when our side first sent anything there. `every`: boundaries are at least so many events
    apart. `may_part`: whether a time may be a boundary, by what only the caller knows.

    For events that begin at a boundary: `received`: the threads where something had come in before it; `wrote`: the
    people who had written before it.
    """
    found: list[Step | list[Inbound]] = []
    boundaries: list[Boundary] = []
    running: dict[int, list[Inbound]] = {}  # by conversation, the burst that may go on
    prompt_ids, prompt_times = _prompt_messages(events, threads, written_to or {}, received)
    last_at = -1
    next_boundary = every
    for number, event in enumerate(events):
        if (
            number >= next_boundary
            and event.at > last_at  # events of one time stay together
            and not any(begins < event.at <= ends for begins, ends in prompt_times)
            and not any(_goes_on(burst, event.at, burst_ms) for burst in running.values())
            and may_part(event.at)
        ):
            boundaries.append(Boundary(event.at, len(found), number))
            next_boundary = number + every
        last_at = event.at
        if isinstance(event, Inbound):
            burst = running.get(event.conversation)
            if burst is not None and prompt_ids:
                prompt_ones_ended = (event.message_id in prompt_ids) != (burst[-1].message_id in prompt_ids)
                if prompt_ones_ended:
                    burst = None
            if burst is not None and _goes_on(burst, event.at, burst_ms):
                burst.append(event)
            else:
                running[event.conversation] = burst = [event]
                found.append(burst)
            continue
        if running:
            ends_bursts = not isinstance(event, Called) or event.answered
            if ends_bursts and not isinstance(event, Merged):
                thread = threads[event.conversation]
                running = {each: burst for each, burst in running.items() if threads[each] != thread}
        found.append(event)
    return Reading(_with_bursts(found, people, prompt_ids, wrote), boundaries, len(events))


def _with_bursts(
    steps_and_messages: Iterable[Step | list[Inbound]], people: Mapping[int, int], prompt_ids: Set[int], wrote: Set[int]
) -> list[Step]:
    """The steps, with a burst in place of each list of messages.

    `prompt_ids`: as `_prompt_messages` returns them. `people`, `wrote`: as in `steps`.
    """
    already_wrote = set(wrote)
    done: list[Step] = []
    for step in steps_and_messages:
        if isinstance(step, list):
            first = step[0]
            person = people[first.conversation]
            done.append(Burst(tuple(step), person not in already_wrote, prompt=first.message_id in prompt_ids))
            already_wrote.add(person)
        else:
            done.append(step)
    return done


def _goes_on(burst: Sequence[Inbound], at: int, burst_ms: int) -> bool:
    """Whether a message at this time would still be part of the burst."""
    return at - burst[-1].at < burst_ms and len(burst) < LONGEST_BURST


def _prompt_messages(
    events: Iterable[Event], threads: Mapping[int, int], written_to: Mapping[int, int], received: Set[int]
) -> tuple[Set[int], Collection[tuple[int, int]]]:
    """The ids of the prompt messages; and for each thread with any, when the first came and until when more may come.

    In a thread where we wrote first, the first messages are prompt that came within `PROMPT_MS` of ours, and those that
    follow as next parts, each within `_NEXT_PART_MS` of the one before. `written_to`, `received`: as in `steps`.
    """
    prompt_until: dict[int, int] = dict.fromkeys(received, -1)  # by thread: after that, no message is prompt
    prompt_ids = set()
    times: dict[int, tuple[int, int]] = {}
    undecided = {*threads.values()}  # the threads in which a next message may be prompt
    for event in events:
        if isinstance(event, Inbound):
            thread = threads[event.conversation]
            if thread not in prompt_until:
                written_at = written_to.get(thread)
                if written_at is not None and written_at < event.at:
                    prompt_until[thread] = written_at + PROMPT_MS
                else:  # they wrote first
                    prompt_until[thread] = event.at - 1
            if event.at <= prompt_until[thread]:
                prompt_ids.add(event.message_id)
                prompt_until[thread] = max(prompt_until[thread], event.at + _NEXT_PART_MS)
                first_at, _until = times.get(thread, (event.at, 0))
                times[thread] = first_at, prompt_until[thread]
            else:
                undecided.discard(thread)
                if not undecided:
                    break
    return prompt_ids, times.values()


class Heard(NamedTuple):
    """What is remembered of a thread at some moment, to tell which later messages of ours nobody typed.

    All are times; None where there was none yet.
    """

    first: int | None = None
    """Of the first inbound message of the burst that may go on."""
    last: int | None = None
    """Of the last inbound message."""
    ours: int | None = None
    """Of the last message that a person on our side wrote."""
    written: int | None = None
    """Of the first message from our side, whoever or whatever sent it."""


NOTHING_HEARD: Final = Heard()
"""At the beginning of a thread."""


class Sent(NamedTuple):
    """An outgoing message that could have been typed."""

    at: int
    own_id: str
    message_id: int
    automatic: bool
    """Whether its body is automatic (`projection.auto_replies`)."""
    long: bool
    """Whether it is too long to be typed within `INSTANT_MS`."""


def quick_replies(
    inbound: Sequence[int], outgoing: Sequence[tuple[int, int]], within_ms: int, before: Heard = NOTHING_HEARD
) -> list[int]:
    """The ids of a thread's outgoing messages that were sent at most `within_ms` after the inbound message before them.

    `inbound`: times; `outgoing`: times and ids; both in any order. `before`: what came before all of them.
    """
    inbound_events = [(at, 0, 0) for at in inbound]
    outgoing_events = [(at, 1, message_id) for at, message_id in outgoing]
    last_inbound = before.last
    quick = []
    for at, is_outgoing, message_id in sorted(inbound_events + outgoing_events):
        if not is_outgoing:
            last_inbound = at
        elif last_inbound is not None and at - last_inbound <= within_ms:
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
    """The ids of one thread's outgoing messages that nobody typed: automatic ones, and long ones that came too quickly.

    What a person on our side wrote ends the customer's burst; what nobody typed does not. `inbound`: times. It and
    `outgoing` may be in any order. `before`: what is remembered from before all of them. `trail`: a list to which, for
    each message, its time and what is remembered after it are appended.
    """
    events = sorted(
        [*((at, 0, "", None) for at in inbound), *((each.at, 1, each.own_id, each) for each in outgoing)],
        key=itemgetter(0, 1, 2),
    )
    first, last, ours, written = before
    found = set()
    for at, _rank, _own_id, sent in events:
        if sent is None:
            is_new_burst = first is None or last is None or at - last >= burst_ms
            if is_new_burst:
                first = at
            last = at
        elif sent.automatic or (sent.long and _came_too_quickly(at, first, ours, burst_ms)):
            found.add(sent.message_id)
        else:
            first, ours = None, at
        if trail is not None:
            trail.append((at, Heard(first, last, ours, written)))
    return found


def _came_too_quickly(at: int, first: int | None, ours: int | None, burst_ms: int) -> bool:
    """Whether a long message of ours came so soon after the first words of a burst that nobody can have typed it.

    If a person on our side wrote shortly before these words, they may have been typing since then. `first`, `ours`: as
    in `Heard`.
    """
    if first is None or at - first > INSTANT_MS:
        return False
    may_have_been_typing = ours is not None and first - ours < burst_ms
    return not may_have_been_typing
