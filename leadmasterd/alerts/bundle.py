"""Changes the text of alerts when they are told: says that one is late or its kind flaps, and joins several. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Final

from leadmasterd import times
from leadmasterd.alerts.kinds import BODY, TITLE, Text
from leadmasterd.clock import Clock, length
from leadmasterd.text import _, ngettext, shortened

LATE: Final = timedelta(minutes=2)
"""An alert that is told so long after it was due says so."""


def late(text: Text, due_at: datetime, now: datetime, zone: tzinfo | None) -> Text:
    """The text, with a sentence on how late it is told, if it is more than two minutes late."""
    if now - due_at < LATE:
        return text
    said = _("This is of {at}, {length} ago. It could not be told then.").format(
        at=Clock(now, zone).brief(times.iso(due_at)), length=length((now - due_at).total_seconds())
    )
    return Text(text.title, shortened(f"{said}\n\n{text.body}", BODY))


def flapping(text: Text, number: int) -> Text:
    """The text, with a sentence that it is the last of its kind told alone for now. `number`: its number in an hour."""
    said = _(
        "This is number {n} of its kind within an hour. Further ones are told together, at most once an hour."
    ).format(n=number)
    return Text(text.title, shortened(f"{text.body}\n\n{said}", BODY))


def together(entries: Sequence[tuple[datetime, Text]], now: datetime, zone: tzinfo | None) -> Text:
    """Several alerts as one text, each with its time: with their bodies if all fit, else with their titles only.

    `entries`: when each was made or due, and its text; the oldest first. The text of a single one stays as it is.
    """
    if len(entries) == 1:
        return entries[0][1]
    title = ngettext("{n} alert, the last: {title}", "{n} alerts, the last: {title}", len(entries)).format(
        n=len(entries), title=entries[-1][1].title
    )
    clock = Clock(now, zone)
    heads = [f"{clock.brief(times.iso(at))} {text.title}" for at, text in entries]
    whole = "\n\n".join(f"{head}\n{text.body}" for head, (_at, text) in zip(heads, entries, strict=True))
    return Text(shortened(title, TITLE), whole if len(whole) <= BODY else _last_that_fit(heads))


def _last_that_fit(heads: Sequence[str]) -> str:
    """As many lines as fit, from the end: the newest may still need somebody. Then how many earlier ones there are."""
    kept: list[str] = []
    size = 100  # room for the line on the earlier ones
    for head in reversed(heads):
        size += len(head) + 1
        if size > BODY:
            break
        kept.insert(0, head)
    left_out = len(heads) - len(kept)
    if left_out:
        text = ngettext(
            "{n} earlier one: `leadmasterd alerts history`", "{n} earlier ones: `leadmasterd alerts history`", left_out
        )
        kept.append(text.format(n=left_out))
    return "\n".join(kept)
