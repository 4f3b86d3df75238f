"""May this message be sent now? Pure: `decide` takes everything it looks at, the time included.

There is one rule for each reason against sending, and no rule looks at the answer of another. So one obstacle can never
lift another, and a message is allowed only if no rule objects. `RULES` has them in the order in which obstacles are
shown: first those of all messages, then what a person can't change, what a person can change, and what passes by
itself.

Whatever is missing or unknown counts against sending.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from leadmasterd.times import is_between

WINDOW: Final = timedelta(hours=24)
"""How long Meta lets a business answer freely after a customer's last message to that account."""
DAY: Final = timedelta(hours=24)
"""Caps count the last 24 hours, as Meta's own limits do, not the calendar day."""
PAIR_GAP: Final = timedelta(seconds=6)
"""Meta takes about one message in six seconds from one number to one person (error 131056)."""


class Reason(StrEnum):
    """Why a message may not be sent. A closed set: `sentences` has a sentence for each, docs/outbound.md a row."""

    KILL_SWITCH = "kill_switch"
    ACCOUNT_DISABLED = "account_disabled"
    SUPPRESSED = "suppressed"
    ALREADY_ATTEMPTED = "already_attempted"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    NO_CONSENT = "no_consent"
    TEMPLATE_NEEDED = "template_needed"
    TEMPLATE_NOT_APPROVED_BY_META = "template_not_approved_by_meta"
    TEMPLATE_NOT_APPROVED_HERE = "template_not_approved_here"
    NOT_APPROVED = "not_approved"
    TOO_EARLY = "too_early"
    QUIET_HOURS = "quiet_hours"
    ACCOUNT_CAP = "account_cap"
    CONTACT_CAP = "contact_cap"
    PAIR_RATE = "pair_rate"


class Purpose(StrEnum):
    """What a message is for; Meta's categories. An answer to what somebody asked is `service`."""

    SERVICE = "service"
    UTILITY = "utility"
    MARKETING = "marketing"


class TemplateStatus(StrEnum):
    """Meta's status of a template."""

    APPROVED = "approved"
    PENDING = "pending"
    REJECTED = "rejected"
    PAUSED = "paused"
    DISABLED = "disabled"


class Source(StrEnum):
    """How an inbound message reached us."""

    CLOUD_API = "cloud_api"
    WHATSAPP_WEB = "whatsapp_web"


# ---------------------------------------------------------------------- the message


@dataclass(frozen=True, slots=True)
class FreeText:
    """Any words; Meta delivers them only while the window is open."""

    text: str


@dataclass(frozen=True, slots=True)
class Template:
    """A message template, by its name and language at Meta, and the values for its `{{1}}`, `{{2}}` …"""

    name: str
    language: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One message to one person, to be sent from `not_before` (None: at once) until just before `not_after`.

    `account`: the one that is to send it. `approved_by`: who approved it; None if nobody has.
    """

    account: str
    purpose: Purpose
    content: FreeText | Template
    not_after: datetime
    not_before: datetime | None = None
    approved_by: str | None = None
    cancelled: bool = False


# ---------------------------------------------------------------------- what the decision depends on


@dataclass(frozen=True, slots=True)
class Consent:
    """A person agreed to messages of this purpose (`granted`), or took that back. Never changed: later ones follow."""

    purpose: Purpose
    granted: bool
    at: datetime
    evidence: str
    """Where it can be seen that they did. A grant without it does not count."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message of this person to us: how it came, to which account, and when."""

    source: Source
    account: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TemplateRecord:
    """What is known of the request's template. `approved_here`: a person of the shop approved the text it has now."""

    category: Purpose
    status: TemplateStatus
    approved_here: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What is on record about the request, its person and its account. By the defaults nothing may be sent."""

    stopped: bool = True
    """The kill switch is on."""
    suppressed: bool = True
    """They asked not to be written to, or were forgotten."""
    attempted: bool = True
    """This request has been handed to a gateway before, whatever came of it."""
    template: TemplateRecord | None = None
    """The template of the request; None: it has none, or it is not recorded."""
    consents: Sequence[Consent] = ()
    """All that this person agreed to or took back, in any order."""
    inbound: Sequence[Inbound] = ()
    """What is known of this person's messages to us."""
    sent_by_account: Sequence[datetime] = ()
    """Attempts of this account, to anybody, of the last day at least."""
    sent_to_person: Sequence[datetime] = ()
    """Attempts to this person, of the last day at least."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` until just before `end` on the shop's clock, across midnight if `end` is earlier.

    The two are never equal.
    """

    start: time
    end: time

    def hold(self, local: time) -> bool:
        """Whether it is quiet at this time of day."""
        return is_between(local, self.start, self.end)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say. `enabled`: sending is on. `account`: the one account that may send."""

    enabled: bool
    account: str
    zone: ZoneInfo
    """The shop's zone, for quiet hours and shown times."""
    quiet: QuietHours | None
    """None: there are none."""
    account_cap: int
    """Most messages of the account in 24 hours."""
    contact_cap: int
    """Most messages to one person in 24 hours."""


# ---------------------------------------------------------------------- the answer


@dataclass(frozen=True, slots=True)
class Allowed:
    """No rule objects."""


@dataclass(frozen=True, slots=True)
class Denied:
    """One obstacle. `until`: when it passes by itself; None if it does not. `values`: what its sentence mentions."""

    reason: Reason
    until: datetime | None = None
    values: Mapping[str, object] = field(default_factory=dict)


def decide(request: Request, facts: Facts, policy: Policy, now: datetime) -> Allowed | Denied:
    """Allowed, or the first of `obstacles`. `now`: with its zone."""
    found = obstacles(request, facts, policy, now)
    return found[0] if found else Allowed()


def obstacles(request: Request, facts: Facts, policy: Policy, now: datetime) -> list[Denied]:
    """Everything against sending this message now, in the order of RULES; empty: it may be sent.

    For a request that will never be sent, obstacles that approval or time would lift are left out: they don't matter.
    Raises ValueError if `now` has no zone.
    """
    if now.tzinfo is None:
        raise ValueError("a decision needs a time with its zone")
    answers = [rule(request, facts, policy, now) for rule in RULES.values()]
    found = [answer for answer in answers if answer is not None]
    if any(each.reason in _NEVER_SENT for each in found):
        return [each for each in found if each.reason not in _MAY_PASS]
    return found


# ---------------------------------------------------------------------- the rules: each returns its obstacle, or None


def _kill_switch(_request: Request, facts: Facts, _policy: Policy, _now: datetime) -> Denied | None:
    return Denied(Reason.KILL_SWITCH) if facts.stopped else None


def _account_disabled(request: Request, _facts: Facts, policy: Policy, _now: datetime) -> Denied | None:
    """Only the one account of the settings may send, and only while sending is on."""
    if policy.enabled and policy.account and request.account == policy.account:
        return None
    return Denied(Reason.ACCOUNT_DISABLED, values={"account": request.account or "-"})


def _suppressed(_request: Request, facts: Facts, _policy: Policy, _now: datetime) -> Denied | None:
    return Denied(Reason.SUPPRESSED) if facts.suppressed else None


def _already_attempted(_request: Request, facts: Facts, _policy: Policy, _now: datetime) -> Denied | None:
    return Denied(Reason.ALREADY_ATTEMPTED) if facts.attempted else None


def _cancelled(request: Request, _facts: Facts, _policy: Policy, _now: datetime) -> Denied | None:
    return Denied(Reason.CANCELLED) if request.cancelled else None


def _expired(request: Request, _facts: Facts, _policy: Policy, now: datetime) -> Denied | None:
    return Denied(Reason.EXPIRED, values={"at": request.not_after}) if now >= request.not_after else None


def _no_consent(request: Request, facts: Facts, _policy: Policy, now: datetime) -> Denied | None:
    """The purpose of the request and Meta's category of its template both need the person's consent.

    An answer to their own message (`service`) needs none; that message is no consent to anything else.
    """
    purposes = [request.purpose]
    if isinstance(request.content, Template) and facts.template:
        purposes.append(facts.template.category)
    for purpose in purposes:
        if purpose is not Purpose.SERVICE and not _consented(facts.consents, purpose, now):
            return Denied(Reason.NO_CONSENT, values={"purpose": purpose.value})
    return None


def _consented(consents: Sequence[Consent], purpose: Purpose, now: datetime) -> bool:
    """Whether the last thing that they said about this purpose is a grant.

    A grant counts only with evidence, and not if it is dated in the future. Of a grant and a withdrawal at the same
    time the withdrawal counts.
    """
    about_it = [each for each in consents if each.purpose is purpose]
    granted = [each.at for each in about_it if each.granted and each.evidence.strip() and each.at <= now]
    withdrawn = [each.at for each in about_it if not each.granted]
    if not granted:
        return False
    return not withdrawn or max(granted) > max(withdrawn)


def _template_needed(request: Request, facts: Facts, _policy: Policy, now: datetime) -> Denied | None:
    """Free text needs an open window: a message of theirs to this very account within the last 24 hours.

    A message to the number that we listen to opens none. Templates don't need it.
    """
    if isinstance(request.content, Template):
        return None
    opened = [each.at for each in facts.inbound if each.source is Source.CLOUD_API and each.account == request.account]
    if any(at <= now < at + WINDOW for at in opened):
        return None
    return Denied(Reason.TEMPLATE_NEEDED, values={"last": max(opened, default=None)})


def _template_not_approved_by_meta(request: Request, facts: Facts, _policy: Policy, _now: datetime) -> Denied | None:
    """A template needs Meta's approval; one that is not recorded has none."""
    if not isinstance(request.content, Template):
        return None
    status = facts.template.status if facts.template else None
    if status is TemplateStatus.APPROVED:
        return None
    values = {"template": request.content.name, "status": status.value if status else "unknown"}
    return Denied(Reason.TEMPLATE_NOT_APPROVED_BY_META, values=values)


def _template_not_approved_here(request: Request, facts: Facts, _policy: Policy, _now: datetime) -> Denied | None:
    """A template needs the approval of a person of the shop too, for the text that it has now."""
    if not isinstance(request.content, Template) or (facts.template and facts.template.approved_here):
        return None
    return Denied(Reason.TEMPLATE_NOT_APPROVED_HERE, values={"template": request.content.name})


def _not_approved(request: Request, _facts: Facts, _policy: Policy, _now: datetime) -> Denied | None:
    return None if request.approved_by else Denied(Reason.NOT_APPROVED)


def _too_early(request: Request, _facts: Facts, _policy: Policy, now: datetime) -> Denied | None:
    if request.not_before is None or now >= request.not_before:
        return None
    return Denied(Reason.TOO_EARLY, until=request.not_before)


def _quiet_hours(_request: Request, _facts: Facts, policy: Policy, now: datetime) -> Denied | None:
    if policy.quiet is None or not policy.quiet.hold(now.astimezone(policy.zone).time()):
        return None
    values = {"start": policy.quiet.start, "end": policy.quiet.end}
    return Denied(Reason.QUIET_HOURS, until=_end_of_quiet(policy.quiet, now, policy.zone), values=values)


def _end_of_quiet(quiet: QuietHours, now: datetime, zone: ZoneInfo) -> datetime:
    """When the shop's clock shows `end` next (UTC). If a clock change skips that time, when it would have shown it."""
    local = now.astimezone(zone)
    day = local.date() if local.time() < quiet.end else local.date() + timedelta(days=1)
    end = datetime.combine(day, quiet.end, zone)
    if end.astimezone(UTC) <= now:  # the clock was set back and shows this hour again
        end = end.replace(fold=1)
    return end.astimezone(UTC)


def _account_cap(_request: Request, facts: Facts, policy: Policy, now: datetime) -> Denied | None:
    until = _below_cap_at(policy.account_cap, facts.sent_by_account, now)
    return Denied(Reason.ACCOUNT_CAP, until=until, values={"cap": policy.account_cap}) if until else None


def _contact_cap(_request: Request, facts: Facts, policy: Policy, now: datetime) -> Denied | None:
    until = _below_cap_at(policy.contact_cap, facts.sent_to_person, now)
    return Denied(Reason.CONTACT_CAP, until=until, values={"cap": policy.contact_cap}) if until else None


def _below_cap_at(cap: int, sent: Sequence[datetime], now: datetime) -> datetime | None:
    """When fewer than `cap` of these attempts will be within the last 24 hours; None if that is so already."""
    ends = sorted(at + DAY for at in sent if now < at + DAY)  # when each of them stops counting
    return ends[len(ends) - cap] if len(ends) >= cap else None  # after this one ends, `cap` - 1 are left


def _pair_rate(_request: Request, facts: Facts, _policy: Policy, now: datetime) -> Denied | None:
    if not facts.sent_to_person:
        return None
    until = max(facts.sent_to_person) + PAIR_GAP
    return Denied(Reason.PAIR_RATE, until=until) if now < until else None


Rule = Callable[[Request, Facts, Policy, datetime], Denied | None]

RULES: Final[Mapping[Reason, Rule]] = {
    Reason.KILL_SWITCH: _kill_switch,
    Reason.ACCOUNT_DISABLED: _account_disabled,
    Reason.SUPPRESSED: _suppressed,
    Reason.ALREADY_ATTEMPTED: _already_attempted,
    Reason.CANCELLED: _cancelled,
    Reason.EXPIRED: _expired,
    Reason.NO_CONSENT: _no_consent,
    Reason.TEMPLATE_NEEDED: _template_needed,
    Reason.TEMPLATE_NOT_APPROVED_BY_META: _template_not_approved_by_meta,
    Reason.TEMPLATE_NOT_APPROVED_HERE: _template_not_approved_here,
    Reason.NOT_APPROVED: _not_approved,
    Reason.TOO_EARLY: _too_early,
    Reason.QUIET_HOURS: _quiet_hours,
    Reason.ACCOUNT_CAP: _account_cap,
    Reason.CONTACT_CAP: _contact_cap,
    Reason.PAIR_RATE: _pair_rate,
}
"""One rule per reason, in the order in which they are shown."""

_NEVER_SENT: Final = frozenset({Reason.ALREADY_ATTEMPTED, Reason.CANCELLED, Reason.EXPIRED})
"""With one of these, the request will never be sent, whatever anybody does."""
_MAY_PASS: Final = frozenset(
    {
        Reason.NOT_APPROVED,
        Reason.TOO_EARLY,
        Reason.QUIET_HOURS,
        Reason.ACCOUNT_CAP,
        Reason.CONTACT_CAP,
        Reason.PAIR_RATE,
    }
)
"""Obstacles that approval of this request or time would lift. A new request would meet the others too."""
