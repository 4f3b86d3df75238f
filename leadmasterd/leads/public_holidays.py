"""Public holidays of a country, or of one of its regions, from the `holidays` library.

The library has one file per country, but its package imports all 250 when one is asked for (0.109: 60 ms and 7 MB more
than one file). So one file is loaded by its path, when it is needed. A country whose file imports another's (Åland that
of Finland) still loads them all.
"""

import importlib.util
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leadmasterd.text import _, nearest, unaccented

if TYPE_CHECKING:
    from holidays import HolidayBase

_OPTIONAL: Final = {"AR": frozenset({"Jueves Santo", "Feriado con fines turísticos"})}
"""Public days of the library on which every employer decides, and most shops open, by their names in Spanish.

Argentina's are *días no laborables* (Ley 20.744, art. 167): Holy Thursday (Ley 27.399) and since 2024 the bridge days
(Resolución 164/2025 for 2026). Carnival in Brazil and Uruguay, and Uruguay's Good Friday, are such days too; the
library's public days do not contain them.
"""


def known_country(code: str) -> str:
    """`AR`, or `AR-B` for a region, as the library spells it; any case is accepted.

    Raises ValueError for an unknown one; its text completes "must be".
    """
    country, _dash, part = code.partition("-")
    countries = _files()
    if country.upper() not in countries:
        raise ValueError(_("a country's two letters such as AR, or with a region such as AR-B (or empty: no holidays)"))
    if not part and not code.endswith("-"):
        return country.upper()
    parts = {each.upper(): each for each in _country(country.upper()).subdivisions}
    if part.upper() not in parts:
        raise ValueError(
            _("{country} alone or with a region: {regions}").format(
                country=country.upper(), regions=_regions(country.upper(), part)
            )
        )
    return f"{country.upper()}-{parts[part.upper()]}"


def _regions(country: str, typed: str) -> str:
    """Every region by code and name, and the one that was most likely meant: people type names, and initials."""
    found = _country(country)
    names: dict[str, str] = {}
    for name, part in found.subdivisions_aliases.items():
        names.setdefault(part, name)
    if not found.subdivisions:
        return _("no regions are known")
    spellings = {each: each for each in found.subdivisions}
    for part, name in names.items():
        spellings |= {unaccented(name): part, "".join(filter(str.isupper, name)): part}
    close = nearest(unaccented(typed), spellings) if typed else None
    hint = ""
    if close:
        part = spellings[close]
        likely = ", ".join([f"{country}-{part}", *([names[part]] if part in names else [])])
        hint = _(" (did you mean {close}?)").format(close=likely)
    known = ", ".join(f"{country}-{each}{f' ({names[each]})' if each in names else ''}" for each in found.subdivisions)
    return f"{known}{hint}"


@cache
def holidays_in(country: str, year: int) -> frozenset[date]:
    """Every day of that year on which the law closes shops, as far as it was known when the library was released.

    Without half days, those for some people only (banks, religions), and those on which every employer decides for
    himself. Raises ValueError as `known_country`.
    """
    code, _dash, part = known_country(country).partition("-")
    # The names are in the language of the process's LANG unless one is given.
    days = _country(code)(subdiv=part or None, years=year, expand=False, language="es")
    optional = _OPTIONAL.get(code, frozenset())
    return frozenset(day for day in days if not optional.issuperset(days.get_list(day)))


@cache
def _country(code: str) -> type["HolidayBase"]:
    file, name = _files()[code]
    spec = importlib.util.spec_from_file_location(f"{__name__}.{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load the holidays of {code} from {file}; install the version that the lock names")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: type[HolidayBase] = getattr(module, name)
    return found


@cache
def _files() -> dict[str, tuple[Path, str]]:
    """Two letters -> the country's file and the name of its class."""
    import holidays
    from holidays.registry import COUNTRIES

    folder = Path(holidays.__file__).parent / "countries"
    return {
        code: (folder / f"{file}.py", names[0]) for file, names in COUNTRIES.items() for code in names if len(code) == 2
    }
