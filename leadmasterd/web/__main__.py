"""`python -m leadmasterd.web JSON`: the process that serves the page.

`leadmasterd web` checks the settings and then replaces itself with this program (`execve`), because the code that
checks settings takes 13 MB and is not needed to show pages. JSON is what it read: `cli.cmd_web` writes it.
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
"""Added to the process's nice value: on a busy machine capture comes first. Threads that decide keep the normal one."""


def main() -> int:
    """Serve the page until it is told to stop. Returns the exit code: 0, or that of the error that was logged."""
    options: dict[str, Any] = json.loads(sys.argv[1])
    set_up_logging()
    os.umask(0o077)
    speak(options["language"])
    try:
        from leadmasterd.web.forms import begin_deciding

        begin_deciding()  # before `nice`: these threads keep the priority of now
        os.nice(_NICE)  # on Linux: of this thread, and of those that it starts from now on
        from leadmasterd.web.server import serve

        place = Place(options["host"], options["port"], tuple(options["proxies"]), tuple(options["names"]))
        paths = find_paths(options["config"])
        serve(paths, place, options["language"], idle=options["idle"])
    except LeadmasterdError as error:
        logging.getLogger("leadmasterd.web").error("%s", error)  # noqa: TRY400
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
