"""The same history gives the same leads as in the build that gave `FOLD_VERSION` its number.

Else daemons that are updated would go on with leads of two kinds: they derive all of them anew only when it changes.
"""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, TypeVar

from leadmasterd import times
from leadmasterd.leads.fold import FOLD_VERSION
from tests.stories import ZONE, Books, Customer, Line, edited, reacted, revoked
from tests.test_projection_order import Clerk, picture

STORED = {12: "6846a2923a81b5de"}
"""By `FOLD_VERSION`, what became of the stories."""
STORIES, LINES = 24, 60
PEOPLE = tuple(f"549115555000{number}@c.us" for number in range(1, 7))
KINDS = (
    *["says"] * 12, *["hears"] * 6, *["decides"] * 4, "dismisses", "is labelled", "ad", "call", "call", "edits",
    "revokes", "reacts", "tells all", "merges",
)  # fmt: skip
WORDS = (
    "price", "delivery~", "order", "appointment", "greeting", "acknowledgement", "acknowledgement~", "complaint",
    "personal", "opt_out", "not_interested~", "payment", "mmm",
)  # fmt: skip
STAGES = ("unsorted", "new", "contacted", "qualified", "quoted", "quoted", "won", "won", "lost", "junk", "dormant")
MINUTES = (0, 0, 1, 1, 2, 5, 10, 60, 300, 1500, 3600, 45_000)
T = TypeVar("T")


def story(seed: int) -> list[Line]:
    """A story that is the same on every Python: of `random` only what is promised to be."""
    chance = random.Random(seed)
    people, said, lines = [Customer(chat) for chat in PEOPLE], list[Line](), list[Line]()
    now = datetime(2026, 11, 17, 10, tzinfo=ZONE)

    def pick(options: Sequence[T]) -> T:
        return options[int(chance.random() * len(options))]

    for number in range(LINES):
        now += timedelta(minutes=pick(MINUTES), seconds=5)
        at, who = now.isoformat(" ")[:19], pick(people)
        kind = pick(KINDS) if said else "says"
        match kind:
            case "says":
                said.append(who.says(at, pick(WORDS)))
                lines.append(said[-1])
            case "ad":
                lines.append(who.clicks_ad(at))
            case "hears":
                lines.append(who.hears(at, f"answer {number}"))
            case "tells all":
                lines += [each.hears(at, f"Tomorrow we open at {number}") for each in people]
            case "call":
                answered, outgoing = pick((True, False)), pick((True, False, False))
                lines.append(who.call(at, answered=answered, outgoing=outgoing, call_id=f"C{number}"))
            case "edits":
                lines.append(edited(pick(said), at, pick(WORDS)))
            case "revokes":
                lines.append(revoked(pick(said), at))
            case "reacts":
                lines.append(reacted(pick(said), at))
            case "dismisses":
                seen = times.iso(datetime.fromtimestamp(pick(said)["t"], UTC))
                lines.append({**who.decided(at, "dismissed"), "seen_at": seen})
            case "is labelled":
                intent = pick(("price", "personal", "supplier", "complaint"))
                lines.append({"type": "correction", "message": pick(said[-6:]), "intent": intent, "at": at})
            case "merges":
                lines.append({"type": "join", "kept": who.chat, "merged": pick(PEOPLE), "at": at, "number": number})
            case _:
                lines.append(who.decided(at, pick(STAGES)))
    return lines


def became(lines: Sequence[Line]) -> dict[str, list[Any]]:
    """What is derived of a story."""
    with Books() as books:
        books.now = datetime(2028, 1, 1, tzinfo=UTC)
        clerk = Clerk(books)
        for line in lines:
            clerk.take(line)
        return picture(books.project_all())


def test_leads_that_would_be_others_have_another_version() -> None:
    """A build whose leads differ must say so: nothing else makes a daemon look at old ones again."""
    pictures = [became(story(seed)) for seed in range(STORIES)]
    stages = {row[2] for each in pictures for row in each["leads"]}
    assert stages == set(STAGES), "the stories are too simple"
    digest = blake2b(json.dumps(pictures).encode(), digest_size=8).hexdigest()
    assert {FOLD_VERSION: digest} == STORED, (
        "The same stories give other leads, waits or follow-ups. If the fold or what it is given has changed, raise "
        "FOLD_VERSION in leads/fold.py. If only these stories or `picture` have, do not. Then store the digest here."
    )
