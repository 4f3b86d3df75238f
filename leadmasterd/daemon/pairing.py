"""The code that a person scans or types: on the terminal, as a picture, and in `status`."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Protocol

from leadmasterd import qr, times
from leadmasterd.daemon.status import StatusBoard
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import write_private

log = logging.getLogger(__name__)


class Presenter(Protocol):
    """Where the person at the terminal (or the journal) looks."""

    def code(self, text: str, valid_until: datetime) -> None:
        """Draw a QR."""

    def pairing_code(self, code: str, valid_until: datetime) -> None:
        """Show a pairing code."""


class ScanCode:
    """The one that is good now, or none."""

    def __init__(self, places: Paths, board: StatusBoard, presenter: Presenter) -> None:
        self._picture = places.qr_picture
        self._board = board
        self._presenter = presenter
        self._shown: str | None = None

    def show(self, kind: str, text: str, seconds: int) -> None:
        """`kind` is `qr` or `pairing_code`. The same one again is good for longer, and not drawn anew."""
        valid_until = datetime.now(UTC) + timedelta(seconds=min(max(seconds, 0), 3600))
        self._board.scan = {kind: text, "valid_until": times.iso(valid_until)}
        self._board.changed()
        if text == self._shown:
            return
        self._shown = text
        if kind == "qr":
            self._write_picture(text)
        present = self._presenter.code if kind == "qr" else self._presenter.pairing_code
        try:
            present(text, valid_until)
        except (OSError, ValueError) as error:  # stdout is gone, or can't show it: the picture and `qr` still can
            log.warning("cannot draw the code here: %s", error, extra={"action": "code_not_drawn"})

    def forget(self) -> None:
        """None is needed any more."""
        self._shown = None
        self._board.scan = None
        self._picture.unlink(missing_ok=True)

    def _write_picture(self, text: str) -> None:
        try:
            write_private(self._picture, qr.png(text))
        except OSError as error:
            log.warning("cannot write %s: %s", self._picture, error, extra={"action": "qr_unwritten"})
