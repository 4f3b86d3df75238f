"""One contact's history, folded into leads, waiting cycles and follow-ups. Pure: the same history gives the same rows.

The theory. A contact has at most one open lead. Inbound bursts open it, reopen it or add to it; a person's answer makes
it `contacted`; only people take it further and close it. Beside that, in each conversation somebody waits or not: a
burst or a missed call begins it; an answer, a reaction of the operator or the closing of the lead ends it. The two are
independent on purpose: a chat that makes no lead waits all the same, and no learned label silences it.

What is computed here is recomputed whole whenever something of the contact changes, because messages may be captured
late and out of order. Nothing here looks at a clock: what depends on the time of asking (overdue, stale) comes later.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, assert_never

from leadmasterd.classify.intents import GROUP_OF, UNKNOWN, Group, Method
from leadmasterd.leads.stages import CLOSED
from leadmasterd.leads.timeline import Answered, Burst, Called, Decided, Merged, Reacted, Step
from leadmasterd.reasons import SYSTEM, Reason

FOLD_VERSION: Final = 4
"""Bump when the same history would give different leads; the daemon then rebuilds them all at start."""
DAY_MS: Final = 86_400_000
QUOTE_DAYS: Final = (1, 3, 7, 14)
"""A quote without an answer is followed up after these days; at most this often."""
_REOPENS: Final = ("lost", "dormant")
_WORDS_ONLY: Final = frozenset({"chat", "sticker"})
_CATEGORY_STRENGTH: Final[Mapping[Group, int]] = {
    "commercial": 5,
    "after_sale": 4,
    "closing": 3,
    "noise": 3,
    "courtesy": 1,
    "unknown": 0,
}


@dataclass(frozen=True, slots=True)
class BurstLabel:
    """What a burst was taken for. `before`: the groups of what it said before each of its edits."""

    intent: str
    method: Method
    before: frozenset[Group] = frozenset()

    @property
    def group(self) -> Group:
        """The intent's group."""
        return GROUP_OF[self.intent]

    @property
    def reasoned(self) -> bool:
        """A person's word, or a rule that gives its reason. Only these may silence."""
        return self.method in ("person", "rule")


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a lead's record."""

    at: int
    kind: Literal["opened", "stage", "new_topic", "reopened", "proposed", "merged"]
    before: str | None
    after: str | None
    because: Reason
    actor: str = SYSTEM
    message_id: int | None = None


@dataclass(slots=True)
class Lead:
    """One commercial enquiry. `opened_at` is the time of its first message; times in milliseconds."""

    conversation: int
    opened_at: int
    opened_by: int | None
    stage: str
    stage_at: int
    intent: str
    source: Literal["message", "ad", "person"]
    previous: "Lead | None"
    topics: list[str] = field(default_factory=list)
    closed_at: int | None = None
    reopened: int = 0
    proposed: str | None = None
    first_response_at: int | None = None
    last_message_at: int = 0
    merged_into: "Lead | None" = None
    changes: list[Change] = field(default_factory=list)


@dataclass(slots=True)
class Waiting:
    """The customer spoke and nobody has answered yet, or it took this long."""

    conversation: int
    kind: Literal["first", "next"]
    started_at: int
    message_id: int | None
    lead: Lead | None
    ended_at: int | None = None
    ended_by: Literal["reply", "call", "reaction", "closed"] | None = None


@dataclass(slots=True)
class FollowUp:
    """Something for a person to do."""

    conversation: int
    lead: Lead | None
    kind: Literal["quote_silent", "after_sale"]
    planned_at: int
    number: int
    due_at: int
    state: Literal["planned", "done", "cancelled"] = "planned"
    ended_at: int | None = None
    ended_by: str | None = None

    def end(self, state: Literal["done", "cancelled"], at: int, by: str) -> None:
        """Nothing is left to do."""
        self.state, self.ended_at, self.ended_by = state, at, by


@dataclass(frozen=True, slots=True)
class Category:
    """What a conversation is about, and who says so."""

    group: Group
    by: Method


@dataclass(slots=True)
class Folded:
    """All that follows from a contact's history."""

    leads: list[Lead] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    follow_ups: list[FollowUp] = field(default_factory=list)
    categories: dict[int, Category] = field(default_factory=dict)


def fold(
    history: Iterable[Step],
    label_of: Callable[[Burst], BurstLabel],
    people: Mapping[int, int],
    threads: Mapping[int, int],
    *,
    reopen_ms: int,
) -> Folded:
    """Fold ordered steps (`timeline.steps`). `people`: whose a conversation is, before anybody said who is one.

    `threads`: which WhatsApp thread it is part of.
    """
    result = Folded()
    foldings: dict[int, _Folding] = {}

    def of(contact: int) -> _Folding:
        if contact not in foldings:
            foldings[contact] = _Folding(result, threads, reopen_ms)
        return foldings[contact]

    for step in history:
        if isinstance(step, Merged):
            kept, merged = of(step.kept), of(step.merged)
            if kept is not merged:
                kept.join(merged, step)
                foldings |= {contact: kept for contact, each in foldings.items() if each is merged}
            continue
        folding = of(people[step.conversation])
        match step:
            case Burst():
                folding.burst(step, label_of(step))
            case Answered():
                folding.answered(step.at, step.conversation, "reply")
            case Called():
                folding.called(step)
            case Reacted():
                folding.stop_waiting(step.conversation, step.at, "reaction")
            case Decided():
                folding.decided(step)
            case _:
                assert_never(step)
    return result


class _Folding:
    """What is known so far of one person on the way through the history."""

    def __init__(self, result: Folded, threads: Mapping[int, int], reopen_ms: int) -> None:
        self.result = result
        self._threads = threads
        self._reopen_ms = reopen_ms
        self._open: Lead | None = None
        self._closed: Lead | None = None
        self._answered = False
        self._waiting: dict[int, Waiting] = {}
        self._last_burst: Burst | None = None
        self._to_do: list[FollowUp] = []
        self._shut: dict[int, Waiting] = {}
        """What closing ended, and nobody has answered since."""
        self._told: dict[int, BurstLabel] = {}
        """A person's word for a conversation as noise: it holds for what follows, until another word."""

    # ------------------------------------------------------------------ the customer

    def burst(self, burst: Burst, label: BurstLabel) -> None:
        """Open, reopen or add to a lead; begin to wait."""
        conversation, at = burst.conversation, burst.at
        if label.method == "person":
            self._told.pop(conversation, None)
            if label.group == "noise":
                self._told[conversation] = label
        label = self._told.get(conversation, label)
        self._last_burst = burst
        stranger = not self._answered and not burst.saved
        self._categorise(conversation, label)
        self._cancel_quotes(at, "opt_out" if label.intent == "opt_out" else "inbound")
        self._leads_of(burst, label, stranger=stranger)
        if self._open is not None:
            self._open.last_message_at = burst.messages[-1].at
        if self._needs_answer(burst, label):
            self.wait(conversation, at, burst.messages[0].message_id)
            if label.group == "after_sale" and self._open is None and not self._has_task(conversation):
                self._plan(conversation, None, "after_sale", at, 1, at)

    def _leads_of(self, burst: Burst, label: BurstLabel, *, stranger: bool) -> None:
        ad = burst.ad
        groups = {label.group, *label.before}  # an edit never un-opens a lead
        commercial = ad or "commercial" in groups
        if burst.conversation in self._told:
            commercial = False
        lead, closed = self._open, self._closed
        if lead is not None:
            self._add_to(lead, burst, label, commercial=commercial)
        elif commercial:
            why = Reason("ad") if ad else Reason("commercial", {"intent": label.intent})
            if closed is None or closed.stage == "won":
                self._start(burst, label, "new", why)
            elif closed.stage == "junk":
                self._start(burst, label, "unsorted", Reason("after_junk", {"intent": label.intent}))
            elif closed.stage in _REOPENS and burst.at - closed.stage_at <= self._reopen_ms:
                self._reopen(closed, burst.at, "new", why, SYSTEM, burst.messages[0].message_id)
                self._take_topic(closed, burst, label)
            else:
                self._start(burst, label, "new", why)
        elif stranger and closed is None and not groups.isdisjoint(("courtesy", "unknown")):
            self._start(burst, label, "unsorted", Reason("stranger", {"intent": label.intent}))

    def _add_to(self, lead: Lead, burst: Burst, label: BurstLabel, *, commercial: bool) -> None:
        message_id = burst.messages[0].message_id
        if commercial:
            if lead.stage == "unsorted":
                self._move(lead, burst.at, "new", Reason("commercial", {"intent": label.intent}), message_id=message_id)
            self._take_topic(lead, burst, label)
            lead.proposed = None
        elif label.group == "closing" and lead.proposed != label.intent:
            lead.proposed = label.intent
            because = Reason("closing_words", {"intent": label.intent})
            lead.changes.append(Change(burst.at, "proposed", None, label.intent, because, message_id=message_id))

    @staticmethod
    def _take_topic(lead: Lead, burst: Burst, label: BurstLabel) -> None:
        if label.group != "commercial" or label.intent in lead.topics:
            return
        if lead.topics:
            because = Reason("commercial", {"intent": label.intent})
            lead.changes.append(
                Change(burst.at, "new_topic", None, label.intent, because, message_id=burst.messages[0].message_id)
            )
        else:
            lead.intent = label.intent
        lead.topics.append(label.intent)

    def _needs_answer(self, burst: Burst, label: BurstLabel) -> bool:
        if label.group in ("closing", "noise") and label.reasoned:
            return False
        pure = label.intent == "acknowledgement" and label.reasoned
        pure = pure and all(message.type in _WORDS_ONLY for message in burst.messages)
        over = self._answered or (self._open is None and self._closed is not None)
        return not (pure and over)

    def called(self, call: Called) -> None:
        """A call: answered it is an answer, missed it waits; one of ours that nobody took is nothing."""
        if not call.outgoing:
            self._cancel_quotes(call.at, "call")
        if call.answered:
            self.answered(call.at, call.conversation, "call")
        elif not call.outgoing:
            self.wait(call.conversation, call.at, None)

    def wait(self, conversation: int, at: int, message_id: int | None) -> None:
        """From now on somebody waits here, unless somebody does already."""
        waiting = self._waiting.get(conversation)
        if waiting is None:
            kind: Literal["first", "next"] = "next" if self._answered else "first"
            waiting = self._waiting[conversation] = Waiting(conversation, kind, at, message_id, self._open)
            self.result.waiting.append(waiting)

    # ------------------------------------------------------------------ the operator

    def answered(self, at: int, conversation: int, how: Literal["reply", "call"]) -> None:
        """A person answered, with words."""
        self._answered = True
        self.stop_waiting(conversation, at, how)
        lead = self._open or self._closed
        if lead is not None and lead.first_response_at is None and at >= lead.opened_at:
            lead.first_response_at = at
        if lead is not None and lead is self._open:
            lead.last_message_at = at
            if lead.stage in ("unsorted", "new"):
                self._move(lead, at, "contacted", Reason("answered" if how == "reply" else "called"))
        for follow_up in self._planned():
            if follow_up.due_at <= at:
                follow_up.end("done", at, how)

    def stop_waiting(self, conversation: int, at: int, by: Literal["reply", "call", "reaction", "closed"]) -> None:
        """Nobody waits here any more, nor in what is the same WhatsApp thread under another spelling of the phone."""
        thread = self._threads[conversation]
        self._shut = {each: shut for each, shut in self._shut.items() if self._threads[each] != thread}
        for each in [each for each in self._waiting if self._threads[each] == thread]:
            waiting = self._waiting.pop(each)
            waiting.ended_at, waiting.ended_by = at, by
            if by == "closed":
                self._shut[each] = waiting

    def decided(self, decision: Decided) -> None:
        """A person moved the lead that is open, or else the last one; without any, an open stage makes one."""
        at, stage, actor = decision.at, decision.stage, decision.actor
        why = Reason("decided")
        if stage in CLOSED:
            self._close(decision, why)
            return
        lead = self._open
        if lead is None and stage in ("unsorted", "new"):
            self._wait_again()
        if lead is None and self._closed is not None:
            lead = self._closed
            self._reopen(lead, at, stage, why, actor, None)
        elif lead is None:
            lead = self._start_by_hand(decision, why)
        elif lead.stage != stage:
            self._move(lead, at, stage, why, actor=actor)
        self._cancel_quotes(at, "stage")
        if stage == "quoted":
            for number, days in enumerate(QUOTE_DAYS, 1):
                self._plan(decision.conversation, lead, "quote_silent", at, number, at + days * DAY_MS)

    def _close(self, decision: Decided, why: Reason) -> None:
        lead = self._open
        if lead is not None or self._closed is None:  # where there never was a lead, it is the chat that is done with
            for conversation in list(self._waiting):
                self.stop_waiting(conversation, decision.at, "closed")
        if lead is not None:
            lead.closed_at = decision.at
            lead.proposed = None
            self._open, self._closed = None, lead
            self._cancel_quotes(decision.at, "closed")
        else:
            lead = self._closed
        if lead is not None and lead.stage != decision.stage:
            self._move(lead, decision.at, decision.stage, why, actor=decision.actor)

    def _wait_again(self) -> None:
        """It was closed by mistake, says a person: nobody answered, and they still wait, since then."""
        later = [self._waiting[each] for each in self._shut if each in self._waiting]
        self.result.waiting = [each for each in self.result.waiting if not any(each is other for other in later)]
        for waiting in self._shut.values():
            waiting.ended_at = waiting.ended_by = None
        self._waiting |= self._shut
        self._shut = {}

    # ------------------------------------------------------------------ leads

    def _start(self, burst: Burst, label: BurstLabel, stage: str, why: Reason) -> None:
        first = burst.messages[0]
        lead = Lead(
            burst.conversation,
            first.at,
            first.message_id,
            stage,
            first.at,
            label.intent,
            "ad" if burst.ad else "message",
            self._closed,
        )
        self._open_with(lead, Change(first.at, "opened", None, stage, why, message_id=first.message_id))
        if label.group == "commercial":
            lead.topics.append(label.intent)

    def _start_by_hand(self, decision: Decided, why: Reason) -> Lead:
        burst = self._last_burst
        message_id = burst.messages[0].message_id if burst else None
        lead = Lead(
            decision.conversation, decision.at, message_id, decision.stage, decision.at, UNKNOWN, "person", None
        )
        self._open_with(lead, Change(decision.at, "opened", None, decision.stage, why, decision.actor, message_id))
        return lead

    def _open_with(self, lead: Lead, change: Change) -> None:
        lead.last_message_at = lead.opened_at
        lead.changes.append(change)
        self._open = lead
        self.result.leads.append(lead)
        self._wait_for(lead)

    def _reopen(self, lead: Lead, at: int, stage: str, why: Reason, actor: str, message_id: int | None) -> None:
        before = lead.stage
        lead.stage, lead.stage_at, lead.closed_at = stage, at, None
        lead.reopened += 1
        lead.changes.append(Change(at, "reopened", before, stage, why, actor, message_id))
        self._open = lead
        self._wait_for(lead)

    def _wait_for(self, lead: Lead) -> None:
        """Whoever waits already (closing a lead ended that of the last one) waits in this lead."""
        for waiting in self._waiting.values():
            waiting.lead = lead

    @staticmethod
    def _move(
        lead: Lead, at: int, stage: str, why: Reason, *, actor: str = SYSTEM, message_id: int | None = None
    ) -> None:
        lead.changes.append(Change(at, "stage", lead.stage, stage, why, actor, message_id))
        lead.stage, lead.stage_at = stage, at

    # ------------------------------------------------------------------ two who are one

    def join(self, other: "_Folding", joined: Merged) -> None:
        """From here on the other's person is this one. Of two open leads the older stays, the other ends as merged."""
        self._answered |= other._answered
        self._waiting |= other._waiting
        self._shut |= other._shut
        self._told |= other._told
        self._to_do += other._to_do
        bursts = [each for each in (self._last_burst, other._last_burst) if each]
        self._last_burst = max(bursts, key=lambda burst: burst.at, default=None)
        closed = [each for each in (self._closed, other._closed) if each]
        self._closed = max(closed, key=lambda lead: lead.closed_at or 0, default=None)
        leads = sorted((each for each in (self._open, other._open) if each), key=lambda lead: lead.opened_at)
        self._open = leads[0] if leads else None
        for lead in leads[1:]:
            self._end_as_merged(lead, leads[0], joined)
        if self._open:
            self._wait_for(self._open)

    def _end_as_merged(self, lead: Lead, into: Lead, joined: Merged) -> None:
        before = lead.stage
        lead.stage, lead.stage_at, lead.closed_at, lead.merged_into = "merged", joined.at, joined.at, into
        lead.changes.append(Change(joined.at, "merged", before, "merged", Reason("merged"), joined.actor))
        into.last_message_at = max(into.last_message_at, lead.last_message_at)
        for follow_up in self._planned():
            if follow_up.lead is lead:
                follow_up.end("cancelled", joined.at, "merged")

    # ------------------------------------------------------------------ follow-ups and categories

    def _plan(
        self,
        conversation: int,
        lead: Lead | None,
        kind: Literal["quote_silent", "after_sale"],
        at: int,
        number: int,
        due_at: int,
    ) -> None:
        follow_up = FollowUp(conversation, lead, kind, at, number, due_at)
        self.result.follow_ups.append(follow_up)
        self._to_do.append(follow_up)

    def _has_task(self, conversation: int) -> bool:
        return any(each.kind == "after_sale" and each.conversation == conversation for each in self._planned())

    def _planned(self) -> list[FollowUp]:
        self._to_do = [follow_up for follow_up in self._to_do if follow_up.state == "planned"]
        return self._to_do

    def _cancel_quotes(self, at: int, by: str) -> None:
        for follow_up in self._planned():
            if follow_up.kind == "quote_silent":
                follow_up.end("cancelled", at, by)

    def _categorise(self, conversation: int, label: BurstLabel) -> None:
        """The stronger word wins, the later of two equal ones; a person's word over all, until their next."""
        now = self.result.categories.get(conversation)
        if (
            now is None
            or label.method == "person"
            or (now.by != "person" and _CATEGORY_STRENGTH[label.group] >= _CATEGORY_STRENGTH[now.group])
        ):
            self.result.categories[conversation] = Category(label.group, label.method)
