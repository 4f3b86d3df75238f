"""What alerts read whenever the database has changed: a snapshot, cheap however many messages and people there are.

Which of it becomes an alert is left to `leadmasterd.alerts`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, TypedDict, cast

from leadmasterd import times
from leadmasterd.queries.database import Connection, rows
from leadmasterd.queries.history import Gap, open_gaps
from leadmasterd.queries.leads import count_pending, visible_name
from leadmasterd.queries.people import DISPLAY_NAME


class Wait(NamedTuple):
    """A conversation that waits. Times are ISO text. `due_at`: of the SLA target; None without opening hours ahead."""

    cycle: str
    """An id of this one wait: the conversation's next wait has another."""
    conversation_id: int
    message_id: int | None
    """The message that began the wait; None for a missed call."""
    since: str
    due_at: str | None


class NewLead(TypedDict):
    """What an alert about a new lead says of it. `message_id`: the message that opened it, if one did."""

    lead_id: int
    who: str
    phone: str | None
    chat: str
    intent: str
    stage: str
    opened_at: str
    message_id: int | None


class Settled(NamedTuple):
    """The last phase that does not pass by itself, and since when: ready, or one in which a person is needed."""

    phase: str
    at: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What alerts need to know of the database at one moment. `unjudged`: conversations still to be projected."""

    waits: tuple[Wait, ...] = ()
    new_leads: tuple[NewLead, ...] = ()
    open_gaps: tuple[Gap, ...] = ()
    """Oldest first."""
    settled: Settled | None = None
    unjudged: int = 0


def snapshot(connection: Connection, *, leads_since: datetime | None) -> Snapshot:
    """Who waits, which leads are new and how complete capture is.

    `leads_since`: open leads are new if they were opened since then. None: `new_leads` is left empty.
    """
    return Snapshot(
        waits=_waits(connection),
        new_leads=_new_leads(connection, leads_since) if leads_since else (),
        open_gaps=open_gaps(connection),
        settled=_settled(connection),
        unjudged=count_pending(connection),
    )


_WAITS: Final = """
    SELECT coalesce(w.cycle_id, v.conversation_id || ' ' || v.waiting_since), v.conversation_id, w.message_id,
           v.waiting_since, v.due_at
    FROM conversations v
    LEFT JOIN waiting_cycles w ON w.conversation_id = v.conversation_id AND w.started_at = v.waiting_since
    WHERE v.waiting_since IS NOT NULL
"""


def _waits(connection: Connection) -> tuple[Wait, ...]:
    cursor = connection.cursor()
    cursor.row_factory = None  # plain tuples
    return tuple(Wait(str(cycle), *rest) for cycle, *rest in cursor.execute(_WAITS))


_NEW_LEADS: Final = f"""
    SELECT l.lead_id, {DISPLAY_NAME} AS who, coalesce(r.phone, c.phone) AS phone, v.chat, l.intent, l.stage,
           l.opened_at, l.opened_by_message_id AS message_id
    FROM leads l JOIN conversations v ON v.conversation_id = l.conversation_id
    JOIN contacts r ON r.contact_id = l.contact_id LEFT JOIN contacts c ON c.contact_id = v.contact_id
    WHERE l.closed_at IS NULL AND l.last_message_at >= :since AND l.opened_at >= :since ORDER BY l.opened_at, l.lead_id
"""


def _new_leads(connection: Connection, since: datetime) -> tuple[NewLead, ...]:
    found = rows(connection, _NEW_LEADS, since=times.iso(since))
    named: list[dict[str, Any]] = [row | {"who": visible_name(row)} for row in found]
    return tuple(cast("NewLead", each) for each in named)


def _settled(connection: Connection) -> Settled | None:
    """The last phase of the kinds that `Settled` names; None before there was any."""
    row = connection.execute(
        "SELECT phase, at FROM session_events WHERE phase IN ('ready', 'waiting_for_scan', 'needs_passkey', 'halted') "
        "ORDER BY event_id DESC LIMIT 1"
    ).fetchone()
    return Settled(*row) if row else None
