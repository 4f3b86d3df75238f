"""In which language a process speaks."""

from collections.abc import Mapping
from typing import Final, Literal

Language = Literal["en", "es"]

_VARIABLES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")
"""The first that is set decides, as POSIX has it."""
_NOTHING: Final = frozenset({"C", "POSIX"})
"""Locales that are of no language: what a service has, and many a server."""
_SPANISH: Final = frozenset({
    "AR", "BO", "CL", "CO", "CR", "CU", "DO", "EC", "ES", "GQ", "GT", "HN", "MX", "NI", "PA", "PE", "PR", "PY", "SV",
    "UY", "VE",
})  # fmt: skip


def spoken(choice: str, environment: Mapping[str, str], country: str) -> Language:
    """The language for `general.language`, the environment's variables and `leads.country` (`AR`, `AR-B`, or empty).

    The environment is read as text, not as a locale, which would have to be installed.
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
