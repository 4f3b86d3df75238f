"""The language of a command, read before it says anything: light, because `--help` must answer at once.

What can't be read counts as not given: what is wrong with the settings is said by the command, in some language.
"""

import os
from collections.abc import Sequence
from typing import Any, Final

from leadmasterd.errors import CannotUseSettings
from leadmasterd.language import Language, spoken
from leadmasterd.settings.paths import find_file, read_file, variable

DEFAULT_COUNTRY: Final = "AR"
_KEYS: Final = (b"language", b"country")


def language_of(words: Sequence[str]) -> Language:
    """The one that the full settings would choose for a command line of these words. Raises nothing."""
    data = _settings(_config_in(words))
    choice = variable("GENERAL__LANGUAGE") or _text(data, "general", "language") or "auto"
    country = variable("LEADS__COUNTRY")
    if country is None:
        country = _text(data, "leads", "country")
    return spoken(choice, os.environ, DEFAULT_COUNTRY if country is None else country.strip())


def _config_in(words: Sequence[str]) -> str | None:
    """The last `--config`, also where it is shortened, as argparse allows."""
    found = None
    for place, word in enumerate(words):
        flag, given, value = word.partition("=")
        if word == "--":
            break
        if len(flag) > len("--c") and "--config".startswith(flag):
            found = value if given else words[place + 1] if place + 1 < len(words) else found
    return found


def _settings(config: str | None) -> dict[str, Any]:
    """The settings file where it says anything about the language; what is not TOML says nothing."""
    try:
        file = find_file(config)
        if file is None or not any(key in file.read_bytes() for key in _KEYS):  # most say nothing: spare the parser
            return {}
        return read_file(file)
    except (CannotUseSettings, OSError, ValueError, RecursionError):
        return {}


def _text(data: dict[str, Any], section: str, key: str) -> str | None:
    values = data.get(section)
    value = values.get(key) if isinstance(values, dict) else None
    return value if isinstance(value, str) else None
