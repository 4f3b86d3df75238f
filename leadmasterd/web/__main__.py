"""`python -m leadmasterd.web JSON`: `leadmasterd web` becomes this, once it has checked the settings.

A process of its own, because what checks the settings takes 13 MB and is not needed to show pages.
"""

import json
import logging
import os
import sys
from typing import Any, Final

from leadmasterd.errors import LeadmasterdError
from leadmasterd.journal import set_up_logging
from leadmasterd.settings.paths import find_paths
from leadmasterd.text import speak
from leadmasterd.web.place import Place

_NICE: Final = 5
"""Lower than the daemon's: on a busy machine capture comes first. Only decisions are not niced."""


def main() -> int:
    """The exit code."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    set_up_logging()
    os.umask(0o077)
    speak(given["language"])
    try:
        from leadmasterd.web.forms import begin_deciding

        begin_deciding()
        os.nice(_NICE)  # of this thread, and of those that it starts from now on
        from leadmasterd.web.server import serve

        place = Place(given["host"], given["port"], tuple(given["proxies"]), tuple(given["names"]))
        paths = find_paths(given["config"])
        serve(paths, place, given["language"], idle=given["idle"])
    except LeadmasterdError as error:
        logging.getLogger("leadmasterd.web").error("%s", error)  # noqa: TRY400
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
