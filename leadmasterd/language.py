"""Chooses the language of a process from settings and environment."""

from collections.abc import Mapping
from typing import Final, Literal

Language = Literal["en", "es"]

_VARIABLES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")
"""The first that is set decides, as POSIX has it."""
_NOTHING: Final = frozenset({"C", "POSIX"})
"""Locales without a language, as services and many servers have them."""
_SPANISH: Final = frozenset({
    "AR", "BO", "CL", "CO", "CR", "CU", "DO", "EC", "ES", "GQ", "GT", "HN", "MX", "NI", "PA", "PE", "PR", "PY", "SV",
    "UY", "VE",
})  # fmt: skip


def spoken(choice: str, environment: Mapping[str, str], country: str) -> Language:
    """The language to use: the setting first, then the locale of the environment, then the country.

    `choice`: `general.language` (`en`, `es` or `auto`). `country`: `leads.country` (`AR`, `AR-B`, or empty). The locale
    is only read as text, so it need not be installed.
    """
    if choice == "es":
        return "es"
    if choice == "en":
        return "en"
    locale = next((value for name in _VARIABLES if (value := environment.get(name, "").strip())), "")
    name = locale.partition(".")[0].partition("@")[0]
    if name and name.upper() not in _NOTHING:
        return "es" if name.replace("-", "_").partition("_")[0].lower() in ("es", "spanish") else "en"
    return "es" if country.partition("-")[0].upper() in _SPANISH else "en"
