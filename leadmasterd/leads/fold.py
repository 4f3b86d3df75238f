"""Derives leads, waiting cycles and follow-ups from one contact's history, step by step (a fold). Pure.

The theory. A contact has at most one open lead. Inbound bursts open it, reopen it or add to it; a person's answer makes
it `contacted`; only people take it further and close it. Independently, a conversation waits or not: a burst
or a missed call starts a waiting cycle; an answer, a reaction of ours, the closing of the lead or a person who says
that it needs no answer ends it. The two are separate on purpose: a conversation without a lead waits all the same, and
no learned label silences it.

The same history gives the same rows. When anything of a contact changes, the history from there on is folded again,
because messages may be captured late and out of order; the state at an earlier moment (`leads.state`) stands for all
before it. Nothing here looks at a clock: what depends on the current time (overdue, stale) is left to `queries`.

docs/leads.md shows the rules to people; its table is `OPENING`. All times are milliseconds since 1970.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, assert_never

from leadmasterd.classify.intents import GROUP_OF, UNKNOWN, Group, Method
from leadmasterd.leads.stages import CLOSED
from leadmasterd.leads.timeline import Answered, Burst, Called, Decided, Dismissed, Merged, Reacted, Step
from leadmasterd.reasons import SYSTEM, Reason

FOLD_VERSION: Final = 12
"""Raise it when the same history gives other leads (a test notices): the daemon then rebuilds them all at start."""
DAY_MS: Final = 86_400_000
QUOTE_DAYS: Final = (1, 3, 7, 14)
"""Days after an unanswered quote on which to follow up; not more often."""
OF_THE_SALE_MS: Final = 2 * DAY_MS
"""For so long after `won`, what customers say about paying, fetching or getting there belongs to that sale."""
_OF_THE_SALE: Final = frozenset({"payment", "delivery", "business_info", "appointment", "callback"})
"""The intents of such words."""
_ANOTHER: Final = re.compile(
    r"\b(?:otr[oa]s?(?! (?:d[ií]as?|semanas?|horas?|horarios?|momentos?))|tambi[eé]n|adem[aá]s)\b", re.IGNORECASE
)
"""With one of these words, an appointment is a new one and not the one to fetch what was bought."""
_WORDS_ONLY: Final = frozenset({"chat", "sticker"})
"""Types of messages in which an "ok" is all that is said; a picture with an "ok" may ask for something."""
_CATEGORY_STRENGTH: Final[Mapping[Group, int]] = {
    "commercial": 5,
    "after_sale": 4,
    "closing": 3,
    "noise": 3,
    "courtesy": 1,
    "unknown": 0,
}
"""The strongest group among its labels says what a conversation is about (`PersonFold._categorise`)."""


class LastLead(StrEnum):
    """A contact's last lead, when none is open."""

    NONE = "none yet"
    WON = "`won`"
    LOST_LATELY = "`lost` or `dormant` for at most `reopen_days`"
    LOST_LONG_AGO = "`lost` or `dormant` for longer"
    JUNK = "`junk`"


class Enquiry(StrEnum):
    """How a burst counts when it may open a lead. An edited one also counts as what it said before."""

    COMMERCIAL = "commercial intent, or an ad"
    UNCLEAR = "a stranger's courtesy or unknown words"
    NONE = "anything else"


OPENING: Final[Mapping[LastLead, Mapping[Enquiry, Literal["new", "unsorted", "reopen"] | None]]] = {
    LastLead.NONE: {Enquiry.COMMERCIAL: "new", Enquiry.UNCLEAR: "unsorted", Enquiry.NONE: None},
    LastLead.WON: {Enquiry.COMMERCIAL: "new", Enquiry.UNCLEAR: None, Enquiry.NONE: None},
    LastLead.LOST_LATELY: {Enquiry.COMMERCIAL: "reopen", Enquiry.UNCLEAR: None, Enquiry.NONE: None},
    LastLead.LOST_LONG_AGO: {Enquiry.COMMERCIAL: "new", Enquiry.UNCLEAR: None, Enquiry.NONE: None},
    LastLead.JUNK: {Enquiry.COMMERCIAL: "unsorted", Enquiry.UNCLEAR: None, Enquiry.NONE: None},
}
"""What a burst does when no lead is open. A stage: it opens a new lead in this stage; `reopen`: it opens the last lead
again, as `new`; None: nothing."""


@dataclass(frozen=True, slots=True)
class BurstLabel:
    """What a burst was labelled as."""

    intent: str
    method: Method
    before: frozenset[str] = frozenset()
    """The intents of its texts as they were before each edit."""

    @property
    def group(self) -> Group:
        return GROUP_OF[self.intent]

    @property
    def reasoned(self) -> bool:
        """Whether a person gave it, or a rule, which has a reason. Only then may it say that nobody must answer."""
        return self.method in ("person", "rule")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of a lead, a row of its history."""

    at: int
    kind: Literal["opened", "stage", "new_topic", "reopened", "proposed", "merged"]
    before: str | None = None
    after: str | None
    """`before` and `after` are the lead's stages. Of a new topic or a proposal, `after` is the intent."""
    reason: Reason
    actor: str = SYSTEM
    message_id: int | None = None
    """The message that caused the change, if one did."""


@dataclass(frozen=True, slots=True)
class Former:
    """A lead from before the fold began that nothing can change any more: only its number is known."""

    lead_id: int


@dataclass(slots=True, kw_only=True, eq=False)
class Lead:
    """One commercial enquiry, a row of `leads`."""

    conversation: int
    opened_at: int
    """The time of its first message, or of the decision that opened it."""
    opened_by: int | None
    """The message that opened it."""
    stage: str
    stage_at: int
    intent: str = UNKNOWN
    """What it was first about."""
    source: Literal["message", "ad", "person"]
    previous: "Lead | Former | None" = None
    """The lead that was closed last when this one opened."""
    topics: list[str] = field(default_factory=list)
    """The commercial intents of its bursts, each once, in order."""
    closed_at: int | None = None
    reopened: int = 0
    """How often."""
    proposed: str | None = None
    """The intent of the customer's words that seem to end it, for a person to decide; None without such words."""
    first_response_at: int | None = None
    last_message_at: int
    merged_into: "Lead | None" = None
    changes: list[Change] = field(default_factory=list)
    """In order. Of a lead from before the fold began: its opening, and those since the fold began."""
    lead_id: int | None = None
    """The number of a lead from before the fold began; None: it gets one when it is written."""


EndOfWaiting = Literal["reply", "call", "reaction", "closed", "dismissed"]
Asked = tuple[int, int | None]
"""Something that asks for an answer: its time, and its message; None for a missed call."""


@dataclass(slots=True, kw_only=True, eq=False)
class Waiting:
    """A waiting cycle, a row of `waiting_cycles`: from a customer's first words without an answer to what ended it."""

    conversation: int
    kind: Literal["first", "next"]
    """`first` until anybody on our side ever answered this customer."""
    started_at: int
    message_id: int | None
    """The message that started it; None for a missed call."""
    lead: Lead | Former | None
    asked: list[Asked]
    """All that asks for an answer, in order. Of a cycle from before the fold began, only what came since then."""
    ended_at: int | None = None
    ended_by: EndOfWaiting | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class FollowUp:
    """Something for a person to do, a row of `follow_ups`."""

    conversation: int
    lead: Lead | Former | None = None
    kind: Literal["quote_silent", "after_sale"]
    planned_at: int
    number: int = 1
    """Its place in a series about one quote, from 1."""
    state: Literal["planned", "done", "cancelled"] = "planned"
    ended_at: int | None = None
    ended_by: str | None = None

    @property
    def due_at(self) -> int:
        """When it is due. If the shop is closed then, people see it as due at the next opening."""
        return follow_up_due(self.kind, self.planned_at, self.number)

    def end(self, state: Literal["done", "cancelled"], at: int, by: str) -> None:
        self.state, self.ended_at, self.ended_by = state, at, by


def follow_up_due(kind: str, planned_at: int, number: int) -> int:
    """When a follow-up is due: on a quote, so many days later as `QUOTE_DAYS` has for its number; else at once."""
    if kind == "quote_silent":
        return planned_at + QUOTE_DAYS[number - 1] * DAY_MS
    return planned_at


@dataclass(frozen=True, slots=True)
class Category:
    """What a conversation is about, and by which method the label was made that says so."""

    group: Group
    by: Method


@dataclass(slots=True)
class Folded:
    """What is derived from a contact's history."""

    leads: list[Lead] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    follow_ups: list[FollowUp] = field(default_factory=list)
    categories: dict[int, Category] = field(default_factory=dict)
    """By conversation."""


class Fold:
    """Folds a contact's history: `take` each step in order, then read `result`.

    A contact may be several persons until somebody merges them; each has a `PersonFold`.
    """

    def __init__(
        self,
        label_of: Callable[[Burst], BurstLabel],
        people: Mapping[int, int],
        threads: Mapping[int, int],
        *,
        reopen_ms: int,
    ) -> None:
        """A fold of a history from its beginning; `state.resume` makes it go on from a later moment.

        `label_of`: gives a burst its label. `people`: by conversation, the person whose it was before anybody merged
        contacts. `threads`: by conversation, the WhatsApp thread that it is part of. `reopen_ms`: a lost lead is opened
        again if the customer writes within this time; later, a new one opens.
        """
        self.result = Folded()
        self.persons: dict[int, PersonFold] = {}
        """By person; those that somebody merged share one."""
        self.wrote: set[int] = set()
        """The persons who have written."""
        self._label_of = label_of
        self._people = people
        self._threads = threads
        self._reopen_ms = reopen_ms

    def add_person(self) -> "PersonFold":
        """A new person fold that adds to `result`; the caller enters it in `persons`."""
        return PersonFold(self.result, self._threads, self._reopen_ms)

    def _fold_of(self, person: int) -> "PersonFold":
        """The fold of a person, a new one if there is none yet."""
        if person not in self.persons:
            self.persons[person] = self.add_person()
        return self.persons[person]

    def take(self, step: Step) -> None:
        """Fold the next step of the history (`timeline.steps`) into `result`."""
        if isinstance(step, Merged):
            kept, merged = self._fold_of(step.kept), self._fold_of(step.merged)
            if kept is not merged:
                kept.merge(merged, step)
                self.persons |= {person: kept for person, each in self.persons.items() if each is merged}
            return
        person = self._fold_of(self._people[step.conversation])
        match step:
            case Burst():
                self.wrote.add(self._people[step.conversation])
                person.inbound(step, self._label_of(step))
            case Answered():
                person.answered(step.at, step.conversation, "reply")
            case Called():
                person.called(step)
            case Reacted():
                person.stop_waiting(step.conversation, step.at, "reaction")
            case Decided():
                person.decided(step)
            case Dismissed():
                person.dismissed(step)
            case _:
                assert_never(step)

    def let_go(self) -> tuple[list[Waiting], list[FollowUp]]:
        """Take the waiting cycles and follow-ups that nothing can change any more out of `result`, and return them.

        Only at a boundary (`timeline.Boundary`). In cycles that stay, `asked` is emptied: nothing after the boundary
        needs it (`leads.state`).
        """
        changing_waits: set[Waiting] = set()
        planned: set[FollowUp] = set()
        for person in self.persons.values():
            changing_waits.update(person.waiting.values(), person.ended_by_closing.values())
            planned.update(each for each in person.planned if each.state == "planned")
        for wait in changing_waits:
            wait.asked = []
        over = [each for each in self.result.waiting if each not in changing_waits]
        done = [each for each in self.result.follow_ups if each not in planned]
        self.result.waiting = [each for each in self.result.waiting if each in changing_waits]
        self.result.follow_ups = [each for each in self.result.follow_ups if each in planned]
        return over, done


class PersonFold:
    """The state of the fold for one person, and what each kind of step does to it.

    What is public is the state that a checkpoint keeps (`leads.state`).
    """

    def __init__(self, result: Folded, threads: Mapping[int, int], reopen_ms: int) -> None:
        """`result`: shared by all persons of the history. `threads`, `reopen_ms`: as for `Fold`."""
        self.result = result
        self._threads = threads
        self._reopen_ms = reopen_ms
        self.open: Lead | None = None
        self.closed: Lead | None = None
        """The lead that was closed last, unless it is open again."""
        self.has_answered = False
        """Whether anybody on our side ever answered. Until then they are a stranger, unless in the address book."""
        self.last_words: tuple[int, int] | None = None
        """When their last burst began, and its first message."""
        self.planned: list[FollowUp] = []
        """Planned follow-ups, and some that have ended since they were planned: `_still_planned` removes these."""
        self.waiting: dict[int, Waiting] = {}
        """By conversation, its running cycle."""
        self.ended_by_closing: dict[int, Waiting] = {}
        """By conversation, the cycle that the closing of a lead ended, if nobody has answered since."""
        self.muted: dict[int, BurstLabel] = {}
        """By conversation, a label as noise that a person gave to a burst.

        It also counts for later bursts there, until a person labels one otherwise.
        """

    # ------------------------------------------------------------------ the customer

    def inbound(self, burst: Burst, label: BurstLabel) -> None:
        """The customer wrote: open, reopen or add to a lead, and start a waiting cycle if somebody must answer."""
        conversation, at = burst.conversation, burst.at
        if label.method == "person":
            self.muted.pop(conversation, None)
            if label.group == "noise":
                self.muted[conversation] = label
        label = self.muted.get(conversation, label)  # a muted conversation is noise, whatever its words
        self.last_words = (at, burst.first_message_id)
        self._categorise(conversation, label)
        self._cancel_quotes(at, "opt_out" if label.intent == "opt_out" else "inbound")
        enquiry = self._enquiry(burst, label)
        lead = self.open
        if lead is None:
            self._open_for(burst, label, enquiry)
            lead = self.open
        else:
            self._add_to(lead, burst, label, commercial=enquiry is Enquiry.COMMERCIAL)
        if lead is not None:
            lead.last_message_at = burst.messages[-1].at
        if self._needs_answer(burst, label):
            self._wait(conversation, [(message.at, message.message_id) for message in burst.messages])
            if label.group == "after_sale" and lead is None:
                self._plan_after_sale(conversation, at)

    def _enquiry(self, burst: Burst, label: BurstLabel) -> Enquiry:
        """How the burst counts when it may open a lead.

        Shortly after a sale, its commercial intents that belong to the sale do not count.
        """
        intents = {label.intent, *label.before}  # what was written counts, though an edit took it back
        if self._follows_a_sale(burst.at):
            names_another = any(_ANOTHER.search(text) for text in burst.texts)
            of_the_sale = _OF_THE_SALE - {"appointment"} if names_another else _OF_THE_SALE
            intents -= of_the_sale
        groups = {GROUP_OF[intent] for intent in intents}
        if burst.shares and label.method != "person":
            groups.add("unknown")  # somebody has to look at it
        is_muted = burst.conversation in self.muted
        if not is_muted and (burst.ad or "commercial" in groups):
            return Enquiry.COMMERCIAL
        is_stranger = not self.has_answered and not burst.saved
        is_unclear = "courtesy" in groups or "unknown" in groups
        return Enquiry.UNCLEAR if is_stranger and is_unclear else Enquiry.NONE

    def _follows_a_sale(self, at: int) -> bool:
        """Whether no lead is open, and the last one was won at most `OF_THE_SALE_MS` ago."""
        sale = self.closed
        return self.open is None and sale is not None and sale.stage == "won" and at - sale.stage_at <= OF_THE_SALE_MS

    def _last_lead(self, at: int) -> LastLead:
        """What the last lead was, for a burst at this time that finds none open."""
        closed = self.closed
        if closed is None:
            return LastLead.NONE
        if closed.stage == "won":
            return LastLead.WON
        if closed.stage == "junk":
            return LastLead.JUNK
        return LastLead.LOST_LATELY if at - closed.stage_at <= self._reopen_ms else LastLead.LOST_LONG_AGO

    def _open_for(self, burst: Burst, label: BurstLabel, enquiry: Enquiry) -> None:
        """Open a lead for a burst that finds none open, or reopen the last one, or do nothing: as `OPENING` says."""
        last_lead = self._last_lead(burst.at)
        opening = OPENING[last_lead][enquiry]
        if opening is None:
            return
        if enquiry is Enquiry.UNCLEAR:
            reason = Reason("stranger", {"intent": label.intent})
        elif last_lead is LastLead.JUNK:
            reason = Reason("after_junk", {"intent": label.intent})
        elif burst.ad:
            reason = Reason("ad")
        else:
            reason = Reason("commercial", {"intent": label.intent})
        if opening != "reopen":
            self._start(burst, label, opening, reason)
        elif (lead := self.closed) is not None:
            self._reopen(lead, at=burst.at, stage="new", reason=reason, actor=SYSTEM, message_id=burst.first_message_id)
            self._add_topic(lead, burst, label)

    def _add_to(self, lead: Lead, burst: Burst, label: BurstLabel, *, commercial: bool) -> None:
        """Add a burst to the open lead.

        `commercial`: whether it counts as an enquiry, as a click on an ad does whatever its label. An enquiry makes an
        unsorted lead `new`, adds its topic, and withdraws a proposed end. Words that seem to end the lead propose that.
        """
        if commercial:
            if lead.stage == "unsorted":
                reason = Reason("commercial", {"intent": label.intent})
                self._move(lead, at=burst.at, stage="new", reason=reason, message_id=burst.first_message_id)
            self._add_topic(lead, burst, label)
            lead.proposed = None
        elif label.group == "closing" and lead.proposed != label.intent:
            lead.proposed = label.intent
            lead.changes.append(
                Change(
                    at=burst.at,
                    kind="proposed",
                    after=label.intent,
                    reason=Reason("closing_words", {"intent": label.intent}),
                    message_id=burst.first_message_id,
                )
            )

    @staticmethod
    def _add_topic(lead: Lead, burst: Burst, label: BurstLabel) -> None:
        """Add the burst's commercial intent to the lead's topics, if it is new. The first one is the lead's intent."""
        if label.group != "commercial" or label.intent in lead.topics:
            return
        if lead.topics:
            lead.changes.append(
                Change(
                    at=burst.at,
                    kind="new_topic",
                    after=label.intent,
                    reason=Reason("commercial", {"intent": label.intent}),
                    message_id=burst.first_message_id,
                )
            )
        else:
            lead.intent = label.intent
        lead.topics.append(label.intent)

    def _needs_answer(self, burst: Burst, label: BurstLabel) -> bool:
        """Whether somebody must answer. In doubt yes: only a person or a rule may say that it is noise or the end.

        What a customer shares (`SHARED_TYPES`) needs an answer unless a person says otherwise. An "ok" needs none if it
        is only words and either we have answered before or the lead is closed.
        """
        if burst.shares and label.method != "person":
            return True
        if not label.reasoned:
            return True
        if label.group in ("closing", "noise"):
            return False
        if label.intent != "acknowledgement":
            return True
        only_words = all(message.type in _WORDS_ONLY for message in burst.messages)
        lead_is_closed = self.open is None and self.closed is not None
        return not (only_words and (self.has_answered or lead_is_closed))

    def called(self, call: Called) -> None:
        """An answered call is an answer. If we miss their call, waiting starts; if they miss ours, nothing changes."""
        if not call.outgoing:
            self._cancel_quotes(call.at, "call")
        if call.answered:
            self.answered(call.at, call.conversation, "call")
        elif not call.outgoing:
            self._wait(call.conversation, [(call.at, None)])

    def _wait(self, conversation: int, asked: list[Asked]) -> None:
        """Start a waiting cycle for what was asked, or add that to the running cycle. `asked`: not empty."""
        if conversation in self.waiting:
            self.waiting[conversation].asked += asked
            return
        at, message_id = asked[0]
        waiting = self.waiting[conversation] = Waiting(
            conversation=conversation,
            kind="next" if self.has_answered else "first",
            started_at=at,
            message_id=message_id,
            lead=self.open,
            asked=asked,
        )
        self.result.waiting.append(waiting)

    # ------------------------------------------------------------------ the operator

    def answered(self, at: int, conversation: int, how: Literal["reply", "call"]) -> None:
        """Somebody on our side wrote or spoke: waiting ends, an open lead is `contacted`, due follow-ups are done."""
        self.has_answered = True
        self.stop_waiting(conversation, at, how)
        lead = self.open or self.closed
        if lead is not None and lead.first_response_at is None and at >= lead.opened_at:
            lead.first_response_at = at
        if self.open is not None:
            self.open.last_message_at = at
            if self.open.stage in ("unsorted", "new"):
                reason = Reason("answered" if how == "reply" else "called")
                self._move(self.open, at=at, stage="contacted", reason=reason)
        for follow_up in self._still_planned():
            if follow_up.due_at <= at:
                follow_up.end("done", at, how)

    def stop_waiting(self, conversation: int, at: int, by: EndOfWaiting) -> None:
        """End the waiting in this conversation and in others of its thread, which are the same phone spelled otherwise.

        Cycles of the thread that an earlier closing ended are forgotten: no reopening will restore them.
        """
        thread = self._threads[conversation]
        self.ended_by_closing = {
            each: waiting for each, waiting in self.ended_by_closing.items() if self._threads[each] != thread
        }
        for each in self._waiting_in(thread):
            waiting = self.waiting.pop(each)
            waiting.ended_at, waiting.ended_by = at, by
            if by == "closed":
                self.ended_by_closing[each] = waiting

    def _waiting_in(self, thread: int) -> list[int]:
        """The conversations of a thread that wait."""
        return [each for each in self.waiting if self._threads[each] == thread]

    def dismissed(self, dismissal: Dismissed) -> None:
        """End the waiting in this thread. Messages that the person had not seen by then start a new cycle.

        There may be such messages: those sent before the decision, but captured after it.
        """
        for each in self._waiting_in(self._threads[dismissal.conversation]):
            waiting = self.waiting[each]
            if waiting.started_at > dismissal.seen:  # nothing of it was seen
                continue
            del self.waiting[each]
            waiting.ended_at, waiting.ended_by = dismissal.at, "dismissed"
            unseen = [(at, message_id) for at, message_id in waiting.asked if at > dismissal.seen]
            if unseen:
                self._wait(each, unseen)

    def decided(self, decision: Decided) -> None:
        """A person gave the open lead, or else the last one, another stage.

        If there is no lead, an open stage opens one; a closed stage only closes the conversation.
        """
        if decision.stage in CLOSED:
            self._close(decision)
            return
        at, stage, actor = decision.at, decision.stage, decision.actor
        lead = self.open
        if lead is None and stage in ("unsorted", "new"):  # stages in which nobody has answered yet
            self._restore_waiting()
        if lead is None and self.closed is not None:
            lead = self.closed
            self._reopen(lead, at=at, stage=stage, reason=Reason("decided"), actor=actor, message_id=None)
        elif lead is None:
            lead = self._start_by_hand(decision)
        elif lead.stage != stage:
            self._move(lead, at=at, stage=stage, reason=Reason("decided"), actor=actor)
        self._cancel_quotes(at, "stage")
        if stage == "quoted":
            self._plan_quotes(decision.conversation, lead, at)

    def _close(self, decision: Decided) -> None:
        """A person gave the open lead, or else the last one, a closed stage. Without any, they closed the conversation.

        Waiting ends, unless only the stage of a closed lead is corrected. `junk` always ends waiting and cancels every
        follow-up: nothing is left to do.
        """
        at, stage, actor = decision.at, decision.stage, decision.actor
        is_junk = stage == "junk"
        is_correction = self.open is None and self.closed is not None
        has_ended_something = False
        if is_junk or not is_correction:
            has_ended_something = bool(self.waiting)
            while self.waiting:  # one call for each thread: a second one would forget what the first ended
                self.stop_waiting(next(iter(self.waiting)), at, "closed")
        if is_junk:
            for follow_up in self._still_planned():
                has_ended_something = True
                follow_up.end("cancelled", at, "closed")
        if self.open is not None:
            self.open.closed_at = at
            self.open.proposed = None
            self.closed = self.open
            self.open = None
            self._cancel_quotes(at, "closed")
        lead = self.closed
        if lead is None:
            return
        if lead.stage != stage:
            self._move(lead, at=at, stage=stage, reason=Reason("decided"), actor=actor)
        elif has_ended_something:  # `junk` once more: the record must say when these ended
            lead.changes.append(Change(at=at, kind="stage", after=stage, reason=Reason("decided"), actor=actor))

    def _restore_waiting(self) -> None:
        """Let cycles that a closing ended go on: a person has reopened the lead, so it was closed by mistake.

        A cycle that started since then in the same conversation becomes part of the restored one.
        """
        absorbed = {self.waiting[each] for each in self.ended_by_closing if each in self.waiting}
        for waiting in absorbed:
            self.ended_by_closing[waiting.conversation].asked += waiting.asked
        if absorbed:
            self.result.waiting = [each for each in self.result.waiting if each not in absorbed]
        for waiting in self.ended_by_closing.values():
            waiting.ended_at = waiting.ended_by = None
        self.waiting |= self.ended_by_closing
        self.ended_by_closing = {}

    # ------------------------------------------------------------------ leads

    def _start(self, burst: Burst, label: BurstLabel, stage: str, reason: Reason) -> None:
        """Open a new lead for a burst."""
        lead = Lead(
            conversation=burst.conversation,
            opened_at=burst.at,
            opened_by=burst.first_message_id,
            stage=stage,
            stage_at=burst.at,
            intent=label.intent,
            source="ad" if burst.ad else "message",
            previous=self.closed,
            topics=[label.intent] if label.group == "commercial" else [],
            last_message_at=burst.at,
        )
        self._add_lead(lead, reason, SYSTEM)

    def _start_by_hand(self, decision: Decided) -> Lead:
        """Open a new lead because a person said so. The customer's last burst, if any, counts as what opened it."""
        lead = Lead(
            conversation=decision.conversation,
            opened_at=decision.at,
            opened_by=self.last_words[1] if self.last_words else None,
            stage=decision.stage,
            stage_at=decision.at,
            source="person",
            last_message_at=decision.at,
        )
        self._add_lead(lead, Reason("decided"), decision.actor)
        return lead

    def _add_lead(self, lead: Lead, reason: Reason, actor: str) -> None:
        """Note why a new lead opened, add it to the result, and make it the open one."""
        lead.changes.append(
            Change(
                at=lead.opened_at,
                kind="opened",
                after=lead.stage,
                reason=reason,
                actor=actor,
                message_id=lead.opened_by,
            )
        )
        self.result.leads.append(lead)
        self._set_open(lead)

    def _reopen(self, lead: Lead, *, at: int, stage: str, reason: Reason, actor: str, message_id: int | None) -> None:
        """Make a closed lead the open one again, in this stage. `message_id`: the message that did it, if one did."""
        lead.changes.append(
            Change(
                at=at,
                kind="reopened",
                before=lead.stage,
                after=stage,
                reason=reason,
                actor=actor,
                message_id=message_id,
            )
        )
        lead.stage, lead.stage_at, lead.closed_at = stage, at, None
        lead.reopened += 1
        self.closed = None
        self._set_open(lead)

    def _set_open(self, lead: Lead) -> None:
        """Make a lead the open one. All running cycles belong to it: those of an earlier lead ended with it."""
        self.open = lead
        for waiting in self.waiting.values():
            waiting.lead = lead

    @staticmethod
    def _move(
        lead: Lead, *, at: int, stage: str, reason: Reason, actor: str = SYSTEM, message_id: int | None = None
    ) -> None:
        """Give a lead another stage, and note why. `message_id`: the message that did it, if one did."""
        lead.changes.append(
            Change(
                at=at, kind="stage", before=lead.stage, after=stage, reason=reason, actor=actor, message_id=message_id
            )
        )
        lead.stage, lead.stage_at = stage, at

    # ------------------------------------------------------------------ two contacts become one

    def merge(self, other: "PersonFold", merged: Merged) -> None:
        """Add the other person's state to this one's; theirs is not used any more.

        Of two open leads the older stays open, and the other ends as `merged`.
        """
        self.has_answered |= other.has_answered
        self.waiting |= other.waiting
        self.ended_by_closing |= other.ended_by_closing
        self.muted |= other.muted
        self.planned += other.planned
        last_words = [each for each in (self.last_words, other.last_words) if each]
        self.last_words = max(last_words, key=lambda words: words[0], default=None)
        closed = [each for each in (self.closed, other.closed) if each]
        self.closed = max(closed, key=lambda lead: lead.closed_at or 0, default=None)
        open_leads = sorted((each for each in (self.open, other.open) if each), key=lambda lead: lead.opened_at)
        for lead in open_leads[1:]:
            self._end_as_merged(lead, open_leads[0], merged)
        if open_leads:
            self._set_open(open_leads[0])

    def _end_as_merged(self, lead: Lead, into: Lead, merged: Merged) -> None:
        """Close a lead because it turned out to be the same enquiry as another one; its follow-ups are cancelled."""
        lead.changes.append(
            Change(
                at=merged.at,
                kind="merged",
                before=lead.stage,
                after="merged",
                reason=Reason("merged"),
                actor=merged.actor,
            )
        )
        lead.stage, lead.stage_at = "merged", merged.at
        lead.closed_at, lead.merged_into = merged.at, into
        into.last_message_at = max(into.last_message_at, lead.last_message_at)
        for follow_up in self._still_planned():
            if follow_up.lead is lead:
                follow_up.end("cancelled", merged.at, "merged")

    # ------------------------------------------------------------------ follow-ups and categories

    def _plan_quotes(self, conversation: int, lead: Lead, at: int) -> None:
        """Plan the whole series of follow-ups on a quote. Whatever the customer or we do next cancels or ends them."""
        for number in range(1, len(QUOTE_DAYS) + 1):
            self._plan(
                FollowUp(
                    conversation=conversation,
                    lead=lead,
                    kind="quote_silent",
                    planned_at=at,
                    number=number,
                )
            )

    def _plan_after_sale(self, conversation: int, at: int) -> None:
        """Plan to look after a customer's after-sale question; one such follow-up per conversation at a time."""
        if not any(each.kind == "after_sale" and each.conversation == conversation for each in self._still_planned()):
            self._plan(FollowUp(conversation=conversation, kind="after_sale", planned_at=at))

    def _plan(self, follow_up: FollowUp) -> None:
        self.result.follow_ups.append(follow_up)
        self.planned.append(follow_up)

    def _still_planned(self) -> list[FollowUp]:
        """The planned follow-ups; those that have ended are dropped from `planned`."""
        self.planned = [follow_up for follow_up in self.planned if follow_up.state == "planned"]
        return self.planned

    def _cancel_quotes(self, at: int, by: str) -> None:
        """Cancel all follow-ups on quotes. `by`: a code that says what made them needless."""
        if not self.planned:  # as for most messages
            return
        for follow_up in self._still_planned():
            if follow_up.kind == "quote_silent":
                follow_up.end("cancelled", at, by)

    def _categorise(self, conversation: int, label: BurstLabel) -> None:
        """Set what a conversation is about, unless what is known weighs more than this label.

        Labels by a person weigh more than all others, and later ones by a person more than earlier ones. Of the others,
        the stronger group weighs more (`_CATEGORY_STRENGTH`), and of equally strong ones the later.
        """
        known = self.result.categories.get(conversation)
        by_person = label.method == "person"
        if (
            known is None
            or by_person
            or (known.by != "person" and _CATEGORY_STRENGTH[label.group] >= _CATEGORY_STRENGTH[known.group])
        ):
            self.result.categories[conversation] = Category(label.group, label.method)
