"""The state of a fold at a boundary of its history, as plain values, and a fold that goes on from it. Pure.

Only what can still change is in it: open leads and those closed last, running waits, planned follow-ups. All else is
in the tables already. Of what a running wait was asked before the boundary only the first is kept, because a dismissal
says nothing of what came before it (`projection.checkpoints`).

The numbers of leads are known when their rows have been written: so a state is taken first, and numbered then.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from leadmasterd.leads.fold import BurstLabel, Category, Change, Fold, FollowUp, Former, Lead, PersonFold, Waiting
from leadmasterd.leads.timeline import Burst
from leadmasterd.reasons import Reason

State = dict[str, Any]
"""JSON."""


class Taken:
    """A state whose leads have no numbers yet."""

    def __init__(self, fold: Fold) -> None:
        self._leads: dict[Lead | Former, int] = {}
        """Those that are referred to, by their place in the list."""
        persons = {id(each): each for each in fold.persons.values()}
        places = {each: place for place, each in enumerate(persons)}
        changing = dict.fromkeys(lead for each in persons.values() for lead in (each.open, each.closed) if lead)
        waits = dict.fromkeys(
            wait for each in persons.values() for wait in (*each.waiting.values(), *each.ended_by_closing.values())
        )
        self._waits = {wait: place for place, wait in enumerate(waits)}
        self._state: State = {
            "changing": [[self._place(lead), *self._lead(lead)] for lead in changing],
            "waits": [self._wait(wait) for wait in waits],
            "folds": [self._person(each) for each in persons.values()],
            "persons": [[person, places[id(each)]] for person, each in fold.persons.items()],
            "wrote": sorted(fold.wrote),
            "categories": [[where, each.group, each.by] for where, each in fold.result.categories.items()],
        }

    def numbered(self, number_of: Callable[[Lead | Former], int]) -> State:
        """The state, with the numbers that the tables have given to leads."""
        return {**self._state, "leads": [number_of(lead) for lead in self._leads]}

    def _place(self, lead: Lead | Former | None) -> int | None:
        return None if lead is None else self._leads.setdefault(lead, len(self._leads))

    def _lead(self, lead: Lead) -> list[object]:
        return [
            lead.conversation, lead.opened_at, lead.opened_by, lead.stage, lead.stage_at, lead.intent, lead.source,
            self._place(lead.previous), list(lead.topics), lead.closed_at, lead.reopened, lead.proposed,
            lead.first_response_at, lead.last_message_at, self._opening(lead),
        ]  # fmt: skip

    @staticmethod
    def _opening(lead: Lead) -> list[object] | None:
        """The line of its record that says why it opened: its reason may still be asked for."""
        if not lead.changes or lead.changes[0].kind != "opened":
            return None
        change = lead.changes[0]
        return [
            change.at,
            change.after,
            change.reason.code,
            dict(change.reason.values),
            change.actor,
            change.message_id,
        ]

    def _wait(self, wait: Waiting) -> list[object]:
        return [
            wait.conversation, wait.kind, wait.started_at, wait.message_id, self._place(wait.lead), wait.ended_at,
            wait.ended_by,
        ]  # fmt: skip

    def _person(self, person: PersonFold) -> list[object]:
        return [
            self._place(person.open),
            self._place(person.closed),
            person.has_answered,
            person.last_words,
            [
                [each.conversation, self._place(each.lead), each.kind, each.planned_at, each.number]
                for each in person.planned
                if each.state == "planned"
            ],
            [self._waits[wait] for wait in person.waiting.values()],
            [self._waits[wait] for wait in person.ended_by_closing.values()],
            [[where, label.intent, label.method, sorted(label.before)] for where, label in person.muted.items()],
        ]


def resume(fold: Fold, state: State) -> None:
    """Let a new fold go on from a state. Raises KeyError, TypeError, ValueError or IndexError for what is none."""
    numbers = [int(number) for number in state["leads"]]
    leads: list[Lead | Former] = [Former(number) for number in numbers]
    previous: list[tuple[Lead, int | None]] = []
    for place, *columns in state["changing"]:
        (
            conversation, opened_at, opened_by, stage, stage_at, intent, source, before, topics, closed_at, reopened,
            proposed, first_response_at, last_message_at, opening,
        ) = columns  # fmt: skip
        lead = leads[place] = Lead(
            conversation=conversation,
            opened_at=opened_at,
            opened_by=opened_by,
            stage=stage,
            stage_at=stage_at,
            intent=intent,
            source=source,
            topics=topics,
            closed_at=closed_at,
            reopened=reopened,
            proposed=proposed,
            first_response_at=first_response_at,
            last_message_at=last_message_at,
            changes=_changes(opening),
            lead_id=numbers[place],
        )
        previous.append((lead, before))
        fold.result.leads.append(lead)

    def at(place: int | None) -> Lead | Former | None:
        return None if place is None else leads[place]

    for lead, before in previous:
        lead.previous = at(before)

    waits = [
        Waiting(
            conversation=conversation,
            kind=kind,
            started_at=started_at,
            message_id=message_id,
            lead=at(lead),
            asked=[],
            ended_at=ended_at,
            ended_by=ended_by,
        )
        for conversation, kind, started_at, message_id, lead, ended_at, ended_by in state["waits"]
    ]
    fold.result.waiting += waits
    persons = [_person(fold, columns, leads, waits) for columns in state["folds"]]
    fold.persons |= {person: persons[place] for person, place in state["persons"]}
    fold.wrote |= set(state["wrote"])
    fold.result.categories |= {where: Category(group, by) for where, group, by in state["categories"]}


def is_state(state: Any) -> bool:
    """Whether a fold can go on from it: what is in a file may be of another build."""

    def label_of(burst: Burst) -> BurstLabel:
        raise AssertionError(burst)

    try:
        resume(Fold(label_of, {}, {}, reopen_ms=0), state)
    except (LookupError, TypeError, ValueError, AttributeError):
        return False
    return True


def _changes(opening: Sequence[Any] | None) -> list[Change]:
    if opening is None:
        return []
    at, after, code, values, actor, message_id = opening
    reason = Reason(code, values)
    return [Change(at=at, kind="opened", after=after, reason=reason, actor=actor, message_id=message_id)]


def _person(fold: Fold, columns: Iterable[Any], leads: list[Lead | Former], waits: list[Waiting]) -> PersonFold:
    opened, closed, answered, last_words, planned, waiting, ended, muted = columns
    person = fold.add_person()
    person.open = None if opened is None else _changing(leads[opened])
    person.closed = None if closed is None else _changing(leads[closed])
    person.has_answered = answered
    person.last_words = None if last_words is None else (last_words[0], last_words[1])
    person.planned = [
        FollowUp(
            conversation=conversation,
            lead=None if lead is None else leads[lead],
            kind=kind,
            planned_at=planned_at,
            number=number,
        )
        for conversation, lead, kind, planned_at, number in planned
    ]
    fold.result.follow_ups += person.planned
    person.waiting = _by_conversation(waits[place] for place in waiting)
    person.ended_by_closing = _by_conversation(waits[place] for place in ended)
    person.muted = {where: BurstLabel(intent, method, frozenset(before)) for where, intent, method, before in muted}
    return person


def _by_conversation(waits: Iterable[Waiting]) -> dict[int, Waiting]:
    return {wait.conversation: wait for wait in waits}


def _changing(lead: Lead | Former) -> Lead:
    if not isinstance(lead, Lead):
        raise TypeError(f"lead {lead.lead_id} cannot change any more")
    return lead


def numbers_in(state: Mapping[str, Any]) -> list[int]:
    """The leads that a state refers to."""
    return [int(number) for number in state["leads"]]
