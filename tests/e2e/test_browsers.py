"""Two browsers and one session: the headless shell and Chromium in turn, and side by side."""

import subprocess

import pytest

from leadmasterd.demo.standin import StandIn
from tests.browsers import both
from tests.e2e.conftest import MakeDaemon
from tests.e2e.customers import Customers
from tests.e2e.daemon import DaemonUnderTest, wait_long

BROWSER = "LEADMASTERD_LISTENER__BROWSER"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(len(both()) < 2, reason="one browser is not here: see tools/setup.sh"),
]


def test_a_session_moves_between_the_browsers_without_a_scan(make_daemon: MakeDaemon, standin: StandIn) -> None:
    """From the headless shell to Chromium and back, after a clean end and after a kill; nothing between is lost."""
    shell, chromium = both()
    daemon = make_daemon(**{BROWSER: str(shell)})
    daemon.start()
    daemon.pair()
    assert daemon.browser().exe().endswith(shell.name)
    customers = Customers.who_wrote(daemon, standin)
    for browser, how in ((chromium, "stop"), (shell, "kill"), (chromium, "kill"), (shell, "stop")):
        mark = daemon.last_event()
        if how == "kill":
            daemon.browser().kill()
            daemon.kill()
        else:
            daemon.stop()
        customers.write(f"antes de {browser.name} tras {how}")
        daemon.environment[BROWSER] = str(browser)
        daemon.start_again()
        daemon.await_ready_again(mark)
        assert daemon.browser().exe().endswith(browser.name)
        assert daemon.events(mark, phase="waiting_for_scan") == []
    customers.nothing_was_lost()


def test_chromium_is_kept_out_of_a_profile_that_the_headless_shell_has_open(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """It ends with 21 and has touched nothing; capture goes on."""
    if not daemon.browser().exe().endswith("headless-shell"):
        pytest.skip("this run is in another browser")
    chromium = both()[1]
    before = daemon.browser().pid
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
    other = subprocess.run(
        [chromium, *arguments, f"--user-data-dir={daemon.places.profile.resolve()}", "--dump-dom", "about:blank"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (other.returncode, "in use by another" in other.stderr) == (21, True)
    customers.write("durante")
    customers.nothing_was_lost()
    assert daemon.browser().pid == before
    daemon.stop()
    assert not (daemon.places.profile / "SingletonLock").is_symlink()
    daemon.start_again()
    wait_long(lambda: daemon.is_whole(), "it to be ready again")
