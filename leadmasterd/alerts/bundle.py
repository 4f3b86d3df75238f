"""Changes texts of alerts when they are told: says that one is late or one of too many, and joins several. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Final

from leadmasterd import times
from leadmasterd.alerts.kinds import BODY, TITLE, Text
from leadmasterd.clock import Clock, length
from leadmasterd.text import _, ngettext, shortened

LATE: Final = timedelta(minutes=2)
"""An alert that is told so long after it was due, or longer, says how late it is."""


def late(text: Text, due_at: datetime, now: datetime, zone: tzinfo | None) -> Text:
    """The text, with a sentence on how late it is told if that is at least `LATE` after `due_at`."""
    if now - due_at < LATE:
        return text
    said = _("This is of {at}, {length} ago. It could not be told then.").format(
        at=Clock(now, zone).brief(times.iso(due_at)), length=length((now - due_at).total_seconds())
    )
    return Text(text.title, shortened(f"{said}\n\n{text.body}", BODY))


def flapping(text: Text, number: int) -> Text:
    """The text, with a sentence that further alerts of its kind are told together for now.

    `number`: how many of its kind there have been within an hour, this one included.
    """
    said = _(
        "This is number {n} of its kind within an hour. Further ones are told together, at most once an hour."
    ).format(n=number)
    return Text(text.title, shortened(f"{text.body}\n\n{said}", BODY))


def together(entries: Sequence[tuple[datetime, Text]], now: datetime, zone: tzinfo | None) -> Text:
    """Several alerts as one text, each with its time. If their bodies do not all fit, only the titles are there.

    `entries`: when each was made or due, and its text; the oldest first. A single alert keeps its text.
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
    """The last lines that fit, and then how many earlier ones there are. `heads`: a line for each alert, oldest first.

    The newest alerts are kept because they are the most likely to still need somebody.
    """
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
