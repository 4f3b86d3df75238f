"""Identities in any order: two spellings of a phone, LIDs mapped late, merges by people and their undoing.

At every point projection keeps working, no contact has two open leads, and a rebuild gives the same rows.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from leadmasterd.errors import CannotMerge
from leadmasterd.store import merges
from tests.depth import examples
from tests.stories import ZONE, Books, Customer, iso
from tests.test_projection_order import everything

PHONES = (
    ("5491155550001@c.us", "541155550001@c.us"),
    ("5491155550002@c.us", "541155550002@c.us"),
    ("5491155550003@c.us",),
)
"""Phones in the spellings that WhatsApp may use."""
LIDS = tuple(f"8800112233445{number}@lid" for number in range(len(PHONES)))
"""LIDs of these phones; WhatsApp may reveal the mapping late or never."""
OPEN = "('unsorted', 'new', 'contacted', 'qualified', 'quoted')"
WORDS = ("price", "complaint", "personal", "greeting", "mmm")

Step = tuple[str, int, int | None, str]
"""Kind of step, customer by number, a second number, and a text."""
NUMBER = st.integers(0, 5)
FIRST: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("phone"), NUMBER, NUMBER, st.just("price")),
    st.tuples(st.just("lid"), NUMBER, st.none(), st.just("price")),
)
MERGES: st.SearchStrategy[Step] = st.tuples(st.just("merge"), NUMBER, NUMBER, st.just(""))
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("phone"), NUMBER, NUMBER, st.sampled_from(WORDS)),
    st.tuples(st.just("lid"), NUMBER, st.sampled_from((None, 0, 1)), st.sampled_from(WORDS)),
    st.tuples(st.just("answer"), NUMBER, NUMBER, st.just("")),
    MERGES,
    st.tuples(st.just("undo"), NUMBER, st.just(0), st.just("")),
)


def take(books: Books, step: Step, at: str, people: dict[str, Customer]) -> None:
    """Apply one step."""
    kind, one, other, word = step
    match kind:
        case "phone" | "answer":
            spellings = PHONES[one % len(PHONES)]
            chat = spellings[(other or 0) % len(spellings)]
            who = people.setdefault(chat, Customer(chat))
            books.capture(who.says(at, word) if kind == "phone" else who.hears(at))
        case "lid":
            chat = LIDS[one % len(LIDS)]
            who = people.setdefault(chat, Customer(chat))
            if other is not None:
                spellings = PHONES[one % len(PHONES)]
                who.phone = spellings[other % len(spellings)]
            books.capture(who.says(at, word))
        case "merge":
            known = books.column("SELECT contact_id FROM contacts ORDER BY contact_id")
            if known:
                keep, merged = known[one % len(known)], known[(other or 0) % len(known)]
                with suppress(CannotMerge):
                    merges.merge(books.db, keep, merged, actor="person", code="by_hand", at=iso(at))
        case _:
            made = books.column("SELECT merge_id FROM contact_merges ORDER BY merge_id")
            if made:
                with suppress(CannotMerge):
                    merges.undo(books.db, made[one % len(made)], "person", iso(at))


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[Step, bool]]:
    """People write, some are merged, then any steps follow; each step says whether leads are projected at once."""
    steps = draw(st.lists(FIRST, min_size=3, max_size=8)) + draw(st.lists(MERGES, max_size=4))
    steps += draw(st.lists(STEPS, min_size=1, max_size=12))
    return [(step, draw(st.booleans())) for step in steps]


@given(stories())
@settings(max_examples=examples(20))
def test_whoever_is_whoever_there_is_one_open_lead(steps: list[tuple[Step, bool]]) -> None:
    """«At most one open lead per contact», and «`leadmasterd leads rebuild` gives the same rows»."""
    now = datetime(2026, 11, 17, 10, tzinfo=ZONE)
    people: dict[str, Customer] = {}
    with Books() as books:
        for step, project in steps:
            now += timedelta(minutes=20)
            take(books, step, now.isoformat(" ")[:19], people)
            if project:
                books.project_all()
        books.project_all()
        roots = [
            merges.root_of(books.db, contact)
            for contact in books.column(f"SELECT contact_id FROM leads WHERE stage IN {OPEN}")
        ]
        assert sorted(roots) == sorted(set(roots))
        before = everything(books)
        books.rebuild()
        assert everything(books) == before
