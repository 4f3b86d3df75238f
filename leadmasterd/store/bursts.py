"""The bursts of one person as the judge sees them, for whoever wants to speak about one. Reads only."""

import sqlite3

from leadmasterd.leads.timeline import Answered, Burst, in_order, steps
from leadmasterd.store.story import read, stories_of


def bursts_of(connection: sqlite3.Connection, conversation: int, burst_seconds: float) -> list[Burst]:
    """All bursts of the person behind this conversation, in order of time."""
    stories = stories_of(connection, [conversation])
    read(connection, stories)
    found: list[Burst] = []
    for story in stories:
        answers = [Answered(own.at, own.conversation, own.own_id) for own in story.own if own.author == "operator"]
        ordered = steps(in_order([*story.events, *answers]), round(burst_seconds * 1000), story.people)
        found += [step for step in ordered if isinstance(step, Burst)]
    return found
