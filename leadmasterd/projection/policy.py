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
    """The `[leads]` settings that derived rows depend on."""

    calendar: BusinessCalendar
    target_seconds: float
    """Business seconds within which a customer should be answered."""
    reopen_days: int
    burst_seconds: float
    """Inbound messages less than this apart are one burst."""
    version: str
    """A hash that changes with these settings and with `fold.FOLD_VERSION`."""
    campaigns: tuple[Campaign, ...] = ()
    hours: str = ""
    """Text that changes with the settings that decide when something is due."""


def policy_of(leads: PlainLeads) -> Policy:
    """The policy that these settings make. Leads that were derived with another version or hours are derived again."""
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
    """The operator's own rules file, which may not exist yet. None: the packaged rules are to be used.

    `rules`: the setting `leads.rules`, relative to the settings file; empty selects the packaged rules.
    """
    return path_from(base_folder(paths.file), rules) if rules else None


def model_file(paths: Paths) -> Path:
    """The model learned from this shop's corrections, which may not exist yet."""
    return paths.state_dir / "model.json.gz"


def classifier_of(rules: str, paths: Paths) -> Classifier:
    """The classifier with the rules (`leads.rules`) and the learned model that are in force now.

    The packaged ones are used in place of files that do not exist. Raises CannotUseRules or CannotUseModel.
    """
    return load_classifier(existing(rules_file(rules, paths)), existing(model_file(paths)))
