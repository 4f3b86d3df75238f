"""May a message be sent: one row per reason, the boundary of each, and what holds for all of them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadmasterd.outbound.decision import (
    DAY,
    PAIR_GAP,
    RULES,
    WINDOW,
    Allowed,
    Consent,
    Denied,
    Facts,
    FreeText,
    Inbound,
    Policy,
    Purpose,
    QuietHours,
    Reason,
    Request,
    Source,
    Template,
    TemplateRecord,
    TemplateStatus,
    decide,
    obstacles,
)
from leadmasterd.outbound.sentences import ENGLISH, SPANISH, english, spanish

SHOP: Final = ZoneInfo("America/Argentina/Buenos_Aires")
NOON: Final = datetime(2026, 11, 30, 12, 0, tzinfo=SHOP).astimezone(UTC)
ACCOUNT: Final = "100200300"
SECOND: Final = timedelta(seconds=1)
TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True)
class Case:
    """Everything that a decision looks at."""

    request: Request
    facts: Facts
    policy: Policy
    now: datetime = NOON

    def request_with(self, **changes: object) -> "Case":
        return replace(self, request=replace(self.request, **changes))  # type: ignore[arg-type]

    def facts_with(self, **changes: object) -> "Case":
        return replace(self, facts=replace(self.facts, **changes))  # type: ignore[arg-type]

    def policy_with(self, **changes: object) -> "Case":
        return replace(self, policy=replace(self.policy, **changes))  # type: ignore[arg-type]

    def at(self, now: datetime) -> "Case":
        return replace(self, now=now)

    def decided(self) -> Reason | None:
        """The reason, or None if it is allowed."""
        answer = decide(self.request, self.facts, self.policy, self.now)
        return answer.reason if isinstance(answer, Denied) else None

    def reasons(self) -> list[Reason]:
        return [each.reason for each in obstacles(self.request, self.facts, self.policy, self.now)]


def inbound(ago: timedelta, account: str = ACCOUNT, source: Source = Source.CLOUD_API) -> tuple[Inbound, ...]:
    return (Inbound(source, account, NOON - ago),)


def consent(
    purpose: Purpose, *, granted: bool = True, ago: timedelta = timedelta(days=9), evidence: str = "a form"
) -> Consent:
    return Consent(purpose, granted, NOON - ago, evidence)


POLICY: Final = Policy(
    enabled=True,
    account=ACCOUNT,
    zone=SHOP,
    quiet=QuietHours(time(21), time(9)),
    account_cap=3,
    contact_cap=2,
)
FREE: Final = Case(
    Request(ACCOUNT, Purpose.SERVICE, FreeText("Sí, tenemos."), NOON + timedelta(hours=3), approved_by="person:ana"),
    Facts(stopped=False, suppressed=False, attempted=False, inbound=inbound(timedelta(hours=2))),
    POLICY,
)
"""An answer in the open window: allowed."""
TEMPLATED: Final = Case(
    replace(FREE.request, purpose=Purpose.MARKETING, content=Template("promo", "es_AR")),
    replace(
        FREE.facts,
        inbound=(),
        template=TemplateRecord(Purpose.MARKETING, TemplateStatus.APPROVED, approved_here=True),
        consents=(consent(Purpose.MARKETING),),
    ),
    POLICY,
)
"""An approved template to somebody who agreed: allowed, window or not."""

ONE_ROW_PER_REASON: Final[dict[Reason, tuple[Case, Callable[[Case], Case]]]] = {
    Reason.KILL_SWITCH: (FREE, lambda case: case.facts_with(stopped=True)),
    Reason.ACCOUNT_DISABLED: (FREE, lambda case: case.policy_with(enabled=False)),
    Reason.SUPPRESSED: (FREE, lambda case: case.facts_with(suppressed=True)),
    Reason.ALREADY_ATTEMPTED: (FREE, lambda case: case.facts_with(attempted=True)),
    Reason.CANCELLED: (FREE, lambda case: case.request_with(cancelled=True)),
    Reason.EXPIRED: (FREE, lambda case: case.request_with(not_after=NOON)),
    Reason.NO_CONSENT: (TEMPLATED, lambda case: case.facts_with(consents=())),
    Reason.TEMPLATE_NEEDED: (FREE, lambda case: case.facts_with(inbound=())),
    Reason.TEMPLATE_NOT_APPROVED_BY_META: (
        TEMPLATED,
        lambda case: case.facts_with(template=TemplateRecord(Purpose.MARKETING, TemplateStatus.PENDING, True)),
    ),
    Reason.TEMPLATE_NOT_APPROVED_HERE: (
        TEMPLATED,
        lambda case: case.facts_with(template=TemplateRecord(Purpose.MARKETING, TemplateStatus.APPROVED, False)),
    ),
    Reason.NOT_APPROVED: (FREE, lambda case: case.request_with(approved_by=None)),
    Reason.TOO_EARLY: (FREE, lambda case: case.request_with(not_before=NOON + SECOND)),
    Reason.QUIET_HOURS: (FREE, lambda case: case.policy_with(quiet=QuietHours(time(11), time(13)))),
    Reason.ACCOUNT_CAP: (FREE, lambda case: case.facts_with(sent_by_account=[NOON - DAY / 2] * 3)),
    Reason.CONTACT_CAP: (FREE, lambda case: case.facts_with(sent_to_person=[NOON - DAY / 2] * 2)),
    Reason.PAIR_RATE: (FREE, lambda case: case.facts_with(sent_to_person=[NOON - SECOND])),
}
"""Something allowed, and the one thing that makes it denied."""


# ---------------------------------------------------------------------- one row per reason


def test_an_answer_in_the_window_and_an_approved_template_are_allowed() -> None:
    """So that each row below can fail."""
    assert FREE.decided() is None
    assert TEMPLATED.decided() is None
    assert decide(FREE.request, FREE.facts, FREE.policy, NOON) == Allowed()


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_denies_what_would_be_allowed_without_it(reason: Reason) -> None:
    """It is the only obstacle then."""
    allowed, spoiled = ONE_ROW_PER_REASON[reason]
    assert allowed.decided() is None
    assert spoiled(allowed).reasons() == [reason]


def test_what_is_not_known_denies() -> None:
    """A request about which nothing is known meets every obstacle that facts can lift."""
    facts = Facts()
    assert {Reason.KILL_SWITCH, Reason.SUPPRESSED, Reason.ALREADY_ATTEMPTED} <= {
        each.reason for each in obstacles(FREE.request, facts, POLICY, NOON)
    }


def test_a_time_without_a_zone_is_a_defect() -> None:
    """The machine's zone is not the shop's."""
    with pytest.raises(ValueError, match="zone"):
        decide(FREE.request, FREE.facts, FREE.policy, datetime(2026, 11, 30, 12))  # noqa: DTZ001 - that is the point


# ---------------------------------------------------------------------- boundaries


@pytest.mark.parametrize(
    ("ago", "reason"),
    [
        (timedelta(0), None),
        (WINDOW - TICK, None),
        (WINDOW, Reason.TEMPLATE_NEEDED),
        (WINDOW + TICK, Reason.TEMPLATE_NEEDED),
        (-TICK, Reason.TEMPLATE_NEEDED),  # dated in the future: a wrong clock opens nothing
    ],
)
def test_the_window_is_open_for_less_than_24_hours(ago: timedelta, reason: Reason | None) -> None:
    """At exactly 24 hours it is closed."""
    assert FREE.facts_with(inbound=inbound(ago)).decided() is reason


@pytest.mark.parametrize(
    "inbound_elsewhere",
    [
        inbound(SECOND, source=Source.WHATSAPP_WEB),  # the same number at the page, as with coexistence
        inbound(SECOND, account="5491155550100@c.us", source=Source.WHATSAPP_WEB),
        inbound(SECOND, account="999"),  # another account of the Cloud API
    ],
)
def test_a_message_to_another_number_opens_nothing(inbound_elsewhere: tuple[Inbound, ...]) -> None:
    """The window is that of one account of the Cloud API, and its age is told without the others."""
    case = FREE.facts_with(inbound=(*inbound_elsewhere, *inbound(timedelta(days=3))))
    assert case.reasons() == [Reason.TEMPLATE_NEEDED]
    [denied] = obstacles(case.request, case.facts, case.policy, case.now)
    assert denied.values == {"last": NOON - timedelta(days=3)}


def test_an_inbound_message_is_the_ground_of_an_answer_and_no_consent() -> None:
    """Utility and marketing in an open window still need their own consent."""
    for purpose in (Purpose.UTILITY, Purpose.MARKETING):
        case = FREE.request_with(purpose=purpose)
        assert case.decided() is Reason.NO_CONSENT
        assert case.facts_with(consents=(consent(purpose),)).decided() is None


def test_a_template_is_what_meta_takes_it_for() -> None:
    """Meta recategorises templates: called service or utility here, marketing there, it needs consent to marketing."""
    case = TEMPLATED.request_with(purpose=Purpose.UTILITY).facts_with(consents=(consent(Purpose.UTILITY),))
    assert case.decided() is Reason.NO_CONSENT
    both = (consent(Purpose.UTILITY), consent(Purpose.MARKETING))
    assert case.facts_with(consents=both).decided() is None
    assert TEMPLATED.request_with(purpose=Purpose.SERVICE).facts_with(consents=()).decided() is Reason.NO_CONSENT


@pytest.mark.parametrize(
    ("consents", "reason"),
    [
        ([consent(Purpose.MARKETING, ago=timedelta(0))], None),
        ([consent(Purpose.MARKETING, ago=-TICK)], Reason.NO_CONSENT),  # one that is still to come
        ([consent(Purpose.UTILITY)], Reason.NO_CONSENT),
        ([consent(Purpose.MARKETING, evidence=" ")], Reason.NO_CONSENT),
        ([consent(Purpose.MARKETING), consent(Purpose.MARKETING, granted=False, ago=DAY)], Reason.NO_CONSENT),
        ([consent(Purpose.MARKETING), consent(Purpose.UTILITY, granted=False, ago=DAY)], None),
        ([consent(Purpose.MARKETING, ago=DAY), consent(Purpose.MARKETING, granted=False, ago=2 * DAY)], None),
        ([consent(Purpose.MARKETING), consent(Purpose.MARKETING, granted=False)], Reason.NO_CONSENT),  # at one time
        ([consent(Purpose.MARKETING, granted=False, ago=-DAY), consent(Purpose.MARKETING)], Reason.NO_CONSENT),
    ],
)
def test_the_last_word_on_a_purpose_counts(consents: list[Consent], reason: Reason | None) -> None:
    """In any order of the rows; in doubt, no."""
    assert TEMPLATED.facts_with(consents=consents).decided() is reason
    assert TEMPLATED.facts_with(consents=consents[::-1]).decided() is reason


@pytest.mark.parametrize("status", TemplateStatus)
def test_of_what_meta_says_only_approved_allows(status: TemplateStatus) -> None:
    """A paused template is as good as none."""
    case = TEMPLATED.facts_with(template=TemplateRecord(Purpose.MARKETING, status, approved_here=True))
    expected = None if status is TemplateStatus.APPROVED else Reason.TEMPLATE_NOT_APPROVED_BY_META
    assert case.decided() is expected


def test_a_template_that_nobody_has_recorded_is_approved_by_nobody() -> None:
    """Both approvals are missing, and the consent is still that of the request."""
    assert TEMPLATED.facts_with(template=None).reasons() == [
        Reason.TEMPLATE_NOT_APPROVED_BY_META,
        Reason.TEMPLATE_NOT_APPROVED_HERE,
    ]


@pytest.mark.parametrize(
    ("enabled", "account"), [(False, ACCOUNT), (True, "999"), (True, ""), (False, ""), (False, "999")]
)
def test_only_the_account_of_the_settings_may_send(enabled: bool, account: str) -> None:
    """An empty name is no account, not even for a request with none."""
    assert FREE.policy_with(enabled=enabled, account=account).decided() is Reason.ACCOUNT_DISABLED
    unnamed = FREE.request_with(account="").facts_with(inbound=inbound(SECOND, account=""))
    assert unnamed.policy_with(account="").decided() is Reason.ACCOUNT_DISABLED


def test_a_request_lives_from_not_before_until_just_before_not_after() -> None:
    """Both edges."""
    case = FREE.request_with(not_before=NOON, not_after=NOON + SECOND)
    assert case.at(NOON - TICK).decided() is Reason.TOO_EARLY
    assert case.at(NOON).decided() is None
    assert case.at(NOON + SECOND - TICK).decided() is None
    assert case.at(NOON + SECOND).decided() is Reason.EXPIRED


@pytest.mark.parametrize(
    ("clock", "quiet"),
    [
        ("20:59:59.999999", False),
        ("21:00:00", True),
        ("23:59:59.999999", True),
        ("00:00:00", True),
        ("08:59:59.999999", True),
        ("09:00:00", False),
    ],
)
def test_quiet_hours_across_midnight_begin_and_end_on_the_minute(clock: str, quiet: bool) -> None:
    """The first instant is quiet, the last one is not."""
    now = datetime.combine(NOON.date(), time.fromisoformat(clock), SHOP).astimezone(UTC)
    case = TEMPLATED.at(now).request_with(not_after=now + DAY)
    assert case.decided() is (Reason.QUIET_HOURS if quiet else None)


@pytest.mark.parametrize(
    ("clock", "quiet"), [("12:59:59.999999", False), ("13:00", True), ("15:59:59.999999", True), ("16:00", False)]
)
def test_quiet_hours_within_a_day_are_the_siesta(clock: str, quiet: bool) -> None:
    """The same edges, without a midnight."""
    now = datetime.combine(NOON.date(), time.fromisoformat(clock), SHOP).astimezone(UTC)
    case = TEMPLATED.at(now).request_with(not_after=now + DAY).policy_with(quiet=QuietHours(time(13), time(16)))
    assert case.decided() is (Reason.QUIET_HOURS if quiet else None)


@pytest.mark.parametrize(
    ("zone", "quiet"),
    [
        ("America/Argentina/Buenos_Aires", False),  # 20:30
        ("America/Sao_Paulo", False),
        ("UTC", True),  # 23:30
        ("America/Mexico_City", False),  # 17:30
        ("Asia/Kolkata", True),  # 05:00 of the next day
        ("Pacific/Auckland", False),  # 12:30 of the next day
    ],
)
def test_quiet_hours_are_those_of_the_shops_zone(zone: str, quiet: bool) -> None:
    """One instant, several shops."""
    now = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
    case = TEMPLATED.at(now).request_with(not_after=now + DAY).policy_with(zone=ZoneInfo(zone))
    assert case.decided() is (Reason.QUIET_HOURS if quiet else None)


@pytest.mark.parametrize(
    ("now", "zone", "quiet", "until"),
    [
        # In Santiago the clock goes from 24:00 to 01:00 on 6 September 2026: there is no 00:30, so this is a bit late.
        ("2026-09-06T03:59", "America/Santiago", QuietHours(time(21), time(0, 30)), "2026-09-06T04:30"),
        # And from 24:00 back to 23:00 on 4 April 2027: 23:30 comes twice.
        ("2027-04-04T02:15", "America/Santiago", QuietHours(time(21), time(23, 30)), "2027-04-04T02:30"),
        ("2027-04-04T03:15", "America/Santiago", QuietHours(time(21), time(23, 30)), "2027-04-04T03:30"),
        ("2026-11-30T23:59", "America/Argentina/Buenos_Aires", QuietHours(time(20), time(9)), "2026-12-01T12:00"),
        ("2026-12-01T03:00", "America/Argentina/Buenos_Aires", QuietHours(time(20), time(9)), "2026-12-01T12:00"),
    ],
)
def test_quiet_hours_end_when_the_clock_says_so(now: str, zone: str, quiet: QuietHours, until: str) -> None:
    """Across midnight and across changes of the clock; times are UTC."""
    at = datetime.fromisoformat(f"{now}+00:00")
    case = FREE.at(at).request_with(not_after=at + DAY).policy_with(zone=ZoneInfo(zone), quiet=quiet)
    case = case.facts_with(inbound=(Inbound(Source.CLOUD_API, ACCOUNT, at),))
    [denied] = obstacles(case.request, case.facts, case.policy, case.now)
    assert (denied.reason, denied.until) == (Reason.QUIET_HOURS, datetime.fromisoformat(f"{until}+00:00"))


def test_no_quiet_hours_are_never_quiet() -> None:
    """The settings say so with an empty list."""
    night = datetime(2026, 11, 30, 3, tzinfo=SHOP)
    assert TEMPLATED.at(night).policy_with(quiet=None).decided() is None


@pytest.mark.parametrize("kind", ["account", "contact"])
def test_a_cap_counts_the_last_24_hours(kind: str) -> None:
    """What was sent exactly 24 hours ago counts no more; what a wrong clock dates in the future does."""
    name, cap, reason = {
        "account": ("sent_by_account", 3, Reason.ACCOUNT_CAP),
        "contact": ("sent_to_person", 2, Reason.CONTACT_CAP),
    }[kind]
    recent = [NOON - timedelta(hours=each + 1) for each in range(cap - 1)]
    assert FREE.facts_with(**{name: recent}).decided() is None
    assert FREE.facts_with(**{name: [*recent, NOON - DAY]}).decided() is None
    assert FREE.facts_with(**{name: [*recent, NOON - DAY + TICK]}).decided() is reason
    assert reason in FREE.facts_with(**{name: [*recent, NOON + DAY]}).reasons()
    none_at_all = FREE.policy_with(**{f"{kind}_cap": 1}).facts_with(**{name: [NOON - DAY / 2]})
    assert none_at_all.decided() is reason


def test_the_next_message_to_a_person_waits_for_six_seconds() -> None:
    """At exactly six it may go."""
    assert FREE.facts_with(sent_to_person=[NOON - PAIR_GAP + TICK]).decided() is Reason.PAIR_RATE
    assert FREE.facts_with(sent_to_person=[NOON - PAIR_GAP]).decided() is None


# ---------------------------------------------------------------------- what holds for all

SPOILED: Final = st.sets(st.sampled_from(sorted(ONE_ROW_PER_REASON)))


def spoiled(reasons: set[Reason]) -> Case:
    """A template to somebody, with all these obstacles; those of free text turn it into free text."""
    case = TEMPLATED
    if Reason.TEMPLATE_NEEDED in reasons:
        case = case.request_with(content=FreeText("x"))
        reasons = reasons - {Reason.TEMPLATE_NOT_APPROVED_BY_META, Reason.TEMPLATE_NOT_APPROVED_HERE}
    for reason in sorted(reasons):
        case = ONE_ROW_PER_REASON[reason][1](case)
    return case


@given(SPOILED, SPOILED)
def test_what_is_denied_stays_denied_with_another_obstacle(some: set[Reason], more: set[Reason]) -> None:
    """An obstacle never lifts another."""
    assert (spoiled(some).decided() is None) is (not some)
    assert (spoiled(some | more).decided() is None) is (not some | more)


@given(SPOILED)
def test_the_kill_switch_beats_all(reasons: set[Reason]) -> None:
    """Whatever else there is."""
    assert spoiled({*reasons, Reason.KILL_SWITCH}).decided() is Reason.KILL_SWITCH


@given(SPOILED)
def test_of_what_is_over_neither_its_approval_nor_the_hour_is_told(reasons: set[Reason]) -> None:
    """Whoever reads «a person has to approve it first» of a cancelled request tries that, in vain."""
    over = {Reason.ALREADY_ATTEMPTED, Reason.CANCELLED, Reason.EXPIRED}
    moot = {
        Reason.NOT_APPROVED, Reason.TOO_EARLY, Reason.QUIET_HOURS, Reason.ACCOUNT_CAP, Reason.CONTACT_CAP,
        Reason.PAIR_RATE,
    }  # fmt: skip
    told = set(spoiled(reasons).reasons())
    assert (told & moot == set()) is bool(not reasons & moot or reasons & over)
    assert told - moot >= reasons & over


@given(SPOILED)
def test_the_first_obstacle_in_the_order_of_the_rules_is_told(reasons: set[Reason]) -> None:
    """`decide` tells one, `obstacles` all."""
    found = spoiled(reasons).reasons()
    order = list(RULES)
    assert found == sorted(found, key=order.index)
    assert spoiled(reasons).decided() is (found[0] if found else None)


@given(
    sent=st.lists(st.timedeltas(min_value=-DAY, max_value=2 * DAY), max_size=8),
    quiet=st.tuples(st.times(), st.times()).filter(lambda each: each[0] != each[1]),
    zone=st.sampled_from(["America/Argentina/Buenos_Aires", "America/Santiago", "Asia/Kolkata", "Pacific/Chatham"]),
    now=st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2028, 1, 1)),  # noqa: DTZ001 - UTC below
)
def test_an_obstacle_of_time_is_gone_when_it_says(
    sent: list[timedelta], quiet: tuple[time, time], zone: str, now: datetime
) -> None:
    """And not before: caps, pair rate, quiet hours, not_before."""
    at = now.replace(tzinfo=UTC)
    case = TEMPLATED.at(at).request_with(not_before=at + timedelta(minutes=5), not_after=at + 9 * DAY)
    case = case.facts_with(
        sent_by_account=[at - each for each in sent],
        sent_to_person=[at - each for each in sent[::2]],
        consents=(Consent(Purpose.MARKETING, granted=True, at=at, evidence="x"),),
    ).policy_with(zone=ZoneInfo(zone), quiet=QuietHours(*quiet))
    for denied in obstacles(case.request, case.facts, case.policy, at):
        assert denied.until is not None
        assert denied.until > at
        if denied.reason is not Reason.QUIET_HOURS or denied.until.astimezone(case.policy.zone).time() == quiet[1]:
            assert denied.reason in case.at(max(at, denied.until - TICK)).reasons()
        assert denied.reason not in case.at(denied.until).reasons()


# ---------------------------------------------------------------------- words


def test_every_reason_has_its_rule_and_its_sentences() -> None:
    """And no other has."""
    assert set(RULES) == set(Reason) == set(ENGLISH) == set(SPANISH) == set(ONE_ROW_PER_REASON)


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_one_sentence_in_each_language(reason: Reason) -> None:
    """Both name the same values, and all of them are filled."""
    allowed, spoil = ONE_ROW_PER_REASON[reason]
    case = spoil(allowed)
    [denied] = obstacles(case.request, case.facts, case.policy, case.now)
    texts = (english(denied, SHOP), spanish(denied, SHOP))
    assert not any("{" in text or "None" in text or "datetime" in text for text in texts)
    assert texts[0] != texts[1]
    names = [set(re.findall(r"{(\w+)}", each[reason])) for each in (ENGLISH, SPANISH)]
    assert names[0] == names[1]


def test_sentences_show_times_of_the_shop() -> None:
    """In quiet hours the time they end."""
    case = FREE.at(datetime(2026, 12, 1, 1, 0, tzinfo=UTC)).request_with(not_after=NOON + 2 * DAY)
    [denied] = obstacles(case.request, case.facts, case.policy, case.now)
    assert english(denied, SHOP) == "these are the quiet hours, 21:00 to 09:00; they end at 2026-12-01 09:00"
    assert spanish(denied, SHOP) == "son las horas de silencio (21:00 a 09:00), hasta 2026-12-01 09:00"
