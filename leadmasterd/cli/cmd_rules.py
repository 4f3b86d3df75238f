"""`leadmasterd rules`: check the rules file, measure the classification, learn from corrections."""

import argparse
import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Final, TypedDict

from leadmasterd import causes
from leadmasterd.apart import python_module
from leadmasterd.cli.arguments import Command, add_commands, add_epilog, add_json, typed
from leadmasterd.errors import CannotUseRules, CannotUseState, Refused
from leadmasterd.text import _, figure, ngettext, spoken_language

if TYPE_CHECKING:
    from leadmasterd.classify.classifier import Classifier
    from leadmasterd.classify.measure import Figures, TrainingRecord
    from leadmasterd.settings.paths import Paths

_OTHER_COLUMNS: Final = 58
"""Screen columns that the table of figures takes without its last column."""
_MIN_LAST_COLUMN: Final = 20


class CheckRecord(TypedDict):
    """The answer of `rules check`. `rules`: how many there are."""

    file: str
    ok: bool
    rules: int
    problems: list[str]


class TryRecord(TypedDict):
    """The answer of `rules test --text`."""

    intent: str
    group: str
    method: str
    source: str
    confidence: float
    because: str


def commands() -> Mapping[str, Command]:
    """The subcommands by name, in the order of `--help`."""
    return {
        "check": Command(_("check the rules file and its examples"), "cmd_rules", "check"),
        "test": Command(_("measure rules and model on messages whose intent is known"), "cmd_rules", "test"),
        "train": Command(_("learn from people's corrections; never replaces a better model"), "cmd_rules", "train"),
        "reclassify": Command(
            _("re-run classification on stored messages; manual labels are kept"), "rules_reclassify"
        ),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands, and the end of `--help`."""
    add_commands(parser, commands(), dest="action")
    add_epilog(
        parser,
        "leadmasterd rules check rules.toml",
        "leadmasterd rules test labelled.jsonl",
        "leadmasterd rules train",
        notes=_("Each command takes --json. See docs/classification.md."),
    )


# ---------------------------------------------------------------------- check


def add_check_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which file to check, and `--json`."""
    parser.add_argument("file", metavar=_("FILE"), nargs="?", help=_("default: the file in leads.rules"))
    add_json(parser)
    add_epilog(parser, "leadmasterd rules check", "leadmasterd rules check rules.toml")


def run_check(arguments: argparse.Namespace) -> int:
    """Check the rules and their examples. Returns 1 if there are problems; they go to stderr, one per line."""
    from leadmasterd.classify.loading import PACKAGED_RULES, load_rules
    from leadmasterd.classify.rules_file import check_examples

    file = Path(arguments.file) if arguments.file else _own_rules(arguments)
    where = str(file) if file else _("{file} of the program").format(file=PACKAGED_RULES)
    problems: list[str] = []
    number = 0
    try:
        rules, _version = load_rules(file)
        number = len(rules.rules)
        problems = check_examples(rules, where)
    except CannotUseRules as error:
        problems = str(error).splitlines()
    if arguments.json:
        record: CheckRecord = {"file": where, "ok": not problems, "rules": number, "problems": problems}
        print(json.dumps(record))
    elif problems:
        print("\n".join(problems), file=sys.stderr)
    else:
        text = ngettext(
            "{file}: {n} rule, and its examples pass", "{file}: {n} rules, and all their examples pass", number
        )
        print(text.format(file=where, n=figure(number)))
    return 1 if problems else 0


def _own_rules(arguments: argparse.Namespace) -> Path | None:
    """The rules file of the settings; None if it does not exist: then the packaged rules are in force."""
    from leadmasterd.classify.loading import existing
    from leadmasterd.projection.policy import rules_file
    from leadmasterd.settings.model import load

    settings, paths = load(arguments.config)
    return existing(rules_file(settings.leads.rules, paths))


def _classifier(arguments: argparse.Namespace) -> "Classifier":
    """The rules and the model in force. Raises CannotUseRules and CannotUseModel."""
    from leadmasterd.projection.policy import classifier_of
    from leadmasterd.settings.model import load

    settings, paths = load(arguments.config)
    return classifier_of(settings.leads.rules, paths)


# ---------------------------------------------------------------------- test


def add_test_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a file of labelled messages, or texts to classify, and `--json`."""
    parser.add_argument(
        "file",
        metavar=_("FILE"),
        nargs="?",
        help=_("JSON lines with texts (or text), intent, also, context; - for standard input"),
    )
    parser.add_argument(
        "--text",
        type=typed,
        action="append",
        metavar=_("TEXT"),
        help=_("classify this instead; repeatable: messages of one burst"),
    )
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd rules test labelled.jsonl",
        "leadmasterd rules test labelled.jsonl --json | jq .accuracy",
        'leadmasterd rules test --text "hola" --text "cuanto sale el combo?"',
        notes=_(
            "accuracy    share with a right answer: the intent, one of `also`, or their\n"
            "            group; `unknown` is wrong, unless it was expected\n"
            "coverage    share that got a label other than `unknown`\n"
            "precision_when_labelled\n"
            "            share of those labels that are right"
        ),
    )


def run_test(arguments: argparse.Namespace) -> int:
    """Measure with a file, or classify one burst of texts. Returns 64 unless exactly one of the two is given."""
    has_file, has_texts = arguments.file is not None, arguments.text is not None
    if has_file == has_texts:
        print(
            _("give either FILE or --text TEXT; try `leadmasterd rules test --help`"),
            file=sys.stderr,
        )
        return 64
    return _classify(arguments) if has_texts else _measure(arguments)


def _classify(arguments: argparse.Namespace) -> int:
    """Classify the texts of `--text` as one burst, and print its label with the reason. Returns the exit code."""
    from leadmasterd.classify.intents import Signals
    from leadmasterd.classify.reasons import group_name, intent_name, why

    label = _classifier(arguments).classify(arguments.text, Signals())
    because = why(label.code, label.values)
    if arguments.json:
        record: TryRecord = {
            "intent": label.intent,
            "group": label.group,
            "method": label.method,
            "source": label.source,
            "confidence": label.confidence,
            "because": because,
        }
        print(json.dumps(record, ensure_ascii=False))
    else:
        print(f"{intent_name(label.intent)}, {group_name(label.group)}: {because}")
    return 0


def _measure(arguments: argparse.Namespace) -> int:
    """Classify the bursts of a file that also has the right label of each, and print how often that label came out.

    Returns the exit code. Raises CannotUseLine, which names every bad line, and Refused if the file can't be read or is
    empty.
    """
    from leadmasterd.classify.measure import cases_from, score

    cases = cases_from(_read(arguments.file).split("\n"), arguments.file)
    if not cases:
        raise Refused(_("cannot test with {file}: it has no lines").format(file=arguments.file))
    figures = score(cases, _classifier(arguments)).as_json()
    if arguments.json:
        print(json.dumps(figures))
    else:
        _print_figures(figures)
    return 0


def _read(file: str) -> str:
    """The text of a file of JSON lines; `-` is standard input. Raises Refused if it can't be read or is not UTF-8."""
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode("utf-8-sig")  # perhaps with a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        reason = causes.of_system(error) if isinstance(error, OSError) else _("it is not UTF-8")
        raise Refused(
            _("cannot read {file}: {reason}; name a file of JSON lines in UTF-8").format(file=file, reason=reason)
        ) from error


def _print_figures(figures: "Figures") -> None:
    """Print overall figures, and a table of each intent with what it was mistaken for."""
    from leadmasterd.classify.reasons import INTENT_ES
    from leadmasterd.cli.tables import Column, cell, show

    accuracy = figures["accuracy"]
    print(ngettext("{n} burst", "{n} bursts", figures["n"]).format(n=figures["n"]))
    print(_("  right intent   {share}").format(share=_percent(accuracy["intent"])))
    print(_("  right group    {share}").format(share=_percent(accuracy["group"])))
    print(_("  labelled       {share}   (the rest is `unknown`)").format(share=_percent(figures["coverage"])))
    print(_("  of those right {share}").format(share=_percent(figures["precision_when_labelled"])))
    print()
    columns = [
        Column(_("intent")),
        Column(""),
        Column(_("n"), right=True),
        Column(_("right"), right=True),
        Column(_("sure"), right=True),
        Column(_("taken for")),
    ]
    room = max(_MIN_LAST_COLUMN, shutil.get_terminal_size().columns - _OTHER_COLUMNS)
    rows = []
    for intent, own in figures["by_intent"].items():
        labelled_as = figures["confusion"].get(intent, {})  # how often each label was given to its bursts
        mistakes = sorted(((n, label) for label, n in labelled_as.items() if label != intent), reverse=True)
        rows.append(
            [
                cell(intent),
                cell(INTENT_ES.get(intent, intent), style="dim"),
                cell(own["n"]),
                cell(_percent(own["right"])),
                cell(_percent(own["precision"])),
                cell(shorten(", ".join(f"{n} {label}" for n, label in mistakes), room, placeholder=" …")),
            ]
        )
    show(columns, rows)
    print(_("right: of the bursts with this intent; sure: of the bursts labelled with it"))


def _percent(share: float | None) -> str:
    """A share of 0 to 1 in percent; `-` where there is none."""
    return "-" if share is None else f"{figure(share * 100, 1)}%"


# ---------------------------------------------------------------------- train


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the file of corrections to learn from, and `--json`."""
    parser.add_argument(
        "--corrections", metavar=_("FILE"), help=_("JSON lines with texts and intent (default: those in the database)")
    )
    add_json(parser)
    add_epilog(parser, "leadmasterd rules train", "leadmasterd rules train --corrections labelled.jsonl")


def run_train(arguments: argparse.Namespace) -> int:
    """Train a model on people's corrections, and use it if it is better. Returns 1 if training failed.

    It runs in a process of its own, because numpy and scipy need much memory. Raises CannotUseState and Refused.
    """
    from leadmasterd.projection.policy import model_file
    from leadmasterd.settings.model import load

    _settings, paths = load(arguments.config)
    text = _read(arguments.corrections) if arguments.corrections else _corrections(paths)
    if text.strip():  # without a correction there is no model to write
        _make_state_dir(paths.state_dir)
    done = subprocess.run(
        python_module(
            "leadmasterd.classify.train",
            *("--corrections", "-"),
            f"--source={arguments.corrections or paths.database}",
            f"--model={model_file(paths)}",
            f"--language={spoken_language()}",
        ),
        input=text,
        env={**os.environ, "PYTHONUTF8": "1"},
        encoding="utf-8",
        capture_output=True,
        check=False,
    )
    print(done.stderr, end="", file=sys.stderr)
    if done.returncode:
        if not done.stderr:
            why = causes.of_exit(done.returncode)
            print(_("cannot learn now: {why}; try again later").format(why=why), file=sys.stderr)
        return 1
    record: TrainingRecord = json.loads(done.stdout)
    print(json.dumps(record) if arguments.json else summary(record))
    return 0


def _make_state_dir(state_dir: Path) -> None:
    """Make the folder if it is missing, and check that the model can be written there. Raises CannotUseState.

    Raises PermissionError if it is another user's: `main` then says how to run the command as that user.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_ours = state_dir.stat().st_uid == os.geteuid()
    except PermissionError:
        raise
    except OSError as error:
        raise _cannot_use_state(state_dir, causes.of_system(error)) from error
    if os.access(state_dir, os.W_OK):
        return
    if is_ours:
        raise _cannot_use_state(state_dir, _("it can't be written"))
    raise PermissionError(errno.EACCES, _("permission denied"), str(state_dir))


def _cannot_use_state(state_dir: Path, why: str) -> CannotUseState:
    sentence = _("cannot use the state directory {folder}: {why}; set state_dir to another one")
    return CannotUseState(sentence.format(folder=state_dir, why=why))


def summary(record: "TrainingRecord") -> str:
    """The result of the training in words: too few new corrections, the old model stays, or the new one is in force."""
    number = ngettext("{n} correction", "{n} corrections", record["corrections"]).format(n=record["corrections"])
    if record["result"] == "too_few":
        return _("{number}, {new} of them new: nothing learned yet, measuring needs {needed} new ones").format(
            number=number, **record
        )
    scored = _("on {new} new corrections the old model was right {right_before} times, the new one {right_after}")
    if record["result"] == "kept":
        return _("{number}; {scored}: the old model stays").format(number=number, scored=scored.format(**record))
    return _("{number}; {scored}: the new one is in force ({version})").format(
        number=number, scored=scored.format(**record), version=record["version"]
    )


def _corrections(paths: "Paths") -> str:
    """People's labels in the database as JSON lines, the last label of each burst. Empty if there are none."""
    from leadmasterd.queries.corrections import labelled_bursts
    from leadmasterd.queries.database import open_for_reading

    try:
        connection = open_for_reading(paths)
    except FileNotFoundError:
        return ""  # nobody has corrected anything yet
    with closing(connection):
        return "\n".join(map(json.dumps, labelled_bursts(connection)))
