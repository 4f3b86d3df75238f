"""Forms: what is taken for one of ours, and where one goes on."""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from leadmasterd.web.forms import MOST_BYTES, local_path, read_form
from tests.web.clients import Client, let_in
from tests.web.shops import Served, WebShop

PATH = "/session/revoke"


@pytest.mark.parametrize("token", ["", "x", "0" * 64, "é"])
def test_a_form_without_the_sessions_token_is_refused(client: Client, token: str) -> None:
    """Nothing is done, and the page says what to do."""
    reply = client.posts(PATH, {"csrf": token, "id": "1"})
    assert (reply.status, "This form is too old." in reply.text) == (403, True)


def test_a_token_of_another_session_is_refused(shop: WebShop, site: Served, client: Client) -> None:
    """Each session has its own."""
    from leadmasterd.web.access import form_token

    other = let_in(shop.paths, site.port, "Beto")
    assert client.posts(PATH, {"csrf": form_token(other.secret), "id": "99"}).status == 403
    assert client.posts(PATH, {"id": "99"}).status == 303


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"x=" + b"1" * MOST_BYTES, {}, 413),
        (b"&".join(b"x=1" for _ in range(200)), {}, 400),
        (b'{"id": 1}', {"Content-Type": "application/json"}, 415),
        (b"--x\r\n", {"Content-Type": "multipart/form-data; boundary=x"}, 415),
        (b"", {"Content-Type": ""}, 415),
        (b"", {}, 403),
        (b"\xff\xfe=%ff%00&csrf=%zz", {}, 403),
    ],
)
def test_what_is_no_form_of_ours_is_refused(client: Client, body: bytes, headers: dict[str, str], status: int) -> None:
    """Before anything is done, and calmly."""
    usual = {"Content-Type": "application/x-www-form-urlencoded", "Origin": client.origin}
    reply = client.asks(PATH, {**usual, **headers}, method="POST", body=body)
    assert reply.status == status
    assert "<h1>" in reply.text


@pytest.mark.parametrize(
    ("back", "goes_to"),
    [
        ("/session?x=1#y", "/session?x=1#y"),
        ("/", "/"),
        ("", "/"),
        ("session", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\n/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\x00", "/"),
    ],
)
def test_one_comes_back_to_a_page_of_ours(client: Client, back: str, goes_to: str) -> None:
    """Never to another site."""
    assert local_path(back) == goes_to
    reply = client.posts(PATH, {"id": "99", "back": back})
    assert (reply.status, reply.headers["location"]) == (303, goes_to)


async def test_a_form_that_never_arrives_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would keep the process from leaving."""
    monkeypatch.setattr("leadmasterd.web.forms.LONGEST", 0.01)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    kind = (b"content-type", b"application/x-www-form-urlencoded")
    with pytest.raises(HTTPException) as refused:
        await read_form(Request({"type": "http", "headers": [kind]}, receive))
    assert refused.value.status_code == 408


def test_pages_go_on_while_decisions_wait_for_the_database(shop: WebShop, client: Client) -> None:
    """Somebody presses more often than there are threads for pages."""
    with ThreadPoolExecutor(13) as pressing, closing(sqlite3.connect(shop.database)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        pressed = [pressing.submit(client.posts, "/chats/1/note", {"text": f"note {n}"}) for n in range(13)]
        assert [client.asks(path).status for path in ("/", "/chats/1", "/board")] == [200] * 3
        assert not any(each.done() for each in pressed)
        writer.rollback()
        assert {each.result().status for each in pressed} == {303}
    assert "note 12" in client.asks("/chats/1").text


def test_a_notice_is_told_once_and_to_one_session(shop: WebShop, site: Served, client: Client) -> None:
    """Whatever other pages load meanwhile: only whole pages tell it."""
    other = let_in(shop.paths, site.port, "Carla")
    client.posts(PATH, {"id": "99"})
    assert "no longer let in." not in other.asks("/session").text
    assert "no longer let in." not in client.asks("/session?fragment=session-state").text
    assert "That browser is no longer let in." in client.asks("/session").text
    assert "That browser is no longer let in." not in client.asks("/session").text
