"""`leadmasterd pause`, `resume`, `restart-listener`: one word to the living daemon."""

import argparse

from leadmasterd.settings.paths import find_places
from leadmasterd.state.control import ask
from leadmasterd.text import _


def run(arguments: argparse.Namespace) -> int:
    """Say it, and say that it was heard."""
    ask(find_places(arguments.config).socket, arguments.command)
    print(
        {
            "pause": _("Paused. It stays so, across restarts too, until `leadmasterd resume`."),
            "resume": _("Resumed. `leadmasterd status` says how it goes."),
            "restart-listener": _("Restarting the listener. `leadmasterd status` says how it goes."),
        }[arguments.command]
    )
    return 0
