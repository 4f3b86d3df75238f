"""Which warnings are active now."""

import logging
from collections.abc import Callable

from leadmasterd.health import WARNINGS, Severity, Warnable
from leadmasterd.state.status_object import Trouble

log = logging.getLogger(__name__)


class ActiveWarnings:
    """Each is set and cleared by the part that notices its cause; `status.json` has them as `concerns` and `trouble`.

    A warning is logged when it becomes active or says something new. `changed` is called after every change.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._details: dict[Warnable, str] = {}

    def set(self, warning: Warnable, detail: str) -> None:
        """Activate a warning, or give an active one another detail.

        A warning of the store replaces any other of the store: one cause at a time keeps it from writing.
        """
        before = self._details.get(warning)
        if before == detail:
            return
        if warning.of_the_store:
            self._details = {each: kept for each, kept in self._details.items() if not each.of_the_store}
        self._details[warning] = detail
        only_the_figure_differs = before is not None and warning.measured
        if not only_the_figure_differs:
            level = logging.ERROR if warning.severity is Severity.HIGH or warning.of_the_store else logging.WARNING
            log.log(level, "%s", warning.text(detail), extra={"action": warning.code})
        self._changed()

    def clear(self, warning: Warnable) -> None:
        """Deactivate a warning; nothing happens if it is not active."""
        if self._details.pop(warning, None) is not None:
            self._changed()

    def store_error(self, code: str | None, detail: str = "") -> None:
        """Activate the store's warning of this code. None: the store can write again, so clear whichever is active."""
        if code is not None:
            self.set(WARNINGS[code], detail)
            return
        active = self._of_the_store()
        if active is not None:
            self.clear(active)
            log.info("the database can be written again", extra={"action": "store_recovered"})

    def concerns(self) -> dict[str, str]:
        """The details of active warnings by code, for `status`, without the store's."""
        return {each.code: detail for each, detail in self._details.items() if not each.of_the_store}

    def trouble(self) -> Trouble | None:
        """What keeps the store from writing, for `status`; None: nothing does."""
        active = self._of_the_store()
        return None if active is None else Trouble(code=active.code, detail=self._details[active])

    def _of_the_store(self) -> Warnable | None:
        """The active warning of the store; None if nothing keeps it from writing."""
        return next((each for each in self._details if each.of_the_store), None)
