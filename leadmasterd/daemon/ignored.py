"""Further ids of ignored people, remembered across restarts.

WhatsApp reports a person's new number only once, and may report only once to whom a LID belongs.
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
        """Remember these ids and no others. If the file can't be written, they hold until the daemon ends."""
        self.known = dict(known)
        try:
            write_private(self._path, json.dumps(known, indent=1).encode() + b"\n")
        except OSError as error:  # they hold until the daemon ends
            log.error("cannot remember ignored ids: %s", error, extra={"action": "ignored_unwritten"})  # noqa: TRY400
        else:
            log.info("%d further ids of ignored people are known", len(known), extra={"action": "ignored_learnt"})

    def _read(self) -> Mapping[str, str]:
        """The usable ids in the file; none if there is no file, or it can't be read."""
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
