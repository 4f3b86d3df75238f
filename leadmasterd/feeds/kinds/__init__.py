"""What feeds deliver to: the protocol of a receiver. The modules here are the kinds of receivers that we bring.

Other packages add kinds by an entry point to a `Maker`, in the group `leadmasterd.feeds`. Its name is what `kind` says
in the settings.
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
        """How many events it takes at a time; they are all of different streams."""

    async def deliver(self, event: Event, *, after_gap: bool) -> Outcome:
        """Try once to deliver this event.

        `after_gap`: the event before it in its stream was given up, and the receiver is to know.
        """

    def flush(self) -> None:
        """Make sure that what was delivered survives a crash. Called in a thread, just before the books say so."""

    async def close(self) -> None:
        """Free what it holds. Called once at the end."""


@dataclass(frozen=True, slots=True)
class Place:
    """A feed's name and folders. `base`: the folder to which paths in the settings are relative."""

    feed: str
    state_dir: Path
    base: Path


class Nowhere:
    """The receiver of a feed whose settings can't be used: its `concurrency` of 0 lets no event through."""

    concurrency = 0

    async def deliver(self, event: Event, *, after_gap: bool) -> Outcome:
        """Never called, because of the `concurrency`."""
        raise NotImplementedError

    def flush(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""


Maker = Callable[[Any, Place], Receiver]
"""Makes a receiver from the feed's settings. Called within the event loop. Raises CannotUseSettings and OSError."""
