"""Every reason code has a sentence, whatever values come with it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadmasterd import sentences
from leadmasterd.classify.reasons import INTENT_ES, REASONS, plain_why, why
from leadmasterd.supervisor import machine
from leadmasterd.supervisor.machine import FirstOf, Phase, Then, To
from leadmasterd.text import speaking

SOURCES = Path(__file__).parent.parent / "leadmasterd"
BYES = ["browser_missing", "browser_failed", "browser_gone", "page_crashed", "initialize_failed", "internal"]


def test_every_phase_has_a_name() -> None:
    """People never see the stored code."""
    assert set(sentences.PHASES) == {phase.value for phase in Phase}
    assert all("_" not in sentences.phase(phase.value) for phase in Phase)


def test_every_reason_in_the_code_has_a_sentence() -> None:
    """Otherwise people would see the code; tests/test_supervisor_document.py covers the supervisor's."""
    tables = [cell for row in (*machine.TABLE.values(), *machine.STOPPING.values()) for cell in row.values()]
    outcomes = [
        outcome
        for cell in tables
        for outcome in ([each for _, each in cell.guarded] + [cell.otherwise] if isinstance(cell, FirstOf) else [cell])
    ]
    codes = {outcome.code for outcome in outcomes if isinstance(outcome, To | Then) and outcome.code}
    assert len(codes) >= 15
    others = [(SOURCES / each).read_text() for each in ("daemon/live_path.py", "store/start.py", "daemon/lifecycle.py")]
    found = [set(re.findall(r'(?:GapOpened|Record)\("(\w+)"', each)) for each in others]
    assert all(found), "they give reasons too"
    assert codes.union(*found) <= set(sentences.REASONS)


VALUES = st.dictionaries(
    st.sampled_from(["account", "reason", "state", "silent_seconds", "bye", "exit_code", "detail", "failures"]),
    st.none() | st.integers() | st.text(max_size=10),
)


@given(st.sampled_from(sorted(sentences.REASONS)), VALUES)
def test_a_reason_with_any_values_is_a_sentence(code: str, values: Mapping[str, Any]) -> None:
    """The values come from the database, where another version may have written them."""
    assert sentences.because(code, values if "failures" not in values else {**values, "failures": 3})


@pytest.mark.parametrize("expires", [None, "soon", 1e300, float("nan"), -(1 << 53)])
def test_a_ban_whose_end_is_nonsense_has_no_end(expires: object) -> None:
    """The value comes from WhatsApp."""
    assert "temporarily" in sentences.because("temporary_ban", {"expires": expires})
    assert "until 2026-11-23 12:00 UTC" in sentences.because("temporary_ban", {"expires": 1795435200})


@pytest.mark.parametrize("code", ["passkey_asked", "passkey_check"])
def test_a_passkey_is_told_with_the_way_on(code: str) -> None:
    """It names two commands, and never asks to paste anything into a browser."""
    text = sentences.because(code, {"step": "asked"})
    assert "`leadmasterd auth pair`" in text
    assert "`leadmasterd auth import FILE`" in text


def test_a_code_of_the_passkey_step_is_shown() -> None:
    """The person compares it with the code on the phone."""
    assert "ABCD1234" in sentences.because("passkey_asked", {"step": "code", "code": "ABCD1234"})


@pytest.mark.parametrize("reason", [None, "0", "2", "3"])
def test_a_logout_says_to_look_at_the_phone_or_why_there_is_no_need(reason: str | None) -> None:
    """A banned number's 403 and 406 look like a logout."""
    text = sentences.because("logged_out", {"reason": "LOGOUT", "logout_reason": reason, "by": "event"})
    assert "scan" in text
    assert ("phone" in text) is (reason != "2")


@pytest.mark.parametrize("bye", [None, *BYES, "of_tomorrow"])
def test_every_last_word_of_a_child_is_told(bye: str | None) -> None:
    """The sentence includes the child's detail."""
    text = sentences.because("child_died", {"bye": bye, "exit_code": 70, "detail": "chromium: no such file"})
    assert text
    if bye in (None,):
        assert "70" in text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"failures": 1, "wait_seconds": 0.4}, "asked to stop; trying again at once"),
        ({"failures": 1, "wait_seconds": 4.4}, "asked to stop; next try in 4 s"),
        ({"failures": 3, "wait_seconds": 12.6}, "asked to stop; 3 failures in a row, next try in 13 s"),
        ({}, "asked to stop"),
    ],
)
def test_a_wait_is_told_with_its_failures(values: Mapping[str, Any], text: str) -> None:
    """A single failure is not counted."""
    assert sentences.because("asked_to_stop", values) == text


def test_a_reason_of_tomorrow_is_shown_as_it_is() -> None:
    """A newer version may have written it."""
    assert sentences.because("sparkle", {}) == "sparkle"
    assert sentences.phase("sparkle") == "sparkle"


def test_no_sentence_can_command_a_terminal() -> None:
    """Details come from the page, the browser and the system."""
    wild = "\x1b]0;title\x07 a\nb \x9b2J"
    assert sentences.because("cannot_spawn", {"detail": wild}).isprintable()


KINDS = ["undone", "opened", "reopened", "decision", "stage", "merged", "new_topic", "proposed"]


def told_of(stage: str, intent: str) -> set[str]:
    """Every line of a record, and every reason of a label, that names this stage or this intent."""
    values = {"intent": intent, "guess": intent, "others": [intent], "decision": stage}
    events = {
        sentences.lead_event(
            kind=kind,
            before=stage,
            after=intent if kind in ("new_topic", "proposed") else stage,
            code=code,
            values=values,
        )
        for kind in KINDS
        for code in sentences.LEAD_REASONS
    }
    return events | {make(code, values) for make in (why, plain_why) for code in REASONS}


@pytest.mark.parametrize(("stage", "intent"), [("quoted", "business_info"), ("junk", "not_interested")])
def test_a_record_names_stages_and_intents_in_the_language_that_is_spoken(stage: str, intent: str) -> None:
    """In that one only, for the page shows it as well."""
    english, spanish = (stage, intent.replace("_", " ")), (sentences.STAGES_ES[stage], INTENT_ES[intent])
    for language, named, never in (("en", english, spanish), ("es", spanish, (*english, intent))):
        with speaking(language):
            lines = told_of(stage, intent)
        for name in named:
            assert any(name in line for line in lines)
        for name in never:
            assert not [line for line in lines if name in line]
