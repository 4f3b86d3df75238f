"""`leadmasterd leads list` and `leads waiting`: what there is to do. Light imports, because both answer in a blink."""

import argparse
import json
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime

from leadmasterd import times
from leadmasterd.cli import names
from leadmasterd.cli.arguments import add_epilog, add_json, add_limit
from leadmasterd.cli.bars import bar
from leadmasterd.cli.times import Clock, length
from leadmasterd.queries import leads as lead_queries
from leadmasterd.queries.leads import Row, Windows
from leadmasterd.sentences import stage_es
from leadmasterd.settings.leads_light import LightLeadsSettings, read_leads_settings
from leadmasterd.settings.paths import Paths, find_paths
from leadmasterd.store.database import open_for_reading
from leadmasterd.text import _, ngettext


def opened(paths: Paths) -> sqlite3.Connection | None:
    """The database, or None and a calm word when there is none yet."""
    try:
        return open_for_reading(paths.database)
    except FileNotFoundError:
        print(_("Nothing was captured here yet: there is no {path}.").format(path=paths.database), file=sys.stderr)
        return None


def looked_up(paths: Paths) -> LightLeadsSettings:
    """The settings, and a word on stderr when they are not what was written: the figures would be others."""
    settings = read_leads_settings(paths)
    if wrong := settings.wrong():
        print(
            _("{keys} in the settings: wrong, so shown as if not set; `leadmasterd config check` says why").format(
                keys=", ".join(f"`{each}`" for each in wrong)
            ),
            file=sys.stderr,
        )
    return settings


# ---------------------------------------------------------------------- list


def add_list_arguments(parser: argparse.ArgumentParser) -> None:
    """Which leads."""
    parser.add_argument(
        "--stage",
        action="append",
        default=[],
        metavar="STAGE",
        help=_("only this stage, closed ones included; repeatable"),
    )
    parser.add_argument(
        "--intent", action="append", default=[], metavar="INTENT", help=_("only this intent; repeatable")
    )
    parser.add_argument("--all", action="store_true", help=_("closed leads too"))
    add_limit(parser)
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd leads list",
        "leadmasterd leads list --stage quoted --stage qualified",
        "leadmasterd leads list --intent price --all --limit 100",
    )


def run_list(arguments: argparse.Namespace) -> int:
    """Open leads, the newest activity first; an empty answer is no error."""
    paths = find_paths(arguments.config)
    settings = looked_up(paths)
    stages = [names.stage(each) for each in arguments.stage]
    intents = [names.intent(each) for each in arguments.intent]
    now = datetime.now(UTC)
    connection = opened(paths)
    rows: list[Row] = []
    unjudged = 0
    if connection:
        with closing(connection):
            unjudged = lead_queries.count_unjudged(connection)
            rows = lead_queries.leads(
                connection,
                Windows(now, settings.stale_days, settings.dormant_days),
                limit=arguments.limit,
                closed_too=arguments.all or bool(stages),
                stages=stages,
                intents=intents,
            )
    if arguments.json:
        print(json.dumps({"as_of": times.iso(now), "unjudged": unjudged, "leads": rows}, ensure_ascii=False))
        return 0
    if rows:
        from leadmasterd.cli.tables import tell_of_more

        _table_of_leads(rows, Clock(now, settings.zone()))
        tell_of_more(len(rows), arguments.limit)
    elif connection:
        print(_("No leads."), file=sys.stderr)
    if unjudged:
        print(not_looked_at(unjudged), file=sys.stderr)
    return 0


def not_looked_at(number: int) -> str:
    """What is captured and not judged yet must not look as if nobody waited there."""
    return ngettext(
        "{n} conversation is not looked at yet: somebody may wait there.",
        "{n} conversations are not looked at yet: somebody may wait there.",
        number,
    ).format(n=number)


def _table_of_leads(rows: list[Row], clock: Clock) -> None:
    from leadmasterd.classify.reasons import intent_es
    from leadmasterd.cli.tables import Column, cell, show

    columns = [
        Column(_("id"), right=True),
        Column(_("who"), shrinks=True),
        Column(_("stage")),
        Column(_("intent"), most=17),
        Column(_("opened"), spare=True),
        Column(_("last"), spare=True),
        Column(_("waiting")),
    ]
    lines = []
    for row in rows:
        waits = length(clock.seconds_since(row["waiting_since"])) if row["waiting_since"] else ""
        lines.append(
            [
                cell(row["lead_id"]),
                cell(*_person(row)),
                cell(row["stage"], stage_es(row["stage"])),
                cell(row["intent"], intent_es(row["intent"])),
                cell(*clock.short(row["opened_at"])),
                cell(*clock.short(row["last_message_at"])),
                cell(waits, *_flags(row, clock.now), style="bold red" if row["overdue"] else "", below="yellow"),
            ]
        )
    show(columns, lines)


def _flags(row: Row, now: datetime) -> list[str]:
    flags = []
    if row["overdue"]:
        flags.append(_("overdue"))
    if row["proposed"]:
        flags.append(_("close?"))
    if row["follow_up_at"] and row["follow_up_at"] <= times.iso(now):
        flags.append(_("follow up"))
    if row["dormant_proposed"]:
        flags.append(_("dormant?"))
    elif row["stale"]:
        flags.append(_("stale"))
    return flags


# ---------------------------------------------------------------------- waiting


def add_waiting_arguments(parser: argparse.ArgumentParser) -> None:
    """How many."""
    add_limit(parser)
    add_json(parser)
    add_epilog(parser, "leadmasterd leads waiting")


def run_waiting(arguments: argparse.Namespace) -> int:
    """Who waits for an answer and for how long, the longest first; nobody is no error."""
    paths = find_paths(arguments.config)
    settings = looked_up(paths)
    now = datetime.now(UTC)
    connection = opened(paths)
    rows: list[Row] = []
    count: Row = {"conversations": 0, "overdue": 0, "oldest_since": None, "unjudged": 0}
    if connection:
        with closing(connection):
            count = lead_queries.count_waiting(connection, now)
            calendar = settings.calendar() if count["conversations"] else None
            business = calendar.business_seconds if calendar else None
            rows = lead_queries.waiting(connection, now, arguments.limit, settings.target_seconds, business)
    if arguments.json:
        answer = {
            "as_of": times.iso(now), "target_seconds": settings.target_seconds, **count, "waiting": rows
        }  # fmt: skip
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    unjudged = [not_looked_at(count["unjudged"])] if count["unjudged"] else []
    if not rows:
        print(*(unjudged or [_("Nobody waits for an answer.")]))
        return 0
    from leadmasterd.cli.tables import folded

    clock = Clock(now, settings.zone())
    _table_of_waiting(rows, settings.target_seconds, clock)
    print()
    for line in (sentence(count, clock), *unjudged):
        print(folded(line, 0))
    if count["conversations"] > len(rows):
        print(
            _("The first {n} are shown: --limit {all} shows all.").format(n=len(rows), all=count["conversations"]),
            file=sys.stderr,
        )
    return 0


def sentence(count: Row, clock: Clock) -> str:
    """`3 conversations, 1 for too long, the first since 14:03`."""
    number = count["conversations"]
    if not number:
        return _("nobody")
    said = ngettext("{n} conversation", "{n} conversations", number).format(n=number)
    if count["overdue"]:
        said += ", " + _("{n} for too long").format(n=count["overdue"])
    return said + ", " + _("the first since {at}").format(at=clock.brief(count["oldest_since"])) + clock.where()


def _table_of_waiting(rows: list[Row], target: float, clock: Clock) -> None:
    from leadmasterd.cli.tables import Column, cell, show

    columns = [
        Column(_("lead"), right=True),
        Column(_("who"), shrinks=True),
        Column(_("wants"), most=17),
        Column(_("since"), spare=True),
        Column(_("waits"), right=True),
        Column(_("of {target} open").format(target=length(target)), spare=True),
    ]
    lines = []
    for row in rows:
        late, business = row["overdue"], row["waited_business_seconds"]
        lines.append(
            [
                cell(row["lead_id"] or "-", style="dim" if row["lead_id"] is None else ""),
                cell(*_person(row)),
                cell(*wants(row)),
                cell(*clock.short(row["waiting_since"])),
                cell(
                    length(row["waited_seconds"]),
                    _("late") if late else "",
                    style="bold red" if late else "",
                    below="red",
                ),
                cell(bar(business / target, late=late), _open_time(business), style="red" if late else "green"),
            ]
        )
    show(columns, lines)


def _open_time(seconds: float) -> str:
    return length(seconds) if seconds else _("closed so far")


def _person(row: Row) -> tuple[str, str]:
    """A name, and below it how to reach them; either does as an ID."""
    who: str = row["who"]
    if row["phone"]:
        return who, row["phone"] if row["phone"] != who else ""
    number = row["chat"].removesuffix("@lid")
    return (number, _("no phone known")) if who == row["chat"] else (who, number)


def wants(row: Row) -> tuple[str, str]:
    """What somebody waits for, as an id and in Spanish."""
    from leadmasterd.classify.reasons import intent_es

    if row["intent"]:
        return row["intent"], intent_es(row["intent"])
    return (_("missed call"), "llamada perdida") if row["missed_call"] else ("unknown", intent_es("unknown"))
