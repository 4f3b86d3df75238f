"""Connections that ask nothing, or not all of it: however many are opened, the page can still be asked for.

Uvicorn waits for a first request for ever, and for the rest of one that has begun; 1,000 such connections would take
all files that a process may have open.
"""

import asyncio
from typing import ClassVar, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_SILENT: Final = 200
"""A browser has at most six, for the five seconds that they are kept after an answer."""


class PageConnection(H11Protocol):
    """One connection. While it is not being answered it may have to give way to newer ones."""

    _silent: ClassVar[dict["PageConnection", None]] = {}
    """All of the process that are not being answered, the oldest first."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """It has asked nothing yet."""
        super().connection_made(transport)
        self._sort()

    def data_received(self, data: bytes) -> None:
        """Perhaps a whole request."""
        super().data_received(data)
        self._sort()

    def on_response_complete(self) -> None:
        """It may ask again."""
        super().on_response_complete()
        self._sort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It counts no longer."""
        self._silent.pop(self, None)
        super().connection_lost(exc)

    @property
    def _is_answered(self) -> bool:
        """Whether it has asked the whole, a form with all of its fields, and the answer is not."""
        return self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete

    def _sort(self) -> None:
        if self.transport.is_closing() or self._is_answered:
            self._silent.pop(self, None)
            return
        self._silent.setdefault(self)
        if len(self._silent) > MOST_SILENT:
            oldest = next(iter(self._silent))
            del self._silent[oldest]
            oldest.transport.abort()
