"""Bursts that a person labelled, as examples to train the classifier with."""

import json
from typing import NotRequired, TypedDict

from leadmasterd.queries.database import Connection, rows


class LabelledBurst(TypedDict):
    """One burst and the intent that a person gave it.

    `texts`: of its messages in order, empty for one without. `context` is there only for a sender in the address book.
    """

    texts: list[str]
    intent: str
    context: NotRequired[dict[str, bool]]


def labelled_bursts(connection: Connection) -> list[LabelledBurst]:
    """All labels that were not undone, oldest first. Of a burst that was labelled twice, the later label counts."""
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
        if row["saved"]:
            burst["context"] = {"saved_contact": True}
        bursts.append(burst)
    return bursts
