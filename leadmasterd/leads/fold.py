"""One contact's history, folded into leads, waiting cycles and follow-ups. Pure: the same history, the same rows.

The theory. A contact has at most one open lead. Inbound bursts open it, reopen it or add to it; a person's answer makes
it `contacted`; only people take it further and close it. Independently, a conversation waits or not: a burst
or a missed call starts a waiting cycle; an answer, a reaction of ours, the closing of the lead or a person who says
that it needs no answer ends it. The two are separate on purpose: a conversation without a lead waits all the same, and
no learned label silences it.

What is later than a change is recomputed whenever anything of the contact changes, because messages may be captured
late and out of order; the state at a moment (`leads.state`) stands for all before it. Nothing here looks at a clock:
what depends on the time of asking (overdue, stale) is left to `queries`.
docs/leads.md shows the rules to people; its table is `OPENING`.
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

FOLD_VERSION: Final = 10
"""Raise it when the same history gives other leads (a test notices): the daemon then rebuilds them all at start."""
DAY_MS: Final = 86_400_000
QUOTE_DAYS: Final = (1, 3, 7, 14)
"""Days after an unanswered quote on which to follow up; not more often."""
OF_THE_SALE_MS: Final = 2 * DAY_MS
"""So long after `won`, talk of how to pay, fetch or get there belongs to that sale."""
_OF_THE_SALE: Final = frozenset({"payment", "delivery", "business_info", "appointment", "callback"})
_ANOTHER: Final = re.compile(
    r"\b(?:otr[oa]s?(?! (?:d[ií]as?|semanas?|horas?|horarios?|momentos?))|tambi[eé]n|adem[aá]s)\b", re.IGNORECASE
)
"""An appointment spoken of with these words is one more, not the one to fetch what was bought."""
_WORDS_ONLY: Final = frozenset({"chat", "sticker"})
_CATEGORY_STRENGTH: Final[Mapping[Group, int]] = {
    "commercial": 5,
    "after_sale": 4,
    "closing": 3,
    "noise": 3,
    "courtesy": 1,
    "unknown": 0,
}


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
"""How a burst opens a lead: the stage of a new one, or the last one again as `new`."""


@dataclass(frozen=True, slots=True)
class BurstLabel:
    """What a burst was labelled as. `before`: the intents of its texts before each of its edits."""

    intent: str
    method: Method
    before: frozenset[str] = frozenset()

    @property
    def group(self) -> Group:
        return GROUP_OF[self.intent]

    @property
    def reasoned(self) -> bool:
        """By a person, or by a rule that gives its reason. Only such a label may silence."""
        return self.method in ("person", "rule")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of a lead's record."""

    at: int
    kind: Literal["opened", "stage", "new_topic", "reopened", "proposed", "merged"]
    before: str | None = None
    after: str | None
    reason: Reason
    actor: str = SYSTEM
    message_id: int | None = None


@dataclass(frozen=True, slots=True)
class Former:
    """A lead that was over before the fold began: only its number is known, and nothing can change it any more."""

    lead_id: int


@dataclass(slots=True, kw_only=True, eq=False)
class Lead:
    """One commercial enquiry. Times in milliseconds; `opened_at` is that of its first message.

    `lead_id`: of one that was there before the fold began; its `changes` are its opening and those since then.
    """

    conversation: int
    opened_at: int
    opened_by: int | None
    stage: str
    stage_at: int
    intent: str = UNKNOWN
    source: Literal["message", "ad", "person"]
    previous: "Lead | Former | None" = None
    topics: list[str] = field(default_factory=list)
    closed_at: int | None = None
    reopened: int = 0
    proposed: str | None = None
    first_response_at: int | None = None
    last_message_at: int
    merged_into: "Lead | None" = None
    changes: list[Change] = field(default_factory=list)
    lead_id: int | None = None


EndOfWaiting = Literal["reply", "call", "reaction", "closed", "dismissed"]
Asked = tuple[int, int | None]
"""What asks for an answer: when, and which message; None for a missed call."""


@dataclass(slots=True, kw_only=True, eq=False)
class Waiting:
    """A waiting cycle: from the customer's first words without an answer to what ended it. `asked`: in order."""

    conversation: int
    kind: Literal["first", "next"]
    started_at: int
    message_id: int | None
    lead: Lead | Former | None
    asked: list[Asked]
    ended_at: int | None = None
    ended_by: EndOfWaiting | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class FollowUp:
    """Something for a person to do."""

    conversation: int
    lead: Lead | Former | None = None
    kind: Literal["quote_silent", "after_sale"]
    planned_at: int
    number: int = 1
    state: Literal["planned", "done", "cancelled"] = "planned"
    ended_at: int | None = None
    ended_by: str | None = None

    @property
    def due_at(self) -> int:
        """When it is due, or at the next opening after that."""
        return follow_up_due(self.kind, self.planned_at, self.number)

    def end(self, state: Literal["done", "cancelled"], at: int, by: str) -> None:
        self.state, self.ended_at, self.ended_by = state, at, by


def follow_up_due(kind: str, planned_at: int, number: int) -> int:
    """When a follow-up is due that was planned then (ms): of a series about a quote, each some days later."""
    return planned_at + (QUOTE_DAYS[number - 1] * DAY_MS if kind == "quote_silent" else 0)


@dataclass(frozen=True, slots=True)
class Category:
    """What a conversation is about, and by whose label."""

    group: Group
    by: Method


@dataclass(slots=True)
class Folded:
    """Everything derived from a contact's history."""

    leads: list[Lead] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    follow_ups: list[FollowUp] = field(default_factory=list)
    categories: dict[int, Category] = field(default_factory=dict)


class Fold:
    """A contact's history, folded step by step. `people`: conversation -> whose it was before any person merged
    contacts. `threads`: conversation -> which WhatsApp thread it is part of.
    """

    def __init__(
        self,
        label_of: Callable[[Burst], BurstLabel],
        people: Mapping[int, int],
        threads: Mapping[int, int],
        *,
        reopen_ms: int,
    ) -> None:
        self.result = Folded()
        self.persons: dict[int, PersonFold] = {}
        """Two that a person has merged share one."""
        self.wrote: set[int] = set()
        """The persons who have written."""
        self._label_of = label_of
        self._people = people
        self._threads = threads
        self._reopen_ms = reopen_ms

    def add_person(self) -> "PersonFold":
        """Somebody of whom nothing is known yet."""
        return PersonFold(self.result, self._threads, self._reopen_ms)

    def _of(self, person: int) -> "PersonFold":
        if person not in self.persons:
            self.persons[person] = self.add_person()
        return self.persons[person]

    def take(self, step: Step) -> None:
        """The next step (`timeline.steps`)."""
        if isinstance(step, Merged):
            kept, merged = self._of(step.kept), self._of(step.merged)
            if kept is not merged:
                kept.merge(merged, step)
                self.persons |= {person: kept for person, each in self.persons.items() if each is merged}
            return
        person = self._of(self._people[step.conversation])
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
        """The waits and follow-ups that nothing can change any more. From now on they are in no result.

        Only at a boundary: of what a running wait was asked before it, nothing is asked for again (`leads.state`).
        """
        running: set[Waiting] = set()
        planned: set[FollowUp] = set()
        for person in self.persons.values():
            running.update(person.waiting.values(), person.ended_by_closing.values())
            planned.update(each for each in person.planned if each.state == "planned")
        for wait in running:
            wait.asked = []
        over = [each for each in self.result.waiting if each not in running]
        done = [each for each in self.result.follow_ups if each not in planned]
        self.result.waiting = [each for each in self.result.waiting if each in running]
        self.result.follow_ups = [each for each in self.result.follow_ups if each in planned]
        return over, done


class PersonFold:
    """The state of the fold for one person. `result` is shared by all persons of the history.

    What is public is the state that a checkpoint keeps (`leads.state`).
    """

    def __init__(self, result: Folded, threads: Mapping[int, int], reopen_ms: int) -> None:
        self.result = result
        self._threads = threads
        self._reopen_ms = reopen_ms
        self.open: Lead | None = None
        self.closed: Lead | None = None
        """The lead that was closed last, unless it is open again."""
        self.has_answered = False
        """Whether anybody on our side ever answered; until then they are a stranger, unless saved."""
        self.last_words: tuple[int, int] | None = None
        """When their last burst began, and its first message."""
        self.planned: list[FollowUp] = []
        self.waiting: dict[int, Waiting] = {}
        """Conversation -> its running cycle."""
        self.ended_by_closing: dict[int, Waiting] = {}
        """Conversation -> the cycle that a closing ended, without an answer since."""
        self.muted: dict[int, BurstLabel] = {}
        """Conversation -> a person's label as noise: it holds for what follows, until another label by a person."""

    # ------------------------------------------------------------------ the customer

    def inbound(self, burst: Burst, label: BurstLabel) -> None:
        """Open, reopen or add to a lead; start a waiting cycle."""
        conversation, at = burst.conversation, burst.at
        if label.method == "person":
            self.muted.pop(conversation, None)
            if label.group == "noise":
                self.muted[conversation] = label
        label = self.muted.get(conversation, label)
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
        intents = {label.intent, *label.before}  # an edit never un-opens a lead
        if self._follows_a_sale(burst.at):
            another = any(_ANOTHER.search(text) for text in burst.texts)
            intents -= _OF_THE_SALE - {"appointment"} if another else _OF_THE_SALE
        groups = {GROUP_OF[intent] for intent in intents}
        if burst.shares and label.method != "person":
            groups.add("unknown")
        if burst.conversation not in self.muted and (burst.ad or "commercial" in groups):
            return Enquiry.COMMERCIAL
        stranger = not self.has_answered and not burst.saved
        return Enquiry.UNCLEAR if stranger and not groups.isdisjoint(("courtesy", "unknown")) else Enquiry.NONE

    def _follows_a_sale(self, at: int) -> bool:
        sale = self.closed
        return self.open is None and sale is not None and sale.stage == "won" and at - sale.stage_at <= OF_THE_SALE_MS

    def _last_lead(self, at: int) -> LastLead:
        closed = self.closed
        if closed is None:
            return LastLead.NONE
        if closed.stage == "won":
            return LastLead.WON
        if closed.stage == "junk":
            return LastLead.JUNK
        return LastLead.LOST_LATELY if at - closed.stage_at <= self._reopen_ms else LastLead.LOST_LONG_AGO

    def _open_for(self, burst: Burst, label: BurstLabel, enquiry: Enquiry) -> None:
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
        if burst.shares and label.method != "person":
            return True
        if label.group in ("closing", "noise") and label.reasoned:
            return False
        if label.intent != "acknowledgement" or not label.reasoned:
            return True
        only_words = all(message.type in _WORDS_ONLY for message in burst.messages)
        conversation_over = self.has_answered or (self.open is None and self.closed is not None)
        return not (only_words and conversation_over)

    def called(self, call: Called) -> None:
        """Answered: an answer. Missed: waiting starts. Outgoing and not taken: nothing changes."""
        if not call.outgoing:
            self._cancel_quotes(call.at, "call")
        if call.answered:
            self.answered(call.at, call.conversation, "call")
        elif not call.outgoing:
            self._wait(call.conversation, [(call.at, None)])

    def _wait(self, conversation: int, asked: list[Asked]) -> None:
        """Start a waiting cycle, or add to the one that runs."""
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
        """Somebody on our side answered, in words."""
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
        """End the waiting here, and in the same WhatsApp thread under other spellings of the phone."""
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
        return [each for each in self.waiting if self._threads[each] == thread]

    def dismissed(self, dismissal: Dismissed) -> None:
        """End the waiting in this thread, but of what the person had not seen a new cycle starts.

        A message may be captured after the decision and have been sent before it: nobody has said that it needs none.
        """
        for each in self._waiting_in(self._threads[dismissal.conversation]):
            waiting = self.waiting[each]
            if waiting.started_at > dismissal.seen:
                continue
            del self.waiting[each]
            waiting.ended_at, waiting.ended_by = dismissal.at, "dismissed"
            if unseen := [asked for asked in waiting.asked if asked[0] > dismissal.seen]:
                self._wait(each, unseen)

    def decided(self, decision: Decided) -> None:
        """A person moved the open lead, or else the last one; if there is none, an open stage opens one."""
        if decision.stage in CLOSED:
            self._close(decision)
            return
        at, stage, actor = decision.at, decision.stage, decision.actor
        lead = self.open
        if lead is None and stage in ("unsorted", "new"):
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
        lead = self.open
        discarded, ended = decision.stage == "junk", False
        # Without any lead, the conversation itself is closed; and of what is discarded, nothing is left to do.
        if lead is not None or self.closed is None or discarded:
            for conversation in list(self.waiting):
                ended = True
                self.stop_waiting(conversation, decision.at, "closed")
        if discarded:
            for follow_up in self._still_planned():
                ended = True
                follow_up.end("cancelled", decision.at, "closed")
        if lead is not None:
            lead.closed_at = decision.at
            lead.proposed = None
            self.open, self.closed = None, lead
            self._cancel_quotes(decision.at, "closed")
        else:
            lead = self.closed
        if lead is not None and lead.stage != decision.stage:
            self._move(lead, at=decision.at, stage=decision.stage, reason=Reason("decided"), actor=decision.actor)
        elif lead is not None and ended:  # junk already: what it ended this time is on record
            change = Change(
                at=decision.at, kind="stage", after=decision.stage, reason=Reason("decided"), actor=decision.actor
            )
            lead.changes.append(change)

    def _restore_waiting(self) -> None:
        """Reopened by a person: it was closed by mistake, so the cycles that the closing ended go on.

        A cycle that started since then in the same conversation is part of the restored one.
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
        self._opened(lead, reason, SYSTEM)

    def _start_by_hand(self, decision: Decided) -> Lead:
        lead = Lead(
            conversation=decision.conversation,
            opened_at=decision.at,
            opened_by=self.last_words[1] if self.last_words else None,
            stage=decision.stage,
            stage_at=decision.at,
            source="person",
            last_message_at=decision.at,
        )
        self._opened(lead, Reason("decided"), decision.actor)
        return lead

    def _opened(self, lead: Lead, reason: Reason, actor: str) -> None:
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
        """Running cycles belong to this lead: those of an earlier one ended when it was closed."""
        self.open = lead
        for waiting in self.waiting.values():
            waiting.lead = lead

    @staticmethod
    def _move(
        lead: Lead, *, at: int, stage: str, reason: Reason, actor: str = SYSTEM, message_id: int | None = None
    ) -> None:
        lead.changes.append(
            Change(
                at=at, kind="stage", before=lead.stage, after=stage, reason=reason, actor=actor, message_id=message_id
            )
        )
        lead.stage, lead.stage_at = stage, at

    # ------------------------------------------------------------------ two contacts become one

    def merge(self, other: "PersonFold", merged: Merged) -> None:
        """Take in the other person. Of two open leads the older stays open, the other ends as `merged`."""
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
        """At most one task per conversation at a time."""
        if not any(each.kind == "after_sale" and each.conversation == conversation for each in self._still_planned()):
            self._plan(FollowUp(conversation=conversation, kind="after_sale", planned_at=at))

    def _plan(self, follow_up: FollowUp) -> None:
        self.result.follow_ups.append(follow_up)
        self.planned.append(follow_up)

    def _still_planned(self) -> list[FollowUp]:
        self.planned = [follow_up for follow_up in self.planned if follow_up.state == "planned"]
        return self.planned

    def _cancel_quotes(self, at: int, by: str) -> None:
        for follow_up in self._still_planned() if self.planned else ():
            if follow_up.kind == "quote_silent":
                follow_up.end("cancelled", at, by)

    def _categorise(self, conversation: int, label: BurstLabel) -> None:
        """The stronger group wins, of equals the later one; a manual label wins over all, until the next manual one."""
        now = self.result.categories.get(conversation)
        if (
            now is None
            or label.method == "person"
            or (now.by != "person" and _CATEGORY_STRENGTH[label.group] >= _CATEGORY_STRENGTH[now.group])
        ):
            self.result.categories[conversation] = Category(label.group, label.method)
