"""How fast and how well bursts are classified: `python -m benchmarks.classification [FILE [development|held-out]]`

Without FILE: this project's sets that the classifier was not trained on. FILE is a JSON-lines collection of labelled
Spanish utterances, {"text", "label", "source"}, that is not part of this project. It is split in half by source; rules
were written with only the development half in view. Prints figures, never a text of it.
"""

import argparse
import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from benchmarks.figures import Figure, percentile
from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.frames import sentences
from leadmasterd.classify.intents import GROUP_OF, UNKNOWN, Label, Signals
from leadmasterd.classify.loading import (
    EXAMPLES,
    FRAMES,
    PACKAGED,
    PACKAGED_MODEL,
    PACKAGED_RULES,
    load_classifier,
)
from leadmasterd.classify.measure import Case, cases_from, score
from leadmasterd.classify.model import parse as parse_model
from leadmasterd.classify.rules_file import parse as parse_rules
from leadmasterd.classify.text import normalise

Half = Literal["development", "held-out"]

LIMIT_MS: Final = 1.0
ROUNDS: Final = 5
OWN_SETS: Final = tuple(
    Path(__file__).parent.parent / "tests" / "data" / f"{name}.jsonl"
    for name in ("rioplatense", "latin_american", "rioplatense_situations")
)

INTENTS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "precio": ("price",),
    "stock": ("availability", "general_enquiry"),
    "pedido": ("order",),
    "turno": ("appointment",),
    "envio": ("delivery",),
    "pago": ("payment",),
    "info_local": ("business_info",),
    "humano": ("callback",),
    "postventa": ("complaint", "order_status", "return"),
    "saludo": ("greeting", "acknowledgement"),
    "charla": ("unknown", "personal"),
}
"""The collection's labels, and which of our intents are right for each. `charla` is chit-chat with a bot."""


def repository_of(source: str) -> str:
    """The files of one repository share their author, so they are one source."""
    kind, _, rest = source.partition(":")
    return f"{kind}:{rest.partition(':')[0]}"


def halves(rows: Iterable[Mapping[str, Any]]) -> dict[Half, list[Mapping[str, Any]]]:
    """Whole sources in the order of their hash, each into the half that has fewer rows so far."""
    by_source = defaultdict(list)
    for row in rows:
        by_source[repository_of(row["source"])].append(row)
    found: dict[Half, list[Mapping[str, Any]]] = {"development": [], "held-out": []}
    for source in sorted(by_source, key=lambda each: hashlib.sha256(each.encode()).hexdigest()):
        smaller = min(found, key=lambda half: len(found[half]))
        found[smaller] += by_source[source]
    return found


def fresh_classifier() -> Classifier:
    """The packaged one, parsed again: `load_classifier` would give the same object each time."""
    rules = parse_rules((PACKAGED / PACKAGED_RULES).read_text(encoding="utf-8"), PACKAGED_RULES)
    return Classifier(rules, "", parse_model((PACKAGED / PACKAGED_MODEL).read_bytes(), PACKAGED_MODEL))


def run() -> list[Figure]:
    """Each packaged example as a burst, with the packaged rules and model, on one core."""
    cases = cases_from((PACKAGED / EXAMPLES).read_text(encoding="utf-8").splitlines(), EXAMPLES)
    took = []
    for _ in range(ROUNDS):
        classifier = fresh_classifier()  # it caches the words it has seen
        for case in cases:
            before = time.perf_counter()
            classifier.classify(case.texts, case.signals)
            took.append((time.perf_counter() - before) * 1000)
    mean = sum(took) / len(took)
    return [
        Figure(
            name="classifying a burst",
            number=mean,
            unit="ms",
            measured=f"{mean:.2f} ms (median {percentile(took, 50):.2f} ms, p99 {percentile(took, 99):.2f} ms)",
            promised=f"below {LIMIT_MS:.0f} ms",
            held=mean < LIMIT_MS,
        )
    ]


def precision_at(judged: Iterable[tuple[Case, Label]], coverage: float) -> float:
    """The share of right labels among the `coverage` most confident; `unknown` ranks last."""
    by_confidence = sorted(judged, key=lambda each: (each[1].intent == UNKNOWN, -each[1].confidence))
    chosen = by_confidence[: round(len(by_confidence) * coverage)]
    return sum(label.intent in case.answers for case, label in chosen) / len(chosen)


def side_of(intent: str) -> str:
    """The coarsest distinction: something before the sale, something after it, or anything else."""
    return GROUP_OF[intent] if GROUP_OF[intent] in ("commercial", "after_sale") else "other"


def silenced(judged: Iterable[tuple[Case, Label]]) -> tuple[int, int]:
    """Customers whose message a rule labels as closing or noise, so that nobody would answer; and of how many."""
    customers = [
        label for case, label in judged if {GROUP_OF[answer] for answer in case.answers} <= {"commercial", "after_sale"}
    ]
    return sum(label.method == "rule" and label.group in ("closing", "noise") for label in customers), len(customers)


def table(sets: Iterable[tuple[str, Sequence[Case]]]) -> Iterator[str]:
    """A Markdown table with a row for each set, with the packaged rules and model."""
    classifier = load_classifier(None, None)
    yield (
        "| set | bursts | intent | group | of three sides | labelled | right of those | right of the surest 60 % "
        "| customers silenced by a rule |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, cases in sets:
        result = score(cases, classifier)
        summary = result.as_json()
        sides = [side_of(label.intent) in map(side_of, case.answers) for case, label in result.labelled]
        shares = [
            summary["accuracy"]["intent"],
            summary["accuracy"]["group"],
            sum(sides) / len(sides),
            summary["coverage"],
            summary["precision_when_labelled"] or 0.0,
            precision_at(result.labelled, 0.6),
        ]
        by_rule, customers = silenced(result.labelled)
        said = " | ".join(f"{100 * share:.1f} %" for share in shares)
        yield f"| {name} | {summary['n']} | {said} | {by_rule} of {customers:,} |"


def own_sets() -> Iterator[tuple[str, Sequence[Case]]]:
    """The sets in tests/data: whole, and without what is word for word in the training data."""
    examples = cases_from((PACKAGED / EXAMPLES).read_text(encoding="utf-8").splitlines(), EXAMPLES)
    filled = sentences((PACKAGED / FRAMES).read_text(encoding="utf-8"))
    learned = {normalise(case.texts).text for case in examples} | {normalise([text]).text for text, _intent in filled}
    for file in OWN_SETS:
        cases = cases_from(file.read_text(encoding="utf-8").splitlines(), file.name)
        yield file.stem, cases
        yield f"{file.stem}, new words only", [case for case in cases if normalise(case.texts).text not in learned]


def main() -> None:
    """Print how well: our own sets, or a half of FILE with and without its chit-chat."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("half", nargs="?", choices=("development", "held-out"), default="development")
    arguments = parser.parse_args()
    if arguments.file is None:
        print("\n".join(table(own_sets())))
        return
    rows = [json.loads(line) for line in arguments.file.read_text(encoding="utf-8").splitlines() if line.strip()]
    chosen = halves(rows)[arguments.half]
    sources = len({repository_of(row["source"]) for row in chosen})
    print(f"{arguments.half}: {len(chosen)} of {len(rows)}, {sources} sources")
    enquiries = [row for row in chosen if row["label"] != "charla"]
    sets = (("enquiries and courtesy", enquiries), ("chit-chat too", chosen))
    print("\n".join(table((name, [_case(row) for row in some]) for name, some in sets)))


def _case(row: Mapping[str, Any]) -> Case:
    return Case((row["text"],), Signals(), INTENTS_OF[row["label"]])


if __name__ == "__main__":
    main()
