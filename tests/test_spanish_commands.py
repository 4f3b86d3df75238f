"""Every command in Spanish: its help, its tables and its sentences, on 80 columns, with the exit codes of English."""

import argparse
import ast
import inspect
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from leadmasterd import text, usage
from leadmasterd.cli.arguments import CommandParser, subcommands
from leadmasterd.cli.cmd_demo import _prepare
from leadmasterd.cli.parser import make_parser
from leadmasterd.outbound import cli as outbound
from leadmasterd.settings.model import load
from leadmasterd.text import speaking
from tests.test_cli_leads import BROKEN, DELIVERY, HELLO, LONG_NAMES, PRICE, Shop, cells, uncoloured
from tests.test_cli_leads import shop as shop

SAME = re.compile(
    r"|\s+leadmaster(d|-outbound)\b.*"  # examples are typed as they are
    r"|\s+(-{1,2}[\w-]+( (ID|N|\{[\w,]+\}))?(, )?)+|\s+(ID|N)"  # a flag or an argument whose help is below it
    r"|\s+[\[(A-Z].*[\]A-Z)]"  # the second line of a usage
    r'|\s+\{?"\w+":.*'  # a line of JSON
    r"|\s+\w+(, \w+)+"  # values that are typed
    r"|\s*[a-z._-]+\)?"  # the name of a command, a setting or a key alone
)
"""Lines of help that read the same in both languages."""


def every_command(parsers: Mapping[str, CommandParser], group: str = "") -> Iterator[tuple[str, CommandParser]]:
    """Groups and their commands, with the words that are typed for them."""
    for name, parser in parsers.items():
        yield f"{group}{name}", parser
        yield from every_command(subcommands(parser), f"{group}{name} ")


@cache
def helps(language: str) -> dict[str, str]:
    """The help of every command, and that of the program."""
    with speaking(language):
        top = make_parser()
        return {"": top.format_help(), **{name: each.format_help() for name, each in every_command(subcommands(top))}}


def test_no_line_of_a_help_is_left_in_english() -> None:
    """Nor is one wider than a terminal."""
    left = re.compile(r"usage:|options:|arguments:|examples:|\bdefault\b|\bthe\b")
    for command, spanish in helps("es").items():
        english, lines = helps("en")[command].splitlines(), spanish.splitlines()
        assert lines[0].startswith("uso: leadmasterd"), command
        assert [line for line in lines if line in english and not SAME.fullmatch(line)] == [], command
        assert [line for line in lines if len(line) > 80] == [], command
        assert not left.search(spanish), command


def test_flags_and_arguments_are_typed_the_same_in_both() -> None:
    """Only their explanations differ."""
    flags = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
    english, spanish = ({name: {*flags.findall(each)} for name, each in helps(of).items()} for of in ("en", "es"))
    assert english == spanish


def test_every_example_in_spanish_can_be_typed() -> None:
    """`leads stage 5 presupuestado` is as good as `quoted`."""
    with speaking("es"):
        for command, help_ in helps("es").items():
            if not command:  # its examples have their explanations beside them
                continue
            for line in help_.partition("ejemplos:\n")[2].split("\n\n")[0].splitlines():
                words = shlex.split(line.split(" | ")[0])
                assert words[0] == "leadmasterd"
                assert make_parser().parse_args(words[1:]).command == command.split()[0]


def test_the_senders_help_is_spanish_too() -> None:
    """`leadmaster-outbound` is a program of its own."""

    def all_helps(language: str) -> list[str]:
        with speaking(language):
            top = outbound.make_parser()
            [action] = [each for each in top._actions if isinstance(each, argparse._SubParsersAction)]
            return [top.format_help(), *(each.format_help() for each in action.choices.values())]

    for english, spanish in zip(all_helps("en"), all_helps("es"), strict=True):
        lines = english.splitlines()
        assert [line for line in spanish.splitlines() if line in lines and not SAME.fullmatch(line)] == []
        assert [line for line in spanish.splitlines() if len(line) > 80 and "leadmaster-outbound" not in line] == []


# ---------------------------------------------------------------------- argparse's own words


FOR_PROGRAMMERS = {
    "conflicting subparser: %s", "conflicting subparser alias: %s", 'argument "-" with mode %r',
    "can't open '%(filename)s': %(error)s", "cannot merge actions - two groups are named %r",
    "'required' is an invalid argument for positionals",
    "invalid option string %(option)r: must start with a character %(prefix_chars)r",
    "dest= is required for options like %r", "invalid conflict_resolution value: %r",
    "conflicting option string: %s", "conflicting option strings: %s", "mutually exclusive arguments must be optional",
    "%r is not callable", "subcommands", "%(prog)s: error: %(message)s\n", "%(prog)s: warning: %(message)s\n",
    "cannot have multiple subparser arguments", ".__call__() not defined", "unexpected option string: %s",
    " (default: %(default)s)",
    "command '%(parser_name)s' is deprecated", "option '%(option)s' is deprecated",
    "argument '%(argument_name)s' is deprecated",
}  # fmt: skip
"""Mistakes in the use of argparse, and what is not used here: files, deprecated options, its own `error`."""


def test_argparse_says_nothing_that_has_no_spanish() -> None:
    """Of this Python's version; tests/test_spanish_commands.py names those of others."""
    said: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(argparse))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "ngettext"):
            said |= {each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    assert said
    plural = {"expected %s argument", "expected %s arguments"}
    assert said - FOR_PROGRAMMERS - plural <= set(usage.usage_words())


@pytest.mark.parametrize(
    "word",
    [
        "usage: ", "positional arguments", "options", "show this help message and exit",  # all
        "invalid choice: %(value)r (choose from %(choices)s)", "the following arguments are required: %s",
        "%(heading)s:",  # 3.13
        "invalid choice: %(value)r, maybe you meant %(closest)r? (choose from %(choices)s)",  # 3.14
        "show program's version number and exit",  # translated since 3.12
    ],
)  # fmt: skip
def test_the_words_of_other_versions_of_argparse_have_their_spanish(word: str) -> None:
    """Supported are Python 3.11 to 3.14, and their words differ."""
    with speaking("es"):
        assert text._(word) != word or word == "%(heading)s:"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "faltan argumentos: COMANDO"),
        ("stats", "argumento COMANDO: no se conoce 'stats' (se puede: 'run', "),
        ("leads list --limit", "argumento --limit: falta un valor"),
        ("leads list --limit x", "argumento --limit: 'x' tiene que ser un número entero, de 1 o más"),
        ("leads list extra", "argumentos que no se conocen: extra"),
        ("leads export --format xls", "argumento --format: no se conoce 'xls' (se puede: 'csv', "),
        ("messages --s x", "opción ambigua: --s puede ser --search, --since"),
        ("rules reclassify", "hace falta uno de los argumentos --all --since"),
        ("rules reclassify --all --since 7d", "argumento --since: no va junto con --all"),
        ("status --json=1", "argumento --json: no lleva ningún valor, y se dio '1'"),
        ("leads stage 1 nuebo", "no existe esa etapa; ¿quisiste decir nuevo? Se conocen: bandeja, nuevo, "),
        ("leads merge", "hacen falta dos ID, o --undo MERGE_ID, o --proposals"),
    ],
)
def test_wrong_usage_is_told_in_spanish(shop: Shop, words: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the exit code of English, and nothing on stdout."""
    monkeypatch.setenv("LANG", "es_AR.UTF-8")
    shop.hears((1, 50, PRICE))
    done = shop.types(*words.split())
    assert (done.code, done.out) == (64, "")
    assert told in done.err
    assert not re.search(r"\b(usage|error|argument|Try|the)\b", done.err)


# ---------------------------------------------------------------------- what commands print


COMMANDS = (
    "status", "history", "messages", "messages --problems", "messages --chat nadie", "leads list", "leads list --all",
    "leads today", "leads waiting", "leads show 1", "leads show 99", "leads label 1 precio", "leads label 1 cosa",
    "leads label 2 --undo", "leads stage 1 presupuestado", "leads note 1 hola", "leads merge 1 1",
    "leads merge --undo 7", "leads merge --proposals", "leads rebuild",
    "leads export --output x.csv", "rules check", "rules test --text precio?", "rules reclassify --all", "config check",
    "auth list", "auth restore", "auth reset", "pause", "qr", "feeds list", "feeds show crm", "alerts list",
    "alerts history", "alerts test", "replay gone.jsonl", "--config gone.toml status",
)  # fmt: skip


def test_each_command_ends_as_in_english(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same exit codes, no traceback, no English sentence, and no wider than 80 columns where English is not."""
    shop.hears((1, 50, PRICE), (2, 130, DELIVERY), (2, 125, "> sí, a todo el país"), (3, 10, HELLO), (4, 9, BROKEN))
    words = re.compile(r"\b(the|is|are|was|with|nothing|nobody|there|lead|leads in|and|cannot)\b")
    for line in COMMANDS:
        monkeypatch.setenv("LANG", "en_US.UTF-8")
        english = shop.types(*line.split())
        monkeypatch.setenv("LANG", "es_AR.UTF-8")
        spanish = shop.types(*line.split())
        assert spanish.code == english.code, (line, spanish.err)
        assert "Traceback" not in spanish.err, line
        widest = max(map(len, english.out.splitlines()), default=0)
        if widest <= 80:
            assert [each for each in spanish.out.splitlines() if len(each) > 80] == [], line
        without_names = re.sub(r"`[^`]*`|\S*/\S*", "", spanish.out)
        assert not words.search(without_names), (line, spanish.out)


def test_tables_in_spanish_fit_a_terminal(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 80 columns, and of a phone's, with the longest names."""
    monkeypatch.setenv("LANG", "es_AR.UTF-8")
    for number, name in enumerate(LONG_NAMES, 1):
        shop.hears((number, 900 * 24 * 60 if number == 1 else 50, PRICE, {"notify_name": name}))
    for columns in (80, 50):
        for typed in ("leads list", "leads waiting", "leads today", "status", "leads show 1", "messages", "history"):
            lines = uncoloured(shop.sees(columns, *typed.split())).splitlines()
            assert max(map(cells, lines)) <= columns, (columns, typed)
    assert lines


def test_a_lead_reads_as_the_shop_speaks(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stages and intents by their Spanish names alone, which may be typed too."""
    monkeypatch.setenv("LANG", "es_AR.UTF-8")
    shop.hears((1, 50, PRICE))
    listed = shop.types("leads", "list").out.splitlines()
    assert listed[0].split() == ["n.º", "quién", "etapa", "quiere", "abierta", "último", "espera"]
    assert "nuevo" in listed[1]
    assert "precio" in listed[1]
    assert "price" not in "".join(listed)
    assert shop.types("leads", "stage", "1", "presupuestado").out.startswith("Consulta 1: nuevo -> presupuestado.")
    shown = shop.types("leads", "show", "1").out
    assert "  etapa      presupuestado desde " in shown
    assert not re.search(r"price \(|\bquoted\b|\bnew\b", shown)


# ---------------------------------------------------------------------- the demo, and the rest of the code


def test_a_kept_demo_goes_on_in_the_language_that_it_spoke(tmp_path: Path) -> None:
    """Its shop is in no country, which would else decide."""
    with speaking("es"):
        _prepare(tmp_path / "demo")
    settings, _paths = load(str(tmp_path / "demo" / "config.toml"))
    assert settings.language() == "es"
    assert (tmp_path / "demo" / "config.toml").read_text(encoding="utf-8").startswith("# El local de la demo")
