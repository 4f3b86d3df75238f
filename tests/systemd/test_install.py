"""docs/operations.md, "Install it as a service", followed word for word on a fresh Debian with a real systemd.

Three things stand in for others. NodeSource can't be reached from here, so npm's package `node`, of the same version,
stands in for the two lines that fetch Node. Root runs everything, so `sudo` is a function. WhatsApp Web is the
stand-in, whose browser arguments are added to the installed settings before the service starts.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.systemd.conftest import UNIT
from tests.systemd.machine import CHECKOUT, Machine, MachineRefusedError
from tests.waiting import wait_for

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(1500)]

SECTION = (
    (CHECKOUT / "docs" / "operations.md").read_text().partition("## Install it as a service\n")[2].partition("\n## ")[0]
)
LINES = [line[4:] for line in SECTION.splitlines() if line.startswith("    ")]
SUDO = 'sudo() { case $1 in -u) shift; u=$1; shift; runuser -u "$u" -- "$@";; -E) shift; "$@";; *) "$@";; esac; }\n'
LONG = 900.0
OUR_PHONE = "5491155550100"


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with nothing of ours but a repository to clone."""
    repository = tmp_path_factory.mktemp("repository") / "leadmasterd"
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    for name in tracked:
        if (CHECKOUT / name).is_file():
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, repository / name)
    git = ["git", "-c", "user.name=tests", "-c", "user.email=tests@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "as it is now"]):
        subprocess.run([*git, *words], cwd=repository, check=True, capture_output=True)
    try:
        machine = Machine.boot(tmp_path_factory.mktemp("debian"), {repository: "/srv/leadmasterd"})
    except MachineRefusedError as why:
        pytest.skip(f"cannot boot a real systemd here: {why}")
    yield machine
    machine.power_off()


def lines_of(begin: str, end: str) -> list[str]:
    """The documented lines from the one that begins so to the one before that which contains `end`."""
    first = next(number for number, line in enumerate(LINES) if line.startswith(begin))
    last = next(number for number, line in enumerate(LINES) if end in line)
    return LINES[first:last]


def typed(debian: Machine, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Type lines into one shell of the machine, which reaches the package registries."""
    return debian.run("bash", "-euc", SUDO + script, check=check, timeout=LONG, online=True)


@pytest.fixture(scope="module")
def installed(debian: Machine) -> Machine:
    """The machine after the documented lines, with the service running and linked."""
    assert LINES[0].startswith("curl -fsSL https://deb.nodesource.com/setup_22.x")
    assert LINES[1].startswith("sudo apt-get install -y nodejs")
    typed(debian, "HOME=/root npm install --silent --global --prefix /usr/local node@22; hash -r; node --version")
    install = "\n".join(lines_of("sudo git clone", "systemctl daemon-reload"))
    git = "git config --global --add safe.directory '*'\n"
    typed(debian, "export HOME=/root\n" + git + install.replace("REPOSITORY", "/srv/leadmasterd"))

    serve = "tail -f /dev/null | node /opt/leadmasterd/node_listener/standin/main.js"
    output = "--property=StandardOutput=file:/run/standin.json"
    debian.run("systemd-run", "--unit=standin", output, "sh", "-c", serve)
    said = wait_for(lambda: debian.run("cat", "/run/standin.json", check=False).stdout, "the stand-in", every=0.2)
    standin = json.loads(said)
    config = debian.run("cat", "/etc/leadmasterd/config.toml").stdout
    led = config.replace("browser_args = []", f"browser_args = {json.dumps(standin['browser_args'])}")
    assert led != config
    debian.write("/etc/leadmasterd/config.toml", led)

    typed(debian, "\n".join(lines_of("sudo systemctl daemon-reload", "journalctl")))
    wait_for(lambda: "scan" in debian.show(UNIT, "StatusText"), "a code", limit=LONG, every=0.5)
    scan = json.dumps({"phone": OUR_PHONE, "name": "Tienda"})
    post = [
        "curl",
        "-sf",
        "-X",
        "POST",
        "-H",
        "content-type: application/json",
        "-d",
        scan,
        f"{standin['control']}/scan",
    ]
    debian.run(*post)
    wait_for(lambda: debian.show(UNIT, "StatusText").startswith("ready"), "ready", limit=LONG, every=0.5)
    return debian


def test_the_documented_lines_lead_to_ready(installed: Machine) -> None:
    """The journal has drawn the code, and the documented status line says ready."""
    assert "▀" in installed.journal(UNIT)
    [status] = [line for line in LINES if line.startswith("sudo -u leadmasterd")]
    said = typed(installed, f"cd /\n{status}")
    assert "leadmasterd has been ready since" in said.stdout
    assert said.stderr == ""


def test_the_service_and_every_command_mean_the_same_state(installed: Machine) -> None:
    """The unit says nothing of its own; what runs there is a Node in support."""
    assert "LEADMASTERD_STATE_DIR" not in (CHECKOUT / "systemd" / UNIT).read_text()
    shown = installed.run("leadmasterd", "config", "show", "--json").stdout
    assert json.loads(shown)["state_dir"] == "/var/lib/leadmasterd"
    status = json.loads(installed.run("leadmasterd", "status", "--json").stdout)
    assert (status["phase"], status["running"]) == ("ready", True)
    assert re.match(r"v?22\.", status["versions"]["node"])
    assert installed.run("find", "/etc/leadmasterd", "/opt/leadmasterd", "-name", "*.db").stdout == ""


def test_whoever_may_not_read_it_is_told_the_line_to_use(installed: Machine) -> None:
    """It is short, and it works."""
    done = typed(installed, "cd /; runuser -u nobody -- leadmasterd status", check=False)
    assert done.returncode == 73
    told = re.search(r"`(sudo -u leadmasterd leadmasterd status)`", done.stderr)
    assert told, done.stderr
    assert "has been ready" in typed(installed, told[1]).stdout


def test_the_doctor_of_the_installed_service_finds_nothing_wrong(installed: Machine) -> None:
    """Without the network, which this machine does not have."""
    done = typed(installed, "sudo -u leadmasterd leadmasterd doctor --quick", check=False)
    assert done.returncode == 0, done.stdout
