"""Sends a text by mail, Telegram, ntfy, Slack, Discord, Pushover or Gotify. Never through WhatsApp.

The library Apprise delivers. It knows some 260 services, and several of them write to WhatsApp, as a generic webhook
could. So only the services of `_SERVICES` are ever imported, with few of their options. The host that Apprise reads
from a URL is compared with the one that is written there, since one misread character can change it. One URL is one
receiver, so that a retry tells nobody twice.

An *option* is a parameter in the query of a URL. A function that raises ValueError does so with a sentence for people,
which does not show the URL, because its parts are secrets.
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
"""How long a delivery to one address may take. Apprise's own limits count each step of a connection alone."""
_STEP_SECONDS: Final = 15
"""To connect, and between two bytes. Apprise's default of 4 is too little: a slow server then gets a message twice."""
_MOST_STUCK: Final = 3
"""Threads that may hang in deliveries to one address. Then nothing is sent there until one ends; most do in time."""

_APPRISE: Final = logging.getLogger("apprise")
_APPRISE.setLevel(logging.DEBUG)  # only lines of this level say why a connection failed
for _each in (_APPRISE, logging.getLogger("urllib3")):  # their lines contain receivers, topics and tokens
    _each.propagate = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    """A service that may be used."""

    plugin: type[NotifyBase]
    options: frozenset[str] = frozenset()
    """Those that may be used."""
    host: str = ""
    """Where it posts; empty if the URL names the host."""
    characters: int = 4000
    """How long title and body may be together, in UTF-16 units."""
    utf8: int = 100_000
    """How long title and body may be together, in bytes of UTF-8."""


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
"""By the schema of the URL. A service that is not here is refused, so those of a newer Apprise are too.

Left out with reason: json, xml, form and the like, which can post to the Cloud API or to a bridge; apprise, ifttt,
mqtt, Home Assistant and workflows, behind which another program decides; Matrix, where a room may be a chat of
WhatsApp; Signal and SMS gateways, whose addresses are phone numbers and whose APIs often do WhatsApp as well.
"""

SCHEMAS: Final = frozenset(_SERVICES)


@dataclass(frozen=True, slots=True)
class Address:
    """One receiver, with what its URL was read as."""

    key: str
    """The same for the same URL; tells nothing of it."""
    shown: str
    """Where it goes, for people: the host first, with names and secrets masked."""
    warning: str
    """What is unsafe about it, in one sentence, or ""."""
    url: str = field(repr=False)
    """A secret."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one message to one address, whose `key` and `shown` it has."""

    key: str
    shown: str
    delivered: bool
    why: str
    """Why not, without secrets, in English (to be shown by `text.translated`); empty if it was delivered."""


def understand(url: str) -> Address:
    """Check the URL of a receiver, and describe it. Nothing is sent. Raises ValueError."""
    plugin = _plugin_of(url)
    key = hashlib.sha256(url.encode()).hexdigest()[:16]
    return Address(key=key, shown=printable(_shown(plugin)), warning=_warning(plugin), url=url)


class Notifier:
    """Delivers texts to all its addresses at once. What one server does, or does not, delays no other."""

    def __init__(self, addresses: Sequence[str]) -> None:
        """`addresses`: URLs; one that comes twice is used once. Raises ValueError as `understand` does."""
        self.addresses: Final = tuple({each.key: each for each in map(understand, addresses)}.values())
        self._stuck: dict[str, list[threading.Thread]] = {each.key: [] for each in self.addresses}
        """By address: the threads of deliveries that were given up and have not ended."""

    async def send(self, text: Text, *, skip: Collection[str] = ()) -> list[Result]:
        """Send to every address whose key is not in `skip`. Never raises, and returns within `SEND_SECONDS`."""
        return list(await asyncio.gather(*(self._send(each, text) for each in self.addresses if each.key not in skip)))

    async def _send(self, address: Address, text: Text) -> Result:
        """Send to one address, in a thread of its own. One that does not end in time is left alone and remembered."""
        stuck = self._stuck[address.key]
        stuck[:] = [thread for thread in stuck if thread.is_alive()]  # in place: another delivery may hold the list
        why: str | None
        if len(stuck) >= _MOST_STUCK:
            why = later("its server has answered none of the last messages")
        else:
            thread, outcome = _in_a_thread(lambda: _deliver(address, text))
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    why = await outcome
            except TimeoutError:
                stuck.append(thread)
                why = later("no answer in time")
        if why is not None:
            log.warning("an alert was not delivered to %s: %s", address.shown, why, extra={"action": "alert_failed"})
        return Result(address.key, address.shown, delivered=why is None, why=why or "")


def _in_a_thread(work: Callable[[], str | None]) -> tuple[threading.Thread, asyncio.Future[str | None]]:
    """Start `work` in a thread. Returns the thread, and the future of its result; of an error, the error as text.

    It is a daemon thread, which the end of the process does not wait for, unlike those of an executor.
    """
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


def _deliver(address: Address, text: Text) -> str | None:
    """Send the text. Returns None once the server has taken it, else why not, without secrets. Blocks."""
    plugin = _plugin_of(address.url)  # a new one each time: a used one waits 5.5 s first
    plugin.request_rate_per_sec = 0
    title = text.title
    body = text.body or text.title  # Apprise refuses an empty one
    if isinstance(plugin, NotifyDiscord):  # so that a customer called "@everyone" does not notify everyone
        title = title.replace("@", "@\N{ZERO WIDTH SPACE}")
        body = body.replace("@", "@\N{ZERO WIDTH SPACE}")
    apprise = Apprise(asset=plugin.asset)
    apprise.add(plugin)
    # Without the format a mail loses its line breaks, and Telegram reads names as HTML.
    with apprise.notify(
        title=title, body=_cut(title, body, address), body_format=NotifyFormat.TEXT, log_level=logging.DEBUG
    ) as result:
        if result:
            return None
        complaints = [entry.message for entry in result.logs() if entry.level in ("WARNING", "ERROR")]
        causes = [_cause(entry.message) for entry in result.logs() if "xception: " in entry.message]
    why = (causes or complaints or [later("refused")])[-1]
    return printable(_without_secrets(address.url, why))[:300].rstrip(".")


def _cause(message: str) -> str:
    """The innermost error in a line of Apprise's log, such as `Socket Exception: …(… Caused by …)`.

    For an answer of a mail server: its code and words, such as `535 authentication failed`.
    """
    error = message.partition("xception: ")[2]  # Apprise also writes `exception`
    _before, wrapped, caused = error.partition("Caused by ")
    if wrapped:  # NewConnectionError('<…>: Failed to connect: [Errno 111] Connection refused')) -> its last part
        error = re.split(r": |, [\"']", caused)[-1].rstrip("\"')")
    answer = _SMTP_ANSWER.search(error)
    if answer:
        if answer["code"] is None:
            return later("what answers there is no mail server")
        return f"{answer['code']} {answer['words']}".replace("\\r", "").replace("\\n", " ")
    return re.sub(r"\[Errno -?\d+\] ", "", error)


_SMTP_ANSWER: Final = re.compile(r"""\((?:-1|(?P<code>\d{3})), b(?P<quote>['"])(?P<words>.*?)(?P=quote)""")
"""What a mail server answered, in the text of Python's exception: `(535, b'authentication failed')`. -1: no answer."""


def _cut(title: str, body: str, address: Address) -> str:
    """The body if the service takes it, else as many whole lines as fit, and how many more there are.

    If not even the first line fits, its beginning.
    """
    service = _SERVICES[_schema(address.url)]

    def fits(text: str) -> bool:
        whole = f"{title}\n{text}"
        # Apprise makes an attachment of an ntfy message whose JSON, with its other fields, has over 8,000 characters.
        return (
            len(whole.encode("utf-16-le")) // 2 <= service.characters
            and len(whole.encode()) <= service.utf8
            and (service is not _NTFY or len(json.dumps(whole)) <= 7500)
        )

    if fits(body):
        return body
    lines = body.split("\n")
    for number_kept in range(len(lines) - 1, 0, -1):
        left_out = len(lines) - number_kept
        more = ngettext("… and {n} more line", "… and {n} more lines", left_out).format(n=left_out)
        shorter = "\n".join([*lines[:number_kept], more])
        if fits(shorter):
            return shorter
    line = lines[0]
    while line and not fits(f"{line}…"):
        line = line[: len(line) * 9 // 10]
    return f"{line}…"


def _schema(url: str) -> str:
    return url.partition("://")[0].lower()


def _plugin_of(url: str) -> NotifyBase:
    """Apprise's plugin for this URL, ready to send to its one receiver. Raises ValueError if it may not be used."""
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
        return _checked_plugin(url, service)
    except ValueError as error:
        raise ValueError(f"{schema}://…: {error}") from None


_USERINFO: Final = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")
"""A name or a password in a URL (RFC 3986)."""


def _checked_plugin(url: str, service: _Service) -> NotifyBase:
    """The plugin, made with limits in time and without redirects. Raises ValueError.

    It does so if the URL breaks the rules of `_strictly_split`, leads to WhatsApp or Meta, is read by Apprise with
    another host than the written one, makes Apprise complain, or does not name exactly one receiver.
    """
    split = _strictly_split(url, service)
    host = service.host or split.hostname or ""
    if is_whatsapps(host):
        raise ValueError(_("it is a host of WhatsApp or Meta, and nothing here sends"))
    try:
        parts = service.plugin.parse_url(url)
    except Exception:  # noqa: BLE001 - plugins raise anything
        parts = None
    if not parts:
        raise ValueError(_("it cannot be read; see the form of such a URL in docs/alerts.md"))
    if not service.host and (str(parts["host"]).lower(), parts["port"]) != (_bracketed_host(split), split.port):
        raise ValueError(
            _("it would go to another host than the one written; write it in full, as {example}").format(
                example=_EXAMPLES.get(service.plugin, "")
            )
        )
    parts |= {"cto": _STEP_SECONDS, "rto": _STEP_SECONDS, "asset": _asset()}
    if service.plugin is NotifyEmail and split.port == 465 and "secure_mode" not in parts:
        parts["secure_mode"] = "ssl"  # on this port TLS begins at once; STARTTLS would wait for ever
    with _complaints() as complaints:
        try:
            plugin: NotifyBase = service.plugin(**parts)
        except Exception as error:  # noqa: BLE001 - plugins raise anything
            complaints.append(str(error))
    if complaints:
        raise ValueError(
            _("a part of it cannot be right; see the form of such a URL in docs/alerts.md ({why})").format(
                why=printable(_without_secrets(url, complaints[0])).rstrip(".")
            )
        )
    _check_receiver(plugin, _options(split))
    return plugin


def _strictly_split(url: str, service: _Service) -> SplitResult:
    """The URL in its parts. Raises ValueError if it breaks RFC 3986, or has an option that `service` does not allow.

    A URL that can be read in two ways could lead to another host than the person who wrote it meant.
    """
    if any(char.isspace() or not char.isprintable() or char in '#\\"<>^`{}|' for char in url):
        raise ValueError(
            _("write a space and special characters of names and passwords as %XX: `#` is %23, `@` is %40")
        )
    if not unquote(url).isprintable():  # a line break would end a header of a mail
        raise ValueError(_("it has a line break or another control character in it, such as %0A: leave that out"))
    after_schema = url.partition("://")[2]
    authority = re.split(r"[/?]", after_schema, maxsplit=1)[0]
    userinfo, _at, _host = authority.rpartition("@")  # "" if there is none, which is valid
    path = after_schema.partition("?")[0].partition("/")[2]
    is_valid_userinfo = all(_USERINFO.fullmatch(each) for each in userinfo.split(":", 1))
    if not is_valid_userinfo or "@" in path:
        raise ValueError(_("write special characters of the name and the password as %XX: `@` is %40, `/` is %2F"))
    split = urlsplit(url)
    options = _options(split)
    for name in options:
        if name not in service.options:
            known = ", ".join(sorted(service.options)) or _("none")
            raise ValueError(_("the option `{name}` is not used here; known: {known}").format(name=name, known=known))
    if split.query.count("=") > len(options):
        raise ValueError(_("an option is given twice"))
    if not service.host:
        _check_host_and_port(split)
    if service is _MAIL:
        if not re.fullmatch(r"[^@,;\s]+@[^@,;\s]+", options.get("to", "")):
            raise ValueError(_("add ?to= with the one address that is to get the mail; give each a URL of its own"))
        if path:
            raise ValueError(_("nothing may stand between the host and the options"))
        if is_whatsapps(options.get("smtp", "")):
            raise ValueError(_("it is a host of WhatsApp or Meta, and nothing here sends"))
    return split


def _check_host_and_port(split: SplitResult) -> None:
    """Raises ValueError if there is no host, or a port that is no number from 1 to 65535."""
    try:
        port = split.port
    except ValueError:
        port = 0
    if port == 0:  # Apprise would use its default port
        raise ValueError(_("its port is no number from 1 to 65535; `:` in a password is %3A"))
    if not split.hostname:
        raise ValueError(_("it names no host"))


def _options(split: SplitResult) -> dict[str, str]:
    """The options of a URL, decoded as Apprise does: a `+` is no space. Of equal names the last counts."""
    found: dict[str, str] = {}
    for each in split.query.split("&"):
        name, _equals, value = each.partition("=")
        if name or value:
            found[name] = unquote(value)
    return found


def _bracketed_host(split: SplitResult) -> str:
    """The host as Apprise keeps it: an IPv6 address in brackets."""
    host = split.hostname or ""
    return f"[{host}]" if ":" in host else host


_EXAMPLES: Final[Mapping[type[NotifyBase], str]] = {
    NotifyEmail: "mailtos://NAME:PASSWORD@smtp.example.com?to=ana@example.com&from=shop@example.com",
    NotifyNtfy: "ntfys://ntfy.sh/TOPIC",
    NotifyGotify: "gotifys://gotify.example.com/TOKEN",
}


def _check_receiver(plugin: NotifyBase, options: Mapping[str, str]) -> None:
    """Check that the plugin sends to one receiver, which the URL names. Raises ValueError."""
    receivers = 1
    match plugin:
        case NotifyEmail():
            receivers = len(plugin.targets)
            sender = options.get("from", "")
            # Without `from` the sender is user@host of the URL: an address only if the mail server is another host.
            has_other_server = plugin.smtp_host != plugin.host
            if "@" not in sender and (sender or not has_other_server):
                raise ValueError(_("add &from= with the sender's address, one that the server accepts"))
        case NotifyNtfy():
            receivers = len(plugin.topics)
        case NotifyTelegram():
            receivers = len(plugin.targets)  # with none, Apprise would send to whoever wrote to the bot last
        case NotifySlack():
            receivers = len(plugin.channels)
            if plugin.mode not in ("hook", "bot"):
                raise ValueError(_("only incoming webhooks and bots of Slack are used"))
        case _:
            pass
    if receivers != 1:
        raise ValueError(_("it must name one receiver; give each a URL of its own"))


def _shown(plugin: NotifyBase) -> str:
    """The host and the receiver of a checked plugin, for people: the receiver is masked."""
    match plugin:
        case NotifyEmail():
            _name, mail_address = plugin.targets[0]
            name, _at, domain = mail_address.rpartition("@")
            return _("{host}: mail to {receiver}").format(
                host=f"{plugin.smtp_host}:{plugin.port}", receiver=f"{_masked(name)}@{domain}"
            )
        case NotifyTelegram():
            chat, _topic = plugin.targets[0]
            return _("{host}: Telegram chat {receiver}").format(host="api.telegram.org", receiver=_masked(str(chat)))
        case NotifyNtfy():
            return _("{host}: ntfy topic {receiver}").format(host=_host(plugin), receiver=_masked(plugin.topics[0]))
        case NotifySlack():
            channel = plugin.channels[0]
            if channel is None:
                return _("{host}: the Slack channel of the webhook").format(host="hooks.slack.com")
            return _("{host}: Slack channel {receiver}").format(
                host="slack.com" if plugin.mode == "bot" else "hooks.slack.com", receiver=_masked(str(channel))
            )
        case NotifyDiscord():
            return _("{host}: Discord webhook {receiver}").format(
                host="discord.com", receiver=_masked(str(plugin.webhook_id))
            )
        case NotifyPushover():
            return _("{host}: Pushover user {receiver}").format(
                host="api.pushover.net", receiver=_masked(str(plugin.user_key))
            )
        case _:
            return _("{host}: Gotify").format(host=_host(plugin))


def _host(plugin: NotifyBase) -> str:
    """The host that the URL names, with its port if it names one."""
    return f"{plugin.host}:{plugin.port}" if plugin.port else str(plugin.host)


def _masked(name: str) -> str:
    """The first two letters and `…`; of a name of four letters or fewer only `…`."""
    return f"{name[:2]}…" if len(name) > 4 else "…"


def _warning(plugin: NotifyBase) -> str:
    """What would be sent without encryption, and how to mend that; empty if nothing is."""
    if isinstance(plugin, NotifyEmail):
        if plugin.secure_mode != "insecure":
            return ""
        if plugin.password:
            return _("the password and the mail are sent unencrypted: write mailtos://")
        return _("the mail is sent unencrypted: write mailtos:// unless the server is this machine")
    if isinstance(plugin, NotifyNtfy | NotifyGotify) and not plugin.secure:
        return _("it is sent unencrypted, secrets too: write {schema}s:// unless the server is nearby").format(
            schema=plugin.protocol
        )
    return ""


def _without_secrets(url: str, text: str) -> str:
    """The text, with `…` for each part of the URL that may be a secret: names, passwords, tokens, mail addresses.

    A host that the URL names is no secret. Parts of three letters or fewer stay: they also occur in ordinary words.
    """
    split = urlsplit(url)
    secrets = {unquote(part) for part in re.split(r"[/:@]", f"{split.netloc}/{split.path}")}
    secrets |= {value for name, value in _options(split).items() if name in ("to", "from")}
    if not _SERVICES[_schema(url)].host:
        host_and_port = split.netloc.rpartition("@")[2]
        secrets -= {*host_and_port.split(":")}
    for secret in sorted(secrets, key=len, reverse=True):  # one may be a part of another
        if len(secret) > 3:
            text = text.replace(secret, "…")
    return text


def _asset() -> AppriseAsset:
    """Apprise's settings: no redirects, which could lead anywhere, nothing on disk, no pictures, no threads."""
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
    """Collects the warnings and errors of the thread that made it. Other threads may use Apprise at the same time."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.messages.append(record.getMessage())


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Yields a list. Within the block Apprise's complaints are added to it, which Apprise only logs."""
    handler = _Complaints()
    _APPRISE.addHandler(handler)
    try:
        yield handler.messages
    finally:
        _APPRISE.removeHandler(handler)
