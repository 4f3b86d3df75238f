"""`leadmasterd leads stage`: move a lead to another stage."""

import argparse
import json

from leadmasterd.actions.stages import ColleaguesDecision, move_to_stage
from leadmasterd.cli import names
from leadmasterd.cli.arguments import add_epilog, add_id, add_json, typed
from leadmasterd.cli.editing import both_names, clock_of, lead_editor, print_changes
from leadmasterd.clock import Clock
from leadmasterd.leads.stages import DECIDABLE
from leadmasterd.sentences import lead_event
from leadmasterd.text import _, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which lead, and its new stage."""
    add_id(parser)
    parser.add_argument(
        "stage", metavar="STAGE", help=_("by its id or in Spanish: {stages}").format(stages=", ".join(DECIDABLE))
    )
    parser.add_argument("--note", type=typed, metavar="TEXT", help=_("why, for the record"))
    add_json(parser)
    add_epilog(parser, "leadmasterd leads stage 5 quoted", 'leadmasterd leads stage 5 lost --note "too expensive"')


def run(arguments: argparse.Namespace) -> int:
    """An open stage opens a lead in a chat without one."""
    stage = names.stage(arguments.stage, allowed=DECIDABLE)
    with lead_editor(arguments.config) as editor:
        done = move_to_stage(editor, arguments.id, stage, note=arguments.note)
    if arguments.json:
        print(json.dumps(done.as_json(), ensure_ascii=False))
        return 0
    clock, lines = clock_of(editor), []
    if done.colleague and done.before:
        lines.append(_colleague(done.colleague, done.before.lead_id, clock))
    if done.before and done.unchanged:
        lines.append(_("Lead {lead} is already {stage}.").format(lead=done.before.lead_id, stage=both_names(stage)))
        if arguments.note:
            lines.append(_("Noted on lead {lead}.").format(lead=done.before.lead_id))
    elif done.before and done.before.stage == stage:
        lines.append(_("Lead {lead} is {stage} again.").format(lead=done.before.lead_id, stage=both_names(stage)))
        if not done.changes:
            lines.append(_("Nothing else changed."))
    print_changes(lines, done.changes, clock)
    return 0


def _colleague(decision: ColleaguesDecision, lead: int, clock: Clock) -> str:
    what = lead_event(
        kind=decision.kind,
        before=decision.before,
        after=decision.after,
        code=decision.code,
        values=decision.values,
        actor=decision.actor,
    )
    return _("Note: at {at} {who} decided on lead {lead}: {what}.").format(
        at=clock.brief(decision.at) + clock.where(),
        who=printable(decision.actor.removeprefix("person:")),
        lead=lead,
        what=what,
    )
