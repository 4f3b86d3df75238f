"""`leadmasterd rules reclassify`: forget what bursts were taken for, and ask the rules and the model of today.

A person's word stays: it is no label of ours.
"""

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime

from leadmasterd import leads_view
from leadmasterd.cli.desk import opened
from leadmasterd.cli.leads_rebuild import in_slices, summary, tell
from leadmasterd.cli.moments import moment_from


def run(arguments: argparse.Namespace) -> int:
    """Of all bursts, or of those since a time."""
    since = leads_view.at_text(moment_from(arguments.since)) if arguments.since else ""
    with opened(arguments.config) as desk:
        desk.classifier()  # a mistake in the rules is told before anything is forgotten
        began = leads_view.at_text(datetime.now(UTC))
        chosen = [
            row["it"]
            for row in leads_view.ask(
                desk.connection,
                "SELECT conversation_id AS it FROM conversations WHERE contact_id IS NOT NULL AND last_inbound_at >= ?",
                since,
            )
        ]

        def anew(slice_: Sequence[int]) -> None:
            desk.connection.execute(
                "DELETE FROM classifications WHERE conversation_id IN (SELECT value FROM json_each(:slice)) "
                "AND first_message_id IN (SELECT message_id FROM messages "
                "WHERE conversation_id IN (SELECT value FROM json_each(:slice)) AND sent_at >= :since)",
                {"slice": json.dumps(slice_), "since": since},
            )
            desk.judge.judge(slice_, datetime.now(UTC))

        failed = in_slices(desk, arguments, chosen, anew)
        answer = summary(desk.connection, began)
    return tell(arguments, answer, failed)
