"""The page's process: how it ends, what it takes, and `run --web`, the parent of daemon and page."""

import os
import re
import signal
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from socket import create_connection

import psutil
import pytest

from leadmasterd.settings.paths import find_paths
from leadmasterd.settings.web import DEFAULT_PORT
from leadmasterd.state.control import ask
from leadmasterd.state.files import read_status
from leadmasterd.web.access import COOKIE
from leadmasterd.web.connections import MOST_SILENT
from tests.depth import only_deep
from tests.forked import Forked, run
from tests.processes import lives
from tests.waiting import LIMIT, wait_for
from tests.web.clients import Client, Stream, let_in
from tests.web.shops import CHECKOUT, Served, WebShop, served

SHOWS_A_CODE = CHECKOUT / "tests" / "programs" / "shows_a_code.sh"
PSS_LIMIT = 36_000_000
"""Bytes, as the page was promised to take when it is idle."""


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[tuple[WebShop, Served]]:
    """A page of its own on an empty shop."""
    shop = WebShop(tmp_path)
    shop.is_new()
    with served(shop) as page:
        yield shop, page


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_and_well_though_pages_are_open(alone: tuple[WebShop, Served], number: signal.Signals) -> None:
    """A stream of events would go on for ever."""
    shop, page = alone
    stream = Stream(let_in(shop.paths, page.port))
    page.process.send_signal(number)
    assert page.process.wait(LIMIT) == 0
    assert stream.rest() == ""
    stream.closes()
    log = page.log.read_text()
    assert log.count("\n") == 1, log


def test_its_log_has_no_secret(alone: tuple[WebShop, Served]) -> None:
    """Neither a link's nor a cookie's, whatever goes wrong."""
    shop, page = alone
    client = let_in(shop.paths, page.port)
    client.asks("/login?link=very-secret")
    client.posts("/login", {"link": "very-secret"})
    shop.database.write_bytes(b"no database" * 100)
    assert "damaged" in client.asks("/session").text
    log = page.log.read_text()
    assert "very-secret" not in log
    assert client.secret not in log
    assert "Traceback" not in log


def test_it_takes_little_memory_when_it_is_idle(shop: WebShop) -> None:
    """After every page without a parameter was shown once, but the one that looks for problems."""
    with served(shop, new_python=True) as page:
        client = let_in(shop.paths, page.port)
        for path in ("/session", "/health", "/login", "/static/page.css"):
            assert client.asks(path).status == 200
        pss = psutil.Process(page.process.pid).memory_full_info().pss
    assert pss < PSS_LIMIT


def test_an_answer_that_is_cut_at_the_end_leaves_no_traceback(alone: tuple[WebShop, Served]) -> None:
    """Half a form, whose rest never comes."""
    shop, page = alone
    client = let_in(shop.paths, page.port)
    with closing(HTTPConnection("127.0.0.1", page.port, timeout=LIMIT)) as connection:
        connection.putrequest("POST", "/chats/1/note")
        for name, value in (
            ("Cookie", f"{COOKIE}={client.secret}"),
            ("Origin", client.origin),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Content-Length", "100"),
        ):
            connection.putheader(name, value)
        connection.endheaders(b"text=")
        assert client.asks("/session").status == 200
        page.process.terminate()
        assert page.process.wait(LIMIT) == 0
    log = page.log.read_text()
    assert "Traceback" not in log
    assert "Cancel 1 running task(s)" in log


def test_a_form_that_breaks_off_leaves_no_traceback(alone: tuple[WebShop, Served]) -> None:
    """A phone that loses its network, or anybody who is not let in."""
    shop, page = alone
    with create_connection(("127.0.0.1", page.port), timeout=LIMIT) as half:
        half.sendall(_half_a_form(page.port))
        assert let_in(shop.paths, page.port).asks("/session").status == 200
    page.process.terminate()
    assert page.process.wait(LIMIT) == 0
    assert page.log.read_text().count("\n") == 1


def test_however_many_connections_ask_nothing_a_page_is_shown(alone: tuple[WebShop, Served]) -> None:
    """The oldest give way; some have begun to ask."""
    shop, page = alone
    client = let_in(shop.paths, page.port)
    with ExitStack() as opened:
        silent = []
        for number in range(MOST_SILENT + 50):
            silent.append(opened.enter_context(create_connection(("127.0.0.1", page.port), timeout=LIMIT)))
            silent[-1].sendall((b"", b"GET / HT", _half_a_form(page.port))[number % 3])
        assert client.asks("/session").status == 200
        for each in silent[:3]:
            with suppress(ConnectionResetError):
                assert each.recv(1) == b""
        silent[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            silent[-1].recv(1)
    assert "Traceback" not in page.log.read_text()


def _half_a_form(port: int) -> bytes:
    """Of the one page that anybody may post to."""
    return (
        f"POST /login HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nlink="
    ).encode()


def test_a_link_leads_to_where_the_page_is_served(alone: tuple[WebShop, Served]) -> None:
    """Whatever the settings say; when it has ended they are all that is known."""
    shop, page = alone
    assert shop.types("web", "link").out.startswith(f"http://127.0.0.1:{page.port}/login?link=")
    page.process.terminate()
    page.process.wait(LIMIT)
    assert shop.types("web", "link").out.startswith(f"http://127.0.0.1:{DEFAULT_PORT}/login?link=")


# ---------------------------------------------------------------------- run --web


@contextmanager
def running_both(folder: Path, *, output: str = "run.log") -> Iterator[Forked]:
    """`leadmasterd run --web` with a listener that shows a code and waits. What it logs goes to `run.log`."""
    settings = f'[web]\nport = 0\n[listener]\nnode = "{SHOWS_A_CODE}"\nbrowser = "/bin/true"\n'
    shop = WebShop(folder, settings=settings)
    shop.is_new()
    log = folder / "run.log"
    log.touch()
    process = Forked(
        *("--config", str(shop.config), "run", "--web"),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        output=folder / output,
        errors=log,
    )
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait(LIMIT)


@pytest.fixture(scope="module")
def folder_of_shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where those run that are shared."""
    return tmp_path_factory.mktemp("both")


@pytest.fixture(scope="module")
def shared(folder_of_shared: Path) -> Iterator[Forked]:
    """Those of all tests after which both run."""
    with running_both(folder_of_shared) as parent:
        yield parent


def part(parent: Forked, word: str) -> psutil.Process:
    """The child that runs this command, once it does. Until then its command line is the parent's."""

    def found() -> psutil.Process | None:
        for each in psutil.Process(parent.pid).children():
            with suppress(psutil.Error):
                if word in each.cmdline()[2:] and lives(each):
                    return each
        return None

    return wait_for(found, f"the process of {word}")


def daemon_of(parent: Forked) -> psutil.Process:
    """The daemon, once it listens."""
    return part(parent, "run")


def page_of(parent: Forked) -> psutil.Process:
    """The page, once it has become itself."""
    return part(parent, "leadmasterd.web")


def port_of(page: psutil.Process) -> int:
    """Where it serves, once it does."""

    def port() -> int | None:
        listening = [each for each in page.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
        return int(listening[0].laddr.port) if listening else None

    return wait_for(port, "the page to be served")


def test_the_link_is_printed_once_the_page_is_served(shared: Forked, folder_of_shared: Path) -> None:
    """Its port is any that is free, which only the page knows. The first of those that share both: the next page has
    another one.
    """
    port, log = port_of(page_of(shared)), folder_of_shared / "run.log"
    link = rf"Link to the page \(works once, within ten minutes\): http://127\.0\.0\.1:{port}/login\?link=\S+\n"
    wait_for(lambda: re.search(link, log.read_text()), "the link")


def test_a_dead_page_comes_back_and_the_daemon_goes_on(shared: Forked) -> None:
    """It is another process, on the same state."""
    daemon, page = daemon_of(shared), page_of(shared)
    port_of(page)
    page.kill()
    page.wait(LIMIT)
    port_of(page_of(shared))
    assert daemon_of(shared).pid == daemon.pid


def test_a_dead_daemon_comes_back_and_the_page_goes_on(shared: Forked, folder_of_shared: Path) -> None:
    """An open page stays open meanwhile. A restart of the listener leaves it alone too."""
    paths = find_paths(str(folder_of_shared / "config.toml"))
    daemon, page = daemon_of(shared), page_of(shared)
    stream = Stream(let_in(paths, port_of(page)))
    wait_for(lambda: (read_status(paths) or {}).get("phase") == "waiting_for_scan", "the code")
    before = (read_status(paths) or {})["since"]
    ask(paths.socket, "restart-listener")
    wait_for(lambda: (read_status(paths) or {})["since"] != before, "the restart")
    daemon.kill()
    daemon.wait(LIMIT)
    again = daemon_of(shared)
    assert again.pid != daemon.pid
    wait_for(lambda: (read_status(paths) or {}).get("pid") == again.pid, "the daemon's next life")
    assert page_of(shared).pid == page.pid
    while stream.events(1) != ["session"]:
        pass
    stream.closes()


def test_capture_goes_before_the_page(shared: Forked) -> None:
    """Whoever looks at it costs the daemon nothing on a busy machine."""
    daemon, page = daemon_of(shared), page_of(shared)
    port_of(page)
    assert page.nice() == daemon.nice() + 5


def test_a_decision_has_the_daemons_priority(site: Served, client: Client) -> None:
    """It holds the database's lock, for which the daemon may wait. Whatever else the page does comes later."""
    usual = os.getpriority(os.PRIO_PROCESS, 0)

    def times() -> dict[int, list[int]]:
        """The processor's ticks that each thread has taken, by priority."""
        found = defaultdict(list)
        for stat in Path(f"/proc/{site.process.pid}/task").glob("*/stat"):
            fields = stat.read_text().rpartition(")")[2].split()
            found[int(fields[16])].append(int(fields[11]) + int(fields[12]))
        return found

    assert client.asks("/").status == 200
    before = times()
    assert (set(before), len(before[usual])) == ({usual, usual + 5}, 3)

    def took_time() -> bool:
        client.decides("/chats/1/note", text="llama el lunes")
        return sum(times()[usual]) > sum(before[usual])

    wait_for(took_time, "a decision to take time")


def test_a_link_that_can_not_be_printed_ends_neither_and_a_killed_parent_takes_both_along(tmp_path: Path) -> None:
    """Its disk is full, or who reads has left. Capture goes on, and `web link` prints another. Without their parent
    nothing would look after both.
    """
    with running_both(tmp_path, output="/dev/full") as parent:
        log = tmp_path / "run.log"
        wait_for(lambda: "cannot print the page's link here" in log.read_text() or parent.poll(), "the link")
        assert parent.poll() is None
        paths = find_paths(str(tmp_path / "config.toml"))
        wait_for(lambda: (read_status(paths) or {}).get("phase") == "waiting_for_scan", "the code")
        daemon, page = daemon_of(parent), page_of(parent)
        port_of(page)
        assert "Traceback" not in log.read_text()
        parent.kill()
        parent.wait(LIMIT)
        wait_for(lambda: not lives(daemon) and not lives(page), "both to end")


def test_wrong_settings_end_it_with_the_daemons_exit_code(tmp_path: Path) -> None:
    """As without --web; the page does not stay behind."""
    shop = WebShop(tmp_path, settings='[web]\nport = 0\n[listener]\nnode = "/bin/false"\n')
    shop.is_new()
    done = run(
        *("--config", str(shop.config), "run", "--web"), cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}
    )
    assert done.returncode == 78
    assert "cannot use" in done.stderr


@only_deep("one function hears all signals")
def test_who_is_asked_to_end_ends_both_in_good_order(tmp_path: Path) -> None:
    """As by systemd."""
    with running_both(tmp_path) as parent:
        ends_in_good_order(parent, tmp_path, signal.SIGTERM)


def test_ctrl_c_ends_both_in_good_order(shared: Forked, folder_of_shared: Path) -> None:
    """The last of this file: it ends what the others share."""
    ends_in_good_order(shared, folder_of_shared, signal.SIGINT)


def ends_in_good_order(parent: Forked, folder: Path, number: signal.Signals) -> None:
    """With the daemon's exit code, and nothing is left."""
    daemon, page = daemon_of(parent), page_of(parent)
    port_of(page)
    paths = find_paths(str(folder / "config.toml"))
    wait_for(lambda: (read_status(paths) or {}).get("phase") == "waiting_for_scan", "the code")
    parent.send_signal(number)
    assert parent.wait(LIMIT) == 0
    assert not lives(daemon)
    assert not lives(page)
    assert (read_status(paths) or {})["phase"] == "stopped"
    assert "Traceback" not in (folder / "run.log").read_text()
