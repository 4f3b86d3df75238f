"""Limits connections without a complete request, so that however many are opened, the page still answers.

Uvicorn waits without limit for the first request of a connection, and for the rest of one that has begun; 1,000 such
connections would use up all file descriptors of the process.
"""

import asyncio
from typing import ClassVar, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_SILENT: Final = 200
"""How many connections may be open without being answered. With one more, the oldest of them is closed. A browser has
at most six, each for the five seconds that a connection is kept after an answer."""


class PageConnection(H11Protocol):
    """One connection. While no request of it is being answered, it may be closed in favour of newer ones."""

    _silent: ClassVar[dict["PageConnection", None]] = {}
    """All connections of the process that are not being answered, the oldest first. A dict as an ordered set."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Count it as silent: it has asked nothing yet."""
        super().connection_made(transport)
        self._update_silent()

    def data_received(self, data: bytes) -> None:
        """Count it as silent no longer, if the request is complete now."""
        super().data_received(data)
        self._update_silent()

    def on_response_complete(self) -> None:
        """Count it as silent again: it is kept for the next request."""
        super().on_response_complete()
        self._update_silent()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it as silent no longer, since it is closed."""
        self._silent.pop(self, None)
        super().connection_lost(exc)

    @property
    def _is_being_answered(self) -> bool:
        """Whether its request has arrived whole, with the body, and the answer is not complete."""
        return self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete

    def _update_silent(self) -> None:
        """Add this connection to the silent ones or remove it. If they are too many, the oldest is closed at once."""
        if self.transport.is_closing() or self._is_being_answered:
            self._silent.pop(self, None)
            return
        self._silent.setdefault(self)
        if len(self._silent) > MOST_SILENT:
            oldest = next(iter(self._silent))
            del self._silent[oldest]
            oldest.transport.abort()
