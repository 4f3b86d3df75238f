"""Manual labels of bursts, which the classifier learns from."""

import json
from typing import NotRequired, TypedDict

from leadmasterd.queries.database import Connection, rows


class LabelledBurst(TypedDict):
    """One burst and the intent that a person gave it."""

    texts: list[str]
    intent: str
    context: NotRequired[dict[str, bool]]


def labelled_bursts(connection: Connection) -> list[LabelledBurst]:
    """The labels in force, oldest first: the last label of a burst counts."""
    found = rows(
        connection,
        "SELECT intent, (SELECT json_group_array(coalesce(body, '')) FROM (SELECT body FROM messages "
        "WHERE message_id IN (SELECT value FROM json_each(c.message_ids)) ORDER BY sent_at, message_id)) AS texts, "
        "(SELECT coalesce(max(saved_name <> ''), 0) FROM messages "
        "WHERE message_id IN (SELECT value FROM json_each(c.message_ids))) AS saved "
        "FROM corrections c WHERE undone_at IS NULL ORDER BY correction_id",
    )
    bursts: list[LabelledBurst] = []
    for row in found:
        burst: LabelledBurst = {"texts": json.loads(row["texts"]), "intent": row["intent"]}
        bursts.append({**burst, "context": {"saved_contact": True}} if row["saved"] else burst)
    return bursts
