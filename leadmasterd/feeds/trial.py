"""`python -m leadmasterd.feeds.trial NAME`: one harmless event, straight to a feed's receiver. For `feeds test`.

It notes nothing, so it can run beside the feeds process, or without. Prints one JSON object, an `Answer`.
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
    """What the receiver answered."""

    result: str
    why: str
    seconds: float


def main() -> int:
    """The exit code of an error; 0 whatever the receiver answered."""
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
    if isinstance(settings, JsonLinesFeed):
        return await _to_a_file(settings, place)
    try:
        receiver = make_receiver(settings, place)
    except OSError as error:
        raise CannotUseState(
            _("cannot make the receiver of {feed}: {why}").format(feed=place.feed, why=causes.of_system(error))
        ) from error
    try:
        return await _deliver(receiver, _of_template(settings))
    finally:
        await receiver.close()


def _of_template(settings: FeedSettings) -> dict[str, Any]:
    """What a hub's own JSON asks of an event, as null."""
    template = settings.template if isinstance(settings, WebhookFeed) else {}
    return {name.removeprefix("data."): None for name in names_in(template) if name.startswith("data.")}


async def _to_a_file(settings: JsonLinesFeed, place: Place) -> Answer:
    """A file of its own beside the feed's, which only the feeds process may write, and gone at the end."""
    path = place.state_dir / (settings.path or f"feeds/{place.feed}.jsonl")
    folder = path.parent if path.parent.is_dir() else place.state_dir
    if not folder.is_dir():
        raise CannotUseState(
            _("cannot write in {folder}: there is no such folder; start the daemon once, it makes it").format(
                folder=folder
            )
        )
    beside = folder / f"{path.name}.test"
    try:
        receiver = JsonLines(beside, rotate_bytes=settings.rotate_mb * 1_000_000, keep=0)
    except OSError as error:
        raise CannotUseState(
            _("cannot write {path}: {why}").format(path=beside, why=causes.of_system(error))
        ) from error
    try:
        return await _deliver(receiver)
    finally:
        await receiver.close()
        beside.unlink()


async def _deliver(receiver: Receiver, data: Mapping[str, Any] = MappingProxyType({})) -> Answer:
    now = times.iso(datetime.now(UTC))
    began = time.monotonic()
    event = Event(event_id=0, kind=TEST, stream=NO_STREAM, at=now, data={**data, "sent_at": now}, feed=None)
    with speaking("en"):  # as the feeds process notes it
        outcome = await receiver.deliver(event, after_gap=False)
    return {"result": outcome.result, "why": outcome.why, "seconds": round(time.monotonic() - began, 3)}


if __name__ == "__main__":
    sys.exit(main())
