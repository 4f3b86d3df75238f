"""In which language a process speaks, and that its catalogue says all that the code says."""

import ast
import importlib.util
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateSyntaxError

from leadmasterd import health, sentences, text
from leadmasterd.language import spoken
from leadmasterd.settings.model import Settings


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


def test_english_needs_no_catalogue() -> None:
    """Nor the module that reads one: most commands have to answer at once."""
    program = "import sys, leadmasterd.text as t; t.speak('en'); t._('x'); print('gettext' in sys.modules)"
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


@pytest.fixture(params=sorted(TOOL.catalogues()), ids=lambda file: file.parent.parent.name)
def file(request: pytest.FixtureRequest) -> Path:
    """A `leadmasterd.po`."""
    return Path(request.param)


def test_a_catalogue_is_in_step_with_the_code(file: Path) -> None:
    """Run `make translations`, translate what it lists, and run it again."""
    catalogue = TOOL.read(file)
    assert [message.id for message in TOOL.missing(catalogue)] == []
    assert [message.id for message in catalogue if message.fuzzy] == []
    po = file.read_bytes()
    assert TOOL.as_po(TOOL.updated(catalogue)) == po
    assert TOOL.as_mo(po, file.parent.parent.name) == file.with_suffix(".mo").read_bytes(), "the .mo is another's"


def test_words_of_templates_are_in_the_catalogue() -> None:
    """Also those that stand in attributes and in macros."""
    ids = {message.id for message in TOOL.extracted()}
    assert {"Undo", "Pages", "Let this browser in"} <= ids


def test_a_template_that_can_not_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Babel would leave its words out and say nothing."""
    (tmp_path / "page.html").write_text("{{ _('Hello') }}{% if %}")
    monkeypatch.setattr(TOOL, "ROOT", tmp_path)
    monkeypatch.setattr(TOOL, "sources", lambda: [tmp_path / "page.html"])
    with pytest.raises(TemplateSyntaxError):
        TOOL.extracted()


def test_every_form_names_the_same_and_ends_the_same(file: Path) -> None:
    """A name in braces that is missing crashes, and a command in backticks is typed as it stands."""
    for message in TOOL.read(file):
        if not message.id:
            continue
        singular, plural = (message.id, message.id) if isinstance(message.id, str) else message.id
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        assert len(forms) == (1 if isinstance(message.id, str) else 2)
        for source, form in zip((singular, plural), forms, strict=False):
            assert _fields(form) == _fields(source), form
            assert sorted(re.findall(r"`[^`]+`", form)) == sorted(re.findall(r"`[^`]+`", source)), form
            assert re.findall(r"^\W?\s|\s$", form) == re.findall(r"^\W?\s|\s$", source), form
            assert form.endswith(".") == source.endswith("."), form


def _fields(template: str) -> list[tuple[str, str | None]]:
    return sorted((name, form) for _text, name, form, _conversion in string.Formatter().parse(template) if name)


def test_spanish_is_argentinas() -> None:
    """The operators say vos, and so does README.es.md."""
    other = re.compile(
        r"\b(puedes|tienes|debes|quieres|necesitas|ejecuta|libera|escanea|agrega|usted|ejecute|revise|escanee|"
        r"ordenador|móvil|vosotros)\b",
        re.IGNORECASE,
    )
    [spanish] = [each for each in TOOL.catalogues() if each.parent.parent.name == "es"]
    for message in TOOL.read(spanish):
        for form in message.string if isinstance(message.string, tuple) else (message.string,):
            assert not message.id or not other.search(re.sub("`[^`]*`", "", form)), form


@pytest.mark.parametrize(
    "module", [each for each in TOOL.sources() if each.suffix == ".py"], ids=lambda each: each.stem
)
def test_no_word_is_made_before_the_language_is_known(module: Path) -> None:
    """What is translated while a module is imported stays English."""
    early: list[int] = []

    def look(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            if isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id in ("_", "ngettext"):
                early.append(child.lineno)
            look(child)

    look(ast.parse(module.read_text(encoding="utf-8")))
    assert early == []
