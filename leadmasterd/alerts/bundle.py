"""What is added to an alert when it is told: that it comes late, that its kind flaps, and several as one. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Final

from leadmasterd import times
from leadmasterd.alerts.kinds import BODY, TITLE, Text
from leadmasterd.clock import Clock, length
from leadmasterd.text import _, ngettext, shortened

LATE: Final = timedelta(minutes=2)
"""What is told later than this after it was due says so."""


def late(text: Text, due_at: datetime, now: datetime, zone: tzinfo | None) -> Text:
    """The same, saying how late it is if it is."""
    if now - due_at < LATE:
        return text
    said = _("This is of {at}, {length} ago. It could not be told then.").format(
        at=Clock(now, zone).brief(times.iso(due_at)), length=length((now - due_at).total_seconds())
    )
    return Text(text.title, shortened(f"{said}\n\n{text.body}", BODY))


def flapping(text: Text, number: int) -> Text:
    """The same, saying that it is the last of its kind that is told alone for now."""
    said = _(
        "This is number {n} of its kind within an hour. Further ones are told together, at most once an hour."
    ).format(n=number)
    return Text(text.title, shortened(f"{text.body}\n\n{said}", BODY))


def together(entries: Sequence[tuple[datetime, Text]], now: datetime, zone: tzinfo | None) -> Text:
    """Several alerts as one, each with its time: whole if they fit, else their titles."""
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
    """The newest of them: those are what may still need somebody."""
    lines: list[str] = []
    size = 100  # for the last line
    for head in reversed(heads):
        size += len(head) + 1
        if size > BODY:
            break
        lines.insert(0, head)
    if left := len(heads) - len(lines):
        text = ngettext(
            "{n} earlier one: `leadmasterd alerts history`", "{n} earlier ones: `leadmasterd alerts history`", left
        )
        lines.append(text.format(n=left))
    return "\n".join(lines)
