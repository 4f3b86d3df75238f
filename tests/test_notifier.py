"""A person is told, each address within its time, and nothing that is told can reach WhatsApp."""

import asyncio
import base64
import io
import json
import logging
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, quote

import pytest
from apprise.manager_plugins import NotificationManager
from apprise.plugins.base import NotifyBase
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.email.base import NotifyEmail
from apprise.plugins.pushover import NotifyPushover
from apprise.plugins.slack import NotifySlack
from apprise.plugins.telegram import NotifyTelegram
from hypothesis import given
from hypothesis import strategies as st

from leadmasterd.alerts import notifier
from leadmasterd.alerts.kinds import Text
from leadmasterd.alerts.notifier import SCHEMAS, Notifier, understand
from tests.mailboxes import PASSWORD, mail_server
from tests.receivers import answers, receiving
from tests.waiting import until

SCAN = Text("La sesión necesita un escaneo", "En el teléfono: WhatsApp > Ajustes.\n<b>Ana & Luis</b>\n\nFin.")


# --- Through what -----------------------------------------------------------------------------------------------------


def _installed() -> dict[str, type[NotifyBase]]:
    manager = NotificationManager()  # type: ignore[no-untyped-call]
    return {str(schema): manager[schema] for schema in manager.schemas()}  # type: ignore[no-untyped-call]


def _shapes(schema: str, plugin: type[NotifyBase]) -> Iterator[str]:
    """URLs that this service could take, made from its own templates."""
    template: str
    for template in plugin.templates:
        yield re.sub(r"\{(\w+)\}", lambda m: {"schema": schema, "port": "443"}.get(m[1], "abcdef123"), template)
    yield f"{schema}://graph.facebook.com/v21.0/1/messages"
    yield f"{schema.upper()}://host.example/topic"


def test_whatever_else_apprise_offers_is_refused() -> None:
    """All schemas of the installed version that are not on our list."""
    others = {schema: plugin for schema, plugin in _installed().items() if schema not in SCHEMAS}
    assert len(others) > 200
    for schema, plugin in others.items():
        for url in _shapes(schema, plugin):
            with pytest.raises(ValueError, match="is not used for alerts"):
                understand(url)


@given(schema=st.sampled_from(sorted(SCHEMAS)), rest=st.text(max_size=80))
def test_any_text_is_understood_or_refused_in_a_sentence(schema: str, rest: str) -> None:
    try:
        address = understand(f"{schema}://{rest}")
    except ValueError as error:
        shown = str(error)
    else:
        shown = address.shown
    assert shown
    assert shown.isprintable()


def test_nothing_on_the_list_knows_whatsapp() -> None:
    """Nor is what writes there hidden behind a name of ours: the plugins are the ones that we import."""
    plugins = _installed()
    assert plugins.keys() >= SCHEMAS
    speak = {
        schema
        for schema, plugin in plugins.items()
        if "whatsapp" in Path(sys.modules[plugin.__module__].__file__ or "").read_text(encoding="utf-8").lower()
    }
    assert {"whatsapp", "evolution", "twilio", "whapi", "gupshup"} <= speak
    assert not speak & SCHEMAS
    assert {schema: plugins[schema] for schema in SCHEMAS} == {
        schema: service.plugin for schema, service in notifier._SERVICES.items()
    }


def test_a_service_of_a_newer_apprise_is_refused() -> None:
    manager = NotificationManager()  # type: ignore[no-untyped-call]
    assert manager.add(type("New", (NotifyBase,), {"protocol": "wanew"}))  # type: ignore[no-untyped-call]
    try:
        with pytest.raises(ValueError, match="is not used for alerts"):
            understand("wanew://host.example/5491155550001")
    finally:
        manager.remove("wanew", unload=False)  # type: ignore[no-untyped-call]


def test_no_other_plugin_is_even_loaded() -> None:
    program = (
        "import sys, leadmasterd.alerts.notifier as n\n"
        "n.understand('ntfys://ntfy.sh/alertas-tienda')\n"
        "print([m for m in sys.modules if m.startswith('apprise.plugins.')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "apprise.plugins.ntfy" in done.stdout
    assert not any(name in done.stdout for name in ("whatsapp", "evolution", "twilio", "custom_json", "matrix"))


@pytest.mark.parametrize(
    "url",
    [
        "ntfys://graph.facebook.com/topic",
        "gotifys://api.whatsapp.com/token",
        "gotifys://ana:pw@GRAPH.facebook.com./v21.0/1/token",
        "mailtos://ana:pw@meta.com?to=a@b.example&from=c@d.example",
        "mailtos://ana:pw@b.example?to=a@b.example&from=c@d.example&smtp=mx.whatsapp.net",
    ],
)
def test_a_host_of_whatsapp_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="nothing here sends"):
        understand(url)


# --- As what a URL is understood --------------------------------------------------------------------------------------

BOT = "123456789:abcdefghijklmnopqrstuvwxyz123456789"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "mailtos://ana:secreta@smtp.tienda.example:465?to=pedro@tienda.example&from=avisos@tienda.example",
            "smtp.tienda.example:465: mail to pe…@tienda.example",
        ),
        (
            "mailtos://ana.perez:secreta@gmail.com?to=pedro@tienda.example",
            "smtp.gmail.com:587: mail to pe…@tienda.example",
        ),
        (
            "mailtos://ana:secreta@tienda.example?smtp=mx.tienda.example&to=pe@tienda.example",
            "mx.tienda.example:587: mail to …@tienda.example",
        ),
        (f"tgram://{BOT}/12315544/", "api.telegram.org: Telegram chat 12…"),
        ("ntfys://ntfy.sh/alertas-tienda", "ntfy.sh: ntfy topic al…"),
        ("ntfys://ana:2026%23sol@own.server/alertas", "own.server: ntfy topic al…"),
        ("ntfys://tk_abcdefgh@own.server:8443/alertas", "own.server:8443: ntfy topic al…"),
        ("ntfy://[::1]:8080/alertas", "[::1]:8080: ntfy topic al…"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "hooks.slack.com: the Slack channel of the webhook"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/general", "hooks.slack.com: Slack channel ge…"),
        ("discord://123456789/abcDEF-token", "discord.com: Discord webhook 12…"),
        (
            "pover://uQiRzpo4DXghDmr9QzzfQu27cmVRsG@azGDORePK8gMaC0QOYAMyEEuzJnyUi",
            "api.pushover.net: Pushover user uQ…",
        ),
        ("gotifys://gotify.example/sub/AbCdEf123", "gotify.example: Gotify"),
    ],
)
def test_an_address_is_shown_masked_and_its_host_first(url: str, shown: str) -> None:
    address = understand(url)
    assert address.shown == shown
    assert address.warning == "" if not url.startswith("ntfy://") else "secrets too" in address.warning
    assert "secreta" not in repr(address)
    assert url not in repr(address)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ntfys://ana:2026#sol@own.server/alertas", "`#` is %23"),  # would post to the public ntfy.sh, topic "ana"
        ("ntfys://ana:20/26@own.server/alertas", "`/` is %2F"),
        ("ntfys://ana:20?26@own.server/alertas", "option `26@own.server/alertas` is not used"),
        ("ntfys://ana:sol@mar@own.server/alertas", "`@` is %40"),
        ("ntfys://ana:sol:mar@own.server/alertas", "%XX"),
        ("ntfys://alertas", "as ntfys://ntfy.sh/TOPIC"),
        ("ntfys://localhost", "as ntfys://ntfy.sh/TOPIC"),
        ("ntfys://own.server/alertas?mode=cloud", "`mode` is not used here; known: priority"),
        ("ntfys://own.server/alertas?email=a@b.example", "`email` is not used"),
        ("ntfys://own.server/alertas?actions=http", "`actions` is not used"),
        ("ntfys://own.server/alertas?redirect=yes", "`redirect` is not used"),
        ("ntfys://own.server/alertas?verify=no", "`verify` is not used"),
        ("ntfys://own.server/alertas/caja", "one receiver"),
        ("ntfys://own.server/alertas%20caja", "one receiver"),
        ("ntfys://own.server:99999/alertas", "no number from 1 to 65535"),
        ("mailtos://ana:pw@smtp.example:0?to=a@b.example&from=c@d.example", "no number from 1 to 65535"),
        ("mailtos://ana:pw@smtp.example?to=a@b.example&from=c%0D%0ABcc:x@d.example", "line break"),
        ("mailtos://ana:pw@smtp.example?to=a@b.example&from=c@d.example&name=x%0ABcc:x@d.example", "line break"),
        ("mailtos://ana:pw@smtp.example?to=a@b.c&from=c@d.example", "docs/alerts.md (Dropped invalid To email"),
        ("gotifys://own.server", "cannot be read|Token"),
        ("mailtos://ana:pw@smtp.example", "add ?to="),
        ("mailtos://ana:pw@smtp.example?to=pe@x.example", "add &from="),
        ("mailtos://ana:pw@smtp.example?to=pe@x.example&from=Tienda", "add &from="),
        ("mailtos://ana:pw@smtp.example?to=pe@x.example,ana@x.example&from=c@d.example", "the one address"),
        ("mailtos://ana:pw@smtp.example?to=pe@x.example,ana&from=c@d.example", "the one address"),
        ("mailtos://ana:pw@smtp.example/pe@x.example?from=c@d.example", "`@` is %40"),
        ("mailtos://ana:pw@smtp.example?to=a@b.example&to=c@d.example&from=c@d.example", "twice"),
        ("mailtos://ana:pw@smtp.example?to=a@b.example&from=c@d.example&cc=e@f.example", "`cc` is not used"),
        ("mailtos://ana:pw@smtp.example?to=a@b.example&from=c@d.example&mode=quiet", "secure mode"),
        (f"tgram://{BOT}/", "one receiver"),
        (f"tgram://{BOT}/1231/4455/", "one receiver"),
        ("tgram://botless/1231", "cannot be read|invalid"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/general/caja", "one receiver"),
        ("slack://workflows/T1JJ3T3L2/A1BRTD4JD/123456789/TIiajkdnlazkcOXrIdevi7FQ", "webhooks and bots|one receiver"),
        ("discord://123456789/abc?template=/etc/passwd", "`template` is not used"),
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "is not used for alerts"),
        ("alertas", "an address without a schema"),
        ("", "an address without a schema"),
    ],
)
def test_what_could_be_misread_is_refused_without_its_secrets(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words) if "|" not in words else words) as error:
        understand(url)
    sentence = str(error.value)
    assert "\n" not in sentence
    assert not any(secret in sentence for secret in (BOT, "TIiajkdnlazkcOXrIdevi7FQ", ":pw@", "2026"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mailto://ana:pw@smtp.example?to=a@b.example&from=c@d.example", "the password and the mail"),
        ("mailtos://ana:pw@smtp.example?to=a@b.example&from=c@d.example&mode=insecure", "the password and the mail"),
        ("mailto://localhost?to=a@b.example&from=c@d.example", "the mail is sent unencrypted"),
        ("mailto://ana:pw@smtp.example?to=a@b.example&from=c@d.example&mode=starttls", ""),
        ("gotify://10.0.0.5/token123", "gotifys://"),
    ],
)
def test_what_travels_readable_is_told(url: str, words: str) -> None:
    assert words in understand(url).warning
    assert bool(words) == bool(understand(url).warning)


# --- By mail ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost with its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "key", "-out", "crt"]
    subprocess.run([*new, *name], cwd=folder, check=True, capture_output=True)
    file = folder / "localhost.pem"
    file.write_text((folder / "key").read_text() + (folder / "crt").read_text())
    return file


def _tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def _mail(place: str, to: str = "pe@x.example") -> str:
    return f"mailto://{place}?to={to}&from=avisos@x.example"


async def test_a_mail_keeps_its_lines_and_every_character() -> None:
    async with mail_server() as box:
        [result] = await Notifier([_mail(box.place) + "&name=Tienda%20Ñandú"]).send(SCAN)
    assert result.delivered, result.why
    assert result.why == ""
    [mail] = box.mails
    assert mail["Subject"] == SCAN.title
    assert mail["To"] == "pe@x.example"
    assert mail["From"] == "Tienda Ñandú <avisos@x.example>"
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().split() == SCAN.body.split()
    assert mail.get_content().count("\n") == SCAN.body.count("\n") + 1


async def test_a_title_alone_is_told_too() -> None:
    """Apprise refuses an empty body, and would do so for ever."""
    async with mail_server() as box:
        [result] = await Notifier([_mail(box.place)]).send(Text("WhatsApp is linked", ""))
        assert result.delivered, result.why
        assert box.mails[0].get_content().strip() == "WhatsApp is linked"


async def test_a_second_mail_does_not_wait() -> None:
    """Apprise waits 5.5 s between two of one object: two alerts at once would take longer than many a time limit."""
    async with mail_server() as box, asyncio.timeout(5):
        notify = Notifier([_mail(box.place)])
        for _each in range(2):
            await notify.send(SCAN)
    assert len(box.mails) == 2


async def test_a_login_goes_by_starttls_and_its_special_characters_arrive(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with mail_server(tls_context=_tls(certificate), require_starttls=True) as box:
        url = f"mailtos://avisos%40x.example:{quote(PASSWORD, safe='')}@{box.place}?to=pe@x.example&from=a@x.example"
        [result] = await Notifier([url]).send(SCAN)
    assert result.delivered, result.why
    assert box.logins == [(b"avisos@x.example", PASSWORD.encode())]
    assert box.tls == [True]


async def test_no_login_goes_to_a_server_that_offers_no_tls() -> None:
    async with mail_server(auth_require_tls=False) as box:
        [result] = await Notifier([f"mailtos://ana:secreta@{box.place}?to=pe@x.example&from=a@x.example"]).send(SCAN)
    assert not result.delivered
    assert "STARTTLS" in result.why
    assert box.logins == []


async def test_a_certificate_that_is_not_trusted_is_refused(certificate: Path) -> None:
    async with mail_server(tls_context=_tls(certificate)) as box:
        [result] = await Notifier([f"mailtos://{box.place}?to=pe@x.example&from=a@x.example"]).send(SCAN)
    assert not result.delivered
    assert "CERTIFICATE_VERIFY_FAILED" in result.why
    assert box.mails == []


@pytest.mark.parametrize(("port", "mode"), [(465, "ssl"), (587, "starttls"), (2525, "starttls")])
def test_port_465_begins_with_tls(port: int, mode: str) -> None:
    """With STARTTLS, Apprise's default, both sides would wait for the other."""
    made = notifier._plugin_of(f"mailtos://a:b@smtp.example:{port}?to=c@d.example&from=e@f.example")
    assert isinstance(made, NotifyEmail)
    assert made.secure_mode == mode


async def test_a_refused_receiver_is_a_failure_of_its_own() -> None:
    """One URL is one receiver: a retry for the one tells the other nothing twice."""
    async with mail_server() as box:
        notify = Notifier([_mail(box.place, f"{name}@x.example") for name in ("nobody", "pedro")])
        refused, taken = await notify.send(SCAN)
        [again] = await notify.send(SCAN, skip={taken.key})
    assert (refused.delivered, taken.delivered) == (False, True)
    assert refused.why == "550 5.1.1 no such mailbox here: …"
    assert "nobody@x.example" not in refused.why
    assert again.key == refused.key
    assert len(box.mails) == 1


async def test_what_is_no_mail_server_is_told() -> None:
    async def says_no_code(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        await reader.readline()
        writer.close()

    async with await asyncio.start_server(says_no_code, "127.0.0.1", 0) as server:
        [result] = await Notifier([_mail(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")]).send(SCAN)
    assert (result.delivered, result.why) == (False, "what answers there is no mail server")


async def test_a_server_that_hangs_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifier, "_MOST_STUCK", 1)
    async with mail_server() as box, asyncio.timeout(30):
        with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections and says nothing
            notify = Notifier([_mail(f"127.0.0.1:{silent.getsockname()[1]}"), _mail(box.place)])
            both = asyncio.create_task(notify.send(SCAN))
            await until(lambda: box.mails)
            assert not both.done()
            both.cancel()
            monkeypatch.setattr(notifier, "SEND_SECONDS", 0.2)
            [hangs] = await notify.send(SCAN, skip=[notify.addresses[1].key])
            assert "no answer in time" in hangs.why
            monkeypatch.undo()
            monkeypatch.setattr(notifier, "_MOST_STUCK", 1)
            hangs, taken = await notify.send(SCAN)
            assert len(notify._stuck[hangs.key]) == 1  # no further thread waits for it
        assert "answered none" in hangs.why
        assert taken.delivered
    assert len(box.mails) == 2


def test_a_server_that_hangs_does_not_keep_the_process() -> None:
    """Also at the shutdown: the thread that waits is left behind."""
    program = (
        "import asyncio, socket, time\n"
        "from leadmasterd.alerts import notifier\n"
        "from leadmasterd.alerts.kinds import Text\n"
        "notifier.SEND_SECONDS, notifier._STEP_SECONDS = 0.2, 3600\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "url = f'mailto://127.0.0.1:{server.getsockname()[1]}?to=a@b.example&from=c@d.example'\n"
        "print(asyncio.run(notifier.Notifier([url]).send(Text('a', 'b')))[0].why)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "no answer in time" in done.stdout
    assert "Traceback" not in done.stderr


# --- Over HTTP --------------------------------------------------------------------------------------------------------


async def test_ntfy_and_gotify_get_the_text_as_it_is() -> None:
    async with receiving(answers("200 OK", body=b"{}")) as hook:
        place = f"127.0.0.1:{hook.port}"
        results = await Notifier([f"ntfy://ana:2026%23sol@{place}/alertas", f"gotify://{place}/sub/token123"]).send(
            SCAN
        )
    assert [result.delivered for result in results] == [True, True]
    posts = {request.line.split()[1]: request for request in hook.requests}
    assert json.loads(posts["/"].body) == {"topic": "alertas", "title": SCAN.title, "message": SCAN.body}
    assert base64.b64decode(posts["/"].headers["authorization"].removeprefix("Basic ")) == b"ana:2026#sol"
    assert "x-icon" not in posts["/"].headers  # a phone would fetch it from elsewhere
    gotify = json.loads(posts["/sub/message"].body)
    assert (gotify["title"], gotify["message"]) == (SCAN.title, SCAN.body)
    assert posts["/sub/message"].headers["x-gotify-key"] == "token123"


LONG = Text(
    "Título", "\n".join(f"{n}: José pregunta cuánto sale el envío a Ñuñoa 🙂🙂🙂🙂🙂🙂" for n in range(60))[:3500]
)


async def test_a_long_text_is_no_attachment_of_ntfy() -> None:
    """It leaves out whole lines instead, and says how many."""
    async with receiving(answers("200 OK", body=b"{}")) as hook:
        [result] = await Notifier([f"ntfy://127.0.0.1:{hook.port}/alertas"]).send(LONG)
    assert result.delivered, result.why
    [request] = hook.requests
    assert request.line.startswith("POST / ")
    message = json.loads(request.body)["message"]
    assert len(message.encode()) <= 4000
    *kept, last = message.split("\n")
    lines = LONG.body.split("\n")
    assert kept == lines[: len(kept)]
    assert last == f"… and {len(lines) - len(kept)} more lines"


async def test_a_line_too_long_is_cut() -> None:
    async with receiving(answers("200 OK", body=b"{}")) as hook:
        [result] = await Notifier([f"ntfy://127.0.0.1:{hook.port}/alertas"]).send(Text("a", "é" * 3400))
    assert result.delivered
    [request] = hook.requests
    assert request.line.startswith("POST / ")
    assert re.fullmatch("é{800,1250}…", json.loads(request.body)["message"])


@pytest.mark.parametrize(
    "answer",
    ["301 Moved", "302 Found", "307 Temporary", "308 Permanent", "204 No Content", "400 Bad", "429 Slow", "500 Broken"],
)
async def test_only_a_200_is_a_delivery_and_no_redirect_is_followed(answer: str) -> None:
    async with receiving(answers("200 OK", body=b"{}")) as elsewhere:
        location = f"location: http://127.0.0.1:{elsewhere.port}/elsewhere"
        async with receiving(answers(answer, location, body=b'{"error": "no topic alertas"}')) as hook:
            place = f"127.0.0.1:{hook.port}"
            results = await Notifier([f"ntfy://{place}/alertas", f"gotify://{place}/token123"]).send(SCAN)
    assert [result.delivered for result in results] == [False, False]
    assert all(result.why and "token123" not in result.why and "alertas" not in result.why for result in results)
    assert (len(hook.requests), len(elsewhere.requests)) == (2, 0)


async def test_a_failure_names_no_secret_and_no_person() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
    journal = io.StringIO()
    handler, root = logging.StreamHandler(journal), logging.getLogger()
    before = root.level
    root.addHandler(handler)  # not caplog: it also hears what goes no further
    root.setLevel(logging.DEBUG)
    try:
        [result] = await Notifier([f"gotify://{place}/token123456"]).send(SCAN)
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    assert not result.delivered
    assert result.why == "Connection refused"
    assert journal.getvalue() == f"an alert was not delivered to {place}: Gotify: {result.why}\n"


@pytest.mark.parametrize(
    ("url", "plugin", "constant"),
    [
        (f"tgram://{BOT}/12315544", NotifyTelegram, "notify_url"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", NotifySlack, "webhook_url"),
        ("discord://123456789/abcDEF-token", NotifyDiscord, "notify_url"),
        ("pover://uQiRzpo4DXghDmr9QzzfQu27cmVRsG@azGDORePK8gMaC0QOYAMyEEuzJnyUi", NotifyPushover, "notify_url"),
    ],
)
async def test_the_others_get_one_message_within_their_limit(
    monkeypatch: pytest.MonkeyPatch, url: str, plugin: type[NotifyBase], constant: str
) -> None:
    """A stand-in takes the place of their address; nothing else differs."""
    text = Text("@everyone", f"<b>Ana & Luis</b> @here <!channel>\n{LONG.body}"[:3500])
    body = b"ok" if plugin is NotifySlack else b'{"status": 1}'
    async with receiving(answers("200 OK", body=body)) as hook:
        monkeypatch.setattr(plugin, constant, f"http://127.0.0.1:{hook.port}/")
        [result] = await Notifier([url]).send(text)
    assert result.delivered, result.why
    [request] = hook.requests
    sent = request.body.decode()
    fields = json.loads(sent) if sent.startswith("{") else dict(parse_qsl(sent))
    if plugin is NotifyTelegram:
        assert fields["parse_mode"] == "HTML"
        assert "&lt;b&gt;Ana &amp; Luis&lt;/b&gt; @here" in fields["text"]
        assert fields["text"].count("\n") >= text.body.count("\n")
    elif plugin is NotifySlack:
        assert "&lt;!channel&gt;" in sent
        assert "<!" not in sent
        assert LONG.body.split("\n")[-1] in json.dumps(fields, ensure_ascii=False)
    elif plugin is NotifyDiscord:
        assert len(fields["content"]) <= 2000
        assert not re.search("@(everyone|here)", fields["content"])
        assert fields["content"].endswith("more lines")
    else:
        assert len(fields["message"]) <= 1024
        assert fields["message"].endswith("more lines")
