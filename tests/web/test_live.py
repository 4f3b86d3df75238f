"""Pages that change by themselves, and what they say of a dead daemon and of a database that is not well."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from leadmasterd.queries.database import Connection, open_for_reading
from leadmasterd.settings.paths import Paths
from leadmasterd.store.schema import SCHEMA_VERSION
from leadmasterd.web import live
from leadmasterd.web.access import Access
from tests.waiting import wait_for
from tests.web.clients import Client, Stream, let_in
from tests.web.shops import Served, WebShop, served, tell_a_story


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[tuple[WebShop, Served, Client]]:
    """A page of its own on a shop with a story."""
    shop = WebShop(tmp_path)
    tell_a_story(shop)
    with served(shop) as page:
        yield shop, page, let_in(shop.paths, page.port)


def commits(path: Path) -> None:
    """Some commit of another process."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE conversations SET chat = chat")


def test_a_commit_is_told_to_every_open_page(alone: tuple[WebShop, Served, Client]) -> None:
    """At once, by whoever it was made."""
    shop, _, client = alone
    streams = [Stream(client) for _ in range(3)]
    for _ in range(2):
        commits(shop.database)
        assert [each.events(2) for each in streams] == [["leads", "waiting"]] * 3
    for each in streams:
        each.closes()


def test_a_stream_ends_when_its_session_is_revoked(alone: tuple[WebShop, Served, Client]) -> None:
    """With the next thing that would be told."""
    shop, _, client = alone
    stream = Stream(client)
    Access(shop.paths).revoke(None)
    commits(shop.database)
    assert stream.rest() in ("", "event: leads\ndata: 1\n\nevent: waiting\ndata: 1\n\n")
    stream.closes()


def test_nothing_is_watched_while_no_page_is_open(alone: tuple[WebShop, Served, Client]) -> None:
    """The database is let go of too."""
    shop, page, client = alone
    process = psutil.Process(page.process.pid)

    def is_open() -> bool:
        return any(each.path == str(shop.database) for each in process.open_files())

    assert client.asks("/session").status == 200
    assert not is_open()
    stream = Stream(client)
    wait_for(is_open, "the database to be watched")
    stream.closes()
    wait_for(lambda: not is_open(), "the database to be let go of")


async def test_an_answer_from_before_a_page_listened_is_not_given_to_it(tmp_path: Path) -> None:
    """What changed while no page listened was announced to nobody: a page that comes back a moment later asks anew."""
    shop = WebShop(tmp_path)
    tell_a_story(shop)
    watch = live.Watch(shop.paths)
    async with watch.running(), asyncio.timeout(10):
        first = watch.stream(lambda: True)
        await anext(first)
        version = watch.announced  # of an answer that this page is given
        await first.aclose()
        await asyncio.sleep(3 * live.LOOK_EVERY)
        commits(shop.database)
        second = watch.stream(lambda: True)
        assert await anext(second) == "retry: 2000\n\n"
        assert watch.announced > version
        await second.aclose()


def test_a_database_that_comes_and_goes_is_told(tmp_path: Path) -> None:
    """A page that was opened before the first message shows it by itself."""
    shop = WebShop(tmp_path)
    shop.paths.state_dir.mkdir()
    with served(shop) as page:
        client = let_in(shop.paths, page.port)
        assert "Nothing has been captured yet." in client.asks("/session").text
        stream = Stream(client)
        shop.is_new()
        assert stream.events(2) == ["leads", "waiting"]
        other = tmp_path / "other.db"
        other.write_bytes(shop.database.read_bytes())
        other.rename(shop.database)
        assert stream.events(2) == ["leads", "waiting"]
        stream.closes()


# ---------------------------------------------------------------------- what is not well


async def test_a_database_that_could_not_be_opened_for_a_while_is_watched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even its folder could be entered, while a page was open."""
    shop = WebShop(tmp_path)
    tell_a_story(shop)
    refusals = [PermissionError(13, "Permission denied")]

    def opened(paths: Paths, *, timeout: float) -> Connection:
        if refusals:
            raise refusals.pop()
        return open_for_reading(paths, timeout=timeout)

    monkeypatch.setattr(live, "open_for_reading", opened)
    monkeypatch.setattr(live, "_SLOW_EVERY", 0.0)
    watch = live.Watch(shop.paths)
    async with watch.running(), asyncio.timeout(10):
        stream = watch.stream(lambda: True)
        assert await anext(stream) == "retry: 2000\n\n"
        assert await anext(stream) == "event: leads\ndata: 1\n\nevent: waiting\ndata: 1\n\n"
        watch.close()
        assert [each async for each in stream] == []


def test_a_dead_daemon_is_told_on_every_page(client: Client) -> None:
    """What was captured is shown all the same."""
    text = client.asks("/session").text
    assert "leadmasterd is not running" in text
    assert (
        "Not listening: leadmasterd is not running. What was captured until then is shown."
        in client.asks("/nothing").text
    )
    assert "Captured" in text


def test_a_newer_database_is_told_calmly(alone: tuple[WebShop, Served, Client]) -> None:
    """With what to do, and without a traceback."""
    shop, page, client = alone
    with closing(sqlite3.connect(shop.database)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    reply = client.asks("/session")
    assert (reply.status, "it was written by a newer leadmasterd" in reply.text) == (200, True)
    assert "Traceback" not in page.log.read_text()


def test_a_locked_database_is_told_calmly(alone: tuple[WebShop, Served, Client]) -> None:
    """Another program holds it, which even keeps readers out."""
    shop, _, client = alone
    with closing(sqlite3.connect(shop.database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("BEGIN EXCLUSIVE")
        reply = client.asks("/session")
    assert (reply.status, "another program holds it locked" in reply.text) == (200, True)
    assert "another program" not in client.asks("/session").text


def test_a_damaged_database_is_told_calmly(alone: tuple[WebShop, Served, Client]) -> None:
    """Also where the damage is found on the way."""
    shop, page, client = alone
    open_for_reading(shop.paths).close()
    size = shop.database.stat().st_size
    with shop.database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    reply = client.asks("/session")
    assert reply.status == 200
    assert "the database is damaged" in reply.text
    assert "Traceback" not in page.log.read_text()
