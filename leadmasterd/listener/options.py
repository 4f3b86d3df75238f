"""The options that the Node child gets at its start: one JSON object, described in docs/protocol.md."""

import os
from pathlib import Path

from leadmasterd.settings.plain import PlainSettings


def child_options(
    settings: PlainSettings, *, profile: Path, browser: Path, instance: str, headless: bool = True
) -> dict[str, object]:
    """The child's options, from the settings and the arguments.

    `instance`: the marker of `tree.marker_of`, for the browser's command line. `headless`: False opens a window, in
    which a person scans; then no pairing code is asked for.
    """
    listener, timing = settings.listener, settings.timing
    return {
        "profile": str(profile.resolve()),
        "browser": str(browser),
        "browser_args": list(listener.browser_args),
        "user_agent": listener.user_agent or None,
        "pairing_phone": (listener.pairing_phone or None) if headless else None,
        "presence_unavailable": listener.presence_unavailable,
        "groups": settings.capture.groups,
        "no_sandbox": os.geteuid() == 0,
        "headless": headless,
        "instance": instance,
        "timing": {
            "heartbeat": round(timing.heartbeat_every * 1000),
            "late": round(timing.modules_late * 1000),
        },
    }
