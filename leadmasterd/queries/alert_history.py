"""Which alerts are open and which were told to whom, from `alerts.db`, which the feeds process writes."""

import json
from pathlib import Path
from typing import Final, Literal, TypedDict, cast

from leadmasterd.queries.database import open_beside, rows
from leadmasterd.settings.paths import Paths
from leadmasterd.text import later, translated

VERSION: Final = 1
"""As `leadmasterd.alerts.store` writes it."""
_ANEW: Final = later("what still holds is then told again, and the history is lost")

What = Literal["began", "ended", "digest"]
State = Literal["held", "gathered", "due", "told", "over", "in_digest", "given_up"]


class OpenAlert(TypedDict):
    """A condition that holds now."""

    kind: str
    subject: str
    since: str
    title: str
    state: State


class Delivery(TypedDict):
    """What became of an alert at one address."""

    to: str
    told_at: str | None
    tries: int
    why: str


class Alert(TypedDict):
    """Something that was to be told."""

    at: str
    kind: str
    subject: str
    what: What
    state: State
    due_at: str | None
    title: str
    body: str
    deliveries: list[Delivery]


class AlertHistory(TypedDict):
    """`alerts history --json`."""

    total: int
    alerts: list[Alert]


def file_of(paths: Paths) -> Path:
    """Where alerts are kept."""
    return paths.state_dir / "alerts.db"


def open_alerts(paths: Paths) -> list[OpenAlert]:
    """What holds now, as far as it was to be told; the oldest first. Raises CannotUseDatabase and CannotUseState."""
    with open_beside(file_of(paths), "ro", version=VERSION, anew=translated(_ANEW)) as connection:
        found = connection and rows(
            connection,
            "SELECT e.kind, e.subject, e.since, n.title, n.state FROM episodes e JOIN notes n ON n.note_id = coalesce("
            "(SELECT max(note_id) FROM notes WHERE kind = e.kind AND subject = e.subject AND what = 'began'), "
            # Many that begin at once have one note.
            "(SELECT max(note_id) FROM notes WHERE kind = e.kind AND what = 'digest')) "
            "WHERE e.open ORDER BY e.since, n.note_id",
        )
    return cast("list[OpenAlert]", found or [])


def alert_history(paths: Paths, *, limit: int) -> AlertHistory:
    """What was told, or is to be; the newest first. Raises CannotUseDatabase and CannotUseState."""
    with open_beside(file_of(paths), "ro", version=VERSION, anew=translated(_ANEW)) as connection:
        if connection is None:
            return {"total": 0, "alerts": []}
        found = rows(
            connection,
            "SELECT made_at AS at, kind, subject, what, state, due_at, title, body, deliveries FROM notes "
            "ORDER BY note_id DESC LIMIT ?",
            limit,
        )
        [total] = rows(connection, "SELECT count(*) AS n FROM notes")
    for row in found:
        row["deliveries"] = [
            Delivery(to=to, told_at=told_at, tries=tries, why=translated(why))
            for to, told_at, tries, why in json.loads(row["deliveries"]).values()
        ]
    return {"total": total["n"], "alerts": cast("list[Alert]", found)}
