"""Tells a person, by mail, Telegram, ntfy, Slack, Discord, Pushover or Gotify. Never through WhatsApp.

Apprise delivers. It knows some 260 services, and several of them write to WhatsApp, as a generic hook could. So only
the services of `_SERVICES` are ever imported, with few of their options, and what a URL was understood as is compared
with how it is written: one misread character can change the host. One URL is one receiver, so that a retry tells
nobody twice.
"""

import asyncio
import hashlib
import json
import logging
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from apprise import Apprise, AppriseAsset, NotifyFormat
from apprise.plugins.base import NotifyBase
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.email.base import NotifyEmail
from apprise.plugins.gotify import NotifyGotify
from apprise.plugins.ntfy import NotifyNtfy
from apprise.plugins.pushover import NotifyPushover
from apprise.plugins.slack import NotifySlack
from apprise.plugins.telegram import NotifyTelegram

from leadmasterd.alerts.kinds import Text
from leadmasterd.hosts import is_whatsapps
from leadmasterd.text import _, later, ngettext, printable

log = logging.getLogger(__name__)

SEND_SECONDS: Final = 30.0
"""For one address, whatever its server does. Apprise's own limits count each step of a connection alone."""
_STEP_SECONDS: Final = 15
"""To connect, and between two bytes: Apprise's four are too few for a slow server, which then is told twice."""
_MOST_STUCK: Final = 3
"""Threads that may wait for one address at a time. Those that are given up end by themselves, most of them."""

_APPRISE: Final = logging.getLogger("apprise")
_APPRISE.setLevel(logging.DEBUG)  # only there it says why a connection failed
for _each in (_APPRISE, logging.getLogger("urllib3")):  # they name receivers, topics and tokens
    _each.propagate = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    """What may be told through. `host`: where it posts, if that is not in the URL."""

    plugin: type[NotifyBase]
    options: frozenset[str] = frozenset()
    host: str = ""
    characters: int = 4000
    utf8: int = 100_000


_MAIL: Final = _Service(plugin=NotifyEmail, options=frozenset({"to", "from", "name", "smtp", "mode"}))
# Beyond 4,096 bytes a server of ntfy makes an attachment of a message.
_NTFY: Final = _Service(plugin=NotifyNtfy, options=frozenset({"priority"}), characters=3500, utf8=4000)
_GOTIFY: Final = _Service(plugin=NotifyGotify, options=frozenset({"priority"}))

_SERVICES: Final[Mapping[str, _Service]] = {
    "mailto": _MAIL,
    "mailtos": _MAIL,
    "tgram": _Service(plugin=NotifyTelegram, options=frozenset({"silent", "topic"}), host="api.telegram.org"),
    "ntfy": _NTFY,
    "ntfys": _NTFY,
    "slack": _Service(plugin=NotifySlack, host="slack.com"),
    "discord": _Service(plugin=NotifyDiscord, host="discord.com", characters=1900),
    "pover": _Service(
        plugin=NotifyPushover, options=frozenset({"priority", "sound"}), host="api.pushover.net", characters=1000
    ),
    "gotify": _GOTIFY,
    "gotifys": _GOTIFY,
}
"""By schema. A service that is not here is refused, so those of a newer Apprise are too.

Left out with reason: json, xml, form and the like, which can post to the Cloud API or to a bridge; apprise, ifttt,
mqtt, Home Assistant and workflows, behind which another program decides; Matrix, where a room may be a chat of
WhatsApp; Signal and SMS gateways, whose addresses are phone numbers and whose APIs often do WhatsApp as well.
"""

SCHEMAS: Final = frozenset(_SERVICES)


@dataclass(frozen=True, slots=True)
class Address:
    """One receiver, as its URL was understood."""

    key: str
    """Stable, and tells nothing of the URL."""
    shown: str
    """Where it goes, the host first, with names and secrets masked."""
    warning: str
    """What is unsafe about it, in one sentence, or ""."""
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one message to one address."""

    key: str
    shown: str
    delivered: bool
    why: str
    """Why not, without secrets; English, to be `translated`."""


def understand(url: str) -> Address:
    """Check the URL of a receiver. Raises ValueError with one sentence, which does not show the URL."""
    service = _made(url)
    key = hashlib.sha256(url.encode()).hexdigest()[:16]
    return Address(key=key, shown=printable(_shown(service)), warning=_warning(service), url=url)


class Notifier:
    """Delivers texts to all addresses, each bounded in time, whatever the servers do."""

    def __init__(self, addresses: Sequence[str]) -> None:
        """Raises ValueError, as `understand` does."""
        self.addresses: Final = tuple({each.key: each for each in map(understand, addresses)}.values())
        self._stuck: dict[str, list[threading.Thread]] = {each.key: [] for each in self.addresses}

    async def send(self, text: Text, *, skip: Collection[str] = ()) -> list[Result]:
        """To every address whose key is not in `skip`. Never raises, and ends within `SEND_SECONDS`."""
        return list(await asyncio.gather(*(self._send(each, text) for each in self.addresses if each.key not in skip)))

    async def _send(self, address: Address, text: Text) -> Result:
        """In a thread of its own, which the end of the process does not wait for."""
        stuck = self._stuck[address.key]
        stuck[:] = [thread for thread in stuck if thread.is_alive()]
        why: str | None
        if len(stuck) >= _MOST_STUCK:
            why = later("its server has answered none of the last messages")
        else:
            thread, outcome = _in_a_thread(lambda: _delivered(address, text))
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    why = await outcome
            except TimeoutError:
                stuck.append(thread)
                why = later("no answer in time")
        if why is not None:
            log.warning("an alert was not delivered to %s: %s", address.shown, why, extra={"action": "alert_failed"})
        return Result(address.key, address.shown, why is None, why or "")


def _in_a_thread(work: Callable[[], str | None]) -> tuple[threading.Thread, asyncio.Future[str | None]]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[str | None] = loop.create_future()

    def settle(outcome: str | None) -> None:
        if not future.done():
            future.set_result(outcome)

    def run() -> None:
        try:
            outcome = work()
        except Exception as error:  # noqa: BLE001 - a plugin's defect is one failed delivery
            outcome = f"{type(error).__name__}: {error}"
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, outcome)

    thread = threading.Thread(target=copy_context().run, args=(run,), name="alert", daemon=True)
    thread.start()
    return thread, future


def _delivered(address: Address, text: Text) -> str | None:
    """None once the server has taken it, else why not. Blocks."""
    service = _made(address.url)  # anew each time: a second message of one object waits for 5.5 s
    service.request_rate_per_sec = 0
    title, body = text.title, text.body or text.title  # Apprise refuses an empty one
    if isinstance(service, NotifyDiscord):  # a customer's name must not call everybody
        title, body = (each.replace("@", "@\N{ZERO WIDTH SPACE}") for each in (title, body))
    apprise = Apprise(asset=service.asset)
    apprise.add(service)
    # Without the format a mail loses its lines, and Telegram reads names as HTML.
    with apprise.notify(
        title=title, body=_cut(title, body, address), body_format=NotifyFormat.TEXT, log_level=logging.DEBUG
    ) as result:
        if result:
            return None
        lines = [entry.message for entry in result.logs() if entry.level in ("WARNING", "ERROR")]
        causes = [_cause(entry.message) for entry in result.logs() if "xception: " in entry.message]
    return printable(_without_secrets(address.url, (causes or lines or [later("refused")])[-1]))[:300].rstrip(".")


def _cause(message: str) -> str:
    """The innermost error: `Socket Exception: …` wraps those of requests and urllib3."""
    error = message.partition("xception: ")[2]
    _before, wrapped, caused = error.partition("Caused by ")
    if wrapped:
        error = re.split(r": |, [\"']", caused)[-1].rstrip("\"')")
    if said := _SMTP_ANSWER.search(error):
        if said[1] is None:
            return later("what answers there is no mail server")
        return f"{said[1]} {said[3]}".replace("\\r", "").replace("\\n", " ")
    return re.sub(r"\[Errno -?\d+\] ", "", error)


_SMTP_ANSWER: Final = re.compile(r"""\((?:-1|(\d{3})), b(['"])(.*?)\2""")
"""As Python shows what a mail server has said."""


def _cut(title: str, body: str, address: Address) -> str:
    """As many whole lines as the service takes, and how many are left out."""
    service = _SERVICES[_schema(address.url)]

    def fits(text: str) -> bool:
        whole = f"{title}\n{text}"
        # Apprise makes an attachment of an ntfy message whose JSON passes 8,000 ASCII characters.
        return (
            len(whole.encode("utf-16-le")) // 2 <= service.characters
            and len(whole.encode()) <= service.utf8
            and (service is not _NTFY or len(json.dumps(whole)) <= 7500)
        )

    if fits(body):
        return body
    lines = body.split("\n")
    for left in range(len(lines) - 1, 0, -1):
        out = len(lines) - left
        more = ngettext("… and {n} more line", "… and {n} more lines", out).format(n=out)
        if fits(shorter := "\n".join([*lines[:left], more])):
            return shorter
    line = lines[0]
    while line and not fits(f"{line}…"):
        line = line[: len(line) * 9 // 10]
    return f"{line}…"


def _schema(url: str) -> str:
    return url.partition("://")[0].lower()


def _made(url: str) -> NotifyBase:
    """The service that a URL names. Raises ValueError."""
    schema = _schema(url)
    service = _SERVICES.get(schema)
    if service is None or "://" not in url:
        name = f"{printable(schema)[:20]}://" if "://" in url else _("an address without a schema")
        raise ValueError(
            _(
                "{name} is not used for alerts; known here: {known}. Whatever else Apprise offers may reach WhatsApp, "
                "and nothing here sends"
            ).format(name=name, known=", ".join(f"{each}://" for each in _SERVICES))
        )
    try:
        return _checked(url, schema, service)
    except ValueError as error:
        raise ValueError(f"{schema}://…: {error}") from None


_USERINFO: Final = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")


def _checked(url: str, schema: str, service: _Service) -> NotifyBase:
    written = _written(url, service)
    host = service.host or written.hostname or ""
    if is_whatsapps(host):
        raise ValueError(_("it is a host of WhatsApp or Meta, and nothing here sends"))
    try:
        parts = service.plugin.parse_url(url)
    except Exception:  # noqa: BLE001 - whatever a plugin makes of it
        parts = None
    if not parts:
        raise ValueError(_("it cannot be read; see the form of such a URL in docs/alerts.md"))
    if not service.host and (str(parts["host"]).lower(), parts["port"]) != (_bracketed(written), written.port):
        raise ValueError(
            _("it would go to another host than the one written; write it in full, as {example}").format(
                example=_EXAMPLES.get(service.plugin, "")
            )
        )
    parts |= {"cto": _STEP_SECONDS, "rto": _STEP_SECONDS, "asset": _asset()}
    if service.plugin is NotifyEmail and written.port == 465 and "secure_mode" not in parts:
        parts["secure_mode"] = "ssl"  # where TLS begins at once, STARTTLS would wait for ever
    with _complaints() as complaints:
        try:
            made: NotifyBase = service.plugin(**parts)
        except Exception as error:  # noqa: BLE001 - whatever a plugin makes of it
            complaints.append(str(error))
    if complaints:
        raise ValueError(
            _("a part of it cannot be right; see the form of such a URL in docs/alerts.md ({why})").format(
                why=printable(_without_secrets(url, complaints[0])).rstrip(".")
            )
        )
    _check_receiver(made, _options(written))
    return made


def _written(url: str, service: _Service) -> SplitResult:
    """The URL by the letter of RFC 3986, with options that are known."""
    if any(char.isspace() or not char.isprintable() or char in '#\\"<>^`{}|' for char in url):
        raise ValueError(
            _("write a space and special characters of names and passwords as %XX: `#` is %23, `@` is %40")
        )
    if not unquote(url).isprintable():  # they would break the head of a mail
        raise ValueError(_("it has a line break or another control character in it, such as %0A: leave that out"))
    rest = url.partition("://")[2]
    userinfo, at, _host = re.split(r"[/?]", rest, maxsplit=1)[0].rpartition("@")
    path = rest.partition("?")[0].partition("/")[2]
    if (at and not all(_USERINFO.fullmatch(each) for each in userinfo.split(":", 1))) or "@" in path:
        raise ValueError(_("write special characters of the name and the password as %XX: `@` is %40, `/` is %2F"))
    written = urlsplit(url)
    options = _options(written)
    for name in options:
        if name not in service.options:
            known = ", ".join(sorted(service.options)) or _("none")
            raise ValueError(_("the option `{name}` is not used here; known: {known}").format(name=name, known=known))
    if written.query.count("=") > len(options):
        raise ValueError(_("an option is given twice"))
    if not service.host:
        try:
            port = written.port
        except ValueError:
            port = 0
        if port == 0:  # for which Apprise would take its own
            raise ValueError(_("its port is no number from 1 to 65535; `:` in a password is %3A"))
        if not written.hostname:
            raise ValueError(_("it names no host"))
    if service is _MAIL:
        if not re.fullmatch(r"[^@,;\s]+@[^@,;\s]+", options.get("to", "")):
            raise ValueError(_("add ?to= with the one address that is to get the mail; give each a URL of its own"))
        if path:
            raise ValueError(_("nothing may stand between the host and the options"))
        if is_whatsapps(options.get("smtp", "")):
            raise ValueError(_("it is a host of WhatsApp or Meta, and nothing here sends"))
    return written


def _options(written: SplitResult) -> dict[str, str]:
    """As Apprise reads them: a `+` is no space."""
    return {
        name: unquote(value)
        for name, _equals, value in (each.partition("=") for each in written.query.split("&"))
        if name or value
    }


def _bracketed(written: SplitResult) -> str:
    """The host as Apprise keeps it: an address of IPv6 in brackets."""
    host = written.hostname or ""
    return f"[{host}]" if ":" in host else host


_EXAMPLES: Final[Mapping[type[NotifyBase], str]] = {
    NotifyEmail: "mailtos://NAME:PASSWORD@smtp.example.com?to=ana@example.com&from=shop@example.com",
    NotifyNtfy: "ntfys://ntfy.sh/TOPIC",
    NotifyGotify: "gotifys://gotify.example.com/TOKEN",
}


def _check_receiver(service: NotifyBase, options: Mapping[str, str]) -> None:
    """One receiver, that is named. Raises ValueError."""
    receivers = 1
    match service:
        case NotifyEmail():
            receivers = len(service.targets)
            sender = options.get("from", "")
            if "@" not in sender and (sender or service.smtp_host == service.host):
                raise ValueError(_("add &from= with the sender's address, one that the server accepts"))
        case NotifyNtfy():
            receivers = len(service.topics)
        case NotifyTelegram():
            receivers = len(service.targets)  # without one the last person who wrote to the bot would be told
        case NotifySlack():
            receivers = len(service.channels)
            if service.mode not in ("hook", "bot"):
                raise ValueError(_("only incoming webhooks and bots of Slack are used"))
        case _:
            pass
    if receivers != 1:
        raise ValueError(_("it must name one receiver; give each a URL of its own"))


def _shown(service: NotifyBase) -> str:
    match service:
        case NotifyEmail():
            name, _at, domain = service.targets[0][1].rpartition("@")
            return _("{host}: mail to {receiver}").format(
                host=f"{service.smtp_host}:{service.port}", receiver=f"{_masked(name)}@{domain}"
            )
        case NotifyTelegram():
            return _("{host}: Telegram chat {receiver}").format(
                host="api.telegram.org", receiver=_masked(str(service.targets[0][0]))
            )
        case NotifyNtfy():
            return _("{host}: ntfy topic {receiver}").format(host=_host(service), receiver=_masked(service.topics[0]))
        case NotifySlack():
            channel = service.channels[0]
            if channel is None:
                return _("{host}: the Slack channel of the webhook").format(host="hooks.slack.com")
            return _("{host}: Slack channel {receiver}").format(
                host="slack.com" if service.mode == "bot" else "hooks.slack.com", receiver=_masked(str(channel))
            )
        case NotifyDiscord():
            return _("{host}: Discord webhook {receiver}").format(
                host="discord.com", receiver=_masked(str(service.webhook_id))
            )
        case NotifyPushover():
            return _("{host}: Pushover user {receiver}").format(
                host="api.pushover.net", receiver=_masked(str(service.user_key))
            )
        case _:
            return _("{host}: Gotify").format(host=_host(service))


def _host(service: NotifyBase) -> str:
    return f"{service.host}:{service.port}" if service.port else str(service.host)


def _masked(name: str) -> str:
    return f"{name[:2]}…" if len(name) > 4 else "…"


def _warning(service: NotifyBase) -> str:
    """What travels readable."""
    if isinstance(service, NotifyEmail):
        if service.secure_mode != "insecure":
            return ""
        if service.password:
            return _("the password and the mail are sent unencrypted: write mailtos://")
        return _("the mail is sent unencrypted: write mailtos:// unless the server is this machine")
    if isinstance(service, NotifyNtfy | NotifyGotify) and not service.secure:
        return _("it is sent unencrypted, secrets too: write {schema}s:// unless the server is nearby").format(
            schema=service.protocol
        )
    return ""


def _without_secrets(url: str, text: str) -> str:
    """Without the names, passwords and tokens of the URL."""
    written = urlsplit(url)
    words = {unquote(word) for word in re.split(r"[/:@]", f"{written.netloc}/{written.path}")}
    words |= {word for name, word in _options(written).items() if name in ("to", "from")}
    *_userinfo, place = written.netloc.rpartition("@")
    hosts = {*place.split(":"), ""} if _SERVICES[_schema(url)].host == "" else {""}
    for word in sorted(words, key=len, reverse=True):
        if len(word) > 3 and word not in hosts:
            text = text.replace(word, "…")
    return text


def _asset() -> AppriseAsset:
    """No redirects, which could lead anywhere; nothing on disk; no pictures from elsewhere; no threads that block."""
    return AppriseAsset(
        app_id="leadmasterd",
        app_desc="leadmasterd",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        http_redirects=False,
        async_mode=False,
        interpret_emojis=False,
        storage_mode="memory",
        service_timeout=0,
        secure_logging=True,
        allow_templates=False,
    )


class _Complaints(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.heard.append(record.getMessage())


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What Apprise complains of while it reads a URL: it drops what it takes for wrong, and goes on."""
    handler = _Complaints()
    _APPRISE.addHandler(handler)
    try:
        yield handler.heard
    finally:
        _APPRISE.removeHandler(handler)
