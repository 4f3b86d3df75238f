"""Which alerts are open, and what was sent to whom: read from `alerts.db`, which the feeds process writes."""

import json
from pathlib import Path
from typing import Final, Literal, TypedDict, cast

from leadmasterd import causes
from leadmasterd.queries.database import open_companion, rows
from leadmasterd.settings.paths import Paths
from leadmasterd.text import later, translated

VERSION: Final = 1
"""The version of the file that `leadmasterd.alerts.store` writes."""
_IF_RECREATED: Final = later("what still holds is then told again, and the history is lost")

What = Literal["began", "ended", "digest"]
"""What an alert says: that a condition began to hold or ended, or several of these at once."""
State = Literal["held", "gathered", "due", "told", "over", "in_digest", "given_up"]
"""What became of an alert; `queries.words.alert_state` has the words."""


class OpenAlert(TypedDict):
    """A condition that holds now, and what became of the alert about it. `subject`: whom or what it concerns."""

    kind: str
    subject: str
    since: str
    title: str
    state: State


class Delivery(TypedDict):
    """What became of an alert at one address. `told_at`: None until it is delivered; `why`: the last failure."""

    to: str
    told_at: str | None
    tries: int
    why: str


class Alert(TypedDict):
    """One message of the alerts, delivered or not. `at`: when it was made; `due_at`: when it is to be sent next."""

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
    """The answer of `alerts history --json`. `total`: of all alerts, also those beyond the limit."""

    total: int
    alerts: list[Alert]


def file_of(paths: Paths) -> Path:
    """The path of `alerts.db`."""
    return paths.state_dir / "alerts.db"


def open_alerts(paths: Paths) -> list[OpenAlert]:
    """The conditions that hold now and that an alert was made for, the oldest first; none before the file exists.

    Raises CannotUseDatabase and CannotUseState.
    """
    with open_companion(file_of(paths), "ro", version=VERSION, if_recreated=translated(_IF_RECREATED)) as connection:
        if connection is None:
            return []
        found = rows(
            connection,
            "WITH began AS (SELECT * FROM notes WHERE what = 'began') "
            "SELECT e.kind, e.subject, e.since, n.title, n.state FROM episodes e JOIN notes n ON n.note_id = coalesce("
            "(SELECT max(note_id) FROM began WHERE kind = e.kind AND subject = e.subject "
            " AND made_at >= e.since AND state <> 'over'), "  # older ones are of earlier episodes
            # Where many conditions began at once, a digest is their only note, and tells all of them. A `flapping`
            # digest is none of these: it sums up notes that each condition has of its own.
            "(SELECT max(note_id) FROM notes WHERE kind = e.kind AND what = 'digest' "
            " AND made_at >= e.since AND NOT flapping AND e.told), "
            # A clock that was set back makes a note older than what it tells of.
            "(SELECT max(note_id) FROM began WHERE kind = e.kind AND subject = e.subject)) "
            "WHERE e.open ORDER BY e.since, n.note_id",
        )
    return cast("list[OpenAlert]", found)


def alert_history(paths: Paths, *, limit: int) -> AlertHistory:
    """The newest `limit` alerts, sent or still to be sent, the newest first; none before the file exists.

    Raises CannotUseDatabase and CannotUseState.
    """
    with open_companion(file_of(paths), "ro", version=VERSION, if_recreated=translated(_IF_RECREATED)) as connection:
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
        row["deliveries"] = _deliveries(row["deliveries"])
    return {"total": total["n"], "alerts": cast("list[Alert]", found)}


def _deliveries(text: str) -> list[Delivery]:
    """The deliveries of an alert, from the JSON of its column.

    Empty if another program wrote something else there, so that the rest of the alert can be shown.
    """
    try:
        return [
            Delivery(to=to, told_at=told_at, tries=tries, why=translated(why))
            for to, told_at, tries, why in json.loads(text).values()
        ]
    except causes.NO_JSON:
        return []
