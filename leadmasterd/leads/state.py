"""The state of a fold at a boundary of its history, as JSON values, and how to resume a fold from it. Pure.

Only what can still change is in it: open leads and those closed last, running waiting cycles, planned follow-ups. All
else is in the tables already. Of a running cycle's messages only the first is kept: a dismissal after the boundary says
nothing about messages before the boundary (`projection.checkpoints`).

Leads have numbers (`leads.lead_id`) only once their rows are written. So a state is first taken with a place in a list
for each lead, and the list gets the numbers later.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from leadmasterd.leads.fold import BurstLabel, Category, Change, Fold, FollowUp, Former, Lead, PersonFold, Waiting
from leadmasterd.leads.timeline import Burst
from leadmasterd.reasons import Reason

State = dict[str, Any]
"""A JSON object:

- `leads`: the numbers of all leads that the state refers to. Elsewhere a lead is its place in this list.
- `changing`: the leads that may still change: open ones, and those closed last.
- `waits`: the waiting cycles that run or may be restored. Elsewhere a cycle is its place in this list.
- `folds`: the person folds. Elsewhere a person fold is its place in this list.
- `persons`: pairs of a person's id and a place in `folds`; persons that were merged share one.
- `wrote`: the ids of the persons who have written.
- `categories`: for each conversation its id, its group, and the method of the label that says so.
"""


class UnnumberedState:
    """The state of a fold at one moment, copied. Its leads may have no numbers yet: `numbered` gives them."""

    def __init__(self, fold: Fold) -> None:
        self._leads: dict[Lead | Former, int] = {}
        """The leads that the state refers to, each with its place in `leads`."""
        person_folds = list({id(each): each for each in fold.persons.values()}.values())  # each once
        place_of_fold = {id(each): place for place, each in enumerate(person_folds)}
        changing: dict[Lead, None] = {}
        waits: dict[Waiting, None] = {}
        for each in person_folds:
            changing.update(dict.fromkeys(lead for lead in (each.open, each.closed) if lead))
            waits.update(dict.fromkeys([*each.waiting.values(), *each.ended_by_closing.values()]))
        self._waits = {wait: place for place, wait in enumerate(waits)}
        self._state: State = {
            "changing": [[self._place(lead), *self._lead(lead)] for lead in changing],
            "waits": [self._wait(wait) for wait in waits],
            "folds": [self._person_fold(each) for each in person_folds],
            "persons": [[person, place_of_fold[id(each)]] for person, each in fold.persons.items()],
            "wrote": sorted(fold.wrote),
            "categories": [
                [conversation, each.group, each.by] for conversation, each in fold.result.categories.items()
            ],
        }

    def numbered(self, number_of: Callable[[Lead | Former], int]) -> State:
        """The state as JSON, once every lead that it refers to has a number."""
        return {**self._state, "leads": [number_of(lead) for lead in self._leads]}

    def _place(self, lead: Lead | Former | None) -> int | None:
        """The lead's place in `leads`; a lead that is not in it yet is added."""
        return None if lead is None else self._leads.setdefault(lead, len(self._leads))

    def _lead(self, lead: Lead) -> list[object]:
        """The fields of a lead, in the order in which `_resume_leads` takes them."""
        return [
            lead.conversation, lead.opened_at, lead.opened_by, lead.stage, lead.stage_at, lead.intent, lead.source,
            self._place(lead.previous), list(lead.topics), lead.closed_at, lead.reopened, lead.proposed,
            lead.first_response_at, lead.last_message_at, self._opening(lead),
        ]  # fmt: skip

    @staticmethod
    def _opening(lead: Lead) -> list[object] | None:
        """The change that opened the lead: its reason may be needed again. None if it is not among its changes."""
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
        """The fields of a waiting cycle, in the order in which `resume` takes them."""
        return [
            wait.conversation, wait.kind, wait.started_at, wait.message_id, self._place(wait.lead), wait.ended_at,
            wait.ended_by,
        ]  # fmt: skip

    def _person_fold(self, person: PersonFold) -> list[object]:
        """The state of one person, in the order in which `_resumed_person` takes it."""
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
            [
                [conversation, label.intent, label.method, sorted(label.before)]
                for conversation, label in person.muted.items()
            ],
        ]


def resume(fold: Fold, state: State) -> None:
    """Put a new fold into a saved state, so that it goes on from there.

    Raises KeyError, TypeError, ValueError or IndexError if it is not a state; the fold is of no use then.
    """
    leads = _resume_leads(fold, state)
    waits = [
        Waiting(
            conversation=conversation,
            kind=kind,
            started_at=started_at,
            message_id=message_id,
            lead=None if lead is None else leads[lead],
            asked=[],
            ended_at=ended_at,
            ended_by=ended_by,
        )
        for conversation, kind, started_at, message_id, lead, ended_at, ended_by in state["waits"]
    ]
    fold.result.waiting += waits
    person_folds = [_resumed_person(fold, columns, leads, waits) for columns in state["folds"]]
    fold.persons |= {person: person_folds[place] for person, place in state["persons"]}
    fold.wrote |= set(state["wrote"])
    fold.result.categories |= {conversation: Category(group, by) for conversation, group, by in state["categories"]}


def _resume_leads(fold: Fold, state: State) -> list[Lead | Former]:
    """The leads of a state, in the order of its `leads`. Those that may still change are added to the fold's result.

    Of the others only the number is known.
    """
    numbers = numbers_in(state)
    leads: list[Lead | Former] = [Former(number) for number in numbers]
    previous_places: list[tuple[Lead, int | None]] = []
    for place, *columns in state["changing"]:
        (
            conversation, opened_at, opened_by, stage, stage_at, intent, source, previous, topics, closed_at, reopened,
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
        previous_places.append((lead, previous))
        fold.result.leads.append(lead)
    for lead, previous in previous_places:  # now that all leads are there
        lead.previous = None if previous is None else leads[previous]
    return leads


def is_state(state: Any) -> bool:
    """Whether a fold can be resumed from it. What is in a database may have been written by another build."""

    def label_of(burst: Burst) -> BurstLabel:
        raise AssertionError(burst)  # nothing is folded

    try:
        resume(Fold(label_of, {}, {}, reopen_ms=0), state)
    except (LookupError, TypeError, ValueError, AttributeError):
        return False
    return True


def _changes(opening: Sequence[Any] | None) -> list[Change]:
    """The changes to begin a resumed lead's record with: its opening as `_opening` gave it, or none."""
    if opening is None:
        return []
    at, after, code, values, actor, message_id = opening
    reason = Reason(code, values)
    return [Change(at=at, kind="opened", after=after, reason=reason, actor=actor, message_id=message_id)]


def _resumed_person(fold: Fold, columns: Iterable[Any], leads: list[Lead | Former], waits: list[Waiting]) -> PersonFold:
    """A person fold with its state. Its planned follow-ups are added to the fold's result. Raises as `resume`."""
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
    person.muted = {
        conversation: BurstLabel(intent, method, frozenset(before)) for conversation, intent, method, before in muted
    }
    return person


def _by_conversation(waits: Iterable[Waiting]) -> dict[int, Waiting]:
    return {wait.conversation: wait for wait in waits}


def _changing(lead: Lead | Former) -> Lead:
    """The lead itself. Raises TypeError if only its number is known."""
    if not isinstance(lead, Lead):
        raise TypeError(f"lead {lead.lead_id} cannot change any more")
    return lead


def numbers_in(state: Mapping[str, Any]) -> list[int]:
    """The numbers of all leads that a state refers to."""
    return [int(number) for number in state["leads"]]
