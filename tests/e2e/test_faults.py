"""What goes wrong in processes, in the page and at WhatsApp.

docs/faults.md is the table of all faults; some are tested in other files. Most tests have one shape (`Customers`):
customers write before, during and after the fault. Then every message is in the database exactly once, nothing was
sent, the outage is in `gaps` and closed, and no process of the old tree is left.
"""

import json
import signal
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from leadmasterd.demo.standin import StandIn
from leadmasterd.listener import tree
from tests.browsers import browser as browser_of_tests
from tests.depth import only_deep
from tests.e2e.conftest import MakeDaemon
from tests.e2e.customers import Customers
from tests.e2e.daemon import DIVISOR, DaemonUnderTest, wait_long
from tests.processes import carries

pytestmark = pytest.mark.e2e

SECONDS_UNTIL_A_HUNG_PAGE_IS_NOTICED = 60.0

Break = Callable[[DaemonUnderTest, StandIn], object]


def print_delay(event: dict[str, Any], broken_at: float) -> None:
    """Print how long it took from the fault to its row in `session_events`; `pytest -rP` shows it."""
    seconds = datetime.fromisoformat(event["at"]).astimezone(UTC).timestamp() - broken_at
    sys.stdout.write(f"noticed as {event['code']} after {seconds:.2f} s, undivided {seconds * DIVISOR:.0f} s\n")


# ---------------------------------------------------------------------- processes and the page


def renderers(daemon: DaemonUnderTest) -> list[psutil.Process]:
    """The browser's processes that show pages."""
    return [each for each in daemon.browser().children(recursive=True) if carries(each, "--type=renderer")]


def signal_node(number: signal.Signals) -> Break:
    """Signal Node alone."""
    return lambda daemon, _: daemon.node().send_signal(number)


def signal_browser(number: signal.Signals) -> Break:
    """Signal the browser's main process alone."""
    return lambda daemon, _: daemon.browser().send_signal(number)


def signal_renderers(number: signal.Signals) -> Break:
    """Signal the renderers alone. Out of memory, the kernel kills the largest process, which is one of them."""
    return lambda daemon, _: tree.signal_all(renderers(daemon), number)


PARTS: dict[str, tuple[Break, str, str | None]] = {
    # name: (how to break it, the code in `session_events`, the reason in the child's `bye`)
    "node-SIGTERM": (signal_node(signal.SIGTERM), "child_died", "signal"),
    "node-SIGSTOP": (signal_node(signal.SIGSTOP), "heartbeat_lost", None),
    "browser-SIGTERM": (signal_browser(signal.SIGTERM), "child_died", "browser_gone"),
    "browser-SIGSTOP": (signal_browser(signal.SIGSTOP), "heartbeat_lost", None),
    "renderer-SIGKILL": (signal_renderers(signal.SIGKILL), "child_died", "page_crashed"),
    "renderer-SIGTERM": (signal_renderers(signal.SIGTERM), "child_died", "page_crashed"),
    "renderer-SIGSTOP": (signal_renderers(signal.SIGSTOP), "heartbeat_lost", None),
    "page-busy-loop": (lambda _, standin: standin.act("hang"), "heartbeat_lost", None),
}


AS_BY_SIGKILL = only_deep("a renderer hears SIGTERM as it hears SIGKILL: it is gone")


@pytest.mark.parametrize(
    "part", [pytest.param(part, marks=AS_BY_SIGKILL if part == "renderer-SIGTERM" else ()) for part in PARTS]
)
def test_a_part_that_dies_or_freezes_is_replaced(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers, part: str
) -> None:
    """The cause has its own code, the whole tree is replaced, and nothing is lost."""
    break_it, code, bye = PARTS[part]
    before, mark, broken_at = set(daemon.ours()), daemon.last_event(), time.time()
    break_it(daemon, standin)
    customers.write("durante")
    [event] = daemon.await_events(mark, code=code, phase="stopping")
    print_delay(event, broken_at)
    values = json.loads(event["value_json"])
    assert values.get("bye") == bye
    if code == "heartbeat_lost":  # by the daemon's count, which leaves out rounds in which the machine held it up
        assert values["silent_seconds"] * DIVISOR <= SECONDS_UNTIL_A_HUNG_PAGE_IS_NOTICED
    daemon.await_ready_again(mark)
    assert not before & set(daemon.ours()), "nothing of the old tree is left"
    customers.nothing_was_lost(code)


def test_a_page_that_is_closed_is_opened_again(make_daemon: MakeDaemon, standin: StandIn) -> None:
    """A second debugger closes it, like a person with DevTools, and not our own connection."""
    arguments = json.dumps([*standin.browser_args, "--remote-debugging-port=0"])
    daemon = make_daemon(LEADMASTERD_LISTENER__BROWSER_ARGS=arguments)
    daemon.start()
    daemon.pair()
    customers = Customers.who_wrote(daemon, standin)
    mark = daemon.last_event()
    port = (daemon.places.profile / "DevToolsActivePort").read_text().splitlines()[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
        pages = [each for each in json.load(answer) if each["url"].startswith("https://web.whatsapp.com")]
    for page in pages:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/json/close/{page['id']}").close()
    customers.write("durante")
    [event] = daemon.await_events(mark, code="child_died", phase="stopping")
    assert json.loads(event["value_json"])["bye"] in ("page_closed", "browser_gone")
    daemon.await_ready_again(mark)
    customers.nothing_was_lost("child_died")


def reload_twice(standin: StandIn, loads: int) -> None:
    """Reload the page twice while it loads for the first time since there were so many loads."""
    for load in (1, 2):
        standin.act("wait", **{"for": "loads", "loads": loads + load, "limit": 20000})
        standin.act("reload")


def test_a_reload_during_the_first_start_is_survived(make_daemon: MakeDaemon, standin: StandIn) -> None:
    """The page reloads twice during the library's first injection, and the same start succeeds."""
    daemon = make_daemon()
    customers = Customers(daemon, standin)
    daemon.start()
    reload_twice(standin, 0)
    daemon.pair()
    wait_long(lambda: customers.are_heard_live(), "the live path")
    customers.nothing_was_lost()
    assert daemon.query("SELECT 1 FROM session_events WHERE code IN ('child_died', 'start_took_too_long')") == []


def test_a_reload_during_a_start_is_survived(daemon: DaemonUnderTest, standin: StandIn, customers: Customers) -> None:
    """The same with a linked page."""
    daemon.stop()
    customers.write("durante")
    mark, loads = daemon.last_event(), standin.state()["page_loads"]
    daemon.start()
    reload_twice(standin, loads)
    daemon.await_ready_again(mark)
    customers.await_captured()
    wait_long(lambda: customers.are_heard_live(), "the live path")
    customers.nothing_was_lost()
    assert daemon.events(mark, phase="stopping") == []


# ---------------------------------------------------------------------- modules and levels of the page


def test_a_module_that_is_gone_is_never_taken_for_ready_and_deaf(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """If attaching fails half-way, either messages are still captured or the status is not ready."""
    mark = daemon.last_event()
    standin.act("missing", modules=["WAWebCallCollection"])
    daemon.node().kill()
    daemon.await_events(mark, code="child_died")
    customers.write("durante")

    def captured_or_not_ready() -> bool:
        errors = (daemon.status.get("counters") or {}).get("page_errors", 0)
        return daemon.count() == len(customers.written) or (errors > 0 and daemon.status["phase"] != "ready")

    wait_long(captured_or_not_ready, "the messages, or a status that is not ready")
    again = daemon.last_event()
    standin.act("missing", modules=[])
    assert daemon.command("restart-listener").returncode == 0
    daemon.await_ready_again(again)
    customers.nothing_was_lost()


def test_a_page_that_is_synced_before_anybody_listens_becomes_ready(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """The change that the library waits for has passed, so the current state is read too."""
    daemon.stop()
    standin.act("hold", phase="synced")
    customers.write("durante")
    daemon.start_again()
    daemon.await_phase("ready")
    customers.await_captured()
    customers.nothing_was_lost("asked_to_stop")


# ---------------------------------------------------------------------- what WhatsApp says


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("CONFLICT", "conflict"),
        pytest.param("DEPRECATED_VERSION", "disconnected", marks=only_deep("UNPAIRED_IDLE is told in the same way")),
        ("UNPAIRED_IDLE", "disconnected"),
    ],
)
def test_a_state_that_does_not_heal_is_left_by_a_restart(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers, state: str, code: str
) -> None:
    """The session is still good, so no scan is needed."""
    before, mark = set(daemon.ours()), daemon.last_event()
    standin.act("state", state=state)
    customers.write("durante")
    daemon.await_events(mark, code=code, phase="stopping")
    daemon.await_ready_again(mark)
    assert not before & set(daemon.ours())
    assert daemon.events(mark, phase="waiting_for_scan") == []
    customers.nothing_was_lost(code)


def test_codes_that_stop_rotating_are_asked_for_again(make_daemon: MakeDaemon, standin: StandIn) -> None:
    """UNPAIRED_IDLE before the link: the same browser shows a new code, and scanning it works."""
    daemon = make_daemon()
    daemon.start()
    daemon.await_phase("waiting_for_scan")
    node, first = daemon.node(), daemon.status["scan"]["qr"]
    standin.act("state", state="UNPAIRED_IDLE")
    wait_long(lambda: (daemon.status["scan"] or {}).get("qr") not in (None, first), "a new code")
    assert daemon.command("status").returncode == 4
    daemon.pair()
    assert daemon.node() == node
    Customers(daemon, standin).nothing_was_lost()


@pytest.mark.parametrize(
    "state",
    ["TOS_BLOCK", pytest.param("PROXYBLOCK", marks=only_deep("test_lifecycle.py tells them alike"))],
)
def test_a_number_at_risk_is_left_alone_until_a_person_says_so(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers, state: str
) -> None:
    """It halts and retries nothing. After `resume` all missed messages are captured."""
    standin.act("state", state=state)
    daemon.await_phase("halted")
    status = daemon.command("status")
    assert status.returncode == 4
    assert state in status.stdout
    assert "leadmasterd resume" in status.stdout
    assert daemon.ours() == []
    mark = daemon.last_event()
    customers.write("durante")
    standin.act("state", state="CONNECTED")
    assert daemon.command("resume").returncode == 0
    daemon.await_ready_again(mark)
    customers.nothing_was_lost("number_at_risk")


# ---------------------------------------------------------------------- the network


def test_a_server_that_is_away_for_long_is_waited_for(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """The server is gone for longer than the page retries, so restarts fail until one loads the page."""
    before, mark = set(daemon.ours()), daemon.last_event()
    standin.act("offline", all=True)
    customers.write("durante")
    daemon.await_events(mark, code="reconnect_took_too_long", phase="stopping")
    [failed, *_] = daemon.await_events(mark, code="child_died", phase="stopping")
    assert json.loads(failed["value_json"])["bye"] == "initialize_failed"
    standin.act("online")
    daemon.await_ready_again(mark)
    assert not before & set(daemon.ours())
    customers.nothing_was_lost("connection_lost")


def test_no_names_at_the_start_are_waited_for(make_daemon: MakeDaemon, standin: StandIn, tmp_path: Path) -> None:
    """The machine boots before its network: ERR_NAME_NOT_RESOLVED is recorded, and the start is retried.

    Each try is one line in the journal.
    """
    nowhere = tmp_path / "no-names"
    browser = tmp_path / "browser"
    browser.write_text(
        f'#!/bin/sh\n[ -e {nowhere} ] && set -- "$@" "--host-resolver-rules=MAP * ~NOTFOUND"\n'
        f'exec {browser_of_tests()} "$@"\n'
    )
    browser.chmod(0o755)
    daemon = make_daemon(LEADMASTERD_LISTENER__BROWSER=str(browser))
    nowhere.touch()
    daemon.start()
    wait_long(lambda: daemon.status.get("code") == "child_died", "the failure in the status")
    [failed, *_] = daemon.await_events(0, code="child_died")
    assert "ERR_NAME_NOT_RESOLVED" in json.loads(failed["value_json"])["detail"]
    assert daemon.command("status").returncode == 2
    wait_long(lambda: len(daemon.events(0, phase="backing_off")) >= 3, "three tries")
    tries = len(daemon.events(0, phase="backing_off"))
    lines = [line.partition(" ")[2] for line in daemon.log.read_text().splitlines()]
    after = lines[[line.startswith("the browser runs") for line in lines].index(True) + 1 :]
    assert len(after) >= tries
    cannot = "waiting to start again: web.whatsapp.com cannot be reached; check the network; "
    assert [line for line in after if not line.startswith(cannot)] == []
    nowhere.unlink()
    daemon.pair()
    Customers(daemon, standin).nothing_was_lost()


@pytest.mark.long
def test_a_start_that_takes_too_long_is_tried_again(make_daemon: MakeDaemon, standin: StandIn) -> None:
    """The state stays OPENING; then the server accepts and never answers, so no page loads.

    Each start times out and is retried until it works, and the session is not blamed.
    """
    daemon = make_daemon(LEADMASTERD_SUPERVISOR__START_TIMEOUT="200")
    daemon.start()
    daemon.pair()
    customers = Customers.who_wrote(daemon, standin)
    daemon.stop()
    mark = daemon.last_event()
    standin.act("hold", phase="opening")
    customers.write("durante")
    daemon.start_again()
    daemon.await_events(mark, code="start_took_too_long", phase="stopping")
    assert daemon.command("status").returncode == 2
    standin.act("release", phase="opening")
    daemon.await_ready_again(mark)
    customers.nothing_was_lost()

    daemon.stop()
    mark, loads = daemon.last_event(), standin.state()["page_loads"]
    standin.act("slow", ms=600_000)
    customers.write("sin respuesta")
    daemon.start_again()
    daemon.await_events(mark, code="start_took_too_long", phase="stopping")
    assert standin.state()["page_loads"] == loads, "no page was loaded"
    standin.act("slow", ms=0)
    daemon.await_ready_again(mark)
    customers.nothing_was_lost("asked_to_stop")


def test_a_slow_server_is_no_failure(daemon: DaemonUnderTest, standin: StandIn, customers: Customers) -> None:
    """It takes 250 ms for each answer and line: all is captured without a restart, and a start works too."""
    node, mark = daemon.node(), daemon.last_event()
    standin.act("slow", ms=250)
    customers.write("durante")
    customers.expect_to_be_heard_live()
    assert daemon.node() == node
    assert daemon.events(mark, phase="stopping") == []
    assert daemon.command("restart-listener").returncode == 0
    daemon.await_ready_again(mark)
    customers.nothing_was_lost("restart_asked")
    standin.act("slow", ms=0)
