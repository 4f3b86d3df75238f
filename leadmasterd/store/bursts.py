"""The bursts of one person as the judge sees them, for whoever wants to speak about one. Reads only."""

import sqlite3

from leadmasterd.leads.timeline import Burst
from leadmasterd.store.story import read, stories_of


def bursts_of(connection: sqlite3.Connection, conversation: int, burst_seconds: float) -> list[Burst]:
    """All bursts of the person behind this conversation, in order of time."""
    stories = stories_of(connection, [conversation])
    read(connection, stories)
    return [step for story in stories for step in story.steps(burst_seconds) if isinstance(step, Burst)]
