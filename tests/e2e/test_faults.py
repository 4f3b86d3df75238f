"""What goes wrong in processes, in the page and at WhatsApp: break it while customers write, and compare.

docs/faults.md is the table of all faults, with those of other files. Most share one shape, `Customers`: they write
before, during and after; everything is in the database exactly once, nothing was sent, the gap is in the ledger and
closed, and nothing of the old tree is left.
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
from leadmasterd.listener.programs import find_browser
from tests.e2e.conftest import DIVISOR, DaemonUnderTest, MakeDaemon, wait_for
from tests.processes import carries

pytestmark = pytest.mark.e2e

ANA = "5491155550001"
SECONDS_UNTIL_A_HUNG_PAGE_IS_NOTICED = 60.0

Break = Callable[[DaemonUnderTest, StandIn], object]


class Customers:
    """They write, whatever happens, and remember every message; the operator answers on the phone."""

    def __init__(self, daemon: DaemonUnderTest, standin: StandIn) -> None:
        self.daemon = daemon
        self.standin = standin
        self.written: list[str] = []

    def write(self, when: str, count: int = 3) -> list[str]:
        """From two chats, and one answer of our own."""
        ids = self.standin.act("deliver", **{"from": ANA, "body": f"{when} {{n}}", "count": count, "spread": 2})["ids"]
        ids += self.standin.act("own", to=ANA, body=f"respuesta {when}")["ids"]
        self.written += ids
        return [str(each) for each in ids]

    def await_captured(self) -> None:
        """Everything written so far is there once, and nothing else."""
        wait_for(lambda: self.daemon.count() >= len(self.written), f"{len(self.written)} messages")
        rows = self.daemon.query("SELECT stanza_id FROM messages")
        assert sorted(row["stanza_id"] for row in rows) == sorted(self.written)

    def await_heard_live(self) -> None:
        """What is written now comes by the live path: the connection is whole and not only swept."""
        ids = self.write("después")
        self.await_captured()
        marks = ", ".join("?" * len(ids))
        rows = self.daemon.query(f"SELECT captured_via FROM messages WHERE stanza_id IN ({marks})", *ids)
        assert {row["captured_via"] for row in rows} == {"live"}

    def nothing_was_lost(self, cause: str | None = None) -> None:
        """After a return to ready: live again, each once, the gap closed, nothing sent."""
        self.await_heard_live()
        wait_for(lambda: not self.daemon.query("SELECT 1 FROM gaps WHERE closed_at IS NULL"), "the gaps to be closed")
        if cause is not None:
            causes = {row["cause"] for row in self.daemon.query("SELECT cause FROM gaps")}
            assert cause in causes
        self.await_captured()
        assert self.standin.state()["sent"] == []


@pytest.fixture
def customers(daemon: DaemonUnderTest, standin: StandIn) -> Customers:
    """They have written already, and were heard; the first sweep is over."""
    return wrote_before(daemon, standin)


def wrote_before(daemon: DaemonUnderTest, standin: StandIn) -> Customers:
    """The same for a daemon with settings of its own."""
    customers = Customers(daemon, standin)
    customers.write("antes")
    customers.await_captured()
    wait_for(lambda: daemon.query("SELECT 1 FROM accounts WHERE swept_through_at IS NOT NULL"), "the first sweep")
    return customers


def last_event(daemon: DaemonUnderTest) -> int:
    """The newest entry of the ledger."""
    return int(daemon.query("SELECT coalesce(max(event_id), 0) AS n FROM session_events")[0]["n"])


def seen(daemon: DaemonUnderTest, after: int, **wanted: str) -> list[dict[str, Any]]:
    """Ledger entries after that one with these values."""
    condition = " AND ".join(f"{name} = ?" for name in wanted)
    return daemon.query(
        f"SELECT * FROM session_events WHERE event_id > ? AND {condition} ORDER BY event_id", after, *wanted.values()
    )


def await_ready_again(daemon: DaemonUnderTest, after: int) -> None:
    """Not the ready that was, but one after that entry."""
    wait_for(lambda: seen(daemon, after, phase="ready"), "ready again")
    daemon.await_phase("ready")


def start_again(daemon: DaemonUnderTest) -> None:
    """Another life, which has said something of its own."""
    daemon.start()
    wait_for(lambda: daemon.status["pid"] == daemon.process.pid, "the new life")  # type: ignore[union-attr]


def tell_how_soon(event: dict[str, Any], broken_at: float) -> None:
    """Seconds from the fault to its entry in the ledger; shown by `pytest -rP`."""
    seconds = datetime.fromisoformat(event["at"]).astimezone(UTC).timestamp() - broken_at
    sys.stdout.write(f"noticed as {event['code']} after {seconds:.2f} s, undivided {seconds * DIVISOR:.0f} s\n")


# ---------------------------------------------------------------------- processes, and the page as one


def renderers(daemon: DaemonUnderTest) -> list[psutil.Process]:
    """The processes that show pages."""
    return [each for each in daemon.browser().children(recursive=True) if carries(each, "--type=renderer")]


def signal_node(number: signal.Signals) -> Break:
    """To Node alone."""
    return lambda daemon, _: daemon.node().send_signal(number)


def signal_browser(number: signal.Signals) -> Break:
    """To the browser's main process alone."""
    return lambda daemon, _: daemon.browser().send_signal(number)


def signal_renderers(number: signal.Signals) -> Break:
    """As the kernel does, which kills the largest when memory is out: the renderer."""
    return lambda daemon, _: tree.signal_all(renderers(daemon), number)


PARTS: dict[str, tuple[Break, str, str | None]] = {
    # name: (how it is broken, the code of the ledger, the child's last word)
    "node-SIGTERM": (signal_node(signal.SIGTERM), "child_died", "signal"),
    "node-SIGSTOP": (signal_node(signal.SIGSTOP), "heartbeat_lost", None),
    "browser-SIGTERM": (signal_browser(signal.SIGTERM), "child_died", "browser_gone"),
    "browser-SIGSTOP": (signal_browser(signal.SIGSTOP), "heartbeat_lost", None),
    "renderer-SIGKILL": (signal_renderers(signal.SIGKILL), "child_died", "page_crashed"),
    "renderer-SIGTERM": (signal_renderers(signal.SIGTERM), "child_died", "page_crashed"),
    "renderer-SIGSTOP": (signal_renderers(signal.SIGSTOP), "heartbeat_lost", None),
    "page-busy-loop": (lambda _, standin: standin.act("hang"), "heartbeat_lost", None),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_dies_or_freezes_is_replaced(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers, part: str
) -> None:
    """Seen by its name, the whole tree renewed, nothing lost."""
    break_it, code, bye = PARTS[part]
    before, mark, broken_at = set(daemon.ours()), last_event(daemon), time.time()
    break_it(daemon, standin)
    customers.write("durante")
    [event] = wait_for(lambda: seen(daemon, mark, code=code, phase="stopping"), f"{code} in the ledger")
    tell_how_soon(event, broken_at)
    told = json.loads(event["value_json"])
    assert told.get("bye") == bye
    if code == "heartbeat_lost":  # as the daemon counts it: a round in which the machine held it up is none
        assert told["silent_seconds"] * DIVISOR <= SECONDS_UNTIL_A_HUNG_PAGE_IS_NOTICED
    await_ready_again(daemon, mark)
    assert not before & set(daemon.ours()), "nothing of the old tree is left"
    customers.nothing_was_lost(code)


def test_a_page_that_is_closed_is_opened_again(make_daemon: MakeDaemon, standin: StandIn) -> None:
    """By a second debugger, as a person with DevTools would: our own pipe has no part in it."""
    arguments = json.dumps([*standin.browser_args, "--remote-debugging-port=0"])
    daemon = make_daemon(LEADMASTERD_LISTENER__BROWSER_ARGS=arguments)
    daemon.start()
    daemon.pair()
    customers = wrote_before(daemon, standin)
    mark = last_event(daemon)
    port = (daemon.places.profile / "DevToolsActivePort").read_text().splitlines()[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
        pages = [each for each in json.load(answer) if each["url"].startswith("https://web.whatsapp.com")]
    for page in pages:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/json/close/{page['id']}").close()
    customers.write("durante")
    [event] = wait_for(lambda: seen(daemon, mark, code="child_died", phase="stopping"), "the end of the page")
    assert json.loads(event["value_json"])["bye"] in ("page_closed", "browser_gone")
    await_ready_again(daemon, mark)
    customers.nothing_was_lost("child_died")


def test_a_daemon_that_was_frozen_goes_on_where_it_was(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """SIGSTOP and SIGCONT: what waited in the pipe is read, and our own sleep is not taken for the page's."""
    assert daemon.process is not None
    before, mark = set(daemon.ours()), last_event(daemon)
    daemon.process.send_signal(signal.SIGSTOP)
    frozen_until = time.monotonic() + 6  # four times the heartbeat's limit
    customers.write("durante", count=200)
    standin.act("wait", **{"for": "drained"})
    wait_for(lambda: time.monotonic() > frozen_until, "the freeze to have lasted")
    daemon.process.send_signal(signal.SIGCONT)
    customers.await_captured()
    customers.nothing_was_lost()
    assert seen(daemon, mark, phase="stopping") == []
    assert before <= set(daemon.ours())


@pytest.mark.parametrize("kind", ["reload", "reload-already-synced", "iframe", "pushState", "error-in-the-page"])
def test_a_page_that_moves_within_one_life_is_followed(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers, kind: str
) -> None:
    """Attached again where that is needed, swept, and the processes are the same."""
    before, mark, loads = daemon.node(), last_event(daemon), standin.state()["page_loads"]
    match kind:
        case "reload":
            standin.act("reload")
        case "reload-already-synced":
            standin.act("reload", synced=True)
        case "error-in-the-page":
            standin.act("throw")
            wait_for(lambda: (daemon.status.get("counters") or {}).get("page_errors"), "the error in the status")
        case _:
            standin.act("navigate", kind=kind)
    if kind.startswith("reload"):
        customers.write("durante")
        standin.act("wait", **{"for": "loads", "loads": loads + 1})
        standin.act("wait", **{"for": "synced"})
        customers.await_captured()
        wait_for(lambda: live_again(customers), "the live path")
    customers.nothing_was_lost("page_reloaded" if kind.startswith("reload") else None)
    assert seen(daemon, mark, phase="stopping") == []
    assert daemon.node() == before
    if not kind.startswith("reload"):
        assert standin.state()["page_loads"] == loads


def live_again(customers: Customers) -> bool:
    """Whether one more message came by the live path."""
    [stanza] = customers.standin.act("deliver", **{"from": ANA, "body": "¿hay alguien?"})["ids"]
    customers.written.append(stanza)
    customers.await_captured()
    [row] = customers.daemon.query("SELECT captured_via FROM messages WHERE stanza_id = ?", stanza)
    return bool(row["captured_via"] == "live")


@pytest.mark.parametrize("linked", [False, True], ids=["never-linked", "linked"])
def test_a_reload_during_the_start_is_survived(make_daemon: MakeDaemon, standin: StandIn, linked: bool) -> None:
    """The page reloads under the library's first injection, twice; the start goes on in the same life."""
    daemon = make_daemon()
    customers = Customers(daemon, standin)
    if linked:
        daemon.start()
        daemon.pair()
        daemon.stop()
        customers.write("antes")
    loads = standin.state()["page_loads"]
    daemon.start()
    for load in (1, 2):
        standin.act("wait", **{"for": "loads", "loads": loads + load, "limit": 20000})
        standin.act("reload")
    if linked:
        wait_for(lambda: daemon.status["pid"] == daemon.process.pid, "the new life")  # type: ignore[union-attr]
        daemon.await_phase("ready")
        customers.await_captured()
    else:
        daemon.pair()
    wait_for(lambda: live_again(customers), "the live path")
    customers.nothing_was_lost()
    assert daemon.query("SELECT 1 FROM session_events WHERE code IN ('child_died', 'start_took_too_long')") == []


# ---------------------------------------------------------------------- modules and levels of the page


def test_a_module_that_is_gone_is_never_taken_for_ready_and_deaf(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """Attaching fails half-way: either the message is captured all the same, or it is said that we are not ready."""
    mark = last_event(daemon)
    standin.act("missing", modules=["WAWebCallCollection"])
    daemon.node().kill()
    wait_for(lambda: seen(daemon, mark, code="child_died"), "the restart")
    customers.write("durante")

    def captured_or_said() -> bool:
        errors = (daemon.status.get("counters") or {}).get("page_errors", 0)
        return daemon.count() == len(customers.written) or (errors > 0 and daemon.status["phase"] != "ready")

    wait_for(captured_or_said, "the messages, or the word that we are not ready")
    again = last_event(daemon)
    standin.act("missing", modules=[])
    assert daemon.command("restart-listener").returncode == 0
    await_ready_again(daemon, again)
    customers.nothing_was_lost()


def test_a_page_that_is_synced_before_anybody_listens_becomes_ready(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """The edge that the library waits for is over; the level is looked at as well."""
    daemon.stop()
    standin.act("hold", phase="synced")
    customers.write("durante")
    start_again(daemon)
    daemon.await_phase("ready")
    customers.await_captured()
    customers.nothing_was_lost("asked_to_stop")


def test_a_page_that_opens_for_ever_is_started_again(make_daemon: MakeDaemon, standin: StandIn) -> None:
    """OPENING without an end: the start takes too long, is given up, and tried again until it works."""
    daemon = make_daemon(LEADMASTERD_SUPERVISOR__START_TIMEOUT="200")
    daemon.start()
    daemon.pair()
    customers = wrote_before(daemon, standin)
    daemon.stop()
    mark = last_event(daemon)
    standin.act("hold", phase="opening")
    customers.write("durante")
    start_again(daemon)
    wait_for(lambda: seen(daemon, mark, code="start_took_too_long", phase="stopping"), "the end of patience")
    assert daemon.command("status").returncode == 2
    standin.act("release", phase="opening")
    await_ready_again(daemon, mark)
    customers.nothing_was_lost()


# ---------------------------------------------------------------------- what WhatsApp says


@pytest.mark.parametrize(
    ("state", "code"),
    [("CONFLICT", "conflict"), ("DEPRECATED_VERSION", "disconnected"), ("UNPAIRED_IDLE", "disconnected")],
)
def test_a_state_that_does_not_heal_is_left_by_a_restart(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers, state: str, code: str
) -> None:
    """The session is whole all the same, so no scan is asked for."""
    before, mark = set(daemon.ours()), last_event(daemon)
    standin.act("state", state=state)
    customers.write("durante")
    wait_for(lambda: seen(daemon, mark, code=code, phase="stopping"), f"{code} in the ledger")
    await_ready_again(daemon, mark)
    assert not before & set(daemon.ours())
    assert seen(daemon, mark, phase="waiting_for_scan") == []
    customers.nothing_was_lost(code)


def test_codes_that_stop_rotating_are_asked_for_again(make_daemon: MakeDaemon, standin: StandIn) -> None:
    """UNPAIRED_IDLE before the link: a new code appears in the same browser, and a scan of it works."""
    daemon = make_daemon()
    daemon.start()
    daemon.await_phase("waiting_for_scan")
    node, first = daemon.node(), daemon.status["scan"]["qr"]
    standin.act("state", state="UNPAIRED_IDLE")
    wait_for(lambda: (daemon.status["scan"] or {}).get("qr") not in (None, first), "a new code")
    assert daemon.command("status").returncode == 4
    daemon.pair()
    assert daemon.node() == node
    Customers(daemon, standin).nothing_was_lost()


@pytest.mark.parametrize("state", ["TOS_BLOCK", "PROXYBLOCK"])
def test_a_number_at_risk_is_left_alone_until_a_person_says_so(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers, state: str
) -> None:
    """Halted, with nothing running and nothing retried; after `resume` what came meanwhile is there."""
    standin.act("state", state=state)
    daemon.await_phase("halted")
    told = daemon.command("status")
    assert told.returncode == 4
    assert state in told.stdout
    assert "leadmasterd resume" in told.stdout
    assert daemon.ours() == []
    mark = last_event(daemon)
    customers.write("durante")
    standin.act("state", state="CONNECTED")
    assert daemon.command("resume").returncode == 0
    await_ready_again(daemon, mark)
    customers.nothing_was_lost("number_at_risk")


# ---------------------------------------------------------------------- the network


def test_a_connection_that_comes_back_needs_no_restart(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """TIMEOUT, OPENING, CONNECTED: told, waited for, swept; the processes are the same."""
    before, mark = daemon.node(), last_event(daemon)
    standin.act("offline")
    wait_for(lambda: seen(daemon, mark, phase="reconnecting"), "the loss to be said")
    assert daemon.command("status").returncode == 2
    customers.write("durante")
    standin.act("online")
    await_ready_again(daemon, mark)
    customers.nothing_was_lost("connection_lost")
    assert daemon.node() == before


def test_a_server_that_is_away_for_long_is_waited_for(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """No server at all, beyond the page's own patience: restarts fail to load the page, until one does not."""
    before, mark = set(daemon.ours()), last_event(daemon)
    standin.act("offline", all=True)
    customers.write("durante")
    wait_for(lambda: seen(daemon, mark, code="reconnect_took_too_long", phase="stopping"), "the end of patience")
    wait_for(lambda: seen(daemon, mark, code="child_died", phase="stopping"), "a start in vain")
    [failed, *_] = seen(daemon, mark, code="child_died", phase="stopping")
    assert json.loads(failed["value_json"])["bye"] == "initialize_failed"
    standin.act("online")
    await_ready_again(daemon, mark)
    assert not before & set(daemon.ours())
    customers.nothing_was_lost("connection_lost")


def test_no_names_at_the_start_are_waited_for(make_daemon: MakeDaemon, standin: StandIn, tmp_path: Path) -> None:
    """The machine boots before its network: ERR_NAME_NOT_RESOLVED is said, and ends by itself."""
    nowhere = tmp_path / "no-names"
    browser = tmp_path / "browser"
    browser.write_text(
        f'#!/bin/sh\n[ -e {nowhere} ] && set -- "$@" "--host-resolver-rules=MAP * ~NOTFOUND"\n'
        f'exec {find_browser("")} "$@"\n'
    )
    browser.chmod(0o755)
    daemon = make_daemon(LEADMASTERD_LISTENER__BROWSER=str(browser))
    nowhere.touch()
    daemon.start()
    wait_for(lambda: daemon.status.get("code") == "child_died", "the failure to be said")
    told = wait_for(lambda: daemon.query("SELECT value_json FROM session_events WHERE code = 'child_died'"), "it")
    assert "ERR_NAME_NOT_RESOLVED" in json.loads(told[0]["value_json"])["detail"]
    assert daemon.command("status").returncode == 2
    nowhere.unlink()
    daemon.pair()
    Customers(daemon, standin).nothing_was_lost()


def test_a_server_that_accepts_and_never_answers_is_tried_again(make_daemon: MakeDaemon, standin: StandIn) -> None:
    """The page's load hangs without an end: the start's own limit ends it, and the session is not suspected."""
    daemon = make_daemon(LEADMASTERD_SUPERVISOR__START_TIMEOUT="200")
    daemon.start()
    daemon.pair()
    customers = wrote_before(daemon, standin)
    daemon.stop()
    mark, loads = last_event(daemon), standin.state()["page_loads"]
    standin.act("slow", ms=600_000)
    customers.write("durante")
    start_again(daemon)
    late = wait_for(lambda: seen(daemon, mark, code="start_took_too_long", phase="stopping"), "the end of patience")
    assert late
    assert standin.state()["page_loads"] == loads, "nothing was ever answered"
    standin.act("slow", ms=0)
    await_ready_again(daemon, mark)
    customers.nothing_was_lost("asked_to_stop")


def test_a_slow_server_is_no_failure(daemon: DaemonUnderTest, standin: StandIn, customers: Customers) -> None:
    """A quarter of a second before each answer and each line: later, and in the same life; a start works too."""
    node, mark = daemon.node(), last_event(daemon)
    standin.act("slow", ms=250)
    customers.write("durante")
    customers.await_heard_live()
    assert daemon.node() == node
    assert seen(daemon, mark, phase="stopping") == []
    assert daemon.command("restart-listener").returncode == 0
    await_ready_again(daemon, mark)
    customers.nothing_was_lost("restart_asked")


# ---------------------------------------------------------------------- much at once


def test_five_thousand_messages_at_once_are_each_captured_once(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """And the page is not taken for hung meanwhile."""
    mark = last_event(daemon)
    customers.write("ráfaga", count=5000)
    customers.await_captured()
    customers.nothing_was_lost()
    assert seen(daemon, mark, phase="stopping") == []
