"""The daemon that a storm is played with: this checkout's, or that of another one (`--product`).

Another product is used only by what stays the same from version to version: `run`, SIGTERM, settings from the
environment, `status.json`, the tables, and that it starts `node`, which starts a browser on a folder of the state.
"""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.browsers import is_browser
from tests.e2e.daemon import ROOT, DaemonUnderTest

_SETTINGS_WRONG: Final = 78
_SET_UP: Final = "tools/setup.sh"


class CannotPrepare(Exception):
    """A checkout cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Product:
    """A checkout that can be started."""

    label: str
    """Its name in tables."""
    root: Path
    python: str
    patience: float
    """Seconds after which it is restarted by the driver if it does not recover, which is counted."""

    def known(self, settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
        """Those of the settings that it knows; it would refuse to start with others."""
        return {name: value for name, value in settings.items() if self._takes({**environment, name: value})}

    def _takes(self, environment: Mapping[str, str]) -> bool:
        check = [self.python, "-m", "leadmasterd", "config", "check"]
        return subprocess.run(check, cwd=self.root, env=environment, capture_output=True, check=False).returncode != (
            _SETTINGS_WRONG
        )


OURS: Final = Product("this checkout", ROOT, sys.executable, patience=90)
_OTHERS: Final = 45.0
"""Patience with others: an older one may need help in every fourth round, and a storm would take hours."""


@contextmanager
def prepared(checkout: str) -> Iterator[Product]:
    """The product of a folder, or of a commit of this repository. Raises CannotPrepare.

    A commit is unpacked into a temporary folder and gets its own environment there; a folder gets one if it has none.
    """
    folder = Path(checkout)
    if folder.is_dir():
        yield _set_up(checkout, folder.resolve())
        return
    commit = _git("rev-parse", "--verify", "--quiet", "--short", f"{checkout}^{{commit}}").decode().strip()
    if not commit:
        raise CannotPrepare(f"cannot play {checkout}: it is neither a folder nor a commit of {ROOT}")
    with tempfile.TemporaryDirectory(prefix="leadmasterd-product-", ignore_cleanup_errors=True) as name:
        root = Path(name).resolve() / commit
        root.mkdir()
        subprocess.run(["tar", "-x", "-C", root], input=_git("archive", "--format=tar", commit), check=True)
        yield _set_up(commit, root)


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, check=False).stdout


def _set_up(label: str, root: Path) -> Product:
    python = root / ".venv" / "bin" / "python"
    if not (python.exists() and (root / "node_listener" / "node_modules").is_dir()):
        if not (root / _SET_UP).is_file():
            raise CannotPrepare(f"cannot play {label}: there is no {_SET_UP} in {root}; name a checkout of leadmasterd")
        if subprocess.run([root / _SET_UP, "run"], cwd=root, check=False).returncode:
            raise CannotPrepare(f"cannot play {label}: its {_SET_UP} failed, see above")
    return Product(label, root, str(python), patience=_OTHERS)


class Played(DaemonUnderTest):
    """The daemon of a product on one state directory, found by what any version of it starts."""

    patience: float = OURS.patience
    forks = False

    def tree(self) -> list[psutil.Process]:
        """All living descendants of the daemon; orphans come back to it."""
        with contextlib.suppress(psutil.Error):
            if self.process is not None:
                return psutil.Process(self.process.pid).children(recursive=True)
        return []

    def node(self) -> psutil.Process:
        """The Node child. Raises StopIteration."""
        return next(each for each in self.tree() if _is_node(each))

    def browser(self) -> psutil.Process:
        """The browser's main process. Raises StopIteration."""
        return next(each for each in self.tree() if _is_browser(each))

    def end(self) -> None:
        """End every process, even a frozen one."""
        before = self.tree()
        for process in before:
            with contextlib.suppress(psutil.Error):
                process.resume()
        if self.process is not None:
            with contextlib.suppress(psutil.Error):
                psutil.Process(self.process.pid).resume()
        super().end()
        for process in before:
            with contextlib.suppress(psutil.Error):
                process.kill()


# One that has exited and is not reaped yet answers with an error; the others are still to be looked at.


def _is_node(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return Path(process.exe()).name.startswith("node")
    return False


def _is_browser(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return is_browser(process)
    return False
