"""What the system and libraries say of an error, in our words and in the reader's language."""

import errno
import os
import re
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

import pytest
import re2

from leadmasterd import causes
from leadmasterd.classify.rules import compiled
from leadmasterd.text import speaking

BROKEN = [
    *("a = ", "[a", "[[a", "a = 1\na = 2", "a = 'x", 'a = "x', 'a = "x\n"', "a = [1", "a = {b = 1", "a b", "= 1", "a"),
    *("a = 1 b", 'a = "\\q"', 'a = "C:\\Users"', "a = 2026-02-30", "[a]\n[a]", "a = {b = 1, b = 2}", "a = 1\n[a]"),
    *('a = """', "a = '''", 'a = "\x01"', "# \x01", "a = {}\na.b = 1", "a = sí", "a = 01", "a = {b = 1,}", "ñ = 1"),
    *('a = "\\ud800"', "[a.b]\n[a]\nb.c = 1"),
]
"""What goes wrong in a file of settings."""


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_no_toml_is_told_in_the_readers_language(text: str) -> None:
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    english = causes.of_toml(caught.value)
    with speaking("es"):
        spanish = causes.of_toml(caught.value)
    assert re.search(r" \((line [0-9]+, column [0-9]+|at the end of the file)\)$", english)
    assert re.search(r" \((línea [0-9]+, columna [0-9]+|al final del archivo)\)$", spanish)
    assert english.partition(" (")[0] not in spanish


@pytest.mark.parametrize("language", ["en", "es"])
def test_no_word_of_the_system_reaches_a_person(language: str) -> None:
    """They are those of the C library, in the language of the machine."""
    with speaking(language):
        told = {number: causes.of_system(OSError(number, "CADENA DEL SISTEMA", "/f")) for number in errno.errorcode}
    assert len(told) > 100
    assert {number: words for number, words in told.items() if "SISTEMA" in words} == {}


def test_nothing_but_this_module_says_what_the_system_says() -> None:
    """`strerror` is of the C library, and of the machine's locale."""
    said = [file.name for file in Path("leadmasterd").rglob("*.py") if "strerror" in file.read_text(encoding="utf-8")]
    assert said == []


def test_the_system_refuses_in_the_readers_language(tmp_path: Path) -> None:
    errors = {}
    for path in (tmp_path / "missing", tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(OSError) as caught:  # noqa: PT011 - which one is the point
            path.open("rb")
        errors[path] = caught.value
    with speaking("es"):
        assert [causes.of_system(each) for each in errors.values()] == [
            "no existe ese archivo o carpeta",
            "es una carpeta",
            "el nombre es demasiado largo",
        ]
        assert causes.of_system(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))) == "el disco está lleno"
        assert causes.of_system(OSError(errno.EXDEV, "x")) == "error del sistema EXDEV"
        assert causes.of_system(TimeoutError()) == "no respondió a tiempo"


@pytest.mark.parametrize(
    "regex", ["(a", "a)", "[a", "a**", "*a", "(?=a)", "\\1", "[z-a]", "a{1001}", "a\\", "(?P<n", "x{1000}{1000}"]
)
def test_what_is_no_regex_is_told_in_the_readers_language(regex: str) -> None:
    with pytest.raises(re2.error) as caught:
        compiled(regex)
    said = caught.value.args[0].decode()
    assert causes.of_re2(said) == said
    with speaking("es"):
        told = causes.of_re2(said)
    assert said.partition(":")[0] not in told
    assert told.partition(":")[2] == said.partition(":")[2]


def test_sqlite_refuses_in_the_readers_language(tmp_path: Path) -> None:
    file = tmp_path / "damaged.db"
    file.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
    with closing(sqlite3.connect(file)) as connection, pytest.raises(sqlite3.DatabaseError) as caught:
        connection.execute("SELECT * FROM sqlite_schema")
    assert causes.of_sqlite(str(caught.value)) == str(caught.value)
    with speaking("es"):
        assert causes.of_sqlite("database disk image is malformed") == "el contenido del archivo está roto"
        assert causes.of_sqlite("no such table: leads") == "falta una tabla: leads"
        assert causes.of_sqlite("wrong # of entries in index x") == "wrong # of entries in index x"
