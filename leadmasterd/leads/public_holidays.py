"""Public holidays of a country, or of one of its regions, from the `holidays` library.

The library has one file per country, but its package imports all 250 when one is needed (0.109: 60 ms and 7 MB more
than one file). So the file of the country is loaded by its path. A file that imports another country's (Åland's imports
Finland's) still loads them all.
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
"""By country, public holidays of the library that are left out, by their names in Spanish: on these days employers may
open, and most shops do.

Argentina's are *días no laborables* (Ley 20.744, art. 167): Holy Thursday (Ley 27.399) and since 2024 the bridge days
(Resolución 164/2025 for 2026). Carnival in Brazil and Uruguay, and Uruguay's Good Friday, are such days too; the
library's public days do not contain them.
"""


def known_country(code: str) -> str:
    """The code of a country or region as the library spells it: `AR`, or `AR-B`. Any case is accepted.

    Raises ValueError for an unknown one; its text completes "must be".
    """
    typed_country, dash, typed_region = code.partition("-")
    country = typed_country.upper()
    if country not in _files():
        raise ValueError(_("a country's two letters such as AR, or with a region such as AR-B (or empty: no holidays)"))
    if not dash:
        return country
    regions = {each.upper(): each for each in _country(country).subdivisions}
    region = regions.get(typed_region.upper())
    if region is None:
        raise ValueError(
            _("{country} alone or with a region: {regions}").format(
                country=country, regions=_known_regions(country, typed_region)
            )
        )
    return f"{country}-{region}"


def _known_regions(country: str, typed: str) -> str:
    """A list of the country's regions for an error, and the one that was probably meant by what was typed.

    People type a region's name or its initials in place of its code.
    """
    library = _country(country)
    if not library.subdivisions:
        return _("no regions are known")
    names: dict[str, str] = {}
    for name, region in library.subdivisions_aliases.items():
        names.setdefault(region, name)
    region_by_spelling = {each: each for each in library.subdivisions}
    for region, name in names.items():
        initials = "".join(filter(str.isupper, name))
        region_by_spelling |= {unaccented(name): region, initials: region}
    hint = ""
    close = nearest(unaccented(typed), region_by_spelling) if typed else None
    if close:
        region = region_by_spelling[close]
        code = f"{country}-{region}"
        likely = f"{code}, {names[region]}" if region in names else code
        hint = _(" (did you mean {close}?)").format(close=likely)
    known = []
    for region in library.subdivisions:
        code = f"{country}-{region}"
        known.append(f"{code} ({names[region]})" if region in names else code)
    return ", ".join(known) + hint


@cache
def holidays_in(country: str, year: int) -> frozenset[date]:
    """Every day of that year on which the law closes shops, as far as it was known when the library was released.

    Left out are half days, holidays of some people only (banks, religions), and days on which employers may open.
    `country` is what `known_country` accepts; raises ValueError as it does.
    """
    code, _dash, region = known_country(country).partition("-")
    # Without `language` the names would be in that of the process's LANG.
    days = _country(code)(subdiv=region or None, years=year, expand=False, language="es")
    optional = _OPTIONAL.get(code, frozenset())
    return frozenset(day for day in days if not optional.issuperset(days.get_list(day)))


@cache
def _country(code: str) -> type["HolidayBase"]:
    """The library's class for the country with these two letters, loaded from its file alone."""
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
    """By a country's two letters, its file in the library and the name of its class there."""
    import holidays
    from holidays.registry import COUNTRIES

    folder = Path(holidays.__file__).parent / "countries"
    found: dict[str, tuple[Path, str]] = {}
    for file, (class_name, *codes) in COUNTRIES.items():
        for code in codes:
            if len(code) == 2:
                found[code] = (folder / f"{file}.py", class_name)
    return found
