"""Which warnings are active now."""

import logging
from collections.abc import Callable

from leadmasterd.health import WARNINGS, Severity, Warnable
from leadmasterd.state.status_object import Trouble

log = logging.getLogger(__name__)


class ActiveWarnings:
    """Set and cleared by the part that notices; `status.json` shows them as `concerns` and `trouble`.

    One line in the journal when a warning becomes active or says something new. `changed` follows every change.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._details: dict[Warnable, str] = {}

    def set(self, warning: Warnable, detail: str) -> None:
        """It holds. Of the store's warnings only the last one set is active."""
        before = self._details.get(warning)
        if before == detail:
            return
        if warning.of_the_store:
            self._details = {each: kept for each, kept in self._details.items() if not each.of_the_store}
        self._details[warning] = detail
        if before is None or not warning.measured:
            level = logging.ERROR if warning.severity is Severity.HIGH or warning.of_the_store else logging.WARNING
            log.log(level, "%s", warning.text(detail), extra={"action": warning.code})
        self._changed()

    def clear(self, warning: Warnable) -> None:
        """It no longer holds."""
        if self._details.pop(warning, None) is not None:
            self._changed()

    def store_error(self, code: str | None, detail: str = "") -> None:
        """What keeps the store from writing, by its code; None: nothing does."""
        if code is not None:
            self.set(WARNINGS[code], detail)
        elif broken := [each for each in self._details if each.of_the_store]:
            self.clear(broken[0])
            log.info("the database can be written again", extra={"action": "store_recovered"})

    def concerns(self) -> dict[str, str]:
        """The details by code, without the store's."""
        return {each.code: detail for each, detail in self._details.items() if not each.of_the_store}

    def trouble(self) -> Trouble | None:
        """What keeps the store from writing."""
        return next(
            (Trouble(code=each.code, detail=detail) for each, detail in self._details.items() if each.of_the_store),
            None,
        )
