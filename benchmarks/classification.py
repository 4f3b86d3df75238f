"""How fast bursts are classified, and how well. `python -m benchmarks.classification FILE [development|held-out]`

FILE is a JSON-lines collection of labelled Spanish utterances, {"text", "label", "source"}, that is no part of this
project. It is split in half by source: rules were written with a view of the development half only. Prints figures,
never a text of it.
"""

import argparse
import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from benchmarks.figures import Figure, percentile
from leadmasterd.classify.intents import UNKNOWN, Label, Signals
from leadmasterd.classify.loading import EXAMPLES, PACKAGED, load_classifier
from leadmasterd.classify.measure import Case, cases_from, score

Half = Literal["development", "held-out"]

LIMIT_MS: Final = 1.0

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
"""Each label of the collection, and what of ours is a right answer to it. `charla` is chit-chat with a robot."""


def repository_of(source: str) -> str:
    """Files of one repository are one source: they share their author."""
    kind, _, rest = source.partition(":")
    return f"{kind}:{rest.partition(':')[0]}"


def halves(rows: Iterable[Mapping[str, Any]]) -> dict[Half, list[Mapping[str, Any]]]:
    """Whole sources in the order of their hash, each to the half that has fewer rows so far."""
    by_source = defaultdict(list)
    for row in rows:
        by_source[repository_of(row["source"])].append(row)
    found: dict[Half, list[Mapping[str, Any]]] = {"development": [], "held-out": []}
    for source in sorted(by_source, key=lambda each: hashlib.sha256(each.encode()).hexdigest()):
        smaller = min(found, key=lambda half: len(found[half]))
        found[smaller] += by_source[source]
    return found


def run() -> list[Figure]:
    """Each packaged example as a burst, rules and model as they are shipped, on one core."""
    cases = cases_from((PACKAGED / EXAMPLES).read_text(encoding="utf-8").splitlines(), EXAMPLES)
    classifier = load_classifier(None, None)
    took = []
    for case in cases:
        before = time.perf_counter()
        classifier.classify(case.texts, case.signals)
        took.append((time.perf_counter() - before) * 1000)
    mean = sum(took) / len(took)
    return [
        Figure(
            "classifying a burst",
            f"{mean:.2f} ms (median {percentile(took, 50):.2f} ms, p99 {percentile(took, 99):.2f} ms)",
            f"below {LIMIT_MS:.0f} ms",
            mean < LIMIT_MS,
        )
    ]


def precision_at(judged: Iterable[tuple[Case, Label]], coverage: float) -> float:
    """The share of right labels among so many of all bursts, the surest first; rules of last resort are the least."""
    surest = sorted(judged, key=lambda each: (each[1].intent == UNKNOWN, -each[1].confidence))
    chosen = surest[: round(len(surest) * coverage)]
    return sum(label.intent in case.answers for case, label in chosen) / len(chosen)


def main() -> None:
    """A table of figures, with and without what is no enquiry of any shop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("half", nargs="?", choices=("development", "held-out"), default="development")
    arguments = parser.parse_args()
    rows = [json.loads(line) for line in arguments.file.read_text(encoding="utf-8").splitlines() if line.strip()]
    chosen = halves(rows)[arguments.half]
    print(
        f"{arguments.half}: {len(chosen)} of {len(rows)}, {len({repository_of(r['source']) for r in chosen})} sources"
    )
    print(
        "| | n | intent | group | labelled | right of those | right of the surest 60 % |\n|---|---|---|---|---|---|---|"
    )
    for name, some in (("all", chosen), ("without `charla`", [row for row in chosen if row["label"] != "charla"])):
        result = score(
            [Case((row["text"],), Signals(), INTENTS_OF[row["label"]]) for row in some], load_classifier(None, None)
        )
        told = result.as_json()
        shares = [
            told["accuracy"]["intent"],
            told["accuracy"]["group"],
            told["coverage"],
            told["precision_when_labelled"],
        ]
        cells = " | ".join(f"{share:.1%}" for share in [*shares, precision_at(result.judged, 0.6)])
        print(f"| {name} | {told['n']} | {cells} |")


if __name__ == "__main__":
    main()
