"""Who gets in: links, sessions, and what is refused before any page is looked for."""

import json
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.routing import Route

from leadmasterd import times
from leadmasterd.errors import CannotUseState
from leadmasterd.settings.paths import Paths
from leadmasterd.web.access import Access, Session
from leadmasterd.web.app import ROUTES
from leadmasterd.web.failures import MOST, MOST_ADDRESSES, Failures
from leadmasterd.web.guard import believe_proxy
from tests.web.clients import Client, let_in
from tests.web.shops import CHECKOUT, Served, WebShop, served, tell_a_story

PUBLIC = "/login"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def paths_of(method: str) -> list[str]:
    """Every path that the router knows for this method, with 1 for each value in it."""
    return [
        re.sub(r"\{[^}]*\}", "1", route.path)
        for route in ROUTES
        if isinstance(route, Route) and method in (route.methods or ())
    ]


@pytest.fixture
def access(tmp_path: Path) -> Access:
    """Of a folder in which nobody is let in yet."""
    return Access(Paths(None, tmp_path / "state", tmp_path / "state" / "leadmaster.db"))


def rewritten(access: Access, **changes: str) -> None:
    """Change every link and session in the file."""
    data = json.loads(access.file.read_text())
    for each in (*data["links"], *data["sessions"]):
        each.update({key: value for key, value in changes.items() if key in each})
    access.file.write_text(json.dumps(data))


def ago(**length: float) -> str:
    """A time in the form of the file."""
    return times.iso(datetime.now(UTC) - timedelta(**length))


# ---------------------------------------------------------------------- links and sessions


def test_a_link_lets_in_once(access: Access) -> None:
    """The session has the link's name."""
    token = access.make_link("Ana")
    secret = access.enter(token)
    assert secret
    assert access.enter(token) is None
    session = access.admit(secret)
    assert session
    assert (session.id, session.name) == (1, "Ana")


def test_a_link_ends_after_ten_minutes(access: Access) -> None:
    """And is no longer in the file then."""
    token = access.make_link("Ana")
    rewritten(access, until=ago(seconds=1))
    assert access.enter(token) is None
    access.make_link("Beto")
    assert [each["name"] for each in json.loads(access.file.read_text())["links"]] == ["Beto"]


def test_what_is_no_link_lets_nobody_in(access: Access) -> None:
    """Nor does a session's secret, nor what is in the file."""
    secret = access.enter(access.make_link("Ana"))
    assert secret
    access.make_link("Beto")
    hashes = [each["hash"] for part in ("links", "sessions") for each in json.loads(access.file.read_text())[part]]
    assert len(hashes) == 2
    for wrong in ("", "x", secret, "é\udcff", *hashes):
        assert access.enter(wrong) is None
        assert access.admit(wrong) is None or wrong == secret


def test_a_session_ends_after_thirty_days(access: Access) -> None:
    """It is listed until then, with when it was last seen."""
    secret = access.enter(access.make_link("Ana"))
    assert secret
    [session] = access.sessions()
    assert times.to_ms(session.until) - times.to_ms(session.since) == 30 * 86400 * 1000
    rewritten(access, seen_at=ago(days=2))
    assert access.admit(secret)
    [session] = access.sessions()
    assert session.seen_at > ago(minutes=1)
    rewritten(access, until=ago(seconds=1))
    assert access.admit(secret) is None
    assert access.sessions() == []


def test_the_file_is_private_and_holds_no_secret(access: Access) -> None:
    """Who reads it, or a backup of it, gets in by nothing that stands there."""
    token = access.make_link("Ana")
    unused = access.make_link("Ana")
    secret = access.enter(token)
    assert secret
    text = access.file.read_text()
    assert [each in text for each in (token, unused, secret)] == [False] * 3
    assert {stat.S_IMODE(each.stat().st_mode) for each in access.file.parent.iterdir()} == {0o600}


def test_a_session_is_seen_by_another_process_at_once(access: Access) -> None:
    """The command revokes, the page notices with its next request."""
    page = Access(access.paths)
    secret = access.enter(access.make_link("Ana"))
    assert secret
    assert page.admit(secret)
    assert [each.name for each in access.revoke([1])] == ["Ana"]
    assert page.admit(secret) is None


def test_all_sessions_and_links_end_at_once(access: Access) -> None:
    """Numbers are not used again."""
    secrets = [access.enter(access.make_link(name)) for name in ("Ana", "Beto")]
    unused = access.make_link("Carla")
    assert [each.id for each in access.revoke(None)] == [1, 2]
    assert [access.admit(str(each)) for each in secrets] == [None, None]
    assert access.enter(unused) is None
    access.enter(access.make_link("Dario"))
    assert [each.id for each in access.sessions()] == [3]


HUGE = '{"next_id": 1e999, "links": [], "sessions": []}'


def test_a_damaged_file_is_told(access: Access) -> None:
    """Nobody gets in by it."""
    access.make_link("Ana")
    changes: list[dict[str, object]] = [{"hash": None}, {"hash": "ñ"}, {"until": 1}, {"name": []}]
    link = {"hash": "00", "name": "Ana", "until": "2099-01-01T00:00:00Z"}
    wrong: list[str] = [json.dumps({"next_id": 1, "links": [link | change], "sessions": []}) for change in changes]
    for text in ("", "{", "[]", '{"v": 1}', '{"next_id": 1, "links": [1], "sessions": []}', "[" * 99_999, *wrong, HUGE):
        access.file.write_text(text)
        with pytest.raises(CannotUseState, match="it is damaged; remove it"):
            Access(access.paths).admit("x")
    access.file.unlink()
    access.file.mkdir()
    with pytest.raises(CannotUseState, match="it is damaged; remove it"):
        Access(access.paths).sessions()


def test_many_at_once_lose_nothing(access: Access) -> None:
    """Commands and pages write the same file."""
    code = (
        "import sys; from pathlib import Path; from leadmasterd.settings.paths import Paths; "
        "from leadmasterd.web.access import Access; state = Path(sys.argv[1]); "
        "access = Access(Paths(None, state, state / 'x')); "
        "[access.enter(access.make_link(sys.argv[2])) for _ in range(20)]"
    )
    arguments = [sys.executable, "-c", code, str(access.paths.state_dir)]
    running = [
        subprocess.Popen([*arguments, str(n)], env={**os.environ, "PYTHONPATH": str(CHECKOUT)}) for n in range(3)
    ]
    assert [each.wait() for each in running] == [0, 0, 0]
    sessions = access.sessions()
    assert sorted(each.id for each in sessions) == list(range(1, 61))
    assert sorted(each.name for each in sessions) == sorted("012" * 20)


# ---------------------------------------------------------------------- the commands


def test_the_commands_show_and_revoke(shop: WebShop) -> None:
    """A link on stdout and nothing else there; a session is named by its number."""
    done = shop.types("web", "link", "--name", " Ana's  phone ")
    assert done.code == 0
    assert re.fullmatch(r"http://127\.0\.0\.1:8480/login\?link=[\w-]{43}\n", done.out)
    assert "works once, within 10 minutes" in done.err
    secret = Access(shop.paths).enter(done.out.strip().rpartition("=")[2])
    assert secret
    [session] = shop.types("web", "sessions", "--json").json["sessions"]
    assert session["name"] == "Ana's phone"
    assert "Ana's phone" in shop.types("web", "sessions").out
    assert shop.types("web", "revoke", "99").err.startswith("there is no session 99;")
    done = shop.types("web", "revoke", str(session["id"]))
    assert (done.code, done.out) == (0, "1 browser is no longer let in.\n")
    assert shop.types("web", "sessions").out.startswith("No browser is let in.")
    assert shop.types("web", "revoke", "--all").out == "0 browsers are no longer let in.\n"
    for wrong in ("", " ", "x" * 41, "a\x07"):
        assert shop.types("web", "link", "--name", wrong).code == 64


def test_a_link_goes_through_the_proxy_with_its_name(tmp_path: Path) -> None:
    """Where the settings have one."""
    made = WebShop(tmp_path, settings='[web]\nproxies = ["127.0.0.1"]\nnames = ["Leads.example"]\n')
    assert made.types("web", "link").out.startswith("https://leads.example/login?link=")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--host", "0.0.0.0"],
            r"cannot serve the page on 0\.0\.0\.0 without TLS: .* name its address in web\.proxies",
        ),
        (["--host", "192.0.2.1"], r"cannot serve the page on 192\.0\.2\.1 without TLS"),
        (["--host", "::"], "cannot serve the page on :: without TLS"),
        (["--host", "example.com"], "cannot serve the page on 'example.com': it must be an IP address"),
    ],
)
def test_it_is_for_this_machine_alone_unless_there_is_tls(shop: WebShop, words: list[str], said: str) -> None:
    """One sentence that says what to do."""
    done = shop.types("web", *words)
    assert (done.code, done.out) == (78, "")
    assert re.match(said, done.err)
    assert done.err.count("\n") == 1


def test_a_taken_port_is_told_in_one_sentence(shop: WebShop, tmp_path: Path) -> None:
    """And with the exit code after which systemd does not try again."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "leadmasterd", "--config", str(shop.config), "web", "--port", str(port)],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 78
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"cannot serve the page on 127.0.0.1:{port}: another program listens there; stop it" in done.stderr


# ---------------------------------------------------------------------- the guard


@pytest.fixture(scope="module")
def named_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page with a story behind a proxy, which says for each request who asks."""
    shop = WebShop(tmp_path_factory.mktemp("proxied"), settings='[web]\nproxies = ["127.0.0.1"]\n')
    tell_a_story(shop)
    with served(shop) as page:
        yield page


@pytest.mark.parametrize("path", [each for each in paths_of("GET") if each != PUBLIC])
def test_no_page_is_shown_without_a_cookie(named_proxy: Served, path: str) -> None:
    """The list of pages is the router's. A forged cookie is as good as none."""
    for secret in ("", "forged"):
        reply = Client(named_proxy.port, secret).asks(path, {"X-Forwarded-For": f"a stranger at {path}"})
        assert reply.status == 401
        assert "This browser is not let in" in reply.text
        assert "Ana" not in reply.text
        assert not reply.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("path", [each for each in paths_of("POST") if each != PUBLIC])
def test_nothing_is_decided_without_a_cookie(named_proxy: Served, path: str) -> None:
    """Also with a token that would fit."""
    for secret in ("", "forged"):
        who = Client(named_proxy.port, secret)
        assert who.posts(path, {}, {"X-Forwarded-For": f"a stranger at {path}"}).status == 401


def test_a_path_that_is_no_page_says_nothing_to_strangers(site: Served, client: Client) -> None:
    """Who is let in learns that there is no such page."""
    assert Client(site.port).asks("/nothing").status == 401
    reply = client.asks("/nothing")
    assert (reply.status, "There is no such page." in reply.text) == (404, True)
    assert "Try again" not in reply.text
    assert client.asks("/static/../app.py").status == 404
    assert client.asks("/static/nothing.css").status == 404


def test_a_cookie_that_has_ended_is_taken_away(shop: WebShop, site: Served) -> None:
    """Revoked: so a browser does not go on trying."""
    beto = let_in(shop.paths, site.port, "Beto")
    assert beto.asks("/session").status == 200
    [mine] = [each for each in Access(shop.paths).sessions() if each.name == "Beto"]
    Access(shop.paths).revoke([mine.id])
    reply = beto.asks("/session")
    assert reply.status == 401
    assert reply.headers["set-cookie"].startswith("leadmasterd=; Path=/; Max-Age=0;")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("LOCALHOST", 200),
        ("[::1]:{port}", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:{port}", 421),
        ("localhost@evil.example", 421),
        ("", 421),
        ("[", 421),
    ],
)
def test_it_answers_to_its_own_names_only(site: Served, client: Client, host: str, status: int) -> None:
    """A name that a stranger's page has pointed at this machine is refused."""
    reply = client.asks("/session", {"Host": host.format(port=site.port)})
    assert reply.status == status
    assert ("This page is not served under that name." in reply.text) == (status == 421)


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"Origin": "http://127.0.0.1:{port}"}, True),
        ({"Origin": "HTTP://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "https://127.0.0.1:{port}"}, False),
        ({"Origin": "http://127.0.0.1:1"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": "null"}, False),
        ({}, False),
    ],
)
def test_only_our_own_pages_post(site: Served, client: Client, headers: dict[str, str], allowed: bool) -> None:
    """Whatever token comes along."""
    sent = {name: value.format(port=site.port) for name, value in headers.items()}
    reply = client.asks("/login", {**FORM, **sent}, method="POST", body=b"link=x")
    assert reply.status == (401 if allowed else 403)
    assert ("This came from another site, so nothing was done." in reply.text) == (not allowed)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
def test_other_methods_are_refused(client: Client, method: str) -> None:
    """Before any page sees them."""
    assert client.asks("/session", method=method).status == 405


@pytest.mark.parametrize("path", ["/login", "/session", "/nothing", "/static/page.css"])
def test_every_answer_has_the_headers_that_keep_it_apart(client: Client, path: str) -> None:
    """Also what is refused or not there."""
    for who in (client, Client(client.port)):
        headers = who.asks(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == ("no-cache" if "static" in path else "no-store")
        assert "server" not in headers


# ---------------------------------------------------------------------- letting in


def test_looking_at_a_link_does_not_use_it_up(shop: WebShop, site: Served) -> None:
    """Messengers fetch what is linked for a preview."""
    token = Access(shop.paths).make_link("Ana")
    stranger = Client(site.port)
    for _ in range(3):
        reply = stranger.asks(f"/login?link={token}")
        assert reply.status == 200
        assert "Let this browser in" in reply.text
    reply = stranger.posts("/login", {"link": token})
    assert (reply.status, reply.headers["location"]) == (303, "/")
    cookie = reply.headers["set-cookie"]
    assert re.fullmatch(r"leadmasterd=[\w-]{43}; HttpOnly; Max-Age=2592000; Path=/; SameSite=strict", cookie)
    assert Client(site.port, cookie.partition(";")[0].partition("=")[2]).asks("/session").status == 200
    reply = stranger.posts("/login", {"link": token})
    assert (reply.status, "This link has been used" in reply.text) == (401, True)


@pytest.fixture
def behind_a_proxy(tmp_path: Path) -> Iterator[Served]:
    """A page for a named proxy on this machine."""
    shop = WebShop(tmp_path, settings='[web]\nproxies = ["127.0.0.1"]\nnames = ["leads.example"]\n')
    shop.is_new()
    with served(shop) as page:
        page.access = Access(shop.paths)  # type: ignore[attr-defined]
        yield page


def test_the_cookie_is_for_tls_alone_where_the_proxy_says_so(behind_a_proxy: Served) -> None:
    """The proxy's own word stands last."""
    access: Access = behind_a_proxy.access  # type: ignore[attr-defined]
    for said, secure in (("https", True), ("http, https", True), ("http", False), ("https, http", False)):
        origin = "https" if secure else "http"
        headers = {"Host": "leads.example", "X-Forwarded-Proto": said, "Origin": f"{origin}://leads.example"}
        token = access.make_link("Ana")
        reply = Client(behind_a_proxy.port).posts("/login", {"link": token}, headers)
        assert reply.status == 303
        assert ("; Secure" in reply.headers["set-cookie"]) == secure


def test_a_proxy_that_is_not_named_is_not_believed(shop: WebShop, site: Served) -> None:
    """Anybody can send such a header."""
    token = Access(shop.paths).make_link("Ana")
    reply = Client(site.port).posts("/login", {"link": token}, {"X-Forwarded-Proto": "https"})
    assert reply.status == 303
    assert "Secure" not in reply.headers["set-cookie"]


def test_beyond_this_machine_only_what_the_proxy_brings_is_answered(tmp_path: Path) -> None:
    """Directly, and without TLS, it refuses."""
    shop = WebShop(tmp_path, settings='[web]\nproxies = ["127.0.0.1"]\nnames = ["leads.example"]\n')
    shop.is_new()
    with served(shop, "--host", "0.0.0.0") as page:
        client = let_in(shop.paths, page.port)
        assert client.asks("/session").status == 403
        named = {"Host": "leads.example"}
        assert client.asks("/session", named).status == 403
        assert client.asks("/session", {**named, "X-Forwarded-Proto": "http"}).status == 403
        assert client.asks("/session", {**named, "X-Forwarded-Proto": "https"}).status == 200


def test_attempts_are_limited_by_address(behind_a_proxy: Served) -> None:
    """Whom the proxy names waits, even with a good link; others and sessions go on."""
    access: Access = behind_a_proxy.access  # type: ignore[attr-defined]
    inside = let_in(access.paths, behind_a_proxy.port)
    stranger = Client(behind_a_proxy.port)
    theirs = {"X-Forwarded-For": "203.0.113.1, 198.51.100.7"}
    for _ in range(MOST - 1):
        assert stranger.posts("/login", {"link": "x"}, theirs).status == 401
    assert Client(behind_a_proxy.port, "forged").asks("/session", theirs).status == 429
    token = access.make_link("Ana")
    reply = stranger.posts("/login", {"link": token}, theirs)
    assert (reply.status, reply.headers["retry-after"]) == (429, "600")
    assert inside.asks("/session", theirs).status == 200
    assert stranger.posts("/login", {"link": token}, {"X-Forwarded-For": "198.51.100.7, 203.0.113.1"}).status == 303


def test_what_a_proxy_says_in_a_line_of_its_own_stands_last() -> None:
    """As HAProxy adds it below what the client sent."""
    lines = [(b"x-forwarded-for", b"203.0.113.1"), (b"x-forwarded-proto", b"https")]
    scope = {
        "type": "http",
        "client": ("127.0.0.1", 1),
        "scheme": "http",
        "headers": [*lines, (b"x-forwarded-for", b"198.51.100.7"), (b"x-forwarded-proto", b"http")],
    }
    believe_proxy(scope, ("127.0.0.1",))
    assert (scope["client"], scope["scheme"]) == (("198.51.100.7", 0), "http")


def test_attempts_from_ever_new_addresses_take_no_more_memory() -> None:
    """The latest are kept."""
    failures = Failures()
    for n in range(MOST_ADDRESSES + 10):
        failures.note(f"2001:db8::{n:x}")
    assert len(failures) == MOST_ADDRESSES
    for _ in range(MOST):
        failures.note("198.51.100.7")
    assert failures.are_too_many("198.51.100.7")


def test_a_damaged_file_of_sessions_is_a_calm_page(tmp_path: Path) -> None:
    """It says what to do, and nobody gets in."""
    shop = WebShop(tmp_path)
    shop.is_new()
    with served(shop) as page:
        client = let_in(shop.paths, page.port)
        Access(shop.paths).file.write_text("{")
        reply = client.asks("/session")
        assert reply.status == 503
        assert "it is damaged; remove it" in reply.text


def test_a_file_that_cannot_be_written_is_a_calm_page(tmp_path: Path) -> None:
    """Nobody new gets in, and the page says why; who is in stays."""
    shop = WebShop(tmp_path)
    shop.is_new()
    with served(shop) as page:
        client = let_in(shop.paths, page.port)
        lock = Access(shop.paths).file.with_suffix(".lock")
        lock.unlink()
        lock.mkdir()
        reply = Client(page.port).posts("/login", {"link": "x"})
        assert (reply.status, f"{lock}: it is a folder" in reply.text) == (503, True)
        assert client.asks("/session").status == 200
        assert "Traceback" not in page.log.read_text()


def test_a_session_is_not_a_hash(access: Access) -> None:
    """What is listed has no secret in it."""
    access.enter(access.make_link("Ana"))
    [session] = access.sessions()
    assert isinstance(session, Session)
    assert access.admit(session.hash) is None
