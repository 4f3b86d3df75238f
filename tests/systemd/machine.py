"""A machine with a real systemd, and on it this checkout, installed the way an administrator would.

run-real-systemd.sh makes the machine; this is how a test talks to it. What is installed is mounted read-only, so no
test can write into the checkout.
"""

import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SCRIPT = CHECKOUT / "tests" / "systemd" / "run-real-systemd.sh"
NODE = "/opt/node/node"  # on the machine
COMMAND = """\
#!/opt/leadmasterd/.venv/bin/python
import sys
from leadmasterd.cli import main
sys.exit(main())
"""
CANNOT = 77  # the script's exit status where there is no root or there are no namespaces


class MachineRefusedError(Exception):
    """This computer cannot boot a systemd in namespaces."""


@dataclass(frozen=True, slots=True)
class Machine:
    state: Path

    @classmethod
    def boot(cls, state: Path, binds: dict[Path, str]) -> "Machine":
        """Boot in about half a second, with each folder of `binds` mounted at its path there."""
        shown = [f"{source}:{target}" for source, target in binds.items()]
        done = subprocess.run([SCRIPT, "start", state, *shown], check=False, capture_output=True, text=True, timeout=60)
        if done.returncode == CANNOT:
            raise MachineRefusedError(done.stderr.strip())
        if done.returncode != 0:
            raise AssertionError(f"the machine did not boot:\n{done.stderr}")
        return cls(state)

    def power_off(self) -> None:
        subprocess.run([SCRIPT, "stop", self.state], check=True, capture_output=True, timeout=60)

    def run(
        self,
        *command: str,
        stdin: str | None = None,
        check: bool = True,
        timeout: float = 60,
        online: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there as root; `online`: with this computer's network, for what fetches packages."""
        done = subprocess.run(
            [SCRIPT, "exec-online" if online else "exec", self.state, *command],
            input=stdin,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def write(self, path: str, text: str) -> None:
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat > "$1"', "sh", path, stdin=text)

    def show(self, unit: str, what: str) -> str:
        return self.run("systemctl", "show", "--property", what, "--value", unit).stdout.strip()

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--unit", unit, "--no-pager", "--output", "cat").stdout

    def processes_of(self, user: str) -> set[int]:
        """Every process of this user, whatever its cgroup, session or process group."""
        found = self.run("find", "/proc", "-maxdepth", "1", "-user", user, check=False).stdout.split()
        return {int(name) for path in found if (name := path.rpartition("/")[2]).isdigit()}


def lay_out_installation(stage: Path) -> dict[Path, str]:
    """Build /opt/leadmasterd in `stage`; returns which folder to mount where on the machine.

    The code is copied, since a checkout may be readable by its owner only.
    """
    opt = stage / "leadmasterd"
    shutil.copytree(CHECKOUT / "leadmasterd", opt / "leadmasterd", ignore=shutil.ignore_patterns("__pycache__"))
    node = CHECKOUT / "node_listener"
    shutil.copytree(node, opt / "node_listener", ignore=shutil.ignore_patterns("node_modules"))
    (opt / "node_listener" / "node_modules").mkdir()
    binds = {
        opt: "/opt/leadmasterd",
        node / "node_modules": "/opt/leadmasterd/node_listener/node_modules",
        **lay_out_environment(opt / ".venv"),
    }

    if (CHECKOUT / ".browser").is_dir():
        (opt / ".browser").mkdir()
        binds[CHECKOUT / ".browser"] = "/opt/leadmasterd/.browser"
    make_readable(stage)
    return binds


def lay_out_environment(venv: Path) -> dict[Path, str]:
    """Build what is to be /opt/leadmasterd/.venv; returns which folder to mount where on the machine.

    It is made by hand: the service's user sees neither /root nor /home, where the interpreter of a pyenv, the node of
    an nvm and the tests' own .venv are. So each is mounted at a path of its own.
    """
    home, packages = Path("/opt/python"), Path("/opt/packages")
    binds = {Path(sysconfig.get_path("purelib")): str(packages)}
    if found := shutil.which("node"):
        binds[Path(found).resolve().parent] = str(Path(NODE).parent)

    base = Path(sys.base_prefix)
    if base == Path("/usr"):
        home = base
    else:
        binds[base] = str(home)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    site_packages = venv / "lib" / f"python{version}" / "site-packages"
    site_packages.mkdir(parents=True)
    (site_packages / "installed.pth").write_text(f"/opt/leadmasterd\n{packages}\n")
    (venv / "bin").mkdir()
    (venv / "bin" / "python").symlink_to(home / "bin" / f"python{version}")
    (venv / "bin" / "leadmasterd").write_text(COMMAND)
    (venv / "pyvenv.cfg").write_text(
        f"home = {home / 'bin'}\ninclude-system-site-packages = false\nversion = {version}\n"
    )
    return binds


def make_readable(folder: Path) -> None:
    """Let everybody read it, and run its programs."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
