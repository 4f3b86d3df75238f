"""Templates of JSON: values whose texts have `{names}` in braces to be replaced. No code, filters, conditions. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from leadmasterd.text import _

_PIECES: Final = re.compile(r"\{\{|\}\}|\{([a-z][a-z0-9_.]*)\}|[{}]")
"""A brace that is written twice, a name in braces (group 1), or a single brace, which is a mistake."""


def names_in(template: Any) -> Iterator[str]:
    """Every name in braces, in order. Raises ValueError for what is no template, such as a single brace."""
    match template:
        case str():
            for piece in _PIECES.finditer(template):
                if piece[1]:
                    yield piece[1]
                elif piece[0] in "{}":  # a single brace
                    raise ValueError(
                        _("text with names in braces, as {example}; a brace itself is written twice").format(
                            example="{data.lead_id}"
                        )
                    )
        case list():
            for each in template:
                yield from names_in(each)
        case dict():
            for each in template.values():
                yield from names_in(each)
        case bool() | int() | float():
            return
        case _:
            raise ValueError(_("a table of text, numbers, true, false, lists and tables"))


def filled(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with each name replaced by its value. Raises KeyError for a name without one.

    A text that is one name alone becomes the value with its type. Within other text the value is written as text, null
    as nothing, and a brace that is written twice becomes a single one.
    """
    match template:
        case str():
            name_alone = _PIECES.fullmatch(template)
            if name_alone and name_alone[1]:
                return values[name_alone[1]]
            return _PIECES.sub(lambda piece: _text(values[piece[1]]) if piece[1] else piece[0][0], template)
        case list():
            return [filled(each, values) for each in template]
        case dict():
            return {name: filled(each, values) for name, each in template.items()}
        case _:
            return template


def _text(value: Any) -> str:
    """A value within a text: null is empty, true and false are as in JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
