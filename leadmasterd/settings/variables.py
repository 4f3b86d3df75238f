"""The names of all settings, without pydantic.

Commands that read only some settings warn of unknown names, which the full settings refuse.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from leadmasterd.settings.paths import ENV_PREFIX
from leadmasterd.text import _

_KEYS: Final[Mapping[str, str]] = {
    "general": "language",
    "listener": (
        "node browser browser_args user_agent pairing_phone settle_after_pairing sweep_interval presence_unavailable"
    ),
    "supervisor": (
        "backoff_first backoff_max calm_period start_timeout heartbeat_timeout nightly_restart memory_ceiling_mb "
        "disk_floor_mb time_divisor"
    ),
    "capture": "groups first_link_days ignore",
    "database": "path raw_days",
    "leads": (
        "rules timezone country target_minutes reopen_days burst_seconds stale_days dormant_days hours overrides "
        "campaigns"
    ),
    "alerts": ("to to_file kinds down_after about_to_miss quiet_hours morning evening bodies ping_url"),
    "web": "host port proxies names",
    "outbound": "enabled account database quiet_hours account_cap contact_cap",
}
"""The keys of each section, in one text. A test compares them with the full settings."""
VARIABLES: Final = frozenset(
    {
        f"{ENV_PREFIX}STATE_DIR",
        f"{ENV_PREFIX}FEEDS",
        *(f"{ENV_PREFIX}{section}__{key}".upper() for section, keys in _KEYS.items() for key in keys.split()),
    }
)


def ignored_variables() -> list[str]:
    """A sentence about each variable in the environment that begins with ENV_PREFIX and is no setting."""
    sentence = _("the variable {name} is no setting, so it is ignored; `leadmasterd config check` says which there are")
    ours = (name for name in os.environ if name.upper().startswith(ENV_PREFIX))
    return [sentence.format(name=name) for name in ours if name.upper() not in VARIABLES]


def ignored_sections(file: Path, data: Mapping[str, Any]) -> list[str]:
    """A sentence about each key at the top of a settings file, with this content, that is no section or setting."""
    sentence = _("`{key}` in {path} is no setting, so it is ignored; `leadmasterd config check` says which there are")
    return [sentence.format(key=key, path=file) for key in data if key not in (*_KEYS, "state_dir", "feeds")]
