"""What every section of the settings file has in common."""

import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from leadmasterd.text import _, nearest


class Section(BaseModel):
    """Refuses unknown keys and takes no yes or no for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """`true` is 1 for Python, and nothing that anybody means by a number."""
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and kind in (int, float):
            raise ValueError(_("a whole number") if kind is int else _("a number"))
        return value


TIME_OF_DAY: Final = "([01][0-9]|2[0-3]):[0-5][0-9]"
"""As a regex: `08:30`."""
_TIME: Final = re.compile(TIME_OF_DAY)
_T = TypeVar("_T")


def at_least_one(values: tuple[_T, ...]) -> tuple[_T, ...]:
    """Of a list that means nothing when it is empty. Raises ValueError."""
    if not values:
        raise ValueError(_("a list with something in it"))
    return values


def two_times(times: tuple[str, ...]) -> tuple[str, ...]:
    """Of a pair of times of day, or nothing. Raises ValueError."""
    if times and (len(times) != 2 or times[0] == times[1] or not all(map(_TIME.fullmatch, times))):
        raise ValueError(_('two different times of day, such as ["21:00", "09:00"], or [] for none'))
    return times


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean lead.opened?`, to end what is allowed with; empty unless something known is near."""
    close = nearest(word, known)
    return _("; did you mean {close}?").format(close=close) if close else ""
