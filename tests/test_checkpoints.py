"""A history that is folded from a checkpoint on, or in windows, gives the same rows as one that is folded at once."""

import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from leadmasterd.leads import timeline
from leadmasterd.leads.timeline import NEVER, Boundary, Reading
from leadmasterd.projection import checkpoints, history
from leadmasterd.store import merges
from tests import wire
from tests.depth import examples
from tests.stories import Books, Customer, edited, iso, policy
from tests.test_projection_order import Clerk, Story, everything, picture, shuffled, stories

THOROUGH = settings(max_examples=examples(12), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
DISTANCES = (1, 2, 3, 7)
WINDOWS = (NEVER, 1, 2, 3, 5, 7)
NOW = datetime(2027, 1, 1, tzinfo=UTC)


UNLIKE = ("checkpoints", "sqlite_sequence", "message_merges", "conversation_merges")
"""Tables with nothing derived, or with the time at which this test ran."""


NUMBERED_AS_WRITTEN = ("touches", "classifications", "waiting_cycles", "follow_ups")
"""Tables whose numbers follow the order of writing: one that is written again uses up another."""
KNOWN_OUTSIDE = ("waiting_cycles", "follow_ups")
"""Of these, those whose numbers feeds and alerts have told."""


def rows(books: Books) -> dict[str, list[Any]]:
    """Every row that is to be the same, in any order."""
    found = {table: each for table, each in everything(books).items() if table not in UNLIKE}
    found |= {table: [each[1:] for each in found[table]] for table in NUMBERED_AS_WRITTEN}
    return {table: sorted(each, key=repr) for table, each in found.items()}


def numbered(books: Books) -> list[Any]:
    """The rows of what is known outside, with their numbers."""
    return [books.ask(f"SELECT * FROM {table}") for table in KNOWN_OUTSIDE]


def books_with(every: int, window: int = NEVER) -> Books:
    """Checkpoints are so far apart, and so many messages are folded at once."""
    books = Books(every=every, window=window)
    books.now = NOW
    return books


@given(stories(), st.data())
@THOROUGH
def test_from_checkpoints_on_every_row_is_that_of_folding_the_whole(story: Story, data: st.DataObject) -> None:
    """Whatever is captured late, edited, merged, parted, labelled, decided and undone, to the last row."""
    every, window = data.draw(st.sampled_from(DISTANCES)), data.draw(st.sampled_from(WINDOWS))
    order = data.draw(st.permutations(range(len(story.lines))))
    pauses = data.draw(st.lists(st.integers(0, 3), min_size=len(order), max_size=len(order)))
    with books_with(every, window) as partly, books_with(NEVER) as wholly:
        clerks = Clerk(partly), Clerk(wholly)
        for line, pause in zip(shuffled(story, order), pauses, strict=True):
            note(str({name: line.get(name) for name in ("type", "id", "body", "stage", "t", "at")}))
            for clerk in clerks:
                clerk.take(line)
                if pause:
                    clerk.books.project_some(pause)
            if pause:
                assert rows(partly) == rows(wholly)
        for clerk in clerks:
            clerk.books.project_all()
        assert rows(partly) == rows(wholly)
        before = rows(partly), numbered(partly)
        partly.rebuild()
        assert (rows(partly), numbered(partly)) == before


@given(stories(), st.sampled_from(DISTANCES), st.sampled_from(WINDOWS))
@THOROUGH
def test_line_by_line_from_checkpoints_on_it_is_as_if_told_at_once(story: Story, every: int, window: int) -> None:
    """Each line is projected as it comes, so that each begins at the latest checkpoint that it can."""
    with books_with(every, window) as partly, books_with(NEVER) as at_once:
        clerk, other = Clerk(partly), Clerk(at_once)
        for line in story.lines:
            clerk.take(line)
            partly.project_all()
            other.take(line)
        at_once.project_all()
        assert picture(partly) == picture(at_once)


# ---------------------------------------------------------------------- what holds, and what does not


def a_long_story() -> list[dict[str, Any]]:
    """Forty questions, each answered, an hour apart."""
    ana, lines = Customer(), []
    for number in range(40):
        day, hour = 1 + number // 10, 9 + number % 10
        lines += [ana.says(f"{day:02} {hour:02}:00", "price"), ana.hears(f"{day:02} {hour:02}:10", f"{number} pesos")]
    return lines


def read_of(books: Books, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events each projection reads from now on."""
    read: list[int] = []

    def counting(events: Any, *others: Any, **named: Any) -> Reading:
        read.append(len(events))
        return timeline.steps(events, *others, **named)

    monkeypatch.setattr(history, "steps", counting)
    return read


def test_a_message_costs_what_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long story only the end is read, and of a late message what comes after it."""
    lines = a_long_story()
    with Books(every=4) as books:
        books.tell(lines)
        read = read_of(books, monkeypatch)
        books.tell([Customer().says("20 10:00", "delivery")])
        books.tell([edited(lines[-8], "20 11:00", "order")])
        books.tell([edited(lines[0], "20 12:00", "order")])
        assert read[0] <= 8
        assert 8 < read[1] <= 24
        assert read[2] == 81


def test_few_are_kept_at_growing_distances() -> None:
    """Two of each distance, which doubles: so a message that is late costs some times its delay, and no more."""
    with Books(every=4) as books:
        for line in a_long_story():
            books.tell([line])
        ages = sorted(80 - position for position in books.column("SELECT position FROM checkpoints"))
        assert len(ages) <= 10
        assert ages[0] <= 8
        assert all(older <= 4 * younger + 8 for younger, older in pairwise(ages))


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE checkpoints SET state = replace(state, 'contacted', 'won')",
        "UPDATE checkpoints SET state = substr(state, 5)",
        "UPDATE checkpoints SET checksum = ''",
        "UPDATE checkpoints SET position = position + 1",
        "UPDATE checkpoints SET made_with = 'an older build'",
        "DELETE FROM checkpoints WHERE contact_id = 1",
    ],
)
def test_one_that_is_damaged_or_of_another_build_is_replaced(harm: str, caplog: pytest.LogCaptureFixture) -> None:
    """The rows come out right; of damage one line is told for each."""
    told = [*a_long_story(), Customer().says("20 10:00", "delivery")]
    with Books(every=4) as books, Books(every=NEVER) as whole:
        books.now = whole.now = NOW
        books.tell(told[:-1])
        damaged = len(books.ask("SELECT 1 FROM checkpoints"))
        books.db.execute(harm)
        books.tell(told[-1:])
        whole.tell(told[:-1]).tell(told[-1:])
        assert rows(books) == rows(whole)
        lines = [record.getMessage() for record in caplog.records]
        of_damage = "state" in harm or "checksum" in harm or "position" in harm
        assert lines == ["a checkpoint of contact 1 is damaged; its history is folded from an earlier one"] * (
            damaged * of_damage
        )
        caplog.clear()
        books.tell([Customer().says("20 11:00", "order")])
        assert caplog.records == []
        assert books.ask("SELECT 1 FROM checkpoints")


@pytest.mark.parametrize(
    "state",
    [
        "",
        "null",
        "1",
        "[]",
        "{}",
        '{"fold":{},"heard":[]}',
        '{"fold":null,"heard":[]}',
        '{"fold":{"leads":[]},"heard":[]}',
        '{"fold":{"leads":[],"changing":[],"waits":[],"folds":[[0]],"persons":[],"wrote":[],"categories":[]},"heard":[]}',
        '{"fold":{"leads":[],"changing":[[0]],"waits":[],"folds":[],"persons":[],"wrote":[],"categories":[]},"heard":[]}',
        '{"heard":[[1]]}',
        "[" * 20_000,
    ],
    ids=lambda state: str(state)[:30],
)
def test_one_that_is_whole_but_no_state_is_replaced(state: str) -> None:
    """As of a build whose states looked otherwise, and that said nothing of it."""
    told = [*a_long_story(), Customer().says("20 10:00", "delivery")]
    with Books(every=4) as books, Books(every=NEVER) as whole:
        books.now = whole.now = NOW
        for each in (books, whole):
            each.tell(told[:-1])
        for number, at, position in books.ask("SELECT checkpoint_id, at, position FROM checkpoints"):
            checksum = checkpoints._checksum(at, position, state)
            books.db.execute(
                "UPDATE checkpoints SET state = ?, checksum = ? WHERE checkpoint_id = ?", (state, checksum, number)
            )
        for each in (books, whole):
            each.tell(told[-1:])
        assert rows(books) == rows(whole)


def test_other_settings_fold_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command with other settings than the daemon's must not go on from what the daemon's say."""
    with Books(every=4) as books, Books(every=4, policy=policy(version="two")) as other:
        books.tell(a_long_story())
        other.projector._db = books.db
        read = read_of(books, monkeypatch)
        books.capture(Customer().says("20 10:00", "delivery"))
        books.db.execute("BEGIN")
        other.projector.project([1], NOW)
        books.db.execute("COMMIT")
        assert read == [81]


def test_a_lead_that_was_reopened_and_then_merged_stays_merged_into_the_other() -> None:
    """And is closed for good: no checkpoint keeps it as one that may be reopened."""
    ana, beto = Customer(), Customer(wire.BETO)
    asked = [ana.says("17 10:00", "price"), beto.says("17 11:00", "price")]
    decided = [beto.decided("17 12:00", "lost"), beto.decided("17 13:00", "new")]
    later = [ana.says("18 10:00", "delivery"), ana.says("18 11:00", "delivery")]
    with books_with(1) as partly, books_with(NEVER) as wholly:
        for books in (partly, wholly):
            books.tell(asked).tell(decided)
            merges.merge(books.db, 1, 2, actor="person", code="by_hand", at=iso("17 14:00"))
            books.project_all()
            for line in later:
                books.tell([line])
        assert wholly.column("SELECT merged_into_id FROM leads WHERE stage = 'merged'") == [1]
        assert rows(partly) == rows(wholly)
        states = [json.loads(state)["fold"] for state in partly.column("SELECT state FROM checkpoints ORDER BY at")]
        assert states
        assert "merged" not in [column for state in states for lead in state["changing"] for column in lead]


def test_a_wrong_boundary_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a history parted within a burst or a call, the property above would not hold."""

    def careless(events: Any, *others: Any, **named: Any) -> Reading:
        read = timeline.steps(events, *others, **named)
        wrong = [
            Boundary(step.messages[1].at, number + 1, events.index(step.messages[1]))
            for number, step in enumerate(read.steps)
            if isinstance(step, timeline.Burst) and len(step.messages) > 1
        ]
        return Reading(read.steps, wrong[-1:] or read.boundaries, read.events)

    ana = Customer()
    lines = [ana.says("17 10:00", "mmm"), ana.says("17 10:01", "hmm"), ana.says("17 10:02", "price")]
    with books_with(1) as partly, books_with(NEVER) as wholly:
        monkeypatch.setattr(history, "steps", careless)
        for line in lines:
            partly.tell([line])
        monkeypatch.undo()
        for line in lines:
            wholly.tell([line])
        assert rows(partly) != rows(wholly)


def test_what_comes_after_a_checkpoint_is_found_by_indexes() -> None:
    """No statement of a projection from a checkpoint on looks at all rows of a table, or of a conversation."""
    with Books(every=4) as books:
        books.tell(a_long_story())
        said: list[str] = []
        books.db.set_trace_callback(said.append)
        books.tell(
            [Customer().says("20 10:00", "delivery"), Customer().hears("20 10:00:05", "a thousand pesos, today")]
        )
        books.db.set_trace_callback(None)
        plans = {
            detail: statement
            for statement in said
            if statement.startswith(("SELECT", "WITH", "UPDATE", "DELETE"))
            for *_, detail in books.db.execute(f"EXPLAIN QUERY PLAN {statement}")
        }
        tables = set(books.column("SELECT name FROM sqlite_schema WHERE type = 'table'")) - {"derived_with"}
        assert [plans[each] for each in plans if each.startswith("SCAN") and each.split()[1] in tables] == []
        by_time = [each for each in plans if "messages_by_conversation" in each]
        assert by_time
        assert all("sent_at>?" in each for each in by_time)
