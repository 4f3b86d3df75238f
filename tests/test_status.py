"""What `status` tells a tired admin in ten seconds, even when the daemon is dead."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from leadmasterd import sentences
from leadmasterd.cli import cmd_status, main
from leadmasterd.clock import Clock
from leadmasterd.daemon.status import Counters, Sections, StatusPublisher, measure
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import Lock, write_status
from leadmasterd.state.status_object import Session
from leadmasterd.supervisor.machine import Phase
from leadmasterd.times import iso
from tests import forked
from tests.waiting import until

NOW = datetime(2026, 11, 23, 15, 0, 0, tzinfo=UTC)
KEYS = {
    "v",
    "phase",
    "since",
    "because",
    "concerns",
    "code",
    "values",
    "pid",
    "account",
    "capture",
    "waiting",
    "trouble",
    "scan",
    "counters",
    "resources",
    "next_jobs",
    "versions",
    "page",
    "feeds",
}


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A state directory that the command line finds."""
    monkeypatch.chdir(tmp_path)
    state = tmp_path / "state"
    state.mkdir()
    monkeypatch.setenv("LEADMASTERD_STATE_DIR", str(state))
    return Paths(None, state, state / "leadmaster.db")


@pytest.fixture
def held(paths: Paths) -> Iterator[Lock]:
    """A running daemon."""
    lock = Lock(paths)
    lock.acquire()
    yield lock
    assert lock._fd is not None
    os.close(lock._fd)


def status_of(paths: Paths, phase: Phase = Phase.READY, code: str = "ready", **values: object) -> dict[str, Any]:
    """A status.json as the daemon writes it."""
    session = Session(
        phase=phase.value,
        since=iso(NOW - timedelta(minutes=65)),
        because=sentences.because(code, values),
        code=code,
        values=values,
    )
    return {**StatusPublisher(paths, Sections(session=lambda: session)).status()}


CODES = [
    (Phase.READY, 0),
    (Phase.STARTING, 2),
    (Phase.SYNCING, 2),
    (Phase.RECONNECTING, 2),
    (Phase.NEEDS_PASSKEY, 4),
    (Phase.STOPPING, 2),
    (Phase.BACKING_OFF, 2),
    (Phase.PAUSED, 2),
    (Phase.STOPPED, 2),
    (Phase.WAITING_FOR_SCAN, 4),
    (Phase.HALTED, 4),
]


@pytest.mark.parametrize(("phase", "code"), CODES)
def test_the_exit_code_says_how_it_is(paths: Paths, phase: Phase, code: int) -> None:
    """0 is ready, 2 not ready, 4 needs a person; 3 means not running, whatever the file says."""
    status = status_of(paths, phase)
    assert cmd_status.exit_code(running=True, status=status) == code
    assert cmd_status.exit_code(running=False, status=status) == 3


def test_every_phase_has_an_exit_code() -> None:
    """The table above must be complete."""
    assert {phase for phase, _ in CODES} == set(Phase)


def test_a_full_disk_needs_a_person_even_while_ready(paths: Paths) -> None:
    """A person has to free space; a lock goes away by itself."""
    full = {**status_of(paths), "trouble": {"code": "disk_full", "detail": ""}}
    locked = {**status_of(paths), "trouble": {"code": "database_locked", "detail": ""}}
    assert cmd_status.exit_code(running=True, status=full) == 4
    assert cmd_status.exit_code(running=True, status=locked) == 0


def test_the_object_has_exactly_the_documented_keys(paths: Paths) -> None:
    """Other programs read it, so every added or removed key must be intended and changed here too."""
    status = status_of(paths)
    assert set(status) == KEYS
    assert set(status["capture"]) == {"live", "sweep", "open_gaps", "last_message_at", "alive_at"}
    assert json.loads(json.dumps(status)) == status


def described(status: dict[str, Any] | None, *, running: bool) -> str:
    """Heading and rows as one text."""
    heading, rows = cmd_status.describe(status, running=running, clock=Clock(NOW, None), state_dir="/state")
    return "\n".join([heading, *(f"{label}: {text}" for label, text in rows)])


def test_it_says_what_since_when_and_why(paths: Paths) -> None:
    """All three are in the first line."""
    text = described(status_of(paths, account="5491155550100@c.us"), running=True)
    assert text.startswith("leadmasterd has been ready since ")
    assert "1 h 5 min ago" in text
    assert "listening as 5491155550100." in text


def test_before_the_database_is_open_nothing_is_said_of_what_is_in_it(paths: Paths) -> None:
    """A daemon that waits for its disk knows neither its counts nor its gaps yet."""
    early = {
        **status_of(paths, Phase.STARTING),
        "since": None,
        "account": None,
        "trouble": {"code": "disk_full", "detail": ""},
    }
    text = described(early, running=True)
    assert text.startswith("leadmasterd is starting.")
    assert "trouble: " in text
    assert "captured: " not in text
    assert "gaps: " not in text


@pytest.mark.parametrize(
    ("feed", "line"),
    [
        ({}, "feed: hub: everything is delivered"),
        (
            {"behind": 1200, "state": "down", "why": "HTTP 502"},
            "1,200 events to deliver; its receiver seems to be",
        ),
        ({"behind": 1, "dead": 2}, "feed: hub: 1 event to deliver, 2 given up"),
        ({"state": "disabled", "why": "HTTP 410"}, "hub: everything is delivered; disabled (HTTP 410)"),
    ],
)
def test_each_feed_has_a_line(paths: Paths, feed: dict[str, Any], line: str) -> None:
    """How far it is, what was given up, and why it stands still."""
    quiet = {
        "name": "hub",
        "kind": "webhook",
        "state": "active",
        "why": "",
        "behind": 0,
        "retrying": 0,
        "dead": 0,
        "outage_hours": 0,
    }
    assert line in described({**status_of(paths), "feeds": [{**quiet, **feed}]}, running=True)


def test_a_dead_daemon_is_told_with_its_last_words(paths: Paths) -> None:
    """The last status is shown as such, since the file still claims that it runs."""
    text = described(status_of(paths, Phase.BACKING_OFF, "child_died", bye="browser_gone"), running=False)
    assert text.startswith("leadmasterd is not running. It ended without a word; from ")
    assert "it had been waiting to start again (the browser died" in text
    assert "the browser died" in text


def test_one_that_never_ran_and_one_that_just_starts_are_told_apart() -> None:
    """The lock shows which it is."""
    assert described(None, running=False) == "leadmasterd is not running, and has never run here (/state)."
    assert described(None, running=True) == "leadmasterd is starting."


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("running", [True, False])
def test_every_phase_can_be_described(paths: Paths, phase: Phase, running: bool) -> None:
    """Tried with all optional values present."""
    status = status_of(paths, phase, "child_died", bye=None, exit_code=70, failures=3, wait_seconds=4.0)
    status["trouble"] = {"code": "disk_full", "detail": "x"}
    status["capture"] = {"live": 12345, "sweep": 6, "open_gaps": 2, "last_message_at": iso(NOW)}
    status["resources"] = {"tree_pss_bytes": 5e8, "daemon_pss_bytes": 3e7, "disk_free_bytes": 2e12}
    status["next_jobs"] = [{"job": "sweep", "at": iso(NOW + timedelta(seconds=30))}]
    status["counters"] = {"outbound_blocked": 1, "missing_lines": 2, "rejected_lines": 3}
    text = described(status, running=running)
    assert "12,345 live, 6 by sweep" in text
    assert "the disk is full" in text
    assert "2 open, a sweep will close them" in text
    if running:
        assert "memory 500 MB (daemon 30 MB), disk 2.0 TB free" in text
        assert "(in 30 s)" in text
        assert "1 attempt to send, refused" in text
        assert "5 bad or missing lines" in text


@pytest.mark.parametrize(("job", "words"), [("sweep", "sweep"), ("restart", "nightly restart"), ("learn", "training")])
def test_the_next_jobs_are_named_in_words(paths: Paths, job: str, words: str) -> None:
    """JSON keeps the job names; people read what will happen."""
    status = {**status_of(paths), "next_jobs": [{"job": job, "at": iso(NOW + timedelta(seconds=30))}]}
    assert f"next: {words} " in described(status, running=True)


def test_a_temporary_ban_is_told_with_its_end_and_a_wait(paths: Paths) -> None:
    """It is shown even when the daemon is dead; an invalid end is ignored."""
    ban = {"ban": "101", "expires": int(NOW.timestamp()) + 7200, "message": "Too many"}
    for running in (True, False):
        text = described(status_of(paths, Phase.HALTED, "temporary_ban", **ban), running=running)
        assert "banned: until " in text
        assert "(in 2 h 0 min)" in text
    for nonsense in (None, "soon", 1e300):
        status = status_of(paths, Phase.HALTED, "temporary_ban", **{**ban, "expires": nonsense})
        assert "banned:" not in described(status, running=True)


@pytest.mark.parametrize("code", ["temporary_ban", "number_at_risk"])
def test_resume_in_a_temporary_ban_warns_and_does_it(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    """One attempt too many may cost the number, but that is the owner's decision."""
    asked: list[str] = []
    monkeypatch.setattr("leadmasterd.cli.cmd_control.ask", lambda _socket, command: asked.append(command))
    write_status(paths, status_of(paths, Phase.HALTED, code, expires=1795435200, state="TOS_BLOCK"))
    assert main(["resume"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("Warning: WhatsApp has banned this number until") is (code == "temporary_ban")
    assert asked == ["resume"]


@pytest.mark.parametrize("words", [["qr"], ["qr", "--once"]])
def test_qr_says_how_to_go_on_when_a_passkey_is_asked_for(
    paths: Paths, held: Lock, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """No code will come, so it does not wait for one."""
    write_status(paths, status_of(paths, Phase.NEEDS_PASSKEY, "passkey_asked", step="asked"))
    assert main(words) == 1
    assert "leadmasterd auth pair" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("phase", "code", "values", "said"),
    [
        (Phase.STARTING, "started", {}, "starting, just started"),
        (
            Phase.BACKING_OFF,
            "child_died",
            {"bye": "initialize_failed", "detail": "net::ERR_NAME_NOT_RESOLVED"},
            "check the network",
        ),
    ],
)
def test_qr_says_at_once_why_there_is_no_code_yet(
    paths: Paths, held: Lock, phase: Phase, code: str, values: dict[str, Any], said: str
) -> None:
    """It goes on waiting, and shows the code when there is one."""
    write_status(paths, status_of(paths, phase, code, **values))
    command = [sys.executable, "-m", "leadmasterd", "qr"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        assert waiting.stdout is not None
        assert said in waiting.stderr.readline()
        scan = {"qr": "2@AbCd,Ef==,Gh==,Ij==,1", "valid_until": iso(NOW)}
        write_status(paths, {**status_of(paths, Phase.WAITING_FOR_SCAN, "scan_needed"), "scan": scan})
        assert waiting.stdout.readline()
        waiting.kill()


def test_qr_of_a_daemon_that_has_said_nothing_yet_is_starting(
    paths: Paths, held: Lock, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no status file in its first moment."""
    assert main(["qr", "--once"]) == 1
    assert capsys.readouterr().err == "No code is shown now: leadmasterd is starting.\n"


def test_qr_says_only_once_that_the_daemon_is_starting(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It looks again and again before there is a status file."""
    looks = iter([True, True, True, True, False])
    monkeypatch.setattr("leadmasterd.cli.cmd_qr.is_running", lambda _paths: next(looks))
    monkeypatch.setattr("leadmasterd.cli.cmd_qr._LOOK_EVERY", 0)
    assert main(["qr"]) == 3
    said = capsys.readouterr().err.splitlines()
    assert said == ["No code is shown now: leadmasterd is starting.", "the daemon has stopped"]


@pytest.mark.parametrize("typed", ["abc", "", "12", "0111555", "549 11 5555 x", "5491155550100123456"])
def test_a_pairing_code_for_no_phone_is_64_at_once(
    paths: Paths, held: Lock, capsys: pytest.CaptureFixture[str], typed: str
) -> None:
    """WhatsApp is not asked."""
    with pytest.raises(SystemExit) as left:
        main(["qr", "--pairing-code", typed])
    assert left.value.code == 64
    assert "digits with the country code" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("columns", "rows", "fits"), [(80, 24, False), (60, 50, False), (80, 33, False), (65, 36, True), (0, 0, True)]
)
def test_qr_says_what_a_window_lacks_for_the_code_and_where_the_picture_is(
    paths: Paths, held: Lock, columns: int, rows: int, fits: bool
) -> None:
    """A code of WhatsApp's length: 65 columns and 33 rows, and three below it."""
    code = "2@" + "Ab3/" * 22 + "," + "Zx9+" * 10 + "kQ8=," + "Qw7/" * 10 + "Yh0=," + "Er5+" * 20 + "Ui2=,1"
    scan = {"qr": code, "valid_until": iso(NOW)}
    write_status(paths, {**status_of(paths, Phase.WAITING_FOR_SCAN, "scan_needed"), "scan": scan})
    done = forked.on_terminal("qr", "--once", columns=columns, rows=rows, cwd=Path.cwd(), env=os.environ)
    err = done.stderr
    if fits:
        assert (done.returncode, err) == (0, "")
        return
    assert done.returncode == 1
    assert "needs 65 columns and 33 rows, with 3 more" in err
    assert f"this window has {columns} and {rows}" in err
    assert str(paths.qr_picture) in err


def test_a_stopped_daemon_is_told_in_the_past(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not said to be listening, and nothing is complete while it is down."""
    status = {
        **status_of(paths, Phase.STOPPED, "asked_to_stop"),
        "account": {"wid": "5491155550100@c.us", "push_name": None},
    }
    write_status(paths, {**status, "concerns": {"disk_low": "12"}})
    _code, said, _err = run(capsys=capsys)
    assert "leadmasterd is not running. It stopped at " in said
    assert "none were open; what came since then is fetched at the next start" in said
    assert "  last note  only 12 MB" in said
    for untrue in ("was last stopped", "everything WhatsApp delivered is here", "a sweep will"):
        assert untrue not in said
    write_status(
        paths, {**status_of(paths, Phase.READY, "ready", account="5491155550100@c.us"), "account": status["account"]}
    )
    _code, said, _err = run(capsys=capsys)
    assert "It ended without a word; from " in said
    assert "it had been ready (listening as 5491155550100)" in said


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run the command."""
    code = main(["status", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_json_is_one_object_with_running_from_the_lock(
    paths: Paths, held: Lock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stdout holds nothing else."""
    write_status(paths, status_of(paths))
    code, out, err = run("--json", capsys=capsys)
    assert (code, err) == (0, "")
    assert set(json.loads(out)) == {*KEYS, "running"}
    assert json.loads(out)["running"] is True
    assert out.count("\n") == 1


def test_a_status_file_that_says_ready_is_not_believed_without_a_daemon(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """The daemon was killed, which the free lock shows."""
    write_status(paths, status_of(paths))
    paths.lock_file.touch()
    code, out, _ = run("--json", capsys=capsys)
    assert code == 3
    assert json.loads(out)["running"] is False
    said = run(capsys=capsys)[1]
    assert said.startswith("leadmasterd is not running. ")
    assert "it had been ready" in said


def test_where_it_never_ran_there_is_an_answer_too(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    """As text and as JSON."""
    code, out, _ = run("--json", capsys=capsys)
    documented = (
        "phase", "since", "because", "code", "pid", "account", "capture", "waiting", "resources", "next_jobs",
        "versions",
    )  # fmt: skip
    assert (code, json.loads(out)) == (3, {"v": 1, **dict.fromkeys(documented), "running": False})
    assert "has never run here" in run(capsys=capsys)[1]


def test_settings_that_are_wrong_elsewhere_do_not_silence_it(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    """It only needs the path of the state directory."""
    Path("config.toml").write_text("zzz = 1\n[listener]\nnode = 5\n")
    assert run(capsys=capsys)[0] == 3


@pytest.mark.parametrize("text", ["state_dir = 5", "not toml"])
def test_settings_that_hide_where_state_is_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """The exit code is 78 with one sentence, and stdout stays empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LEADMASTERD_STATE_DIR", raising=False)
    Path("config.toml").write_text(text)
    code, out, err = run(capsys=capsys)
    assert (code, out) == (78, "")
    assert err.startswith("cannot ")
    assert err.count("\n") == 1


def test_a_detail_can_not_command_the_terminal(paths: Paths, held: Lock) -> None:
    """Details come from the page and the browser; markup in them is printed as text."""
    detail = "[bold]no[/bold] \x1b]0;title\x07\x1b[2J"
    write_status(paths, status_of(paths, Phase.BACKING_OFF, "cannot_spawn", detail=detail))
    done = forked.on_terminal("status", columns=80, rows=24, cwd=Path.cwd(), env=os.environ)
    assert done.returncode == 2
    assert "[bold]no[/bold]" in done.stdout
    assert "title\x07" not in done.stdout + done.stderr
    assert "\x1b[2J" not in done.stdout + done.stderr


async def test_many_changes_are_written_once(paths: Paths) -> None:
    """They are written together a moment later, with values as of the write."""
    publisher = StatusPublisher(paths)
    counters = Counters(publisher.changed)
    asked = 0

    def count() -> Mapping[str, int]:
        nonlocal asked
        asked += 1
        return counters.section()

    publisher.use(Sections(counters=count))
    for _ in range(100):
        counters.bump("page_errors")
    counters.set("dropped_lines", 7)
    assert not paths.status_file.exists()
    await until(paths.status_file.exists)
    status = json.loads(paths.status_file.read_text())
    assert status["counters"] == {"page_errors": 100, "dropped_lines": 7}
    assert status["capture"] == {"live": 0, "sweep": 0, "open_gaps": 0, "last_message_at": None, "alive_at": None}
    assert asked == 1


def test_a_status_that_can_not_be_written_is_reported_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A full disk must not fill the journal too."""
    gone = Paths(None, tmp_path / "gone", tmp_path / "gone" / "x.db")
    publisher = StatusPublisher(gone)
    for _ in range(3):
        publisher.write()
    assert len(caplog.records) == 1
    gone.state_dir.mkdir()
    publisher.write()
    assert gone.status_file.exists()


def test_memory_and_disk_are_measured(paths: Paths) -> None:
    """In bytes, of the real system."""
    paths.database.write_bytes(b"12345")
    assert measure(paths)["database_bytes"] == 5
    paths.database.with_name(f"{paths.database.name}-wal").write_bytes(b"678")
    measured = measure(paths)
    assert measured["database_bytes"] == 8
    assert 1e6 < float(str(measured["daemon_pss_bytes"])) <= float(str(measured["tree_pss_bytes"]))
    assert float(str(measured["disk_free_bytes"])) > 0
