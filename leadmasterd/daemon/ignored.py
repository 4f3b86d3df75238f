"""Further ids of ignored people, remembered across restarts: nothing may say again that they are theirs.

WhatsApp tells once that a person has another number, and by a mapping which LID is whose.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from leadmasterd.capture import CaptureRules
from leadmasterd.state.files import write_private

log = logging.getLogger(__name__)


class IgnoredIds:
    """`ignored.json` in the state directory: each id, with the one in the settings whose person it is.

    Who is in `capture.ignore` no longer is left out.
    """

    def __init__(self, state_dir: Path, rules: CaptureRules) -> None:
        self._path = state_dir / "ignored.json"
        self.known: Mapping[str, str] = {wid: entry for wid, entry in self._read().items() if entry in rules.ignore}

    def keep(self, known: Mapping[str, str]) -> None:
        """Remember these and no others."""
        self.known = dict(known)
        try:
            write_private(self._path, json.dumps(known, indent=1).encode() + b"\n")
        except OSError as error:  # they hold for this life of the daemon
            log.error("cannot remember ignored ids: %s", error, extra={"action": "ignored_unwritten"})  # noqa: TRY400
        else:
            log.info("%d further ids of ignored people are known", len(known), extra={"action": "ignored_learnt"})

    def _read(self) -> Mapping[str, str]:
        try:
            known = json.loads(self._path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError) as error:
            log.error("cannot read %s: %s", self._path, error, extra={"action": "ignored_unread"})  # noqa: TRY400
            return {}
        return {wid: entry for wid, entry in known.items() if isinstance(entry, str)} if isinstance(known, dict) else {}
