"""Alerts in the process of the feeds: what it is started for, and what the daemon says of it."""

import asyncio
import os
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from leadmasterd.settings.model import load
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import write_status
from tests.feeds import Committer
from tests.forked import Forked
from tests.mailboxes import mail_server, mail_server_beside
from tests.receivers import answers, receiving
from tests.test_feeds_process import JSONL, delivering, delivering_here, lines, settings_in, warnings_of
from tests.waiting import LIMIT, until, until_true

SCAN = {"phase": "waiting_for_scan", "since": "2026-11-30T12:00:00.000Z", "code": "no_session", "values": {}}


@pytest.fixture(autouse=True)
def _in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing says otherwise it is Spanish, the language of the default country."""
    monkeypatch.setenv("LEADMASTERD_GENERAL__LANGUAGE", "en")


def told(paths: Paths, **status: object) -> None:
    """What the daemon says of itself; otherwise all is well."""
    well: dict[str, object] = {"v": 1, "phase": "ready", "since": "2026-11-30T12:00:00.000Z", "code": "ready"}
    rest: dict[str, object] = {"values": {}, "trouble": None, "concerns": {}, "scan": None, "account": None}
    write_status(paths, {**well, **rest, **status})


def mailto(place: str) -> str:
    """The address of a mailbox there."""
    return f"mailto://{place}?to=ana@shop.example&from=box@shop.example"


async def test_it_tells_without_any_feed_and_writes_no_outbox(tmp_path: Path) -> None:
    """Also where the database does not exist yet."""
    async with mail_server() as box:
        paths = settings_in(tmp_path, f'[alerts]\nto = ["{mailto(box.place)}"]')
        assert load(str(paths.file))[0].plain().outbox == "off"
        told(paths, **SCAN)
        async with delivering_here(paths) as feeds:
            await until(lambda: box.mails)
            assert warnings_of(feeds) == {}
        assert len(box.mails) == 1
        assert [each.name for each in paths.state_dir.glob("alerts.db*")] == ["alerts.db"], "SQLite closed it"


async def test_feeds_that_can_not_begin_do_not_keep_alerts_from_telling(tmp_path: Path) -> None:
    """They begin by themselves once they can."""
    async with mail_server() as box:
        paths = settings_in(tmp_path, f'{JSONL}\n[alerts]\nto = ["{mailto(box.place)}"]')
        paths.database.write_bytes(b"no database " * 1000)
        told(paths, trouble={"code": "database_unusable", "detail": "it is no database"})
        async with delivering_here(paths) as feeds:
            await until(lambda: box.mails)
            await until(lambda: "feeds_down" in warnings_of(feeds))
            paths.database.unlink()
            with closing(Committer(paths.database)) as committer:
                committer.commit(1)
                await until(lambda: lines(paths))
                await until(lambda: "feeds_down" not in warnings_of(feeds))


async def test_an_address_that_can_not_be_used_or_hangs_is_told_and_the_others_are_served(tmp_path: Path) -> None:
    """The end of the process does not wait for the one that hangs."""

    async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(says_nothing, "127.0.0.1", 0)
    place = f"localhost:{silent.sockets[0].getsockname()[1]}"
    async with mail_server() as box, silent:
        addresses = f'"{mailto(place)}", "mailtos://ana:s3cret@smtp.example", "{mailto(box.place)}"'
        paths = settings_in(tmp_path, f"[alerts]\nto = [{addresses}]")
        told(paths, **SCAN)
        async with delivering(paths) as feeds:
            await until(lambda: box.mails)
            await until(lambda: "add ?to=" in warnings_of(feeds).get("alerts_undelivered", ""))
            assert "s3cret" not in warnings_of(feeds)["alerts_undelivered"]
            loop = asyncio.get_running_loop()
            stopped = loop.time()
        assert loop.time() - stopped < 8


async def test_an_address_that_refuses_is_told_until_it_takes_something(tmp_path: Path) -> None:
    """`status` and `doctor` show it."""
    async with receiving(answers("500 Internal Server Error")) as server:
        paths = settings_in(tmp_path, f'[alerts]\nto = ["ntfy://127.0.0.1:{server.port}/shop"]')
        told(paths, **SCAN)
        async with delivering_here(paths) as feeds:
            await until(lambda: "ntfy topic" in warnings_of(feeds).get("alerts_undelivered", ""))
            server.behaviour = answers("200 OK", body=b"{}")
            await until(lambda: warnings_of(feeds) == {})


async def test_a_dead_mans_switch_alone_starts_it(tmp_path: Path) -> None:
    """It hears that we start, and then why capture is not proven."""
    async with receiving(answers("200 OK")) as switch:
        paths = settings_in(tmp_path, f'[alerts]\nping_url = "http://127.0.0.1:{switch.port}/uuid"')
        told(paths, **SCAN)
        async with delivering_here(paths):
            await until(lambda: len(switch.requests) > 1)
    assert [each.line for each in switch.requests[:2]] == ["GET /uuid/start HTTP/1.1", "POST /uuid/fail HTTP/1.1"]
    assert switch.requests[1].body == b"no_session"


def test_a_daemon_that_can_not_open_its_database_tells_somebody(tmp_path: Path) -> None:
    """It has not begun to listen, and nobody would look."""
    with mail_server_beside() as box:
        file = tmp_path / "config.toml"
        file.write_text(f'state_dir = "state"\n[alerts]\nto = ["{mailto(box.place)}"]\n')
        state = tmp_path / "state"
        state.mkdir(mode=0o700)
        (state / "leadmaster.db").write_bytes(b"no database " * 1000)
        log = tmp_path / "log"
        daemon = Forked(
            *("--config", str(file), "run"),
            cwd=tmp_path,
            env={name: text for name, text in os.environ.items() if not name.startswith("LEADMASTERD_")},
            output=log,
        )
        try:
            until_true(lambda: box.mails)
            [feeds] = psutil.Process(daemon.pid).children()
        finally:
            daemon.terminate()
            daemon.wait(LIMIT)
        assert daemon.returncode == 0, log.read_text()
        assert not feeds.is_running()
        assert str(box.mails[0]["subject"]).startswith("Cannot use ")
