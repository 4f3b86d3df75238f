"""Makes the receiver of a feed from its settings."""

from importlib.metadata import entry_points

from leadmasterd.errors import CannotUseSettings
from leadmasterd.feeds.envelope import MARKS
from leadmasterd.feeds.events import fields_of
from leadmasterd.feeds.kinds import Maker, Place, Receiver
from leadmasterd.feeds.kinds.jsonl import JsonLines
from leadmasterd.feeds.kinds.sheets import Sheets
from leadmasterd.feeds.kinds.webhook import Webhook
from leadmasterd.outbox.events import KINDS
from leadmasterd.settings.feeds import (
    ENTRY_POINTS,
    FeedSettings,
    JsonLinesFeed,
    OtherFeed,
    SheetsFeed,
    WebhookFeed,
    webhook_key,
)
from leadmasterd.settings.secret_file import read_secrets, secret_path
from leadmasterd.settings.template import names_in
from leadmasterd.text import _


def make_receiver(settings: FeedSettings, place: Place) -> Receiver:
    """The feed's receiver. Called within the event loop. Raises CannotUseSettings and OSError."""
    match settings:
        case WebhookFeed():
            _check_template(settings, place.feed)
            return Webhook(settings, _keys(settings, place))
        case SheetsFeed():
            return Sheets(settings, _keys(settings, place))
        case JsonLinesFeed():
            path = place.state_dir / settings.file(place.feed)
            return JsonLines(path, rotate_bytes=settings.rotate_mb * 1_000_000, keep=settings.keep)
        case OtherFeed():
            [found] = entry_points(group=ENTRY_POINTS, name=settings.kind)
            make: Maker = found.load()
            return make(settings, place)


def _check_template(settings: WebhookFeed, feed: str) -> None:
    """Raise CannotUseSettings if the template names a field that some event of the feed would not have.

    The place of that field would stay empty, and nobody would notice.
    """
    named = set(names_in(settings.template)) - set(MARKS)
    if not named:
        return
    for kind in filter(settings.wants, KINDS):
        fields = [f"data.{name}" for name in sorted(fields_of(kind, full=settings.full))]
        missing = sorted(named.difference(fields))
        if missing:
            raise CannotUseSettings(
                _(
                    "cannot use feeds.{feed}.template: events of the type {kind} have no {missing}; known there: "
                    "{known}"
                ).format(feed=feed, kind=kind, missing=", ".join(missing), known=", ".join([*MARKS, *fields]))
            )


def _keys(settings: WebhookFeed | SheetsFeed, place: Place) -> list[bytes]:
    """The keys to sign with: from the secret file if the settings name one, else from the settings themselves.

    Raises CannotUseSettings where a line of the file is no secret or the file can't be used.
    """
    if not settings.secret_file:
        return [webhook_key(each.get_secret_value()) for each in settings.secrets]
    path = secret_path(settings.secret_file, place.base)
    where = _("the secret file {path} of feeds.{feed}").format(path=path, feed=place.feed)
    lines = read_secrets(path, where, _("secret"))
    try:
        return [webhook_key(each) for each in lines]
    except ValueError as error:
        raise CannotUseSettings(
            _("cannot use {where}: each line must be {allowed}").format(where=where, allowed=error)
        ) from error
