"""Manual labels of bursts, which the classifier learns from."""

import json
from typing import TypedDict

from leadmasterd.queries.database import Connection, rows


class LabelledBurst(TypedDict):
    """One burst and the intent that a person gave it."""

    texts: list[str]
    intent: str


def labelled_bursts(connection: Connection) -> list[LabelledBurst]:
    """The labels in force, oldest first: the last label of a burst counts."""
    found = rows(
        connection,
        "SELECT intent, (SELECT json_group_array(coalesce(body, '')) FROM (SELECT body FROM messages "
        "WHERE message_id IN (SELECT value FROM json_each(c.message_ids)) ORDER BY sent_at, message_id)) AS texts "
        "FROM corrections c WHERE undone_at IS NULL ORDER BY correction_id",
    )
    return [{"texts": json.loads(row["texts"]), "intent": row["intent"]} for row in found]
