"""Further ids of ignored people, remembered across restarts.

That a person has another number WhatsApp says once, and whose a LID is may not be said again either.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from leadmasterd.capture import CaptureRules
from leadmasterd.state.files import write_private

log = logging.getLogger(__name__)


class IgnoredIds:
    """`ignored.json` in the state directory: each id, with the entry of `capture.ignore` whose person it is.

    Ids whose entry has been removed from the settings are left out: that person is not ignored any more.
    """

    def __init__(self, state_dir: Path, rules: CaptureRules) -> None:
        self._path = state_dir / "ignored.json"
        self.known: Mapping[str, str] = {wid: entry for wid, entry in self._read().items() if entry in rules.ignore}

    def keep(self, known: Mapping[str, str]) -> None:
        """Replace what is remembered by these. If the file can't be written, they hold until the daemon ends."""
        self.known = dict(known)
        try:
            write_private(self._path, json.dumps(known, indent=1).encode() + b"\n")
        except OSError as error:  # they hold for this life of the daemon
            log.error("cannot remember ignored ids: %s", error, extra={"action": "ignored_unwritten"})  # noqa: TRY400
        else:
            log.info("%d further ids of ignored people are known", len(known), extra={"action": "ignored_learnt"})

    def _read(self) -> Mapping[str, str]:
        """The ids in the file; none without a file, and of what is damaged only what can be used."""
        try:
            known = json.loads(self._path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError, RecursionError) as error:
            log.error("cannot read %s: %s", self._path, error, extra={"action": "ignored_unread"})  # noqa: TRY400
            return {}
        if not isinstance(known, dict):
            return {}
        return {wid: entry for wid, entry in known.items() if isinstance(entry, str)}
