"""`python -m leadmasterd.feeds.trial NAME`: sends one test event straight to a feed's receiver, for `feeds test`.

It writes no books, so it can run next to the feeds process or without it. Prints one JSON object, an `Answer`.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, TypedDict

from leadmasterd import causes, times
from leadmasterd.errors import CannotUseState, LeadmasterdError
from leadmasterd.feeds.events import NO_STREAM
from leadmasterd.feeds.kinds import Place, Receiver
from leadmasterd.feeds.kinds.jsonl import JsonLines
from leadmasterd.feeds.making import make_receiver
from leadmasterd.outbox.events import TEST
from leadmasterd.outbox.reading import Event
from leadmasterd.settings.feeds import FeedSettings, JsonLinesFeed, WebhookFeed
from leadmasterd.settings.model import load
from leadmasterd.settings.paths import base_folder
from leadmasterd.settings.template import names_in
from leadmasterd.text import _, speak, speaking


class Answer(TypedDict):
    """What the receiver answered. `result`: a `schedule.Result`; `why`: in English; `seconds`: how long it took."""

    result: str
    why: str
    seconds: float


def main() -> int:
    """Send the event and print the answer. Returns 0 whatever the receiver answered, or the exit code of an error."""
    parser = argparse.ArgumentParser(prog="python -m leadmasterd.feeds.trial", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--config")
    parser.add_argument("--language", default="en", help="in which errors are told")
    arguments = parser.parse_args()
    speak(arguments.language)
    try:
        settings, paths = load(arguments.config)
        place = Place(arguments.name, paths.state_dir, base_folder(paths.file))
        answer = asyncio.run(_send(settings.feeds[arguments.name], place))
    except LeadmasterdError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the command prints it
        return error.exit_code
    print(json.dumps(answer))  # noqa: T201
    return 0


async def _send(settings: FeedSettings, place: Place) -> Answer:
    """Make the feed's receiver, and deliver the test to it. Raises CannotUseSettings and CannotUseState."""
    if isinstance(settings, JsonLinesFeed):
        return await _to_a_file(settings, place)
    try:
        receiver = make_receiver(settings, place)
    except OSError as error:
        raise CannotUseState(
            _("cannot make the receiver of {feed}: {why}").format(feed=place.feed, why=causes.of_system(error))
        ) from error
    try:
        return await _deliver(receiver, _template_fields(settings))
    finally:
        await receiver.close()


def _template_fields(settings: FeedSettings) -> dict[str, Any]:
    """The fields of `data` that the feed's template names, each None: the test event has no values for them."""
    template = settings.template if isinstance(settings, WebhookFeed) else {}
    return {name.removeprefix("data."): None for name in names_in(template) if name.startswith("data.")}


async def _to_a_file(settings: JsonLinesFeed, place: Place) -> Answer:
    """Write to a temporary file in the feed's folder, which shows whether that can be written to.

    Only the feeds process may write to the feed's own file. Raises CannotUseState and CannotUseSettings.
    """
    path = place.state_dir / (settings.path or f"feeds/{place.feed}.jsonl")
    folder = path.parent if path.parent.is_dir() else place.state_dir  # the feed itself would make its folder
    if not folder.is_dir():
        raise CannotUseState(
            _("cannot write in {folder}: there is no such folder; start the daemon once, it makes it").format(
                folder=folder
            )
        )
    temporary = folder / f"{path.name}.test"
    try:
        receiver = JsonLines(temporary, rotate_bytes=settings.rotate_mb * 1_000_000, keep=0)
    except OSError as error:
        raise CannotUseState(
            _("cannot write {path}: {why}").format(path=temporary, why=causes.of_system(error))
        ) from error
    try:
        return await _deliver(receiver)
    finally:
        await receiver.close()
        temporary.unlink()


async def _deliver(receiver: Receiver, data: Mapping[str, Any] = MappingProxyType({})) -> Answer:
    """Deliver one test event. `data`: fields that it has besides `sent_at`."""
    now = times.iso(datetime.now(UTC))
    began = time.monotonic()
    event = Event(event_id=0, kind=TEST, stream=NO_STREAM, at=now, data={**data, "sent_at": now}, feed=None)
    with speaking("en"):  # the command that prints it translates it
        outcome = await receiver.deliver(event, after_gap=False)
    return {"result": outcome.result, "why": outcome.why, "seconds": round(time.monotonic() - began, 3)}


if __name__ == "__main__":
    sys.exit(main())
