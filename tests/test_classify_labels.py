"""What makes classifying cheaper changes no label, no confidence and no reason."""

import json

from leadmasterd.classify.loading import load_classifier
from tests.labels import RECORD, digests


def test_every_label_is_the_recorded_one_to_its_reason() -> None:
    """Of 12,000 examples and three measuring sets. After a change of rules or model: `python -m tests.labels`."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    classifier = load_classifier(None, None)
    assert record["classifier"] == classifier.version, "rules or model have changed: run `python -m tests.labels`"
    assert digests(classifier) == record["labels"]
