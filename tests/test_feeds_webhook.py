"""The webhook: judged by the packages of Standard Webhooks and CloudEvents, against receivers of every kind."""

import asyncio
import base64
import ipaddress
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook as Judge
from standardwebhooks.webhooks import WebhookVerificationError

from leadmasterd.errors import CannotUseSettings
from leadmasterd.feeds import envelope
from leadmasterd.feeds.kinds import Place
from leadmasterd.feeds.kinds.webhook import Webhook
from leadmasterd.feeds.making import make_receiver
from leadmasterd.feeds.schedule import Outcome, Result
from leadmasterd.hosts import is_public
from leadmasterd.outbox.reading import Event
from leadmasterd.settings.feeds import WebhookFeed, webhook_key
from leadmasterd.settings.template import filled
from tests.certificates import AUTHORITY, make_certificates, serving
from tests.feeds import AT, body_of
from tests.receivers import Behaviour, HttpReceiver, answers, receiving, writes

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(200, 256))).decode()
EVENT = Event(7, "lead.opened", 3, AT, {"lead_id": 1, "name": "Ñandú 🎉", "phones": ["+5491155550100"]}, None)
NOTHING = Event(8, "session.changed", 0, AT, {}, None)
QUICK = 0.5


@asynccontextmanager
async def webhook(port: int, *, host: str = "127.0.0.1", **settings: Any) -> AsyncIterator[Webhook]:
    """A webhook to a receiver on this machine, with little patience."""
    given_settings = {
        "kind": "webhook",
        "url": f"http://{host}:{port}/hook?key=abc",
        "secrets": [SECRET],
        "private_hosts": [host],
        **settings,
    }
    made = WebhookFeed.model_validate(given_settings)
    keys = [webhook_key(each.get_secret_value()) for each in made.secrets]
    mine = Webhook(made, keys, timeout=QUICK)
    try:
        yield mine
    finally:
        await mine.close()
        await asyncio.sleep(0)


async def tried(behaviour: Behaviour, event: Event = EVENT, **settings: Any) -> tuple[Outcome, HttpReceiver]:
    """The outcome of one try, and the receiver."""
    async with receiving(behaviour) as receiver, webhook(receiver.port, **settings) as mine:
        return await mine.deliver(event, after_gap=False), receiver


async def test_a_delivery_is_what_standard_webhooks_says() -> None:
    """Three headers, and a body of three members, judged by the specification's own package."""
    outcome, receiver = await tried(answers("204 No Content"))
    assert outcome.result is Result.DELIVERED
    [request] = receiver.requests
    assert request.line == "POST /hook?key=abc HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 60
    assert request.headers["webhook-id"] == envelope.id_of(EVENT)
    verified = Judge(SECRET).verify(request.body, dict(request.headers))
    assert verified == {"type": "lead.opened", "timestamp": AT, "data": EVENT.data}
    assert "Ñandú 🎉".encode() in request.body
    with pytest.raises(WebhookVerificationError):
        Judge(OTHER).verify(request.body, dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        Judge(SECRET).verify(request.body + b" ", dict(request.headers))


async def test_two_secrets_both_sign_while_one_replaces_the_other() -> None:
    """Receivers take either, separated by exactly one space."""
    _outcome, receiver = await tried(answers("200 OK"), secrets=[SECRET, OTHER])
    [request] = receiver.requests
    signatures = request.headers["webhook-signature"].split(" ")
    assert [each[:3] for each in signatures] == ["v1,", "v1,"]
    for secret in (SECRET, OTHER):
        Judge(secret).verify(request.body, dict(request.headers))


async def test_each_try_has_the_same_id_and_a_time_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The id is what receivers recognise repetitions by."""
    now = time.time()
    async with receiving(answers("500 Oops")) as receiver, webhook(receiver.port) as mine:
        for moment in (now, now + 90):
            monkeypatch.setattr(time, "time", lambda moment=moment: moment)
            await mine.deliver(EVENT, after_gap=False)
    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 90
    for request in (first, second):
        Judge(SECRET).verify(request.body, dict(request.headers))


def test_another_databases_event_has_another_id() -> None:
    """Numbers begin again there, and a receiver would drop it as a repetition."""
    others = (
        EVENT._replace(at="2026-11-23T12:00:00.001Z"),
        EVENT._replace(kind="lead.stage"),
        EVENT._replace(stream=4),
    )
    assert len({envelope.id_of(each) for each in (EVENT, *others)}) == 4
    assert envelope.id_of(EVENT) == envelope.id_of(EVENT._replace(data={}))


async def test_a_gap_and_a_replay_are_marked() -> None:
    """Beside the three members, and only when they are true."""
    async with receiving(answers("200 OK")) as receiver, webhook(receiver.port) as mine:
        await mine.deliver(EVENT._replace(feed="hub"), after_gap=True)
        await mine.deliver(EVENT, after_gap=False)
    marked, plain = (body_of(request.body) for request in receiver.requests)
    assert (marked["after_gap"], marked["replayed"]) == (True, True)
    assert plain.keys() == {"type", "timestamp", "data"}


async def test_cloudevents_are_read_by_their_own_package() -> None:
    """In the structured form, with the signature of Standard Webhooks beside it."""
    async with (
        receiving(answers("200 OK")) as receiver,
        webhook(receiver.port, envelope="cloudevents") as mine,
    ):
        await mine.deliver(EVENT, after_gap=True)
        await mine.deliver(NOTHING, after_gap=False)
    first, second = receiver.requests
    assert first.headers["content-type"] == "application/cloudevents+json"
    Judge(SECRET).verify(first.body, dict(first.headers))
    event = from_structured_event(HTTPMessage(dict(first.headers), first.body))
    assert event.get_id() == first.headers["webhook-id"]
    assert (event.get_type(), event.get_source()) == ("lead.opened", "urn:leadmasterd")
    assert event.get_subject() == "conversation/3"
    assert event.get_data() == EVENT.data
    assert event.get_extension("aftergap") is True
    moment = event.get_time()
    assert moment is not None
    assert moment.isoformat() == "2026-11-23T12:00:00+00:00"
    assert "subject" not in body_of(second.body)


TEMPLATE = {
    "external_id": "{data.lead_id}",
    "note": "{{{type}}} at {timestamp}: {data.name}",
    "again": "{replayed}",
    "key": "{id}",
    "fixed": [1, 2.5, True, "whatsapp", {"phones": "{data.phones}"}],
}


async def test_a_template_speaks_a_hubs_own_json() -> None:
    """A text that is one name alone keeps the value's type; the headers and the signature stay."""
    async with receiving(answers("200 OK")) as receiver, webhook(receiver.port, template=TEMPLATE) as mine:
        await mine.deliver(EVENT, after_gap=False)
        await mine.deliver(EVENT._replace(data={"lead_id": None, "name": None, "phones": []}), after_gap=False)
    first, second = receiver.requests
    assert Judge(SECRET).verify(first.body, dict(first.headers)) == {
        "external_id": 1,
        "note": f"{{lead.opened}} at {AT}: Ñandú 🎉",
        "again": False,
        "key": envelope.id_of(EVENT),
        "fixed": [1, 2.5, True, "whatsapp", {"phones": ["+5491155550100"]}],
    }
    assert body_of(second.body)["external_id"] is None
    assert body_of(second.body)["note"].endswith(": ")


@given(
    st.recursive(
        st.text() | st.integers() | st.booleans(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_what_an_event_says_never_changes_the_template(value: Any) -> None:
    """Braces in people's words are words: what is filled in is not read again."""
    template = {"alone": "{data.text}", "within": "<{data.text}>", "other": "{data.other}"}
    values = {"data.text": "{data.other} {{ }", "data.other": value}
    assert filled(template, values) == {
        "alone": "{data.other} {{ }",
        "within": "<{data.other} {{ }>",
        "other": value,
    }


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"template": {"a": "{data.lead_ids}"}}, "events of the type lead.opened have no data.lead_ids"),
        ({"template": {"a": "{data.name}"}}, "events of the type lead.opened have no data.name"),
        ({"template": {"a": "{data.name}"}, "full": True}, None),
        ({"template": {"a": ["{type} {data.lead_id} {after_gap}"]}}, None),
        ({"template": {"a": "{data.lead_id}"}, "events": ["lead.opened", "gap.*"]}, "events of the type gap."),
        ({"template": {"a": "{data}"}}, "have no data;"),
    ],
)
async def test_a_template_that_names_what_is_not_there_is_refused(
    tmp_path: Path, changes: dict[str, Any], missing: str | None
) -> None:
    """Before anything is delivered: a hub must not be told nothing by mistake."""
    settings = {"kind": "webhook", "url": "https://hub.example/", "secrets": [SECRET], "events": ["lead.opened"]}
    feed = WebhookFeed.model_validate({**settings, **changes})
    if missing is None:
        await make_receiver(feed, Place("hub", tmp_path, tmp_path)).close()
        return
    with pytest.raises(CannotUseSettings) as refused:
        make_receiver(feed, Place("hub", tmp_path, tmp_path))
    assert missing in str(refused.value)
    assert str(refused.value).startswith("cannot use feeds.hub.template: ")


GARBAGE = bytes(range(256)) * 20
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n"
ANSWERS: list[tuple[Behaviour, Result, str]] = [
    (answers("200 OK", body=GARBAGE), Result.DELIVERED, "HTTP 200"),
    (answers("204 No Content"), Result.DELIVERED, "HTTP 204"),
    (answers("301 Moved Permanently", "location: http://127.0.0.1:1/"), Result.AGAIN, "HTTP 301"),
    (answers("401 Unauthorized"), Result.AGAIN, "HTTP 401"),
    (answers("410 Gone"), Result.DISABLE, "HTTP 410"),
    (answers("413 Too Large"), Result.AGAIN, "HTTP 413"),
    (answers("429 Slow Down", "retry-after: 31536000"), Result.THROTTLED, "HTTP 429"),
    (answers("500 Oops", body=b"secret words"), Result.AGAIN, "HTTP 500"),
    (writes(HEAD + b"half"), Result.DELIVERED, "HTTP 200"),
    (writes(HEAD + b"ok", then_closes=False), Result.DELIVERED, "HTTP 200"),
    (writes(HEAD[:20]), Result.AGAIN, "the connection was closed before an answer"),
    (writes(b""), Result.AGAIN, "the connection was closed before an answer"),
    (writes(b"", then_closes=False), Result.AGAIN, "no answer in time"),
    (writes(HEAD * 10, a_byte_every=0.1), Result.AGAIN, "no answer in time"),
    (writes(GARBAGE), Result.AGAIN, "the answer is not HTTP"),
    (writes(b"SSH-2.0-OpenSSH_9.2\r\n"), Result.AGAIN, "the answer is not HTTP"),
    (writes(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n"), Result.AGAIN, "the answer is not HTTP"),
    (answers("200 OK", body=b"x" * 3_000_000), Result.DELIVERED, "HTTP 200"),
]


@pytest.mark.parametrize(("behaviour", "result", "why"), ANSWERS)
async def test_every_answer_has_an_outcome(behaviour: Behaviour, result: Result, why: str) -> None:
    """In our own words, and within the time-out."""
    began = time.monotonic()
    outcome, receiver = await tried(behaviour)
    assert (outcome.result, outcome.why) == (result, why)
    assert time.monotonic() - began < 10
    assert len(receiver.requests) == 1, "a redirect is not followed, and nothing is tried twice by itself"


async def test_retry_after_reaches_the_schedule() -> None:
    """It is capped there."""
    outcome, _receiver = await tried(answers("429 Slow Down", "retry-after: 31536000"))
    assert outcome.retry_after == 31536000


async def test_a_connection_is_used_again_when_its_answer_was_read() -> None:
    """A thousand deliveries a second are not a thousand connections."""
    async with receiving(answers("200 OK", body=b"ok")) as receiver, webhook(receiver.port) as mine:
        for _each in range(20):
            await mine.deliver(EVENT, after_gap=False)
        assert (len(receiver.requests), receiver.connections) == (20, 1)


async def test_nobody_there_is_told() -> None:
    """Refused, and a name that is none."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with webhook(port) as mine:
        assert await mine.deliver(EVENT, after_gap=False) == Outcome(Result.AGAIN, "connection refused")
    async with webhook(port, host="nowhere.invalid") as mine:
        assert (await mine.deliver(EVENT, after_gap=False)).why == "the name can't be resolved"


async def test_what_is_too_large_for_a_webhook_is_never_sent() -> None:
    """Standard Webhooks recommends less than 20 KB; no later try could make it smaller."""
    fits = EVENT._replace(data={"x": "y" * 19_800})
    outcome, _receiver = await tried(answers("200 OK"), fits)
    assert outcome.result is Result.DELIVERED
    outcome, receiver = await tried(answers("200 OK"), EVENT._replace(data={"x": "y" * 20_000}))
    assert outcome.result is Result.IMPOSSIBLE
    assert receiver.requests == []


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can set a variable would read everything."""
    async with receiving(answers("502 Proxy")) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        outcome, _receiver = await tried(answers("200 OK"))
        assert outcome.result is Result.DELIVERED
        assert proxy.requests == []


# ------------------------------------------------------------------ where it may connect


def resolving(monkeypatch: pytest.MonkeyPatch, *answers_in_turn: str) -> list[str]:
    """Let the system's resolver answer so, the last answer for ever. The names that were asked for."""
    left, asked = list(answers_in_turn), []

    def getaddrinfo(host: str, port: int, *_rest: object, **_named: object) -> list[Any]:
        asked.append(str(host))
        address = left.pop(0) if len(left) > 1 else left[0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::", "ff02::1", "2001:db8::1", "192.0.2.1", "fe80::1%lo",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_private_address_is_not_connected_to(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Whatever form it has; the name it came by is allowed nothing."""
    assert not is_public(address)
    async with receiving(answers("200 OK")) as receiver:
        resolving(monkeypatch, address)
        async with webhook(receiver.port, host="evil.example", private_hosts=["other.example"]) as mine:
            outcome = await mine.deliver(EVENT, after_gap=False)
        assert outcome == Outcome(Result.AGAIN, "private address")
        assert receiver.connections == 0


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_public(address: str) -> None:
    """Those of the internet are what feeds are for."""
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_is_public_in_each_of_its_forms_or_in_none(address: ipaddress.IPv4Address) -> None:
    """An IPv4 address has three forms in IPv6."""
    number = int(address)
    forms = [f"::ffff:{address}", str(ipaddress.ip_address((0x64FF9B << 96) | number)), str(address)]
    forms.append(str(ipaddress.ip_address((0x2002 << 112) | (number << 80))))
    assert len({is_public(form) for form in forms}) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "0.0.0.0"])
async def test_an_address_in_the_url_is_checked_too(host: str) -> None:
    """The client asks no resolver then."""
    async with receiving(answers("200 OK")) as receiver:
        async with webhook(receiver.port, host=host, private_hosts=["n8n.lan"]) as mine:
            assert (await mine.deliver(EVENT, after_gap=False)).why == "private address"
        assert receiver.connections == 0


async def test_a_host_of_whatsapp_is_refused_by_the_name_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the settings have let some spelling of it pass."""
    monkeypatch.setattr("leadmasterd.settings.feeds.is_whatsapps", lambda _host: False)
    asked = resolving(monkeypatch, "127.0.0.1")
    async with receiving(answers("200 OK")) as receiver:
        async with webhook(receiver.port, host="graph.facebook.com") as mine:
            outcome = await mine.deliver(EVENT, after_gap=False)
        assert outcome == Outcome(Result.AGAIN, "a host of WhatsApp or Meta")
        assert (receiver.connections, asked) == (0, [])


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "localhost"])
async def test_a_spelling_of_an_address_is_no_way_around(host: str) -> None:
    """The system's resolver takes them for 127.0.0.1."""
    async with receiving(answers("200 OK")) as receiver:
        async with webhook(receiver.port, host=host, private_hosts=["n8n.lan"]) as mine:
            outcome = await mine.deliver(EVENT, after_gap=False)
        assert outcome.result is Result.AGAIN
        assert receiver.connections == 0


async def test_a_name_that_resolves_to_this_machine_the_second_time_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was checked is what is connected to: nothing is looked up between the two."""
    async with receiving(answers("200 OK")) as receiver:
        asked = resolving(monkeypatch, "203.0.113.1", "127.0.0.1")
        monkeypatch.setattr(
            "leadmasterd.resolver.is_public", lambda address: address == "203.0.113.1" or is_public(address)
        )
        async with webhook(receiver.port, host="twice.example", private_hosts=["other.example"]) as mine:
            first = await mine.deliver(EVENT, after_gap=False)
            mine._session.connector.clear_dns_cache()  # type: ignore[union-attr]
            second = await mine.deliver(EVENT, after_gap=False)
        assert first.result is Result.AGAIN, "nobody answers there"
        assert second == Outcome(Result.AGAIN, "private address")
        assert asked == ["twice.example", "twice.example"]
        assert receiver.connections == 0


# ------------------------------------------------------------------ TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and certificates of it for `localhost` and for another host."""
    folder = tmp_path_factory.mktemp("tls")
    make_certificates(folder, "localhost", "other.example")
    return folder


@pytest.mark.parametrize(
    ("host", "trusted", "why"),
    [
        ("localhost", True, "HTTP 200"),
        ("localhost", False, "the certificate is not valid"),
        ("other.example", True, "the certificate is not valid"),
    ],
)
async def test_tls_is_verified(
    monkeypatch: pytest.MonkeyPatch, certificates: Path, host: str, trusted: bool, why: str
) -> None:
    """An unknown authority, and a certificate of another host, are refused before anything is sent."""
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates / AUTHORITY))
    async with receiving(answers("200 OK"), tls=serving(certificates, host)) as receiver:
        url = f"https://localhost:{receiver.port}/"
        async with webhook(receiver.port, url=url, private_hosts=["localhost"]) as mine:
            outcome = await mine.deliver(EVENT, after_gap=False)
        assert outcome.why == why
        assert len(receiver.requests) == (why == "HTTP 200")


@given(st.lists(st.binary(min_size=24, max_size=64), min_size=1, max_size=3), st.text(max_size=50), st.text(max_size=9))
def test_any_event_signed_by_any_keys_is_verified_by_each(keys: list[bytes], text: str, name: str) -> None:
    """By the specification's own package, whatever people write."""
    event = EVENT._replace(data={name: text})
    body = envelope.json_bytes(envelope.standard(event, after_gap=False))
    now = int(time.time())
    webhook_id = envelope.id_of(event)
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(now),
        "webhook-signature": envelope.signature(keys, webhook_id=webhook_id, timestamp=now, body=body),
    }
    for key in keys:
        assert Judge(key).verify(body, headers)["data"] == {name: text}
    assert json.loads(body)["type"] == "lead.opened"


@given(st.binary(min_size=24, max_size=64))
def test_a_secret_is_the_same_key_for_us_and_for_receivers(key: bytes) -> None:
    """Standard base64, with its prefix."""
    secret = "whsec_" + base64.b64encode(key).decode()
    assert webhook_key(secret) == key == Judge(secret)._whsecret


WRONG_SECRETS = [
    "",
    "whsec_",
    "abc",
    base64.b64encode(bytes(32)).decode(),
    "whsec_" + base64.b64encode(bytes(23)).decode(),
    "whsec_" + base64.b64encode(bytes(65)).decode(),
    "whsec_" + base64.b64encode(bytes(32)).decode().rstrip("="),
    "whsec_" + base64.urlsafe_b64encode(b"\xfb\xff\xfe" * 10).decode(),
    "whsec_ñ" + base64.b64encode(bytes(30)).decode(),
    "whsk_" + base64.b64encode(bytes(32)).decode(),
    "whsec_" + "0123456789abcdef" * 2 + "!",
]


@pytest.mark.parametrize("secret", WRONG_SECRETS)
def test_a_secret_that_receivers_would_read_differently_is_refused(secret: str) -> None:
    """Url-safe base64 silently becomes another key in Python's package and is refused by that of npm."""
    with pytest.raises(ValueError, match="whsec_"):
        webhook_key(secret)
