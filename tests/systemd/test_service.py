"""The shipped unit under a real systemd: it starts, stays up, restarts after a crash, and leaves nothing behind."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.conftest import UNIT
from tests.systemd.machine import CHECKOUT, NODE, Machine
from tests.waiting import wait_for

pytestmark = pytest.mark.systemd

USER = "leadmasterd"
STUBBORN_NODE = "/usr/local/bin/stubborn-node"
WATCHDOG_SECONDS = 6
STATE = 'state_dir = "/var/lib/leadmasterd"\n'
"""As the documented installation writes it."""


@pytest.fixture
def service(machine: Machine) -> Iterator[Machine]:
    """The stopped unit with default settings and a shorter watchdog; killed and reset after the test."""
    machine.write(f"/etc/systemd/system/{UNIT}.d/tests.conf", f"[Service]\nWatchdogSec={WATCHDOG_SECONDS}s\n")
    machine.write("/etc/leadmasterd/config.toml", STATE)
    machine.run("systemctl", "daemon-reload")
    yield machine
    # Stopped first, or systemd would restart what is killed.
    machine.run("systemctl", "stop", "--no-block", UNIT)
    machine.run("systemctl", "kill", "--signal=KILL", UNIT, check=False)
    machine.run("systemctl", "stop", UNIT)
    machine.run("systemctl", "reset-failed", UNIT, check=False)
    machine.run("rm", "-rf", "/var/lib/leadmasterd")


@pytest.fixture
def stubborn(service: Machine) -> Machine:
    """The same with a listener that ignores every request to stop."""
    service.write(STUBBORN_NODE, (CHECKOUT / "tests" / "systemd" / "stubborn_node.sh").read_text())
    service.run("chmod", "755", STUBBORN_NODE)
    service.write("/etc/leadmasterd/config.toml", f'{STATE}[listener]\nnode = "{STUBBORN_NODE}"\n')
    return service


def start(service: Machine) -> None:
    done = service.run("systemctl", "start", UNIT, check=False, timeout=100)
    assert done.returncode == 0, done.stderr + service.journal(UNIT)


def wait_for_the_tree(service: Machine) -> set[int]:
    """The daemon, the stubborn node with its sleep, and the grandchild with its own: five processes."""
    wait_for(lambda: len(service.processes_of(USER)) >= 5, "the whole tree", every=0.1)
    return service.processes_of(USER)


def test_systemd_finds_nothing_wrong_with_the_unit(machine: Machine) -> None:
    """There is no output at all, since the exit status is 0 even for an unknown key. It also checks ExecStart=."""
    done = machine.run(
        "systemd-analyze",
        "verify",
        "--recursive-errors=no",
        "--man=no",
        f"/etc/systemd/system/{UNIT}",
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_start_returns_once_the_daemon_is_ready_and_its_status_is_a_sentence(
    stubborn: Machine,
) -> None:
    start(stubborn)
    assert stubborn.show(UNIT, "ActiveState") == "active"
    assert stubborn.show(UNIT, "Type") == "notify"
    wait_for(lambda: " " in stubborn.show(UNIT, "StatusText"), "a status of several words", every=0.1)


def test_state_is_the_services_own_and_private(stubborn: Machine) -> None:
    start(stubborn)
    folder = stubborn.run("stat", "--format", "%U %a", "/var/lib/leadmasterd").stdout.strip()
    assert folder == f"{USER} 700"
    readable = stubborn.run("find", "/var/lib/leadmasterd", "-perm", "/077", "-not", "-type", "l").stdout
    assert readable == "", "others can read what is in the state directory"


def test_the_watchdog_is_fed(stubborn: Machine) -> None:
    start(stubborn)
    seen = {stubborn.show(UNIT, "WatchdogTimestampMonotonic")}

    def fed_three_times() -> bool:
        seen.add(stubborn.show(UNIT, "WatchdogTimestampMonotonic"))
        return len(seen) >= 4

    wait_for(fed_three_times, "three pings", every=0.1)
    assert stubborn.show(UNIT, "NRestarts") == "0"


def test_stop_ends_even_a_stubborn_listener_within_25_seconds_and_leaves_nothing(stubborn: Machine) -> None:
    start(stubborn)
    wait_for_the_tree(stubborn)
    began = time.monotonic()
    stubborn.run("systemctl", "stop", UNIT)
    assert time.monotonic() - began < 25
    assert stubborn.processes_of(USER) == set()
    assert stubborn.show(UNIT, "Result") == "success", stubborn.journal(UNIT)


def test_a_killed_daemon_is_restarted_and_leaves_no_orphan(stubborn: Machine) -> None:
    start(stubborn)
    before = wait_for_the_tree(stubborn)
    stubborn.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", UNIT)
    wait_for(lambda: stubborn.show(UNIT, "NRestarts") == "1", "the restart", every=0.1)
    wait_for(lambda: stubborn.show(UNIT, "ActiveState") == "active", "the new life", every=0.1)
    assert before & stubborn.processes_of(USER) == set()
    wait_for_the_tree(stubborn)


def test_a_start_with_wrong_settings_is_not_retried(service: Machine) -> None:
    service.write("/etc/leadmasterd/config.toml", f"{STATE}no_such_setting = 1\n")
    assert service.run("systemctl", "start", UNIT, check=False).returncode != 0
    assert service.show(UNIT, "ExecMainStatus") == "78"
    assert service.show(UNIT, "ActiveState") == "failed"
    assert service.show(UNIT, "NRestarts") == "0"
    assert "no_such_setting" in service.journal(UNIT)


@pytest.fixture
def standin(machine: Machine) -> Iterator[list[str]]:
    """The stand-in on the machine; gives the browser arguments that lead to it."""
    # It serves until its stdin closes.
    serve = f"tail -f /dev/null | {NODE} /opt/leadmasterd/node_listener/standin/main.js"
    output = "--property=StandardOutput=file:/run/standin.json"
    machine.run("systemd-run", "--unit=standin", output, "sh", "-c", serve)

    def said() -> str:
        return machine.run("cat", "/run/standin.json", check=False).stdout

    wait_for(lambda: said().endswith("\n"), "the stand-in", every=0.1)
    yield json.loads(said())["browser_args"]
    machine.run("systemctl", "kill", "--signal=KILL", "standin.service")


def test_inside_the_unit_the_real_browser_shows_a_qr_code_in_its_sandbox(service: Machine, standin: list[str]) -> None:
    settings = f'{STATE}[listener]\nnode = "{NODE}"\nbrowser_args = {json.dumps(standin)}\n'
    service.write("/etc/leadmasterd/config.toml", settings)
    start(service)
    wait_for(lambda: "scan" in service.show(UNIT, "StatusText"), "a QR", every=0.1)
    commands = service.run("sh", "-c", "cat /proc/[0-9]*/cmdline", check=False).stdout
    assert "--type=renderer" in commands
    assert "--no-sandbox" not in commands
    began = time.monotonic()
    service.run("systemctl", "stop", UNIT)
    assert time.monotonic() - began < 25
    assert service.processes_of(USER) == set()


AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
WITHOUT_NAMESPACES = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]


@pytest.mark.parametrize(("how", "reason"), [(AS_NOBODY, "root"), (WITHOUT_NAMESPACES, "namespaces")])
def test_a_machine_that_cannot_boot_systemd_says_why(how: list[str], reason: str, tmp_path: Path) -> None:
    """So a skipped test means no root or no namespaces, and never hides a broken harness."""
    if os.geteuid() != 0:
        pytest.skip("only root can give up what the harness needs")
    script = CHECKOUT / "tests" / "systemd" / "run-real-systemd.sh"
    done = subprocess.run(
        [*how, "bash", "-s", "start", tmp_path / "machine"],
        input=script.read_text(),
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 77
    assert reason in done.stderr
