"""How well the packaged rules and model label the measuring sets: never worse than promised, and told as measured."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from benchmarks.classification import OWN_SETS, own_sets, silenced, table
from leadmasterd.classify.loading import load_classifier, load_model
from leadmasterd.classify.measure import Case, cases_from, score

DOCUMENT: Final = Path(__file__).parent.parent / "docs" / "classification.md"
FLOORS: Final = {
    "rioplatense": {"intent": 0.92, "group": 0.955},
    "latin_american": {"intent": 0.863, "group": 0.94},
    "rioplatense_situations": {"intent": 0.905, "group": 0.94},
}
"""Shares with a right intent and a right group that no change may fall below."""
SILENCED: Final = {"rioplatense": 0, "latin_american": 1, "rioplatense_situations": 1}
"""Customers that a rule takes for closing or noise."""


@pytest.mark.parametrize("name", FLOORS)
def test_no_set_is_labelled_worse_than_it_was(name: str) -> None:
    """A model that learns something new must not forget the rest."""
    [file] = [each for each in OWN_SETS if each.stem == name]
    result = score(cases_from(file.read_text("utf-8").splitlines(), name), load_classifier(None, None))
    accuracy = result.as_json()["accuracy"]
    reached: dict[str, float] = {"intent": round(accuracy["intent"], 3), "group": round(accuracy["group"], 3)}
    assert {what: share for what, share in reached.items() if share < FLOORS[name][what]} == {}
    assert silenced(result.labelled)[0] <= SILENCED[name]


def cells(line: str) -> list[str]:
    """The cells of a row of a Markdown table, but for its first."""
    return [cell.strip() for cell in line.strip("| ").split("|")][1:]


def test_the_documented_figures_are_those_of_the_packaged_model() -> None:
    """`python -m benchmarks.classification` prints them."""
    sets: list[tuple[str, Sequence[Case]]] = list(own_sets())
    measured = [cells(line) for line in list(table(sets))[2:]]
    text = DOCUMENT.read_text(encoding="utf-8")
    documented = [cells(line) for line in text.splitlines() if re.match(r"\| (Rio|Latin|Situ|the same)", line)]
    assert [[cell.replace(",", "") for cell in row] for row in documented] == [
        [cell.replace(",", "") for cell in row] for row in measured
    ]
    assert f"(version {load_model(None).version})" in text
