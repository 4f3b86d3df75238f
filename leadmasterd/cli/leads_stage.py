"""`leadmasterd leads stage`: move a lead to another stage, or undo that."""

import argparse
import json
import sys

from leadmasterd.actions.stages import ColleaguesDecision, StageUndone, move_to_stage, undo_stage
from leadmasterd.cli import names
from leadmasterd.cli.arguments import add_epilog, add_id, add_json, typed
from leadmasterd.cli.editing import clock_of, lead_editor, print_changes
from leadmasterd.clock import Clock
from leadmasterd.leads.stages import DECIDABLE
from leadmasterd.reasons import person_name
from leadmasterd.sentences import stage_name
from leadmasterd.text import _, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which lead, its new stage or whether to undo that, a note, and `--json`."""
    add_id(parser)
    parser.add_argument(
        "stage",
        metavar=_("STAGE"),
        nargs="?",
        help=_("by its id or in Spanish: {stages}").format(
            stages=", ".join(names.stage_lines(each)[0] for each in DECIDABLE)
        ),
    )
    parser.add_argument("--note", type=typed, metavar=_("TEXT"), help=_("why, for the record"))
    parser.add_argument("--undo", action="store_true", help=_("undo the latest decision, with its note"))
    add_json(parser)
    add_epilog(
        parser,
        _("leadmasterd leads stage 5 quoted"),
        _('leadmasterd leads stage 5 lost --note "too expensive"'),
        "leadmasterd leads stage 5 --undo",
    )


def run(arguments: argparse.Namespace) -> int:
    """Move a lead to a stage, or undo that. In a chat without a lead, an open stage opens one.

    Returns 64 unless exactly one of the two is asked for, and for `--undo` with a note. Raises CannotUseArgument for an
    unknown stage, and Refused.
    """
    has_stage = arguments.stage is not None
    undo_with_note = arguments.undo and arguments.note is not None
    if has_stage == arguments.undo or undo_with_note:
        print(_("give either a STAGE or --undo; try `leadmasterd leads stage --help`"), file=sys.stderr)
        return 64
    return _undo(arguments) if arguments.undo else _move(arguments)


def _move(arguments: argparse.Namespace) -> int:
    """Move the lead, and print what changed, or that nothing did. Returns the exit code.

    Also prints whether somebody else has decided about the same lead just before.
    """
    stage = names.stage(arguments.stage, allowed=DECIDABLE)
    with lead_editor(arguments.config) as editor:
        done = move_to_stage(editor, arguments.id, stage, note=arguments.note)
    if arguments.json:
        print(json.dumps(done.as_json(), ensure_ascii=False))
        return 0
    clock = clock_of(editor)
    lines = []
    if done.colleague and done.before:
        lines.append(_colleague(done.colleague, done.before.lead_id, clock))
    if done.before and done.unchanged:
        lines.append(_("Lead {lead} is already {stage}.").format(lead=done.before.lead_id, stage=stage_name(stage)))
        if arguments.note:
            lines.append(_("Noted on lead {lead}.").format(lead=done.before.lead_id))
    elif done.before and done.before.stage == stage:  # deciding it again has an effect: a new quote, for example
        lines.append(_("Lead {lead} is {stage} again.").format(lead=done.before.lead_id, stage=stage_name(stage)))
        if not done.changes:
            lines.append(_("Nothing else changed."))
    print_changes(lines, done.changes, clock)
    return 0


def _undo(arguments: argparse.Namespace) -> int:
    """Undo the latest decision about the lead, and print what changed. Returns the exit code."""
    with lead_editor(arguments.config) as editor:
        done = undo_stage(editor, arguments.id)
    if arguments.json:
        print(json.dumps(done.as_json(), ensure_ascii=False))
        return 0
    clock = clock_of(editor)
    lines = [_undone(done, clock)]
    if not done.changes:
        lines.append(_("Nothing else changed."))
    print_changes(lines, done.changes, clock)
    return 0


def _undone(done: StageUndone, clock: Clock) -> str:
    """Which decision was undone: to which stage, whose and when."""
    return _("Undone: {stage}, which {who} had decided at {at}.").format(
        stage=stage_name(done.stage),
        who=printable(person_name(done.decided_by)),
        at=clock.brief(done.decided_at) + clock.where(),
    )


def _colleague(decision: ColleaguesDecision, lead: int, clock: Clock) -> str:
    """A note about what somebody else has just decided about the same lead."""
    return _("Note: at {at} {who} decided on lead {lead}: {what}.").format(
        at=clock.brief(decision.at) + clock.where(),
        who=printable(person_name(decision.actor)),
        lead=lead,
        what=decision.in_words(),
    )
