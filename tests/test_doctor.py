"""What `doctor` reports about the clock (a live message carries WhatsApp's time and ours), the rules and the page."""

import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from leadmasterd import sentences
from leadmasterd.cli import cmd_doctor, main
from leadmasterd.daemon.status import Sections, StatusPublisher
from leadmasterd.doctor import (
    CHECKS,
    KINDS,
    TESTED_BROWSER_MAJOR,
    Finding,
    _browser_version,
    _finding,
    _sandbox,
    check_in_words,
    clock_against_messages,
    examine,
    node_support,
)
from leadmasterd.health import COSTS, WARNINGS
from leadmasterd.listener.profile import Auth
from leadmasterd.listener.programs import Browser
from leadmasterd.settings.paths import Paths
from leadmasterd.state.status_object import Page, PageMember
from leadmasterd.text import speaking
from tests import wire
from tests.captures import Store, item, opened, reading
from tests.test_programs import here as here

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store where `doctor` looks for it."""
    with opened(tmp_path / "leadmaster.db") as fresh:
        yield fresh


def heard(
    store: Store, *delays: float, every: float = 10 * MINUTE, via: str = "live", start: float = wire.NOON
) -> None:
    """Capture messages with these delays, the last one now."""
    for n, delay in enumerate(delays):
        now = start - every * (len(delays) - 1 - n)
        store.write(item(wire.message(f"{via} {now} {n}", t=int(now - delay), via=via), now=now))


def off(store: Store) -> timedelta | None:
    """How far our clock is ahead."""
    with reading(store.path) as connection:
        return clock_against_messages(connection, datetime.fromtimestamp(wire.NOON, UTC))


@pytest.mark.parametrize("wrong", [3 * DAY, 11 * MINUTE, -11 * MINUTE, -3 * DAY])
def test_a_clock_that_is_wrong_against_whatsapp_is_said(store: Store, wrong: float) -> None:
    """The message with the smallest delay decides."""
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
    """A false warning is worse than none."""
    heard(store, *delays)
    assert off(store) is None


def test_what_waited_for_the_connection_is_no_evidence(store: Store) -> None:
    """Such messages arrive together, an hour late."""
    heard(store, *[HOUR] * 30, every=1)
    assert off(store) is None


def test_what_a_sweep_found_is_no_evidence(store: Store) -> None:
    """Its messages may be of any age."""
    heard(store, *[DAY] * 5, via="sweep")
    assert off(store) is None


def test_what_was_captured_long_ago_or_in_the_future_is_no_evidence(store: Store) -> None:
    """The clock has been corrected since."""
    heard(store, *[-3 * DAY] * 5, start=wire.NOON - 2 * DAY)
    heard(store, *[3 * DAY] * 5, start=wire.NOON + 3 * DAY)
    assert off(store) is None


def test_doctor_says_how_far_and_what_to_do(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a warning only, since nothing is lost once the clock is corrected."""
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
    """Broken rules or a damaged model are reported."""
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
    """Programs use the codes; the sentences may be translated."""
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


# ---------------------------------------------------------------------- WhatsApp Web itself

MEMBER = PageMember(module="WAWebCmd", function="Cmd.refreshQR", costs="qr")
LATE = PageMember(module="WAWebCallCollection", function="on", costs="calls")
PAGE = Page(
    web_version="2.3000.1",
    at="2026-11-23T12:00:00.000Z",
    ab={"web_init_chat_batch_size": 100, "message_edit_to_message_secret_receiver_enabled": False, "x": None},
    required=40,
    missing=[],
    late=[],
    new_types=[],
)


def published(tmp_path: Path, page: Page | None) -> Finding:
    """What `doctor` reports about the page in this `status.json`."""
    StatusPublisher(Paths(None, tmp_path, tmp_path / "leadmaster.db"), Sections(page=lambda: page)).write()
    [found] = [each for each in examine(None, start_browser=False) if each.check == "page"]
    return found


def test_doctor_shows_the_switches_of_the_page_that_was_looked_at_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It works when the daemon is dead; a switch that the page does not report is left out."""
    monkeypatch.setenv("LEADMASTERD_STATE_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert published(tmp_path, None).code == "page_unknown"
    found = published(tmp_path, PAGE)
    assert found.found == "WhatsApp Web 2.3000.1; 100 chats in memory at first; sealed edits: no"
    assert found.values["web_init_chat_batch_size"] == 100


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The daemon's answer to `check-page`; a test changes it in place."""
    answer: dict[str, Any] = {"ok": True, "phase": "ready", "page": PAGE}
    monkeypatch.setattr(cmd_doctor, "ask", lambda _socket, command: answer if command == "check-page" else None)
    return answer


def test_doctor_names_what_the_live_page_lacks_and_what_it_costs(
    answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each missing module or member is named; one that is only late is a warning."""
    assert main(["doctor", "--page"]) == 0
    assert "40 of 40 names that capture relies on are there." in capsys.readouterr().out
    answers["page"] = {**PAGE, "late": [LATE]}
    assert main(["doctor", "--page"]) == 0
    assert "calls as they ring" in capsys.readouterr().out
    answers["page"] = {**PAGE, "late": [LATE], "missing": [MEMBER]}
    assert main(["doctor", "--page"]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "WRONG gone WAWebCmd.Cmd.refreshQR -> this costs linking by a QR code; look for a newer" in text
    assert "! not loaded WAWebCallCollection.on -> it may come yet" in text
    assert "x: the page does not tell" in text
    assert "38 of 40 names" in text
    answers["page"] = {**PAGE, "new_types": ["fax\x1b[0m"]}
    assert main(["doctor", "--page"]) == 0
    assert "! new messages of the type fax\ufffd[0m -> captured" in " ".join(capsys.readouterr().out.split())
    answers["page"] = {**PAGE, "missing": [MEMBER]}
    assert main(["doctor", "--page", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["missing"] == [MEMBER]


def test_without_a_daemon_the_page_can_not_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It gives one sentence and the exit code of all commands that need a daemon."""
    monkeypatch.setenv("LEADMASTERD_STATE_DIR", str(tmp_path))
    assert main(["doctor", "--page"]) == 3
    [sentence] = capsys.readouterr().err.splitlines()
    assert "the daemon is not running; start it" in sentence


def test_every_cost_of_the_protocol_has_its_words() -> None:
    """A bare code would mean nothing to people."""
    document = (Path(__file__).parent.parent / "docs" / "protocol.md").read_text(encoding="utf-8")
    _, _, table = document.partition("| `costs` | what is lost |")
    assert set(re.findall(r"^\| `(\w+)` \|", table.split("\n\n")[0], re.MULTILINE)) == set(COSTS)


# ---------------------------------------------------------------------- what stops capture


@pytest.fixture
def linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A state directory with the profile of a phone that was linked, and no daemon."""
    monkeypatch.chdir(tmp_path)
    state = tmp_path / "state"
    monkeypatch.setenv("LEADMASTERD_STATE_DIR", str(state))
    paths = Paths(None, state, state / "leadmaster.db")
    (paths.profile / "Default" / "IndexedDB").mkdir(parents=True)
    Auth(paths).mark_linked(wire.US, just_linked=True)
    for folder in (state, *(each for each in state.rglob("*") if each.is_dir())):
        folder.chmod(0o700)
    return paths


def finding(check: str, *, start_browser: bool = False) -> Finding:
    """The only finding of a check."""
    [found] = [each for each in examine(None, start_browser=start_browser) if each.check == check]
    return found


def test_a_daemon_that_is_down_is_wrong_once_a_phone_was_linked(linked: Paths) -> None:
    """Before that nothing is captured anyway: it is a warning."""
    assert (finding("daemon").code, finding("daemon").level) == ("daemon_down", "wrong")
    assert "start it" in finding("daemon").mend
    (linked.profile / "leadmasterd-linked").unlink()
    assert (finding("daemon").code, finding("daemon").level) == ("daemon_not_running", "warning")


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real check of the network, and no browser."""
    monkeypatch.setattr("leadmasterd.doctor._sandbox", lambda _browser: _finding("sandbox_ok"))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.usefixtures("network")
def test_a_missing_network_is_wrong_once_a_phone_was_linked(linked: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that nobody knows, and a port where nobody answers; no words of the system."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr("leadmasterd.doctor.WHATSAPP", server.getsockname())
        assert finding("network", start_browser=True).code == "network_ok"
        nobody = server.getsockname()
    for address, why in ((nobody, "nothing answers"), (("web.whatsapp.invalid", 443), "no name server knows it")):
        monkeypatch.setattr("leadmasterd.doctor.WHATSAPP", address)
        found = finding("network", start_browser=True)
        assert (found.code, found.level, found.values["why"]) == ("network_missing", "wrong", why)
        assert "DNS and firewall" in found.mend
    (linked.profile / "leadmasterd-linked").unlink()
    assert finding("network", start_browser=True).level == "warning"
    monkeypatch.setenv("LEADMASTERD_LISTENER__BROWSER_ARGS", '["--proxy-server=localhost:3128"]')
    assert finding("network", start_browser=True).code == "network_skipped"
    monkeypatch.delenv("LEADMASTERD_LISTENER__BROWSER_ARGS")
    assert finding("network").code == "network_skipped"


@pytest.mark.parametrize(
    ("what", "mode", "code"),
    [
        ("profile", 0o500, "profile_not_writable"),
        ("profile/Default", 0o500, "profile_not_writable"),
        ("profile/Default/IndexedDB", 0o000, "session_unreadable"),
        ("profile/Default/IndexedDB", 0o300, "session_unreadable"),
        ("profile/leadmasterd-linked", 0o400, "profile_not_writable"),
    ],
)
def test_a_profile_that_its_user_can_not_use_is_wrong(linked: Paths, what: str, mode: int, code: str) -> None:
    """Whoever runs the doctor, root too."""
    assert (finding("profile").level, finding("profile").code) == ("ok", "profile_ok")
    place = linked.profile.parent / what
    place.chmod(mode)
    try:
        found = finding("profile")
        assert (found.level, found.code, found.values["path"]) == ("wrong", code, str(place))
        assert f"chmod -R u+rwX {linked.profile.parent}" in found.mend
    finally:
        place.chmod(0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_a_profile_of_another_user_is_wrong(linked: Paths) -> None:
    """As after one start as root: the service can't write what root left there."""
    os.chown(linked.profile / "Default", 65534, 65534)
    found = finding("profile")
    assert (found.level, found.code) == ("wrong", "profile_of_another_user")
    assert f"sudo chown -R root: {linked.profile.parent}" in found.mend


@pytest.mark.parametrize(
    ("wrote", "code"), [("999.0.1.2", "profile_too_new"), ("90.0.1.2", "profile_ok"), ("?", "profile_ok")]
)
def test_a_profile_that_is_newer_than_the_browser_is_wrong(linked: Paths, wrote: str, code: str) -> None:
    """Chromium notes its version in the profile."""
    (linked.profile / "Last Version").write_text(wrote)
    (linked.profile / "SingletonLock").symlink_to("elsewhere-4711")
    assert finding("profile").code == code


def test_doctor_says_which_browser_is_used_and_why(linked: Paths, here: Callable[..., Path]) -> None:
    """The headless shell, unless it is older than what has opened the session; then the other, or none."""
    path = here(chromium_headless_shell=149, chromium=150)
    told = finding("browser")
    assert told.found.startswith(
        f"{path}/chromium-headless-shell, Chromium 149.0.1.2: the headless shell, which takes the least memory"
    )
    assert told.values["path"] == f"{path}/chromium-headless-shell"
    Auth(linked).note_browser("Chromium 150.0.1.2")
    assert finding("browser").found == (
        f"{path}/chromium, Chromium 150.0.1.2: the headless shell is older than what has used the session"
    )
    assert finding("profile").level == "ok"
    Auth(linked).note_browser("Chromium 151.0.1.2")
    assert (finding("profile").code, finding("profile").values["profile"]) == ("profile_too_new", 151)
    (path / "chromium-headless-shell").unlink()
    (linked.profile / "leadmasterd-browser").unlink()
    assert "no headless shell that works is installed" in finding("browser").found


def test_what_the_browser_says_of_its_sandbox_is_named_alike_by_status_and_doctor(tmp_path: Path) -> None:
    """`status` had only puppeteer's "Target closed"."""
    browser = tmp_path / "browser"
    browser.write_text("#!/bin/sh\necho 'FATAL: No usable sandbox! If this is a Debian system' >&2\nexit 1\n")
    browser.chmod(0o755)
    found = _sandbox(browser)
    assert (found.code, "no usable sandbox" in found.found) == ("sandbox_denied", True)
    detail = "[1:1:FATAL:zygote_host_impl_linux.cc(128)] No usable sandbox!"
    said = sentences.because("child_died", {"bye": "browser_failed", "detail": detail})
    assert said == "the browser did not start: no usable sandbox; `leadmasterd doctor` says what to allow"


def test_every_check_has_its_words() -> None:
    """Ids are English; a page and a command show words."""
    concerns = {code.replace("_", " ") for code, each in WARNINGS.items() if not each.of_the_store}
    assert {*CHECKS} == {kind.check for kind in KINDS.values()} | concerns | {"store"}
    with speaking("es"):
        assert check_in_words("clock") == "reloj"
        assert check_in_words("of a newer version") == "of a newer version"


@pytest.mark.parametrize(
    ("version", "today", "code", "newer"),
    [
        ("v20.20.2", date(2026, 4, 30), "node_ok", None),
        ("v20.20.2", date(2026, 5, 1), "node_ended", "22 or 24"),
        ("v22.12.0", date(2026, 11, 30), "node_ok", None),
        ("v22.12.0", date(2027, 5, 1), "node_ended", "24"),
        ("v25.0.0", date(2026, 11, 30), "node_ended", "22 or 24"),
        ("v24.0.0", date(2031, 1, 1), "node_ended", "in a newer version"),
        ("v30.0.0", date(2031, 1, 1), "node_end_unknown", None),
    ],
)
def test_a_node_that_is_out_of_support_is_a_warning(
    tmp_path: Path, version: str, today: date, code: str, newer: str | None
) -> None:
    """With what to install; of what is newer than this table, nothing bad is said."""
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\necho {version}\n")
    node.chmod(0o755)
    finding = node_support(node, today)
    assert (finding.code, finding.values.get("newer")) == (code, newer)
    assert finding.level == ("warning" if code == "node_ended" else "ok")
    assert version in finding.found


@pytest.mark.parametrize(
    ("days", "code"), [(0, "browser_ok"), (60, "browser_ok"), (62, "browser_old"), (365 * 20, "browser_ok")]
)
def test_a_browser_that_was_built_long_ago_is_a_warning(tmp_path: Path, days: int, code: str) -> None:
    """By the time of its file; a time from before there was this program is none."""
    browser = tmp_path / "chromium"
    browser.write_text(f"#!/bin/sh\necho Chromium {TESTED_BROWSER_MAJOR}.0.1\n")
    browser.chmod(0o755)
    built = time.time() - days * DAY
    os.utime(browser, (built, built))
    finding = _browser_version(Browser(browser, "headless_shell", f"Chromium {TESTED_BROWSER_MAJOR}.0.1"))
    assert finding.code == code
    assert finding.level == ("warning" if code == "browser_old" else "ok")


def test_a_script_that_starts_the_browser_does_not_tell_its_age(tmp_path: Path) -> None:
    """Debian's for its headless shell is from March 2025 also in a package of today."""
    script, program = tmp_path / "bin" / "chromium-headless-shell", tmp_path / "lib" / "chromium-headless-shell"
    for path, text in ((script, f'#!/bin/sh -e\n\n{program} "$@"\n'), (program, "\x7fELF")):
        path.parent.mkdir()
        path.write_text(text)
    os.utime(script, (time.time() - 700 * DAY,) * 2)
    finding = _browser_version(Browser(script, "headless_shell", f"Chromium {TESTED_BROWSER_MAJOR}.0.1"))
    assert finding.code == "browser_ok"
    os.utime(program, (time.time() - 100 * DAY,) * 2)
    finding = _browser_version(Browser(script, "headless_shell", f"Chromium {TESTED_BROWSER_MAJOR}.0.1"))
    assert (finding.code, finding.values["days"]) == ("browser_old", 100)
    assert "the headless shell" in finding.found


@pytest.mark.parametrize(
    ("newer_by", "code", "level"),
    [(-1, "browser_untested", "warning"), (0, "browser_ok", "ok"), (6, "browser_newer", "ok")],
)
def test_a_browser_newer_than_the_tested_one_is_no_warning(
    tmp_path: Path, newer_by: int, code: str, level: str
) -> None:
    """Browsers come every two weeks, and nobody can or should go back."""
    browser = tmp_path / "chromium"
    browser.write_text("#!/bin/sh\n")
    version = f"Chromium {TESTED_BROWSER_MAJOR + newer_by}.0.1"
    finding = _browser_version(Browser(browser, "headless_shell", version))
    assert (finding.code, finding.level) == (code, level)


@pytest.mark.parametrize(
    ("variable", "value", "check", "mend"),
    [
        ("LEADMASTERD_LISTENER__NODE", "/nope", "node", "correct listener.node, or take it out of the settings"),
        (
            "LEADMASTERD_LISTENER__BROWSER",
            "/nope",
            "browser",
            "correct listener.browser, or take it out of the settings",
        ),
        ("TMPDIR", "/" + "x" * 90, "browser", "set TMPDIR=/tmp"),
    ],
)
def test_a_wrong_setting_is_to_be_corrected_and_nothing_installed(
    linked: Paths, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, check: str, mend: str
) -> None:
    """It said "install Chromium" to a typing error."""
    monkeypatch.setenv(variable, value)
    told = finding(check)
    assert (told.level, told.mend) == ("wrong", mend)
    assert mend not in told.found
