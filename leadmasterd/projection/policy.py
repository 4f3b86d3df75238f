"""What leads are derived with, from the settings: the policy, the rules file and the learned model."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.loading import existing, load_classifier
from leadmasterd.leads import fold
from leadmasterd.leads.calendar import BusinessCalendar
from leadmasterd.leads.touchpoints import Campaign
from leadmasterd.settings.paths import Paths, base_folder, path_from
from leadmasterd.settings.plain import PlainLeads


@dataclass(frozen=True, slots=True)
class Policy:
    """The `[leads]` settings that derived rows depend on.

    `version` changes with any of them, `hours` with those that decide when something is due.
    """

    calendar: BusinessCalendar
    target_seconds: float
    reopen_days: int
    burst_seconds: float
    version: str
    campaigns: tuple[Campaign, ...] = ()
    hours: str = ""


def policy_of(leads: PlainLeads) -> Policy:
    """Its version also changes with `fold.FOLD_VERSION`: any change makes everything dirty."""
    return Policy(
        calendar=leads.calendar(),
        target_seconds=leads.target_minutes * 60,
        reopen_days=leads.reopen_days,
        burst_seconds=leads.burst_seconds,
        version=hashlib.sha256(f"{fold.FOLD_VERSION} {leads.derived_by()}".encode()).hexdigest()[:12],
        campaigns=leads.named_campaigns(),
        hours=leads.hours_version(),
    )


def rules_file(rules: str, paths: Paths) -> Path | None:
    """The operator's own rules file by `leads.rules`; it may not exist yet. None selects the packaged rules."""
    return path_from(base_folder(paths.file), rules) if rules else None


def model_file(paths: Paths) -> Path:
    """The model learned from this shop's corrections, which may not exist yet."""
    return paths.state_dir / "model.json.gz"


def classifier_of(rules: str, paths: Paths) -> Classifier:
    """The rules and the model in force, by `leads.rules`. Raises CannotUseRules or CannotUseModel."""
    return load_classifier(existing(rules_file(rules, paths)), existing(model_file(paths)))
