"""`leadmasterd feeds …` on real books, with the feeds process beside it or not, and real receivers."""

import asyncio
import fcntl
import json
import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Judge

from leadmasterd.actions import feeds as decisions
from leadmasterd.feeds import books as books_module
from leadmasterd.feeds import trial
from leadmasterd.feeds.books import Books, Changes, GivenUp, PutOff
from leadmasterd.outbox import replaying, room, triggers
from leadmasterd.outbox.reading import Event
from leadmasterd.queries import feeds as queries
from leadmasterd.settings.paths import Paths, find_paths
from leadmasterd.store.database import open_for_writing
from tests import test_cli
from tests.captures import make_database
from tests.feeds import AT
from tests.receivers import Behaviour, answers, receiving
from tests.test_cli_leads import ALWAYS_OPEN, BROKEN, PRICE, Answer, Shop
from tests.test_cli_leads import shop as shop
from tests.test_feeds_process import JSONL, SECRET, delivering, delivering_here, lines
from tests.waiting import until

HUB = (
    '[feeds.hub]\nkind = "webhook"\nurl = "http://127.0.0.1:{port}/hook/s3cret?key=s3cret"\n'
    f'secrets = ["{SECRET}"]\nprivate_hosts = ["127.0.0.1"]\nfull = true\n'
)


def configured(shop: Shop, *feeds: str) -> Paths:
    """These feeds, an empty database whose triggers follow them, and waits that are a thousandth."""
    text = f"[supervisor]\ntime_divisor = 1000\n{ALWAYS_OPEN}" + "\n".join(feeds)
    (shop.folder / "config.toml").write_text(text)
    paths = find_paths(None)
    paths.state_dir.mkdir(mode=0o700, exist_ok=True)
    if not paths.database.exists():
        make_database(paths.database)
    with closing(open_for_writing(paths.database)) as database:
        database.execute("BEGIN")
        triggers.sync(database, "full" if feeds else "off")
        database.execute("COMMIT")
    return paths


def begun(paths: Paths, *feeds: str, **changes: Changes) -> None:
    """Books in which these feeds have begun, and what became of their events."""
    with closing(Books(queries.books_of(paths))) as books:
        books.register(feeds, last_id=10**6, now=AT)
        books.commit(changes, now=AT)


def given_up(number: int, kind: str = "message.stored", *, stream: int = 1) -> tuple[Event, int, str]:
    """A dead letter."""
    return Event(number, kind, stream, AT, {"message_id": number}, None), 10, "HTTP 500"


@contextmanager
def daemon_running(paths: Paths) -> Iterator[None]:
    """As commands see it: somebody holds its lock."""
    with paths.lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


async def types(shop: Shop, line: str) -> Answer:
    """A command beside what runs in this loop."""
    return await asyncio.to_thread(shop.types, *line.split())


# ---------------------------------------------------------------------- reading


def test_the_version_of_the_books_is_theirs() -> None:
    """Commands may not load the package that delivers."""
    assert queries.BOOKS_VERSION == books_module.VERSION


def test_without_a_feed_the_list_is_empty(shop: Shop) -> None:
    """And says where to begin."""
    assert shop.types("feeds", "list", "--json").json == {"feeds": []}
    assert shop.types("feeds", "list").out == "No feed is configured. docs/feeds.md shows how.\n"
    answer = shop.types("feeds", "show", "crm")
    assert (answer.code, answer.err) == (1, "There is no feed crm: none is configured. docs/feeds.md shows how.\n")


def test_the_list_says_how_far_behind_each_feed_is(shop: Shop) -> None:
    """Only events that it wants and that are not final yet count, and each state is a word."""
    leads = '[feeds.leads]\nkind = "jsonl"\nevents = ["lead.*"]\n'
    paths = configured(shop, JSONL, leads, HUB.format(port=1), '[feeds.later]\nkind = "jsonl"')
    begun(
        paths,
        *("all", "leads", "hub"),
        all=Changes(cursors={1: 2}, tries={2: PutOff(5, 3, "2030-01-01T00:00:00.000Z", "HTTP 503")}),
        hub=Changes(dead=[given_up(1), given_up(2)]),
    )
    shop.hears((1, 50, PRICE), (2, 30, PRICE))
    assert shop.types("feeds", "pause", "hub").code == 0
    found = {feed["name"]: feed for feed in shop.types("feeds", "list", "--json").json["feeds"]}
    with closing(sqlite3.connect(paths.database)) as database:
        [(events, opened)] = database.execute("SELECT count(*), sum(kind = 'lead.opened') FROM outbox")
    assert opened == 2
    assert [(feed["state"], feed["behind"], feed["dead"]) for feed in found.values()] == [
        ("active", events - 1, 0),  # of stream 1 the first is final; the second is of stream 2
        ("active", 2, 0),
        ("paused", events, 2),
        ("new", 0, 0),
    ]
    assert (found["all"]["retrying"], found["all"]["next_try_at"], found["all"]["why"]) == (
        1, "2030-01-01T00:00:00.000Z", "HTTP 503",
    )  # fmt: skip
    shown = shop.types("feeds", "list").out.splitlines()
    assert [line.split()[0] for line in shown] == ["feed", "all", "leads", "hub", "later"]
    assert all(len(line) <= 80 for line in shown)
    assert "not begun" in shown[-1]


def test_show_tells_a_feed_without_the_secrets_of_its_url(shop: Shop) -> None:
    """And which conversations wait for their next try."""
    paths = configured(shop, HUB.format(port=1))
    assert "not begun: the daemon starts new feeds when it starts" in shop.types("feeds", "show", "hub").out
    begun(paths, "hub", hub=Changes(tries={7: PutOff(5, 3, "2030-01-01T00:00:00.000Z", "HTTP 503")}))
    answer = shop.types("feeds", "show", "hub")
    assert "http://127.0.0.1:1/…" in answer.out
    assert "s3cret" not in answer.out + shop.types("feeds", "show", "hub", "--json").out
    assert re.fullmatch(r" +5 +7 +3  20(29-12-31|30-01-01) ..:..  HTTP 503", answer.out.splitlines()[-1])
    assert all(len(line) <= 80 for line in answer.out.splitlines())


def test_a_name_that_is_nearly_right_is_suggested(shop: Shop) -> None:
    """The answer is no, for every command."""
    configured(shop, JSONL)
    for line in ("show x", "dead x", "pause x", "resume x", "retry x", "replay x --from 1d", "test x"):
        answer = shop.types("feeds", *line.split())
        assert (answer.code, answer.err) == (1, "There is no feed x; there is: all.\n"), line
    assert shop.types("feeds", "show", "alll").err == "There is no feed alll; there is: all. Did you mean all?\n"
    configured(shop, JSONL, HUB.format(port=1))
    assert shop.types("feeds", "show", "nope").err == "There is no feed nope; there are: all, hub.\n"


def test_without_the_daemon_no_feed_seems_to_deliver(shop: Shop) -> None:
    """Its state is what it will do; programs have `running` of `status` for the rest."""
    paths = configured(shop, JSONL)
    begun(paths, "all")
    note = "The daemon is not running; feeds deliver once it is.\n"
    assert shop.types("feeds", "list").err == note
    assert "active; delivers once the daemon runs" in shop.types("feeds", "show", "all").out
    assert shop.types("feeds", "resume", "all").out == "all delivers again once the daemon runs.\n"
    assert shop.types("feeds", "list", "--json").err == ""
    with daemon_running(paths):
        assert shop.types("feeds", "list").err == ""
        assert "once the daemon runs" not in shop.types("feeds", "show", "all").out
        assert shop.types("feeds", "resume", "all").out == "all delivers again.\n"
    shop.types("feeds", "pause", "all")
    assert shop.types("feeds", "list").err == ""


def test_books_of_another_version_are_left_alone(shop: Shop) -> None:
    """A newer program may have written them."""
    paths = configured(shop, JSONL)
    begun(paths, "all")
    with closing(sqlite3.connect(queries.books_of(paths))) as books:
        books.execute("PRAGMA user_version = 99")
    for word in ("list", "pause all", "retry all"):
        answer = shop.types("feeds", *word.split())
        assert answer.code == 73
        assert "another version of leadmasterd wrote it" in answer.err


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def garbage(path: Path) -> None:
    path.write_bytes(b"no database at all " * 500)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_damaged_page(path: Path) -> None:
    """All pages but the first, so that it opens."""
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xa5" * (len(data) - 4096))


@pytest.mark.parametrize(
    ("harm", "what", "to_do"),
    [
        (emptied, "it is empty", "restart the daemon, which makes it anew"),
        (garbage, "it is damaged (file is not a database)", "stop the daemon, move feeds.db* away and start it"),
        (a_damaged_page, "it is damaged (", "stop the daemon, move feeds.db* away and start it"),
        (a_folder, "it is a folder", "stop the daemon, move feeds.db* away and start it"),
    ],
)
def test_books_that_can_not_be_read_are_told_with_what_to_do(
    shop: Shop, harm: Callable[[Path], None], what: str, to_do: str
) -> None:
    """The advice is for this file, and not for the database of messages; nothing is changed."""
    paths = configured(shop, JSONL)
    begun(paths, "all")
    path = queries.books_of(paths)
    harm(path)
    before = path.read_bytes() if path.is_file() else None
    for word in ("list", "show all", "dead all", "pause all", "retry all", "replay all --from 1d"):
        answer = shop.types("feeds", *word.split())
        assert (answer.code, answer.out) == (73, ""), word
        assert answer.err.startswith(f"cannot use {path}: {what}"), word
        assert f"; {to_do}: every feed then delivers again" in answer.err, word
        assert "database.path" not in answer.err
        assert "another version" not in answer.err
    assert (path.read_bytes() if path.is_file() else None) == before


def test_books_are_not_blamed_for_a_damaged_database(shop: Shop) -> None:
    """To move them away would deliver everything again, and mend nothing."""
    paths = configured(shop, JSONL)
    begun(paths, "all")
    shop.hears((1, 50, PRICE))
    with closing(sqlite3.connect(paths.database)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [(page,)] = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'outbox'").fetchall()
        [(size,)] = database.execute("PRAGMA page_size").fetchall()
    with paths.database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)
    answer = shop.types("feeds", "list")
    assert (answer.code, answer.err.startswith(f"cannot use {paths.database}: ")) == (73, True), answer


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
@pytest.mark.parametrize("line", ["list", "dead all", "pause all", "retry all", "replay all --from 1d", "test all"])
def test_somebody_without_the_rights_is_told_the_line_to_use(shop: Shop, line: str) -> None:
    """As with every other command."""
    paths = configured(shop, JSONL)
    begun(paths, "all")
    for folder in (shop.folder, *shop.folder.parents):
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    paths.state_dir.chmod(0o755)
    done = test_cli.called_by_nobody(shop.folder, "feeds", *line.split())
    assert (done.returncode, done.stdout) == (73, "")
    assert "sudo -u root leadmasterd" in done.stderr


# ---------------------------------------------------------------------- deciding


@pytest.mark.parametrize("line", ["pause all", "resume all", "retry all", "replay all --from 1d"])
def test_a_feed_that_has_not_begun_can_not_be_decided_on(shop: Shop, line: str) -> None:
    """Its first event is not known yet; without the daemon's next start nothing would come of it."""
    paths = configured(shop, JSONL, '[feeds.other]\nkind = "jsonl"')
    for _ in range(2):
        answer = shop.types("feeds", *line.split())
        assert answer.code == (1 if line != "retry all" or not queries.books_of(paths).exists() else 0)
        begun(paths, "other")


async def test_a_pause_holds_events_back_until_it_is_ended(shop: Shop) -> None:
    """The process hears of it by itself, and it outlasts a restart."""
    paths = configured(shop, JSONL)
    async with delivering(paths):
        await until(lambda: queries.books_of(paths).exists() and "active" in shop.types("feeds", "list").out)
        assert (await types(shop, "feeds pause all")).out == "all is paused until `leadmasterd feeds resume all`.\n"
        await asyncio.sleep(1)
        shop.hears((1, 50, PRICE))
    async with delivering_here(paths) as feeds:
        await until(lambda: feeds.section() and feeds.section()[0]["state"] == "paused")
        assert feeds.section()[0]["behind"] > 0
        assert lines(paths) == []
        with daemon_running(paths):
            assert (await types(shop, "feeds resume all")).out == "all delivers again.\n"
        await until(lambda: lines(paths) and feeds.section()[0]["behind"] == 0)
    assert shop.types("feeds", "list", "--json").json["feeds"][0]["behind"] == 0


async def test_what_was_given_up_comes_again_in_order_and_marked(shop: Shop) -> None:
    """Those that are named, and then the others; what its settings no longer want stays."""
    paths = configured(shop, '[feeds.all]\nkind = "jsonl"\nevents = ["message.*"]')
    begun(paths, "all", all=Changes(dead=[given_up(3), given_up(1), given_up(2), given_up(4, "gap.opened", stream=0)]))
    assert [each["event_id"] for each in shop.types("feeds", "dead", "all", "--json").json["dead"]] == [1, 2, 3, 4]
    answer = shop.types("feeds", "retry", "all", "2", "7", "8")
    assert (answer.code, answer.err) == (
        1, "all has given up no event 7, 8; `leadmasterd feeds dead all` lists them\n",
    )  # fmt: skip
    async with delivering_here(paths):
        assert (await types(shop, "feeds retry all 2")).out == "1 event is due again.\n"
        await until(lambda: len(lines(paths)) == 1)
        answer = await types(shop, "feeds retry all")
        assert answer.out == "2 events are due again.\n1 event is left as it is: all no longer delivers its kind.\n"
        await until(lambda: len(lines(paths)) == 3)
    told = [(line["data"]["message_id"], line["timestamp"], line["replayed"]) for line in lines(paths)]
    assert told == [(2, AT, True), (1, AT, True), (3, AT, True)]
    left = shop.types("feeds", "dead", "all", "--limit", "1")
    assert "gap.opened" in left.out
    assert all(len(line) <= 80 for line in left.out.splitlines())


def test_dead_letters_fit_the_screen_and_the_limit_is_told(shop: Shop) -> None:
    """Whatever the receiver said."""
    paths = configured(shop, JSONL)
    begun(paths, "all", all=Changes(dead=[given_up(number) for number in range(1, 4)]))
    answer = shop.types("feeds", "dead", "all", "--limit", "2")
    assert answer.err == "The first 2 are shown: --limit 3 shows all.\n"
    assert all(len(line) <= 80 for line in answer.out.splitlines())
    assert shop.types("feeds", "retry", "all").out == "3 events are due again.\n"
    assert shop.types("feeds", "dead", "all").out == "all has given nothing up.\n"


async def test_a_replay_is_for_one_feed_and_as_thin_as_that_is(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since the time that was typed, in parts, and said before."""
    monkeypatch.setattr(decisions, "PART", 2)
    shop.hears((1, 3 * 24 * 60, BROKEN), (1, 50, PRICE), (2, 40, PRICE), (3, 30, PRICE))
    paths = configured(shop, '[feeds.all]\nkind = "jsonl"\nevents = ["message.*"]', HUB.format(port=1))
    begun(paths, "all", "hub")
    answer = shop.types("feeds", "replay", "all", "--from", "2h")
    assert (answer.out, answer.err) == ("3 events are due for all.\n", "3 events, some 0.0 MB.\n")
    async with delivering_here(paths):
        await until(lambda: len(lines(paths)) == 3)
    assert all(line["replayed"] for line in lines(paths))
    assert [line["data"]["conversation_id"] for line in lines(paths)] == [1, 2, 3]
    assert "body" not in lines(paths)[0]["data"]
    by_name = {feed["name"]: feed["behind"] for feed in shop.types("feeds", "list", "--json").json["feeds"]}
    assert by_name == {"all": 0, "hub": 0}
    assert shop.types("feeds", "replay", "hub", "--from", "2h").code == 0
    with closing(sqlite3.connect(paths.database)) as database:
        [(body,)] = database.execute(
            "SELECT json_extract(data, '$.body') FROM outbox WHERE feed = 'hub' AND kind = 'message.stored' LIMIT 1"
        )
    assert body == PRICE


def test_a_replay_that_would_fill_the_disk_is_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is written; so is one without a time, or with a time that is none."""
    shop.hears((1, 50, PRICE))
    paths = configured(shop, JSONL)
    begun(paths, "all")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=499_000_000))
    answer = shop.types("feeds", "replay", "all", "--from", "1d")
    assert answer.code == 1
    assert "cannot replay: that needs 500 MB of free disk, and there are 499 MB" in answer.err
    assert shop.types("feeds", "list", "--json").json["feeds"][0]["behind"] == 0
    assert shop.types("feeds", "replay", "all").code == 64
    assert shop.types("feeds", "replay", "all", "--from", "sometime").code == 64


def test_what_took_too_much_disk_is_shown_with_the_command_that_gets_it_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Word for word; then it is no longer told. More than the outbox may hold is refused, and goes in pieces."""
    shop.hears((1, 50, PRICE), (2, 40, PRICE), (3, 5, PRICE))
    paths = configured(shop, '[feeds.all]\nkind = "jsonl"\nevents = ["message.*"]')
    with closing(sqlite3.connect(paths.database)) as database:
        captured = [at for (at,) in database.execute("SELECT captured_at FROM messages ORDER BY captured_at")]
    begun(paths, "all", all=Changes(given_up=GivenUp(1_234, captured[0], captured[1])))
    begun(paths, all=Changes(given_up=GivenUp(1, captured[1], captured[1])))
    [feed] = shop.types("feeds", "list", "--json").json["feeds"]
    assert feed["given_up"] == {"number": 1_235, "first_at": captured[0], "last_at": captured[1]}
    assert "1,235" in shop.types("feeds", "list").out
    shown = " ".join(shop.types("feeds", "show", "all").out.split())
    [command] = re.findall(r"given up 1,235 events, because they took too much disk; `leadmasterd (.*)` deliv", shown)
    monkeypatch.setattr(room, "LEAST", 0)
    with monkeypatch.context() as little:
        little.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=0))
        answer = shop.types(*command.split())
        assert answer.code == 1
        assert "choose a later --from or an earlier --until" in answer.err
    assert shop.types("feeds", "list", "--json").json["feeds"][0]["given_up"] == feed["given_up"]
    assert shop.types(*command.split()).out == "2 events are due for all.\n"
    assert shop.types("feeds", "list", "--json").json["feeds"][0]["given_up"] is None


def test_what_a_replay_leaves_is_still_told(shop: Shop) -> None:
    """A piece that ends before the last of what was given up leaves the rest; one of another time leaves it all."""
    shop.hears((1, 50, PRICE), (2, 40, PRICE), (3, 5, PRICE))
    paths = configured(shop, '[feeds.all]\nkind = "jsonl"\nevents = ["message.*"]')
    with closing(sqlite3.connect(paths.database)) as database:
        first, second, last = [
            at for (at,) in database.execute("SELECT captured_at FROM messages ORDER BY captured_at")
        ]
    begun(paths, "all", all=Changes(given_up=GivenUp(3, first, last)))
    for end, told in (("2020-01-01T00:00", first), (second, second), (last, None)):
        assert shop.types("feeds", "replay", "all", "--from", "2019-12-01", "--until", end).code == 0
        [feed] = shop.types("feeds", "list", "--json").json["feeds"]
        assert feed["given_up"] == (told and {"number": 3, "first_at": told, "last_at": last})


def test_a_replay_that_is_stopped_says_what_is_written(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes in its third part, which is not kept."""
    shop.hears((1, 50, PRICE), (2, 40, PRICE), (3, 30, PRICE))
    paths = configured(shop, '[feeds.all]\nkind = "jsonl"\nevents = ["message.*"]')
    begun(paths, "all")
    write = replaying.replay

    def stopped(connection: sqlite3.Connection, feed: str, first: int, last: int, *, full: bool) -> int:
        written = write(connection, feed, first, last, full=full)
        if first == 3:
            raise KeyboardInterrupt
        return written

    monkeypatch.setattr(decisions, "PART", 1)
    monkeypatch.setattr(replaying, "replay", stopped)
    answer = shop.types("feeds", "replay", "all", "--from", "2h")
    assert (answer.code, answer.out) == (130, "")
    assert answer.err.splitlines()[-1] == "stopped: 2 events were written, and will be delivered"
    assert shop.types("feeds", "list", "--json").json["feeds"][0]["behind"] == 2


# ---------------------------------------------------------------------- trying a receiver


@pytest.fixture
def _within_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tries a receiver starts no Python of its own, which takes half a second of a processor."""

    def run(command: Sequence[str], **_: object) -> CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", command[3:])
        with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
            code = trial.main()
        return CompletedProcess(command, code, out.getvalue(), err.getvalue())

    monkeypatch.setattr("leadmasterd.actions.feeds.subprocess.run", run)


WEBHOOK_ANSWERS: list[tuple[Behaviour, int, str]] = [
    (answers("204 No Content"), 0, "s (HTTP 204).\n"),
    (answers("401 Unauthorized"), 1, "HTTP 401"),
    (answers("410 Gone"), 1, "HTTP 410"),
]


@pytest.mark.parametrize(("behaviour", "code", "said"), WEBHOOK_ANSWERS)
async def test_a_test_goes_straight_to_the_receiver(
    shop: Shop, request: pytest.FixtureRequest, behaviour: Behaviour, code: int, said: str
) -> None:
    """Signed as all are; nothing is noted, whatever the answer. The one that succeeds is sent by a real process."""
    if code:
        request.getfixturevalue("_within_this_process")
    async with receiving(behaviour) as hub:
        configured(shop, HUB.format(port=hub.port))
        answer = await types(shop, "feeds test hub")
    assert (answer.code, said in answer.out) == (code, True)
    [sent] = hub.requests
    body: Any = Judge(SECRET).verify(sent.body, dict(sent.headers))
    assert body["type"] == "test"
    schema = json.loads((Path(__file__).parent.parent / "docs" / "events" / "test.json").read_text())
    assert body["data"].keys() == set(schema["required"])
    assert not (shop.folder / "state" / "feeds.db").exists()


@pytest.mark.usefixtures("_within_this_process")
async def test_a_test_of_a_template_has_null_for_what_only_real_events_have(shop: Shop) -> None:
    """A hub's own JSON has its form, and nobody's data."""
    template = 'events = ["lead.opened"]\ntemplate = { what = "{type}", lead = "{data.lead_id}", at = "{timestamp}" }\n'
    async with receiving(answers("200 OK")) as hub:
        configured(shop, HUB.format(port=hub.port) + template)
        assert (await types(shop, "feeds test hub")).code == 0
    body = json.loads(hub.requests[0].body)
    assert (body["what"], body["lead"], sorted(body)) == ("test", None, ["at", "lead", "what"])


def a_closed_port(shop: Shop) -> None:
    configured(shop, HUB.format(port=1))


def a_file(shop: Shop) -> None:
    configured(shop, JSONL.replace("all", "hub"))


def no_secret(shop: Shop) -> None:
    configured(shop, HUB.format(port=1).replace("secrets = [", 'secret_file = "none"\n#'))


@pytest.mark.usefixtures("_within_this_process")
@pytest.mark.parametrize(
    ("prepare", "code", "said"),
    [
        (a_closed_port, 1, "connection refused"),
        (a_file, 0, "delivered"),
        (no_secret, 78, "cannot read the secret file"),
    ],
)
def test_a_test_says_why_it_failed(shop: Shop, prepare: Callable[[Shop], None], code: int, said: str) -> None:
    """A file is tried beside the feed's own, and nothing of it is left."""
    prepare(shop)
    answer = shop.types("feeds", "test", "hub")
    assert (answer.code, said in answer.out + answer.err) == (code, True), answer
    assert [each.name for each in (shop.folder / "state").iterdir() if "jsonl" in each.name] == []
