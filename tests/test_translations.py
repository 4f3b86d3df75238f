"""In which language a process speaks, and that its catalogue says all that the code says."""

import ast
import gettext
import importlib.util
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any, Final, TypeGuard

import pytest
from jinja2 import TemplateSyntaxError

from leadmasterd import health, sentences, text
from leadmasterd.catalogue import Catalogue
from leadmasterd.language import spoken
from leadmasterd.settings.model import Settings
from tests import catalogue
from tests.untranslated import literals as unmarked
from tests.untranslated import words_in_template


@pytest.mark.parametrize(
    ("choice", "environment", "country", "language"),
    [
        ("es", {"LANG": "en_US.UTF-8"}, "US", "es"),
        ("en", {"LANG": "es_AR.UTF-8"}, "AR", "en"),
        ("auto", {"LANG": "es_AR.UTF-8"}, "US", "es"),
        ("auto", {"LANG": "es"}, "US", "es"),
        ("auto", {"LANG": "ES_ar@euro"}, "US", "es"),
        ("auto", {"LANG": "es-419"}, "US", "es"),
        ("auto", {"LANG": "en_US.UTF-8"}, "AR", "en"),
        ("auto", {"LANG": "pt_BR.UTF-8"}, "AR", "en"),
        ("auto", {"LANG": "eso_XX"}, "AR", "en"),
        ("auto", {"LC_ALL": "es_ES", "LANG": "en_US"}, "US", "es"),
        ("auto", {"LC_ALL": "", "LC_MESSAGES": "es_ES", "LANG": "en_US"}, "US", "es"),
        ("auto", {"LC_MESSAGES": "en_GB", "LANG": "es_AR"}, "AR", "en"),
        ("auto", {"LC_ALL": "C", "LANG": "en_US"}, "AR", "es"),
        ("auto", {"LANG": "C.UTF-8"}, "AR", "es"),
        ("auto", {"LANG": "C.utf8"}, "AR-B", "es"),
        ("auto", {"LANG": "POSIX"}, "mx", "es"),
        ("auto", {"LANG": " "}, "UY", "es"),
        ("auto", {}, "CL", "es"),
        ("auto", {}, "BR", "en"),
        ("auto", {}, "", "en"),
        ("auto", {"LC_TIME": "es_AR", "LANGUAGE": "es"}, "US", "en"),
    ],
)
def test_the_language_is_the_settings_the_environments_or_the_countrys(
    choice: str, environment: dict[str, str], country: str, language: str
) -> None:
    assert spoken(choice, environment, country) == language


def test_settings_know_their_language(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under systemd: no locale, and the country of the default settings."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    assert Settings().language() == "es"
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    assert Settings().language() == "en"
    assert Settings.model_validate({"general": {"language": "es"}}).language() == "es"


@pytest.fixture
def spanish() -> Iterator[None]:
    """This process speaks Spanish for a moment."""
    text.speak("es")
    yield
    text.speak("en")


def test_words_are_made_in_the_language_of_the_process(spanish: None) -> None:
    """Also those of functions that were imported before it was chosen."""
    assert sentences.because("asked_to_stop", {}) == "se pidió que se detenga"
    assert sentences.because("child_died", {"wait_seconds": 3.2, "failures": 1}) == (
        "el proceso de Node se cayó; próximo intento en 3 s"
    )
    assert sentences.because("child_died", {"wait_seconds": 3.2, "failures": 4}).endswith(
        "; 4 fallas seguidas, próximo intento en 3 s"
    )
    assert health.text("disk_low", "12").startswith("quedan solo 12 MB libres en el disco; liberá espacio")
    assert text._("nobody has translated this") == "nobody has translated this"
    text.speak("en")
    assert sentences.because("asked_to_stop", {}) == "asked to stop"
    assert text.ngettext("one", "many", 1) == "one"
    assert text.ngettext("one", "many", 0) == "many"
    with pytest.raises(FileNotFoundError):
        text.speak("xx")


def test_figures_are_those_of_the_language(spanish: None) -> None:
    """`5,000` is five to an Argentine."""
    assert (text.figure(5000), text.figure(0.94, 1), text.figure(999)) == ("5.000", "0,9", "999")
    text.speak("en")
    assert (text.figure(5000), text.figure(0.94, 1), text.figure(999)) == ("5,000", "0.9", "999")


def test_a_language_may_be_spoken_for_a_moment_by_one_task_alone() -> None:
    """The daemon answers a command in the language of who asks, while its other threads write an English log."""
    elsewhere: list[str] = []
    with text.speaking("es"):
        assert text.spoken_language() == "es"
        assert sentences.because("asked_to_stop", {}) == "se pidió que se detenga"
        assert text.figure(5000) == "5.000"
        taken_along = copy_context()
        for say in (lambda: text._("ready"), lambda: taken_along.run(text._, "ready")):
            thread = threading.Thread(target=lambda say=say: elsewhere.append(say()))
            thread.start()
            thread.join()
    assert elsewhere == ["ready", "escuchando"]
    assert text.spoken_language() == "en"
    with pytest.raises(FileNotFoundError), text.speaking("xx"):
        pass


def test_what_was_marked_for_later_is_translated_when_it_is_shown(spanish: None) -> None:
    stored = text.later("connection refused")
    assert stored == "connection refused"
    assert text.translated(stored) == "conexión rechazada"
    assert text.translated("HTTP 500") == "HTTP 500"
    assert text.translated("") == ""


def test_a_number_in_what_was_stored_is_written_as_here(spanish: None) -> None:
    """The daemon writes English: `2,300 MB` would be two. What is no number for sure stays, as a version does."""
    assert "(1.250.000 mensajes, 2.300 MB)" in health.sentence("database_update", "1,250,000 messages, 2,300 MB")
    for size, written in (("2,300 MB", "2.300 MB"), ("2.3 TB", "2,3 TB"), ("22.5", "22.5"), ("999 MB", "999 MB")):
        told = f"cannot compact /x: that needs {size} of free disk; free some space"
        assert written in text.translated(told)


def test_english_needs_no_catalogue() -> None:
    """Nor the module that reads one: most commands have to answer at once."""
    program = (
        "import sys, leadmasterd.text as t; t.speak('en'); t._('x'); print('leadmasterd.catalogue' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# --- The catalogues ---------------------------------------------------------------------------------------------------


def _tool() -> Any:
    spec = importlib.util.spec_from_file_location("draw_translations", "tools/draw_translations.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = _tool()
CODE = [each for each in TOOL.sources() if each.suffix == ".py"]
TEMPLATES = [each for each in TOOL.sources() if each.suffix == ".html"]


@pytest.fixture(params=sorted(TOOL.catalogues()), ids=lambda file: file.parent.parent.name)
def file(request: pytest.FixtureRequest) -> Path:
    """A `leadmasterd.po`."""
    return Path(request.param)


def test_a_catalogue_is_in_step_with_the_code(file: Path) -> None:
    """Run `make translations`, translate what it lists, and run it again."""
    catalogue = TOOL.read(file)
    assert [message.id for message in TOOL.missing(catalogue)] == []
    po = file.read_bytes()
    assert TOOL.as_po(TOOL.updated(catalogue)) == po
    assert TOOL.as_mo(po, file.parent.parent.name) == file.with_suffix(".mo").read_bytes(), "the .mo is another's"


def test_words_of_templates_are_in_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that stand in attributes and in macros."""
    monkeypatch.setattr(TOOL, "sources", lambda: TEMPLATES)
    ids = {message.id for message in TOOL.extracted()}
    assert {"Undo", "Pages", "Let this browser in"} <= ids


def test_a_template_that_can_not_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Babel would leave its words out and say nothing."""
    (tmp_path / "page.html").write_text("{{ _('Hello') }}{% if %}")
    monkeypatch.setattr(TOOL, "ROOT", tmp_path)
    monkeypatch.setattr(TOOL, "sources", lambda: [tmp_path / "page.html"])
    with pytest.raises(TemplateSyntaxError):
        TOOL.extracted()


def test_every_form_says_the_same_as_an_argentine_would(file: Path) -> None:
    """A name in braces that is missing crashes, a command in backticks is typed as it stands, and operators say vos."""
    assert catalogue.problems(file.read_bytes(), file.parent.parent.name) == []


def test_our_reader_finds_what_gettexts_own_finds(file: Path) -> None:
    """Each message, one and several, and none that is not there."""
    compiled = file.with_suffix(".mo")
    ours = Catalogue("es", compiled)
    with compiled.open("rb") as stream:
        theirs = gettext.GNUTranslations(stream)
    messages = [[message.id] if isinstance(message.id, str) else [*message.id] for message in TOOL.read(file)]
    assert len(messages) > 1000
    for single, *plural in messages[1:]:  # the first is the header
        assert ours.gettext(single) == theirs.gettext(single)
        for several in plural:
            for n in (0, 1, 2):
                assert ours.ngettext(single, several, n) == theirs.ngettext(single, several, n)
    for unknown in ("", "A", "zzz", "no such words", messages[1][0][:-1], messages[-1][0] + "x"):
        assert ours.gettext(unknown) == unknown
        assert [ours.ngettext(unknown, "many", n) for n in (1, 2)] == [unknown, "many"]


def test_a_sentence_that_was_stored_in_english_is_told_again(file: Path) -> None:
    """Of whatever message it was made, with what was filled in."""
    catalogue_ = Catalogue("es", file.with_suffix(".mo"))
    tried = 0
    for message in TOOL.read(file):
        singular = message.id if isinstance(message.id, str) else message.id[0]
        places = re.findall(r"\{([a-z_]\w*)[^{}]*\}", singular)
        if not places or len(re.sub(r"\{[a-z_]\w*[^{}]*\}", "", singular)) < 8:
            continue
        tried += 1
        translation = message.string if isinstance(message.string, str) else message.string[0]
        assert catalogue_.retold(filled(singular)) == filled(translation)
    assert tried > 200
    assert catalogue_.retold("no message of ours has these words") == "no message of ours has these words"


def filled(message: str) -> str:
    """With something in each place that no message has."""
    return re.sub(r"\{([a-z_]\w*)[^{}]*\}", r"§\1", message)


def test_words_of_ours_inside_a_sentence_are_told_too_and_names_are_not() -> None:
    """A rule may be called as one of our words is."""
    stored = "cannot use /x/rules.toml, line 3, rule `price`: `intent` is unknown; known here: id"
    with text.speaking("es"):
        assert text.translated(f"{stored}\ncannot read /x: permission denied; check the path and its permissions") == (
            "no se puede usar /x/rules.toml, línea 3, regla `price`: `intent` no se conoce; acá se conocen: id\n"
            "no se puede leer /x: sin permiso; revisá la ruta y sus permisos"
        )
    assert text.translated(stored) == stored


@pytest.mark.skipif(shutil.which("msgfmt") is None, reason="needs msgfmt (Debian: gettext)")
def test_gettexts_own_check_finds_nothing(file: Path) -> None:
    words = ["msgfmt", "--check", "--check-format", "--output-file=-", str(file)]
    done = subprocess.run(words, capture_output=True, check=False)
    said = [line for line in done.stderr.decode().splitlines() if "warning: header field" not in line]
    assert (done.returncode, said) == (0, [])


_SOUND = """msgid ""
msgstr ""
"Language: es\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

#: a.py
msgid "run `leadmasterd status`, {who!r} waits {n:,} min\\n"
msgstr "ejecutá `leadmasterd status`, {who!r} espera {n:,} min\\n"

#: a.py
msgid "%(n)s left."
msgstr "quedan %(n)s."

#: a.py
msgid " and {n} more"
msgid_plural " and {n} others"
msgstr[0] " y {n} más"
msgstr[1] " y {n} más"
"""


def test_a_sound_catalogue_has_no_problem() -> None:
    assert catalogue.problems(_SOUND.encode(), "es") == []


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("{who!r} espera", "{quien!r} espera", "other names"),
        ("{who!r} espera", "{who} espera", "other names"),
        ('{n:,} min\\n"\n\n', '{n} min\\n"\n\n', "other names"),
        ("{who!r} espera", "{who!r espera", "other names"),
        ("quedan %(n)s", "quedan %(m)s", "other values after %"),
        ("quedan %(n)s", "quedan", "other values after %"),
        ("ejecutá `leadmasterd status`", "ejecutá `leadmasterd estado`", "other words in backticks"),
        ("ejecutá `leadmasterd status`", "ejecutá leadmasterd status", "other words in backticks"),
        ("espera {n:,} min\\n", "espera {n:,} min", "begins or ends otherwise"),
        ('msgstr[1] " y', 'msgstr[1] "y', "begins or ends otherwise"),
        ('"quedan %(n)s."', '"quedan %(n)s"', "begins or ends otherwise"),
        ('"quedan %(n)s."', '"quedan %(n)s. "', "begins or ends otherwise"),
        ('msgstr[1] " y {n} más"', 'msgstr[1] ""', "not wholly translated"),
        ('msgstr[1] " y {n} más"\n', "", "not wholly translated"),
        ('"quedan %(n)s."', '""', "not wholly translated"),
        ('#: a.py\nmsgid "%', '#: a.py\n#, fuzzy\nmsgid "%', "guessed"),
        ('msgid "%(n)s left."', '#~ msgid "old"\n#~ msgstr "viejo"\n\nmsgid "%(n)s left."', "obsolete"),
        (
            'msgid "%(n)s left."',
            'msgid "%(n)s left."\nmsgstr "faltan %(n)s."\n\nmsgid "%(n)s left."',
            "twice",
        ),
        ("nplurals=2", "nplurals=3", "its plurals"),
        ("ejecutá `", "ejecuta `", "`ejecuta` is not what an Argentine says"),
        ("ejecutá `", "Usted puede ejecutar `", "`Usted` is not what an Argentine says"),
        ("ejecutá `", "haz clic en `", "`haz` is not what an Argentine says"),
    ],
)
def test_what_the_tools_pass_in_silence_is_found(before: str, after: str, problem: str) -> None:
    """Babel reads and compiles each of these, and people see English, a crash, or a command that does not exist."""
    assert before in _SOUND
    found = catalogue.problems(_SOUND.replace(before, after).encode(), "es")
    assert any(each.startswith(problem) for each in found), found


# --- The code ---------------------------------------------------------------------------------------------------------


NOT_FOR_THE_CATALOGUE: Final = {
    "alerts/notifier.py": "how a library begins an error",
    "alerts/store.py": "goes to the log",
    "capture.py": "why a line was skipped: goes to counters and to replays",
    "causes.py": "a regex",
    "classify/reasons.py": "names of intents in Spanish, which English shows too",
    "classify/text.py": "what customers write",
    "classify/train.py": "a module that only other processes run",
    "cli/cmd_auth.py": "stored beside a session that was set aside",
    "cli/leads_export.py": "how characters are encoded",
    "cli/names.py": "Spanish, which English shows too",
    "cli/web_link.py": "a URL",
    "daemon/intake.py": "stored with a raw line",
    "daemon/lifecycle.py": "goes to the log",
    "daemon/profile.py": "goes to the log, and is stored as a reason's detail",
    "demo/conversations.py": "what customers write",
    "doctor.py": "the id of a check",
    "export/workbook.py": "a form of numbers",
    "feeds/trial.py": "a module that only other processes run",
    "journal.py": "goes to the log",
    "leads/fold.py": "a table for docs/leads.md",
    "leads/public_holidays.py": "a name of the library; a broken installation",
    "outbound/cli.py": "examples that are typed",
    "outbound/database.py": "what a secret is for",
    "outbound/decision.py": "a defect",
    "outbound/records.py": "SQL",
    "outbound/sentences.py": "both languages stand there, and are shown together",
    "outbox/events.py": "the schemas in docs/events",
    "projection/projector.py": "keys of a table",
    "qr.py": "values of an enum",
    "queries/leads.py": "SQL",
    "readable.py": "a state as WhatsApp writes it",
    "replay.py": "a command for programs, which speaks English",
    "report/document.py": "HTML",
    "report/pictures.py": "SVG",
    "resolver.py": "an error that is known by its class",
    "sentences.py": "names of stages in Spanish, which English shows too",
    "settings/model.py": "how a library begins an error",
    "settings/variables.py": "names of settings",
    "store/database.py": "how SQLite begins its errors",
    "store/forest.py": "a defect",
    "store/messages.py": "stored with a raw line; a defect",
    "store/rows.py": "stored with a raw line",
    "store/unify.py": "columns of a table",
    "store/writer.py": "stored with a raw line",
    "supervisor/machine.py": "conditions for docs/supervisor.md",
    "web/guard.py": "a header",
    "web/render.py": "HTML",
    "web/site.py": "a type",
    "wire/decode.py": "stored with a raw line",
}
"""Literals that look like words for people, and why they are none, or none that is translated there."""


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    """Every module of the package, by its path in it."""
    return {str(file.relative_to(TOOL.PACKAGE)): ast.parse(file.read_text(encoding="utf-8")) for file in CODE}


def test_every_word_for_people_can_be_translated(trees: dict[str, ast.Module]) -> None:
    """Put it into `_()` or `ngettext()`; or `later()` where it is stored, and `translated()` where it is shown."""
    found = {name: each for name, tree in trees.items() if (each := [*unmarked(tree)])}
    assert {name: each for name, each in found.items() if name not in NOT_FOR_THE_CATALOGUE} == {}
    assert NOT_FOR_THE_CATALOGUE.keys() - found.keys() == set(), "a reason for nothing"


@pytest.mark.parametrize(
    "line",
    [
        'raise Refused(f"cannot use {path}: it is empty")',
        'print("nobody waits")',
        'print(f"{n} wait")',
        'parser.add_argument("--all", help="closed ones too")',
        'Column("since")',
        'return "it is a folder" if path.is_dir() else ""',
        'why = "no answer in time"',
        'raise ValueError("a whole number")',
        'lines.append("cannot read " + str(path))',
    ],
)
def test_a_word_that_nobody_can_translate_is_found(line: str) -> None:
    module = f'"""What it is for."""\n\n\ndef function():\n    """What it does."""\n    {line}\n'
    assert [number for number, _text in unmarked(ast.parse(module))] == [6]


def test_every_word_of_a_template_can_be_translated() -> None:
    assert len(TEMPLATES) > 2
    assert {file.name: each for file in TEMPLATES if (each := [*words_in_template(file)])} == {}


@pytest.mark.parametrize(
    ("template", "lines"),
    [
        ("<p>\nWho waits</p>", [2]),
        ('<img src="x.png" alt="The code">', [1]),
        ("{% if waiting %}\n\n  <b class='late'>late</b>{% endif %}", [3]),
        ("<p>{{ _('Who waits') }}</p>", []),
        ('<img src="/qr.png" alt="{{ _("The code") }}">{# nobody sees this #}', []),
        ("{% block title %}WhatsApp{% endblock %} &nbsp; {{ n }}", []),
    ],
)
def test_a_word_that_stands_in_a_template_is_found(tmp_path: Path, template: str, lines: list[int]) -> None:
    file = tmp_path / "page.html"
    file.write_text(template)
    assert [line for line, _word in words_in_template(file)] == lines


@pytest.mark.parametrize(
    "line",
    [
        'raise Refused(_("cannot use {path}: it is empty").format(path=path))',
        'print(ngettext("{n} waits", "{n} wait", n).format(n=n))',
        'Outcome(Result.AGAIN, later("no answer in time"))',
        'log.warning("cannot write %s: the disk is full", path)',
        'connection.execute("SELECT count(*) FROM messages WHERE told is null")',
        'print(f"{name}: {value}")',
        'raise AssertionError("only idle work makes the queue time out")',
    ],
)
def test_what_is_translated_or_for_nobody_is_not_found(line: str) -> None:
    assert [*unmarked(ast.parse(line))] == []


def test_no_word_is_made_before_the_language_is_known(trees: dict[str, ast.Module]) -> None:
    """What is translated while a module is imported stays English."""
    early: list[str] = []

    def look(node: ast.AST, name: str) -> None:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                if translates(child):
                    early.append(f"{name}:{child.lineno}")
                look(child, name)

    for name, tree in trees.items():
        look(tree, name)
    assert early == []


def test_no_message_stands_inside_an_f_string(trees: dict[str, ast.Module]) -> None:
    """Babel takes an f-string as one piece and would not find it, and nobody would miss its translation."""
    inside = [
        f"{name}:{call.lineno}"
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for call in ast.walk(node)
        if translates(call)
    ]
    assert inside == []


def translates(node: ast.AST) -> TypeGuard[ast.Call]:
    """Whether it is a call that gives a message in the reader's language."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "ngettext")
