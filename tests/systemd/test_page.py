"""The page under a real systemd: the first visit starts it, it leaves when nobody comes, and it may do little."""

import re
from collections.abc import Iterator

import pytest

from tests.systemd.machine import CHECKOUT, Machine
from tests.waiting import wait_for

pytestmark = pytest.mark.systemd

SOCKET, SERVICE = "leadmasterd-web.socket", "leadmasterd-web.service"
URL = "http://127.0.0.1:8480"
ASK = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 8480, timeout=60)
connection.request(sys.argv[1], sys.argv[2], sys.argv[3] or None, dict(pair.split("=", 1) for pair in sys.argv[4:]))
answer = connection.getresponse()
print(answer.status, answer.getheader("set-cookie", "").partition(";")[0])
print(answer.read().decode())
"""
IDLE = 2


@pytest.fixture(scope="module")
def page(machine: Machine) -> Iterator[Machine]:
    """The socket listens, and nobody has come yet."""
    for unit in (SOCKET, SERVICE):
        machine.write(f"/etc/systemd/system/{unit}", (CHECKOUT / "systemd" / unit).read_text())
    machine.write("/etc/leadmasterd/config.toml", 'state_dir = "/var/lib/leadmasterd"\n')
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", SOCKET)
    yield machine
    machine.run("systemctl", "stop", SOCKET, SERVICE)
    machine.run("rm", "-rf", "/var/lib/leadmasterd")


def asks(machine: Machine, path: str, *headers: str, method: str = "GET", body: str = "") -> tuple[int, str, str]:
    """Status, cookie and text of an answer, asked for on the machine."""
    done = machine.run("/opt/leadmasterd/.venv/bin/python", "-c", ASK, method, path, body, *headers)
    head, _, text = done.stdout.partition("\n")
    status, _, cookie = head.partition(" ")
    return int(status), cookie, text


def test_systemd_finds_nothing_wrong_with_the_units(page: Machine) -> None:
    """No output at all."""
    units = [f"/etc/systemd/system/{unit}" for unit in (SOCKET, SERVICE)]
    done = page.run("systemd-analyze", "verify", "--recursive-errors=no", "--man=no", *units, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_page_may_do_little(page: Machine) -> None:
    """By systemd's own score, of which 10 is the worst."""
    done = page.run("systemd-analyze", "security", "--no-pager", "--threshold=30", SERVICE, check=False)
    assert done.returncode == 0, done.stdout


def test_the_first_visit_starts_it_and_an_operator_gets_in(page: Machine) -> None:
    """The link comes from root's shell, and the page runs as its own user on the same state."""
    page.run("systemctl", "stop", SERVICE)
    assert page.show(SERVICE, "ActiveState") == "inactive"
    status, _, text = asks(page, "/session")
    assert (status, "leadmasterd web link" in text) == (401, True)
    assert page.show(SERVICE, "ActiveState") == "active"
    python = "/opt/leadmasterd/.venv/bin/python"
    command = [python, "-m", "leadmasterd", "--config", "/etc/leadmasterd/config.toml", "web", "link"]
    link = page.run(*command).stdout.strip()
    assert link.startswith(f"{URL}/login?link=")
    headers = ["Content-Type=application/x-www-form-urlencoded", f"Origin={URL}"]
    form = f"link={link.rpartition('=')[2]}"
    status, cookie, _ = asks(page, "/login", *headers, method="POST", body=form)
    assert status == 303
    status, _, text = asks(page, "/session", f"Cookie={cookie}")
    assert (status, "Sesión" in text) == (200, True), text + page.journal(SERVICE)
    owners = page.run("stat", "--format", "%U %a", "/var/lib/leadmasterd/web.json").stdout.strip()
    assert owners == "leadmasterd 600"


def test_it_leaves_when_nobody_comes_and_the_next_visit_starts_it_again(page: Machine) -> None:
    """Ten minutes, made short here. No visit is lost meanwhile."""
    [start] = re.findall(r"^ExecStart=.* --idle 600$", (CHECKOUT / "systemd" / SERVICE).read_text(), re.MULTILINE)
    start = start.replace("--idle 600", f"--idle {IDLE}")
    page.write(f"/etc/systemd/system/{SERVICE}.d/tests.conf", f"[Service]\nExecStart=\n{start}\n")
    page.run("systemctl", "daemon-reload")
    page.run("systemctl", "stop", SERVICE)
    for _ in range(2):
        assert asks(page, "/login")[0] == 200
        wait_for(lambda: page.show(SERVICE, "ActiveState") == "inactive", "the page to leave", every=0.1)
        assert page.show(SERVICE, "Result") == "success", page.journal(SERVICE)
        assert page.show(SOCKET, "ActiveState") == "active"
