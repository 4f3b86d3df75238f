"""The language of a command, read before it prints anything, without pydantic, because `--help` must answer at once.

Settings that can't be read count as not given: the command itself will say what is wrong with them.
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
    """The language that the full settings would choose for a command line of these words. Raises nothing."""
    data = _settings(_config_in(words))
    choice = variable("GENERAL__LANGUAGE") or _text(data, "general", "language") or "auto"
    country = variable("LEADS__COUNTRY")
    if country is None:  # an empty one is given, and means no country
        country = _text(data, "leads", "country")
    return spoken(choice, os.environ, DEFAULT_COUNTRY if country is None else country.strip())


def _config_in(words: Sequence[str]) -> str | None:
    """The value of the last `--config FILE` or `--config=FILE`, which may be shortened to `--co`; None if not given."""
    found = None
    for place, word in enumerate(words):
        if word == "--":
            break
        flag, equals, value = word.partition("=")
        is_config = len(flag) > len("--c") and "--config".startswith(flag)
        if is_config and equals:
            found = value
        elif is_config and place + 1 < len(words):
            found = words[place + 1]
    return found


def _settings(config: str | None) -> dict[str, Any]:
    """The settings file's content; empty if there is none, it can't be read, or it does not mention the language."""
    try:
        file = find_file(config)
        if file is None:
            return {}
        content = file.read_bytes()
        if not any(key in content for key in _KEYS):  # most files: to parse them would take time for nothing
            return {}
        return read_file(file)
    except (CannotUseSettings, OSError, ValueError, RecursionError):
        return {}


def _text(data: dict[str, Any], section: str, key: str) -> str | None:
    """A setting's text; None if it is not given, or is no text."""
    values = data.get(section)
    value = values.get(key) if isinstance(values, dict) else None
    return value if isinstance(value, str) else None
