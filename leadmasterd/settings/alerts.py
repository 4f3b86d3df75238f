"""`[alerts]`: who is told when a person is needed, of what, and when not."""

from datetime import time
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from leadmasterd.hosts import is_whatsapps
from leadmasterd.settings.secret_file import read_secrets, secret_path
from leadmasterd.settings.section import TIME_OF_DAY, Section, at_least_one, meant, two_times
from leadmasterd.text import _, later
from leadmasterd.times import is_between

KINDS: Final = (
    "needs_scan", "needs_passkey", "down", "banned", "screen", "disk", "phone_silent", "send_refused", "feeds",
    "trouble", "about_to_miss", "missed", "new_lead", "follow_ups", "morning", "evening",
)  # fmt: skip
"""The kinds of alerts, as `alerts.kinds.Kind` has them."""
_OFF: Final = frozenset({"new_lead"})
"""Kinds that nobody is told of by default."""
_TIME: Final = f"^({TIME_OF_DAY})?$"
_EXAMPLE: Final = "mailtos://user:password@smtp.shop.example?to=ana@shop.example"


def _kind(text: str) -> str:
    """The same text, if it is a kind of alerts. Raises ValueError, which lists all kinds."""
    if text in KINDS:
        return text
    raise ValueError(_("one of {known}").format(known=", ".join(KINDS)) + meant(text, KINDS))


def _address(secret: SecretStr) -> SecretStr:
    """The same address, if it looks like one. Raises ValueError.

    Whether it can be used only `alerts.notifier` knows, which `config check` asks.
    """
    if "://" not in secret.get_secret_value():
        raise ValueError(_("an address such as {example}").format(example=_EXAMPLE))
    return secret


def _ping(secret: SecretStr) -> SecretStr:
    """The same URL, if it is one that can be pinged, or empty. Raises ValueError."""
    text = secret.get_secret_value()
    if not text:
        return secret
    parts = urlsplit(text)
    try:
        host, _port = parts.hostname, parts.port
    except ValueError:  # the port is not a number, or too large
        host = None
    odd_characters = " " in text or not text.isprintable()
    user_or_fragment = parts.username is not None or parts.fragment
    if parts.scheme not in ("http", "https") or not host or odd_characters or user_or_fragment:
        raise ValueError(
            _("a URL such as {example}, without user and fragment (or empty)").format(
                example="https://hc-ping.com/your-uuid"
            )
        )
    if is_whatsapps(host):
        raise ValueError(_("no host of WhatsApp or Meta: nothing here sends"))
    return secret


class AlertsSettings(Section):
    """Tells a person by mail, Telegram, ntfy and others, never through WhatsApp."""

    to: tuple[Annotated[SecretStr, AfterValidator(_address)], ...] = Field(
        (),
        max_length=20,
        description=(
            "Who is told: addresses as docs/alerts.md shows them. Empty: nobody.\n"
            'to = ["mailtos://user:password@smtp.shop.example?from=shop@shop.example&to=ana@shop.example"]'
        ),
    )
    to_file: str = Field(
        "",
        description=(
            "Instead of to: a file with one address on each line, relative to this file. $CREDENTIALS_DIRECTORY in it "
            "is where systemd puts credentials."
        ),
    )
    kinds: Annotated[tuple[Annotated[str, AfterValidator(_kind)], ...], AfterValidator(at_least_one)] = Field(
        tuple(kind for kind in KINDS if kind not in _OFF),
        description='What is told. Not by default: "new_lead", each new lead.',
    )
    down_after: float = Field(
        300,
        ge=0,
        le=86400,
        allow_inf_nan=False,
        description="Tell that it is down once it has not been listening for this long, in seconds.",
    )
    about_to_miss: float = Field(
        5,
        gt=0,
        le=1440,
        allow_inf_nan=False,
        description="Tell of who waits when this many minutes of opening hours remain until the SLA target is missed.",
    )
    quiet_hours: Annotated[tuple[str, ...], AfterValidator(two_times)] = Field(
        ("21:00", "08:00"),
        description=(
            "From the first time of day until the second, in leads.timezone, only what can't wait is told: session, "
            "ban, disk and the like. The rest is told afterwards, if it still holds. []: everything at any time."
        ),
    )
    morning: str = Field(
        "08:30",
        pattern=_TIME,
        json_schema_extra={"allowed": later("a time of day such as 08:30 (or empty)")},
        description="When the summary of the morning is told, in leads.timezone. Empty: never.",
    )
    evening: str = Field(
        "20:00",
        pattern=_TIME,
        json_schema_extra={"allowed": later("a time of day such as 20:00 (or empty)")},
        description="When the summary of the day is told, in leads.timezone. Empty: never.",
    )
    bodies: bool = Field(False, description="Include the words of messages, which are then stored wherever alerts are.")
    ping_url: Annotated[SecretStr, AfterValidator(_ping)] = Field(
        "",
        validate_default=True,
        description=(
            "A dead-man's switch such as https://hc-ping.com/your-uuid. It is called while capture works, and raises "
            "the alarm when it hears nothing. Empty: none."
        ),
    )

    @property
    def tells(self) -> bool:
        """Whether anybody is to be told."""
        return bool(self.to or self.to_file)

    @property
    def in_use(self) -> bool:
        """Whether anybody is to be told, or a URL is to be pinged."""
        return self.tells or bool(self.ping_url.get_secret_value())

    def problem(self) -> tuple[str, str, str] | None:
        """What is wrong if two values do not fit together: a key, its value as people may see it, and what it must be.

        None: they fit.
        """
        if self.to and self.to_file:
            return "to_file", repr(self.to_file), _("left out if `to` is given: one of the two")
        quiet = self.quiet()
        for key, at in (("morning", self.morning), ("evening", self.evening)):
            if at and quiet and is_between(time.fromisoformat(at), *quiet):
                return (
                    key,
                    repr(at),
                    _("outside of `quiet_hours`, {begin} to {end}, or empty").format(
                        begin=self.quiet_hours[0], end=self.quiet_hours[1]
                    ),
                )
        return None

    def quiet(self) -> tuple[time, time] | None:
        """When quiet hours begin and end; None if there are none."""
        if not self.quiet_hours:
            return None
        start, end = map(time.fromisoformat, self.quiet_hours)
        return start, end

    def addresses(self, base: Path) -> list[str]:
        """All addresses, each once, of `to` or of the file. They contain passwords and tokens.

        `base`: what a relative `to_file` starts from. Raises CannotUseSettings.
        """
        if self.to_file:
            path = secret_path(self.to_file, base)
            given = read_secrets(path, _("the file {path} of alerts.to_file").format(path=path), _("address"))
        else:
            given = [each.get_secret_value() for each in self.to]
        return list(dict.fromkeys(given))
