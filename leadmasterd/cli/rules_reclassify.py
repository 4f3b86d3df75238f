"""`leadmasterd rules reclassify`: forget what bursts were taken for, and ask the rules and the model of today.

A person's word stays: it is no label of ours.
"""

import argparse
import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from leadmasterd import times
from leadmasterd.classify.reasons import intent_es
from leadmasterd.cli.arguments import add_epilog, add_json, add_time
from leadmasterd.cli.desk import opened
from leadmasterd.cli.leads_rebuild import in_slices, summary, tell
from leadmasterd.cli.times import time_from
from leadmasterd.queries import leads as lead_queries
from leadmasterd.settings.leads_light import read_leads_settings
from leadmasterd.settings.paths import find_paths
from leadmasterd.text import _, ngettext

_SHOWN: Final = 8
"""Of the changes of labels, so many for people, the most frequent first."""

Labels = dict[tuple[int, str], str]
"""Intents by conversation and burst."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which bursts."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help=_("every burst"))
    add_time(which, "--since", _("only bursts since this date or time"))
    add_json(parser)
    add_epilog(parser, "leadmasterd rules reclassify --since 2026-11-01", "leadmasterd rules reclassify --all")


def run(arguments: argparse.Namespace) -> int:
    """Of all bursts, or of those since a time."""
    zone = read_leads_settings(find_paths(arguments.config)).zone()
    since = times.iso(time_from(arguments.since, zone)) if arguments.since is not None else ""
    classified, changed = 0, Counter[tuple[str, str]]()
    with opened(arguments.config) as desk:
        desk.classifier()  # a mistake in the rules is told before anything is forgotten
        began = times.iso(datetime.now(UTC))
        chosen = [
            row["it"]
            for row in lead_queries.ask(
                desk.connection,
                "SELECT conversation_id AS it FROM conversations WHERE contact_id IS NOT NULL AND last_inbound_at >= ?",
                since,
            )
        ]

        def anew(slice_: Sequence[int]) -> None:
            nonlocal classified
            before = _labels(desk.connection, slice_, since)
            desk.connection.execute(
                "DELETE FROM classifications WHERE conversation_id IN (SELECT value FROM json_each(:slice)) "
                "AND first_message_id IN (SELECT message_id FROM messages "
                "WHERE conversation_id IN (SELECT value FROM json_each(:slice)) AND sent_at >= :since)",
                {"slice": json.dumps(slice_), "since": since},
            )
            desk.projector.project(slice_, datetime.now(UTC))
            after = _labels(desk.connection, slice_, since)
            classified += len(after)
            changed.update(
                (before[place], intent) for place, intent in after.items() if before.get(place, intent) != intent
            )

        failed = in_slices(desk, arguments, chosen, anew)
        answer = summary(desk.connection, began)
    ranked = sorted(changed.items(), key=lambda change: (-change[1], change[0]))
    if not arguments.json:
        _print(classified, ranked)
    relabelled = [{"before": old, "after": new, "bursts": number} for (old, new), number in ranked]
    bursts = {"bursts": classified, "relabelled_bursts": changed.total(), "relabelled": relabelled}
    return tell(arguments, {**bursts, **answer}, failed)


def _labels(connection: sqlite3.Connection, conversations: Sequence[int], since: str) -> Labels:
    rows = lead_queries.ask(
        connection,
        "SELECT k.conversation_id, k.burst, k.intent FROM classifications k "
        "JOIN messages m ON m.message_id = k.first_message_id "
        "WHERE k.conversation_id IN (SELECT value FROM json_each(?)) AND instr(k.burst, ':') = 0 AND m.sent_at >= ?",
        json.dumps(conversations),
        since,
    )
    return {(row["conversation_id"], row["burst"]): row["intent"] for row in rows}


def _print(classified: int, ranked: Sequence[tuple[tuple[str, str], int]]) -> None:
    said = ngettext("{n} burst classified", "{n} bursts classified", classified).format(n=classified)
    total = sum(number for _change, number in ranked)
    said += ", " + ngettext("{n} label changed", "{n} labels changed", total).format(n=total)
    print(said + (":" if ranked else "."))
    for (old, new), number in ranked[:_SHOWN]:
        print(f"  {number:>5}  {old} ({intent_es(old)}) -> {new} ({intent_es(new)})")
    if rest := sum(number for _change, number in ranked[_SHOWN:]):
        print(f"  {rest:>5}  " + _("in other ways"))
