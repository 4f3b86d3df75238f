"""Another checkout is tested with its own interpreter and only the settings it knows."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from leadmasterd.demo.standin import StandIn
from tests.chaos.product import OURS, CannotPrepare, Played, prepared
from tests.e2e.daemon import ROOT
from tests.waiting import wait_for


def test_a_folder_is_played_with_its_own_environment() -> None:
    """The driver's interpreter may have other package versions."""
    with prepared(str(ROOT)) as product:
        assert product.root == ROOT
        assert product.python == str(ROOT / ".venv" / "bin" / "python")


@pytest.mark.parametrize(
    ("checkout", "said"), [("no-such-commit", "neither a folder nor a commit"), ("/proc", "setup.sh")]
)
def test_what_is_no_checkout_is_refused(checkout: str, said: str) -> None:
    """The error names it in one sentence."""
    with pytest.raises(CannotPrepare, match=f"cannot play {checkout}.*{said}"), prepared(checkout):
        pass


def test_a_product_gets_only_the_settings_that_it_has(tmp_path: Path) -> None:
    """It would not start with an unknown one."""
    environment = {**os.environ, "LEADMASTERD_STATE_DIR": str(tmp_path)}
    settings = {"LEADMASTERD_SUPERVISOR__BACKOFF_MAX": "40", "LEADMASTERD_SUPERVISOR__NOT_YET": "1"}
    assert OURS.known(settings, environment) == {"LEADMASTERD_SUPERVISOR__BACKOFF_MAX": "40"}


def test_the_node_child_is_found_behind_a_zombie(tmp_path: Path) -> None:
    """The daemon reaps orphans of a dead browser only when it stops the listener."""
    daemon = Played(tmp_path / "state", StandIn(Path("node"), key_shape="dollar"), {})
    children = (
        "import subprocess as s; a = s.Popen(['true']); s.Popen(['node', '-e', 'setInterval(Date, 1000)']).wait()"
    )
    with subprocess.Popen([sys.executable, "-c", children]) as daemon.process:
        try:
            wait_for(lambda: any(each.status() == psutil.STATUS_ZOMBIE for each in daemon.tree()), "a zombie")
            wait_for(lambda: len(daemon.tree()) == 2, "both children")
            wait_for(lambda: Path(daemon.tree()[-1].exe()).name == "node", "the node child")
            assert daemon.node() == daemon.tree()[-1]
        finally:
            for each in daemon.tree():
                each.kill()
