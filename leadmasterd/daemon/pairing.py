"""The code that a person scans or types to link a phone: on the terminal, as a picture, and in `status`."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, Protocol

from leadmasterd import qr, times
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import write_private
from leadmasterd.state.status_object import Scan

log = logging.getLogger(__name__)

_LONGEST_SECONDS: Final = 3600


class CodeDisplay(Protocol):
    """Where codes are drawn: a terminal or the journal."""

    def code(self, text: str, valid_until: datetime) -> None:
        """Draw a QR code."""

    def pairing_code(self, code: str, valid_until: datetime) -> None:
        """Show a pairing code."""


class Pairing:
    """The code that is valid now, or none."""

    def __init__(self, paths: Paths, display: CodeDisplay, *, changed: Callable[[], None]) -> None:
        self._picture = paths.qr_picture
        self._display = display
        self._changed = changed
        self._shown: str | None = None
        self._scan: Scan | None = None

    def show(self, kind: Literal["qr", "pairing_code"], text: str, seconds: int) -> None:
        """Show a code that is valid for `seconds`. The same code again is not drawn again, but its validity extends."""
        valid_until = datetime.now(UTC) + timedelta(seconds=min(max(seconds, 0), _LONGEST_SECONDS))
        until = times.iso(valid_until)
        if kind == "qr":
            self._scan = Scan(qr=text, valid_until=until)
        else:
            self._scan = Scan(pairing_code=text, valid_until=until)
        self._changed()
        if text == self._shown:
            return
        self._shown = text
        if kind == "qr":
            self._write_picture(text)
        draw = self._display.code if kind == "qr" else self._display.pairing_code
        try:
            draw(text, valid_until)
        except (OSError, ValueError) as error:  # stdout is closed or has no such characters; picture and `qr` remain
            log.warning("cannot draw the code here: %s", error, extra={"action": "code_not_drawn"})

    def forget(self) -> None:
        """No code is valid any more: remove its picture, and show the next code even if it is the same."""
        self._shown = None
        self._scan = None
        try:
            self._picture.unlink(missing_ok=True)
        except OSError as error:  # on a disk that became read-only even what does not exist can't be removed
            log.warning("cannot remove %s: %s", self._picture, error, extra={"action": "qr_unremoved"})

    def section(self) -> Scan | None:
        """The code that is valid now, for `status`; None if none is needed."""
        return self._scan

    def _write_picture(self, text: str) -> None:
        try:
            write_private(self._picture, qr.png(text))
        except OSError as error:
            log.warning("cannot write %s: %s", self._picture, error, extra={"action": "qr_unwritten"})
