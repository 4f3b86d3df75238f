"""What the sections of the settings file have in common: their base class, and checks of values."""

import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from leadmasterd.text import _, nearest


class Section(BaseModel):
    """A section of the settings. It refuses unknown keys, and true or false for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse `true` for a number: pydantic takes it for 1, which nobody means."""
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and kind in (int, float):
            raise ValueError(_("a whole number") if kind is int else _("a number"))
        return value


TIME_OF_DAY: Final = "([01][0-9]|2[0-3]):[0-5][0-9]"
"""As a regex: `08:30`."""
_TIME: Final = re.compile(TIME_OF_DAY)
_T = TypeVar("_T")


def at_least_one(values: tuple[_T, ...]) -> tuple[_T, ...]:
    """The same list, for settings in which an empty one means nothing. Raises ValueError if it is empty."""
    if not values:
        raise ValueError(_("a list with something in it"))
    return values


def two_times(times: tuple[str, ...]) -> tuple[str, ...]:
    """The same list, if it is two different times of day or empty. Raises ValueError otherwise."""
    are_times = all(_TIME.fullmatch(each) for each in times)
    if times and (len(times) != 2 or times[0] == times[1] or not are_times):
        raise ValueError(_('two different times of day, such as ["21:00", "09:00"], or [] for none'))
    return times


def meant(word: str, known: Iterable[str]) -> str:
    """A hint to append to an error: `; did you mean lead.opened?`. Empty if no known word is like this one."""
    close = nearest(word, known)
    return _("; did you mean {close}?").format(close=close) if close else ""
