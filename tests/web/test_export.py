"""Downloads: the same tables as `leadmasterd leads export`, from the page."""

import asyncio
import csv
import io
import json
import re
import threading
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPResponse

import pytest
from anyio import to_thread
from python_calamine import CalamineWorkbook
from starlette.requests import Request
from starlette.responses import StreamingResponse

from leadmasterd.settings.leads_light import read_leads_settings
from leadmasterd.web.access import COOKIE, Access
from leadmasterd.web.live import Watch
from leadmasterd.web.pages.export import xlsx
from leadmasterd.web.place import Place
from leadmasterd.web.site import Site
from tests.waiting import LIMIT
from tests.web.clients import Client, let_in
from tests.web.shops import Served, WebShop, served


def downloaded(client: Client, path: str) -> tuple[HTTPResponse, bytes]:
    """An answer and its whole body."""
    connection = HTTPConnection("127.0.0.1", client.port, timeout=LIMIT)
    try:
        connection.request("GET", path, headers={"Cookie": f"{COOKIE}={client.secret}"})
        answer = connection.getresponse()
        assert answer.status == 200
        return answer, answer.read()
    finally:
        connection.close()


def named(answer: HTTPResponse) -> str:
    """The name under which a browser saves it."""
    found = re.fullmatch('attachment; filename="([a-z0-9.-]+)"', answer.headers["Content-Disposition"])
    assert found
    return found[1]


def test_a_spreadsheet_is_downloaded_under_todays_name(shop: WebShop, client: Client) -> None:
    """One row a lead, or a conversation."""
    answer, data = downloaded(client, "/export.xlsx")
    today = datetime.now(UTC).astimezone(read_leads_settings(shop.paths).zone())
    assert named(answer) == f"leads-{today:%Y-%m-%d}.xlsx"
    assert int(answer.headers["Content-Length"]) == len(data)
    header, *rows = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0).to_python()
    names = [row[header.index("Name")] for row in rows]
    assert sorted(map(str, names)) == ["Ana", "Beto", "Carla"]
    answer, data = downloaded(client, "/export.xlsx?by=conversation")
    assert named(answer).startswith("conversations-")
    assert CalamineWorkbook.from_filelike(io.BytesIO(data)).sheet_names == ["Conversations"]


async def test_pages_go_on_while_somebody_presses_for_spreadsheets(
    shop: WebShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those who wait for their turn leave the threads of the process to others."""
    began, ends = threading.Event(), threading.Event()

    def slowly(*_: object, **__: object) -> None:
        began.set()
        assert ends.wait(LIMIT)

    monkeypatch.setattr("leadmasterd.export.workbook.write_workbook", slowly)
    access, watch = Access(shop.paths), Watch(shop.paths)
    site = Site(Place("127.0.0.1", 0), shop.paths, "en", access=access, watch=watch)
    asked = Request({"type": "http", "query_string": b"", "headers": [], "leadmasterd.site": site})
    usual = to_thread.current_default_thread_limiter()
    pressed = [asyncio.create_task(xlsx(asked)) for _ in range(3)]
    try:
        assert await asyncio.to_thread(began.wait, LIMIT)
        assert usual.borrowed_tokens == 0
    finally:
        ends.set()
        answers = await asyncio.gather(*pressed)
    for answer in answers:
        assert isinstance(answer, StreamingResponse)
        assert [part async for part in answer.body_iterator] == []


def test_csv_is_excels_and_json_lines_are_for_programs(shop: WebShop, client: Client) -> None:
    """The same as from the command."""
    answer, data = downloaded(client, "/export.csv")
    assert named(answer).endswith(".csv")
    assert data.startswith(b"\xef\xbb\xbf")
    rows = [*csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";")]
    assert sorted(row["Name"] for row in rows) == ["Ana", "Beto", "Carla"]
    assert all(row["Phone"].startswith("'+549") for row in rows)
    _answer, data = downloaded(client, "/export.jsonl?by=conversation")
    told = shop.types("leads", "export", "--by", "conversation", "--format", "jsonl").out
    assert [json.loads(line)["chat"] for line in data.decode().splitlines()] == [
        json.loads(line)["chat"] for line in told.splitlines()
    ]


@pytest.mark.parametrize("path", ["/export.xlsx?by=message", "/export.csv?by=", "/export.pdf"])
def test_what_is_no_table_is_not_found(client: Client, path: str) -> None:
    """A calm page."""
    assert client.asks(path).status == 404


def test_a_download_before_anything_was_captured_is_a_calm_page(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No broken file."""
    shop = WebShop(tmp_path_factory.mktemp("new"))
    shop.paths.state_dir.mkdir()
    with served(shop) as site:
        client = let_in(shop.paths, site.port)
        for form in ("xlsx", "csv", "jsonl"):
            reply = client.asks(f"/export.{form}")
            assert (reply.status, "Nothing has been captured yet." in reply.text) == (200, True)
            assert "content-disposition" not in reply.headers


def test_nobody_downloads_without_a_cookie(site: Served) -> None:
    """All of it is other people's words."""
    for form in ("xlsx", "csv", "jsonl"):
        assert Client(site.port).asks(f"/export.{form}").status == 401
