"""What `doctor` says of the clock, from live messages (each carries WhatsApp's time and ours), and of the rules."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from leadmasterd.cli import main
from leadmasterd.doctor import KINDS, Finding, clock_against_messages, examine
from tests import wire
from tests.captures import Store, item, opened, reading

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty one, where `doctor` looks for it."""
    with opened(tmp_path / "leadmaster.db") as fresh:
        yield fresh


def heard(
    store: Store, *delays: float, every: float = 10 * MINUTE, via: str = "live", start: float = wire.NOON
) -> None:
    """Messages at these distances from our clock, the last one captured now."""
    for n, delay in enumerate(delays):
        now = start - every * (len(delays) - 1 - n)
        store.write(item(wire.message(f"{via} {now} {n}", t=int(now - delay), via=via), now=now))


def off(store: Store) -> timedelta | None:
    """How far our clock is ahead, asked now."""
    with reading(store.path) as connection:
        return clock_against_messages(connection, datetime.fromtimestamp(wire.NOON, UTC))


@pytest.mark.parametrize("wrong", [3 * DAY, 11 * MINUTE, -11 * MINUTE, -3 * DAY])
def test_a_clock_that_is_wrong_against_whatsapp_is_said(store: Store, wrong: float) -> None:
    """By the message that came with the least delay."""
    heard(store, wrong + 2, wrong + 40, wrong + 1, wrong + 9)
    found = off(store)
    assert found is not None
    assert abs(found.total_seconds() - wrong) < MINUTE


@pytest.mark.parametrize(
    "delays",
    [
        [],
        [3 * DAY, 3 * DAY],
        [2, 1, 3],
        [9 * MINUTE, 9 * MINUTE, 9 * MINUTE],
        [3 * DAY, 3 * DAY, 1],
        [3 * DAY, -3 * DAY, 3 * DAY],
        [1, 1, 1, -70 * 365 * DAY],
    ],
    ids=["nothing", "two", "right", "a little", "put right since", "nonsense", "one from 2093"],
)
def test_without_evidence_it_is_quiet(store: Store, delays: list[float]) -> None:
    """A warning that is not true is worse than none."""
    heard(store, *delays)
    assert off(store) is None


def test_what_waited_for_the_connection_is_no_evidence(store: Store) -> None:
    """It comes all at once, an hour late."""
    heard(store, *[HOUR] * 30, every=1)
    assert off(store) is None


def test_what_a_sweep_found_is_no_evidence(store: Store) -> None:
    """It may be as old as it likes."""
    heard(store, *[DAY] * 5, via="sweep")
    assert off(store) is None


def test_what_was_captured_long_ago_or_in_the_future_is_no_evidence(store: Store) -> None:
    """The clock was put right since."""
    heard(store, *[-3 * DAY] * 5, start=wire.NOON - 2 * DAY)
    heard(store, *[3 * DAY] * 5, start=wire.NOON + 3 * DAY)
    assert off(store) is None


def test_doctor_says_how_far_and_what_to_do(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a warning: it heals without losing anything."""
    monkeypatch.setenv("LEADMASTERD_STATE_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    now = datetime.now(UTC).timestamp()
    assert [each.level for each in examine(None, start_browser=False) if each.check == "clock"] == ["ok"]
    heard(store, *[3 * DAY + 2] * 4, start=now)
    _, warning = [each for each in examine(None, start_browser=False) if each.check == "clock"]
    assert (warning.level, warning.found) == ("warning", "this machine's clock is 72 h 0 min ahead of WhatsApp's")
    assert "timedatectl" in warning.mend


@pytest.mark.parametrize(
    ("name", "content", "said", "mend"),
    [
        ("rules.toml", b"extend = tru", "rules.toml: it is not TOML", "rules check"),
        ("state/model.json.gz", b"half a mod", "model.json.gz: it is damaged", "rules train"),
    ],
)
def test_what_conversations_are_judged_with_is_looked_at(
    tmp_path: Path, name: str, content: bytes, said: str, mend: str
) -> None:
    """A broken file of rules, or a damaged model, is no good health."""
    config = tmp_path / "config.toml"
    config.write_text(f'state_dir = "{tmp_path / "state"}"\n')
    (tmp_path / "state").mkdir()

    def found() -> Finding:
        return next(each for each in examine(str(config), start_browser=False) if each.check == "rules")

    assert (found().level, found().mend) == ("ok", "")
    (tmp_path / name).write_bytes(content)
    assert found().level == "wrong"
    assert said in found().found
    assert mend in found().mend


def test_every_finding_has_a_stable_code_and_the_values_of_its_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs go by these; the sentences may be translated."""
    monkeypatch.setenv("LEADMASTERD_STATE_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o755)
    findings = list(examine(None, start_browser=False))
    assert {"settings_default", "state_readable", "database_absent", "daemon_not_running"} <= {
        each.code for each in findings
    }
    for each in findings:
        kind = KINDS[each.code]
        assert (kind.check, kind.level) == (each.check, each.level)
        assert (kind.found.format(**each.values), kind.fix.format(**each.values)) == (each.found, each.mend)
    [state] = [each.as_json() for each in findings if each.check == "state"]
    assert (state["code"], state["values"]) == ("state_readable", {"path": str(tmp_path), "mode": "755"})


def test_warnings_are_counted_where_nothing_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """«All is well» below a warning would contradict it."""
    warning = Finding(check="daemon", level="warning", found="not running", mend="start it", code="x", values={})
    monkeypatch.setattr("leadmasterd.cli.cmd_doctor.examine", lambda *_arguments, **_options: iter([warning]))
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("\nNothing to fix; 1 warning.\n")
