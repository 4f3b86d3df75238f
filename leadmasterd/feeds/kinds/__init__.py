"""What a feed delivers to. A kind is a function that makes a Receiver; packages add theirs by entry point.

The group of the entry points is `leadmasterd.feeds`, the name is what `kind` says in the settings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from leadmasterd.feeds.schedule import Outcome
from leadmasterd.outbox.reading import Event


class Receiver(Protocol):
    """Where one feed delivers."""

    @property
    def concurrency(self) -> int:
        """How many events, each of another stream, it takes at a time."""

    async def deliver(self, event: Event, *, after_gap: bool) -> Outcome:
        """One try. `after_gap`: an earlier event of the stream was given up, and the receiver is to know."""

    def flush(self) -> None:
        """Called in a thread before delivered events are noted: from then on they are not tried again."""

    async def close(self) -> None:
        """Called once at the end."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a feed lives: its name, the folder of the state, and the folder from which paths in the settings count."""

    feed: str
    state_dir: Path
    base: Path


class Nowhere:
    """The receiver of a feed whose settings can't be used: it takes nothing."""

    concurrency = 0

    async def deliver(self, event: Event, *, after_gap: bool) -> Outcome:
        """Never called, since nothing is delivered at a time."""
        raise NotImplementedError

    def flush(self) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Nothing is open."""


Maker = Callable[[Any, Place], Receiver]
"""Takes the feed's settings. Raises CannotUseSettings. Called within the event loop."""
