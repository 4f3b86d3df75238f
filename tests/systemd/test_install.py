"""docs/operations.md, "Install it as a service", followed word for word on a fresh Debian with a real systemd.

Some things stand in for others. Root runs everything, so `sudo` is a function. WhatsApp Web is the stand-in, whose
browser arguments are added to the installed settings before the service starts. `make test` needs no network: Node is
this computer's, and the set-up finds the packages of this checkout, so that it has nothing left to fetch. In a deep run
it fetches them; but NodeSource can't be reached from here, so npm's package `node`, of the same version, stands in for
the two lines that fetch Node.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.depth import DEEP
from tests.systemd.conftest import UNIT
from tests.systemd.machine import CHECKOUT, NODE, Machine, MachineRefusedError, lay_out_environment, make_readable
from tests.waiting import wait_for

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(1500)]

SECTION = (
    (CHECKOUT / "docs" / "operations.md").read_text().partition("## Install it as a service\n")[2].partition("\n## ")[0]
)
LINES = [line[4:] for line in SECTION.splitlines() if line.startswith("    ")]
SUDO = 'sudo() { case $1 in -u) shift; u=$1; shift; runuser -u "$u" -- "$@";; -E) shift; "$@";; *) "$@";; esac; }\n'
LONG = 900.0
OUR_PHONE = "5491155550100"
FETCHED = r"""
mkdir .setup
cp -a /srv/venv .venv
ln -s /srv/node_modules node_listener/node_modules
[ ! -d /srv/browser ] || ln -s /srv/browser .browser
stamp() { { printf '%s\n' "$PWD" "$1"; cat; } | sha256sum | cut -d' ' -f1 >".setup/$1-run"; }
cat requirements.lock pyproject.toml | stamp python
cat node_listener/package.json node_listener/package-lock.json node_listener/.npmrc | stamp node
"""
"""What tools/setup.sh leaves when it has fetched the packages."""


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
    binds = {repository: "/srv/leadmasterd"}
    if not DEEP:
        venv = tmp_path_factory.mktemp("environment") / "venv"
        binds |= lay_out_environment(venv)
        make_readable(venv)
        binds |= {venv: "/srv/venv", CHECKOUT / "node_listener" / "node_modules": "/srv/node_modules"}
        if (CHECKOUT / ".browser").is_dir():
            binds[CHECKOUT / ".browser"] = "/srv/browser"
    try:
        machine = Machine.boot(tmp_path_factory.mktemp("debian"), binds)
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
    """Type lines into one shell of the machine, which reaches the package registries in a deep run."""
    return debian.run("bash", "-euc", SUDO + script, check=check, timeout=LONG, online=DEEP)


@pytest.fixture(scope="module")
def installed(debian: Machine) -> Machine:
    """The machine after the documented lines, with the service running and linked."""
    assert LINES[0].startswith("curl -fsSL https://deb.nodesource.com/setup_22.x")
    assert LINES[1].startswith("sudo apt-get install -y nodejs")
    clone, *install = lines_of("sudo git clone", "systemctl daemon-reload")
    if DEEP:
        typed(debian, "HOME=/root npm install --silent --global --prefix /usr/local node@22; hash -r; node --version")
    else:
        debian.run("ldconfig", "/opt/python/lib", check=False)
        debian.run("ln", "-sf", NODE, "/usr/local/bin/node")
        debian.write("/usr/local/bin/npm", "#!/bin/sh\necho nothing is left to fetch >&2\nexit 1\n")
        debian.run("chmod", "755", "/usr/local/bin/npm")
        install.insert(0, FETCHED)
    git = "git config --global --add safe.directory '*'\n"
    clone = clone.replace("REPOSITORY", "/srv/leadmasterd")
    typed(debian, "\n".join(["export HOME=/root", git, clone, *install]))

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
    """The unit says nothing of its own; what runs there is the Node that was installed."""
    assert "LEADMASTERD_STATE_DIR" not in (CHECKOUT / "systemd" / UNIT).read_text()
    shown = installed.run("leadmasterd", "config", "show", "--json").stdout
    assert json.loads(shown)["state_dir"] == "/var/lib/leadmasterd"
    status = json.loads(installed.run("leadmasterd", "status", "--json").stdout)
    assert (status["phase"], status["running"]) == ("ready", True)
    node = installed.run("node", "--version").stdout.strip()
    assert status["versions"]["node"].removeprefix("v") == node.removeprefix("v")
    if DEEP:
        assert node.startswith("v22.")
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
