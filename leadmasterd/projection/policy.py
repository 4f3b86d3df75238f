"""From the settings to what leads are made with: the policy, the rules file and the learned model."""

import hashlib
from pathlib import Path

from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.loading import existing, load_classifier
from leadmasterd.leads import fold
from leadmasterd.projection.rows import Policy
from leadmasterd.settings.model import LeadsSettings
from leadmasterd.settings.paths import Paths, base_folder


def policy_of(leads: LeadsSettings) -> Policy:
    """Its version changes with every setting that leads depend on, and with how stories are folded."""
    told = leads.model_dump_json(
        include={
            "timezone",
            "country",
            "target_minutes",
            "reopen_days",
            "burst_seconds",
            "hours",
            "overrides",
            "campaigns",
        }
    )
    return Policy(
        calendar=leads.calendar(),
        target_seconds=leads.target_minutes * 60,
        reopen_days=leads.reopen_days,
        burst_seconds=leads.burst_seconds,
        version=hashlib.sha256(f"{fold.FOLDED_AS} {told}".encode()).hexdigest()[:12],
        campaigns=leads.named_campaigns(),
    )


def rules_file(leads: LeadsSettings, places: Paths) -> Path | None:
    """The operator's own rules, whether they are there yet or not; None when only the packaged ones are wanted."""
    return base_folder(places.file) / Path(leads.rules).expanduser() if leads.rules else None


def model_file(places: Paths) -> Path:
    """The model learned from this shop's corrections, whether it is there yet or not."""
    return places.state_dir / "model.json.gz"


def classifier_of(leads: LeadsSettings, places: Paths) -> Classifier:
    """The rules and the model in force. Raises CannotUseRules or CannotUseModel."""
    return load_classifier(existing(rules_file(leads, places)), existing(model_file(places)))
