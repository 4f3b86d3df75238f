"""The labels of the packaged examples and the measuring sets, as a digest: `python -m tests.labels` records it anew."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.classification import OWN_SETS
from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.loading import EXAMPLES, PACKAGED, load_classifier
from leadmasterd.classify.measure import Case, cases_from

RECORD: Final = Path(__file__).parent / "data" / "labels.json"
_ROUNDED: Final = 9
"""Digits of a confidence: the last few differ between versions of Python, which add floats in other ways."""


def sets() -> Iterator[tuple[str, list[Case]]]:
    """Each with its name."""
    for file in (PACKAGED / EXAMPLES, *OWN_SETS):
        yield file.name.partition(".")[0], cases_from(file.read_text(encoding="utf-8").splitlines(), file.name)


def digests(classifier: Classifier) -> dict[str, str]:
    """One of each set: of every label with its confidence and its reason."""
    found = {}
    for name, cases in sets():
        digest = hashlib.sha256()
        for case in cases:
            label = classifier.classify(case.texts, case.signals)
            told = (label.intent, label.method, round(label.confidence, _ROUNDED), label.source, label.code)
            digest.update(json.dumps([*told, label.values], sort_keys=True).encode())
        found[name] = digest.hexdigest()
    return found


def main() -> None:
    """Record what the packaged rules and model say now."""
    classifier = load_classifier(None, None)
    record = {"classifier": classifier.version, "labels": digests(classifier)}
    RECORD.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
