"""`[feeds.NAME]`: which events are delivered, how and where to."""

import base64
import binascii
import ipaddress
import os
from collections.abc import Collection, Mapping
from importlib.metadata import entry_points
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, SecretStr, StringConstraints, Tag

from leadmasterd.hosts import is_whatsapps
from leadmasterd.outbox.events import KINDS
from leadmasterd.outbox.triggers import Mode
from leadmasterd.settings.section import Section, at_least_one, meant
from leadmasterd.settings.template import names_in
from leadmasterd.text import _

ENTRY_POINTS: Final = "leadmasterd.feeds"
"""The group of entry points by which other packages offer kinds of feeds."""
SECRET_PREFIX: Final = "whsec_"
SCRIPTS_HOST: Final = "script.google.com"
"""Where Google runs Apps Scripts as web apps."""
_LEAST_SECRET, _MOST_SECRET = 24, 64
"""Bytes of a key, as Standard Webhooks allows them."""

FeedName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]


def webhook_key(secret: str) -> bytes:
    """The key in a Standard Webhooks secret, `whsec_` and base64. Raises ValueError, which says what is allowed.

    Only base64's standard alphabet is allowed: the libraries of receivers would silently read the URL-safe one as
    another key.
    """
    text = secret.strip()
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(SECRET_PREFIX) or not _LEAST_SECRET <= len(key) <= _MOST_SECRET:
        raise ValueError(
            _("{prefix} and {least} to {most} random bytes in standard base64, as {command} makes it").format(
                prefix=SECRET_PREFIX,
                least=_LEAST_SECRET,
                most=_MOST_SECRET,
                command=f'`echo "{SECRET_PREFIX}$(openssl rand -base64 32)"`',
            )
        )
    return key


def _secret(secret: SecretStr) -> SecretStr:
    """The same secret, if there is a key in it. Raises ValueError."""
    webhook_key(secret.get_secret_value())  # raises it
    return secret


def _host(text: str) -> str:
    """The same host, if it can be compared with that of a URL: in lower case, without a port. Raises ValueError."""
    if not text or "/" in text or "@" in text or text != text.strip().lower():
        raise ValueError(_('a host as it stands in `url`, in lower case and without its port ("n8n.lan")'))
    return text


_GROUPS: Final = {f"{kind.partition('.')[0]}.*" for kind in KINDS}


def _pattern(text: str) -> str:
    """The same pattern, if it can match any event: with a slip it would silently deliver nothing. Raises ValueError."""
    known = {*KINDS, *_GROUPS}
    if text != "*" and text not in known:
        raise ValueError(_('a type of events ("lead.opened"), a group of them ("lead.*") or "*"') + meant(text, known))
    return text


def _template(template: dict[str, Any]) -> dict[str, Any]:
    """The same template, if it is one. Raises ValueError."""
    list(names_in(template))  # raises it
    return template


class _Feed(Section):
    """What all kinds of feeds have in common."""

    events: Annotated[tuple[Annotated[str, AfterValidator(_pattern)], ...], AfterValidator(at_least_one)] = Field(
        ("*",), description='Which events: types ("lead.opened"), groups ("lead.*"), or all ("*").'
    )

    full: bool = Field(
        False, description="Also words and names: the body of messages, phones. Otherwise ids, codes and times only."
    )

    def wants(self, kind: str) -> bool:
        """Whether events of this kind are delivered."""
        return any(
            kind == each or each == "*" or (each.endswith(".*") and kind.startswith(each[:-1])) for each in self.events
        )


class _Signed(_Feed):
    """A feed whose events are posted to a URL, and signed."""

    url: str
    secrets: tuple[Annotated[SecretStr, AfterValidator(_secret)], ...] = Field(
        (), max_length=4, description="What signs the events. Two while one replaces the other: both sign."
    )
    secret_file: str = Field(
        "",
        description=(
            "Instead of secrets: a file with one on each line, relative to this file. $CREDENTIALS_DIRECTORY in it is "
            "where systemd puts credentials."
        ),
    )

    def _secret_problem(self) -> tuple[str, str, str] | None:
        """What is wrong, as `problem` says it, unless exactly one of `secrets` and `secret_file` is given."""
        if bool(self.secrets) == bool(self.secret_file):
            return "secrets", str(len(self.secrets)), _("given, unless `secret_file` is: one of the two")
        return None


class WebhookFeed(_Signed):
    """Posts each event to a URL, signed as Standard Webhooks 1.0.0 says."""

    kind: Literal["webhook"]
    url: str = Field(description="Where events are posted. https, or http to a host in private_hosts.")
    envelope: Literal["standard", "cloudevents"] = Field(
        "standard", description='The form of the body: "standard" (Standard Webhooks) or "cloudevents".'
    )
    template: Annotated[dict[str, Any], AfterValidator(_template)] = Field(
        {},
        description=(
            "The body in a hub's own JSON, instead of an envelope: names in braces are id, type, timestamp, after_gap, "
            "replayed and data.FIELD, which every event of the feed must have.\n"
            'template = { external_id = "{data.lead_id}", note = "{type} at {timestamp}", tags = ["whatsapp"] }'
        ),
    )
    private_hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = Field(
        (), description='Hosts that may have a private address ("n8n.lan", "127.0.0.1"). All others must be public.'
    )

    def problem(self) -> tuple[str, str, str] | None:
        """What is wrong with a value, or with two together: a key, its value as people may see it, and what it must be.

        None: nothing is wrong. The URL is never shown: many hubs take a secret in it.
        """
        if problem := self._secret_problem():
            return problem
        if self.template and self.envelope != "standard":
            return "template", repr(self.template), _("left out if `envelope` is given: one of the two")
        parts = urlsplit(self.url)
        try:
            host, _port = parts.hostname, parts.port
        except ValueError:  # the port is not a number, or too large
            host = None
        user_or_fragment = parts.username is not None or parts.fragment
        if parts.scheme not in ("http", "https") or not host or user_or_fragment:
            return (
                "url",
                "…",
                _("a URL such as {example}, without user and fragment").format(example="https://hub.example/hook"),
            )
        if is_whatsapps(host):
            return (
                "url",
                "…",
                _("no host of WhatsApp or Meta: a template there could send messages, and nothing here sends"),
            )
        if parts.scheme == "http" and host not in self.private_hosts:
            return "url", "…", _("https, or its host in `private_hosts`: what is posted would be readable on the way")
        if _is_private(host) and host not in self.private_hosts:
            return "url", "…", _("a public address, or its host in `private_hosts`")
        return None


class SheetsFeed(_Signed):
    """Posts each event to a Google Apps Script, which adds a row to its sheet; docs/feeds.md has the script."""

    kind: Literal["sheets"]
    url: str = Field(description="The script's web app, as Google shows it.")

    def problem(self) -> tuple[str, str, str] | None:
        """What is wrong, as for a webhook. Only scripts of Google are allowed; their URL is as good as a password."""
        parts = urlsplit(self.url)
        is_script = parts.scheme == "https" and parts.netloc == SCRIPTS_HOST and parts.path.endswith("/exec")
        if not is_script:
            return (
                "url",
                "…",
                _("the URL of a web app as Google shows it: {example}").format(
                    example=f"https://{SCRIPTS_HOST}/macros/s/…/exec"
                ),
            )
        return self._secret_problem()


class JsonLinesFeed(_Feed):
    """Appends each event as a line of JSON to a file."""

    kind: Literal["jsonl"]
    path: str = Field("", description="Relative to state_dir. Empty: feeds/NAME.jsonl.")
    rotate_mb: int = Field(50, ge=1, le=10_000, description="Begin a new file at this size; the old one is compressed.")
    keep: int = Field(30, ge=0, le=100_000, description="How many compressed files to keep. 0: all.")

    def problem(self) -> None:
        """None: no two values can contradict each other."""

    def file(self, name: str) -> str:
        """The path of the file that it writes, relative to state_dir. `name`: the feed's."""
        return os.path.normpath(self.path or f"feeds/{name}.jsonl")


def _offered(kind: str) -> str:
    """The same kind, if it is built in or another package offers it. Raises ValueError."""
    known = {*FEED_KINDS, *entry_points(group=ENTRY_POINTS).names}
    if kind in known:
        return kind
    raise ValueError(_("one of {known}").format(known=", ".join(sorted(known))) + meant(kind, known))


class OtherFeed(_Feed):
    """A kind from another package, which reads its options itself."""

    kind: Annotated[str, AfterValidator(_offered)]
    options: dict[str, Any] = Field({}, description="What the package documents.")

    def problem(self) -> None:
        """None: no two values can contradict each other."""


_OTHER: Final = "other"
FEED_KINDS: Final[Mapping[str, type[WebhookFeed | SheetsFeed | JsonLinesFeed]]] = {
    "webhook": WebhookFeed,
    "sheets": SheetsFeed,
    "jsonl": JsonLinesFeed,
}
"""The kinds that are built in."""


def _tag(value: Any) -> str:
    """The tag of the class that reads this feed: its kind if that is built in, else that of OtherFeed."""
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind if isinstance(kind, str) and kind in FEED_KINDS else _OTHER


def _section(value: Any) -> Any:
    """The same value, if it is a section. Raises ValueError, before pydantic looks for its kind."""
    if not isinstance(value, dict | Section):
        raise ValueError(_("a section, written as {example}").format(example="[feeds.NAME]"))  # noqa: TRY004 - pydantic takes it as a wrong value
    return value


FeedSettings = Annotated[
    Annotated[WebhookFeed, Tag("webhook")]
    | Annotated[SheetsFeed, Tag("sheets")]
    | Annotated[JsonLinesFeed, Tag("jsonl")]
    | Annotated[OtherFeed, Tag(_OTHER)],
    Discriminator(_tag),
    BeforeValidator(_section),
]


def outbox_mode(feeds: Collection[FeedSettings]) -> Mode:
    """What to write into the outbox: nothing without a feed, words and names only if some feed wants them."""
    if not feeds:
        return "off"
    return "full" if any(feed.full for feed in feeds) else "thin"


def _is_private(host: str) -> bool:
    """Whether it is an IP address that is not public; False for a name, whose address is looked up at each delivery."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False
