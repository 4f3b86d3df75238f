"""Finds text for people that no catalogue can translate, in code and templates."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MARKS: Final = frozenset({"_", "ngettext", "later"})
_LOGGED: Final = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})
_TOLD: Final = frozenset({"print", "Column", "cell", "Text", "write"})
"""Calls whose arguments a person reads."""
_TOLD_BY_NAME: Final = frozenset({"help", "notes", "title", "epilog", "summary"})
_TWO_WORDS: Final = re.compile(r"[a-zñáéíóú']{2,},? [a-zñáéíóú']{2,}")
_A_WORD: Final = re.compile(r"(?<![\w.{-])[A-Za-z]*[a-z]{3,}(?![\w.}=-])")
_SQL: Final = re.compile(
    r"^\W*(SELECT|INSERT|UPDATE|DELETE|CREATE|WITH|PRAGMA|ALTER|DROP|BEGIN|FROM|WHERE|AND|OR|ORDER|JOIN|LEFT|GROUP|VALUES)\b"
    r"|\b(SELECT|FROM|WHERE|IS NULL|IN|AS|NOT NULL|ORDER BY|ON CONFLICT|iif|coalesce)\b"
)
_NAMES: Final = frozenset({"WhatsApp Web", "WhatsApp", "leadmasterd"})
_TYPED: Final = re.compile(r"\s*(sudo |leadmasterd |leadmaster-outbound )|(bold|dim) [a-z]+$")
"""A command as a person types it, and a style of rich."""
_NOT_TOLD: Final = frozenset({"AssertionError", "NotImplementedError", "RuntimeError", "KeyError", "TypeError"})
"""Defects: a person who meets one sees a traceback."""


def literals(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Lines and literals that a person may read untranslated. Names in braces stand for values."""
    finder = _Finder()
    finder.visit(tree)
    yield from sorted(finder.found)


_JINJA: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_MARKUP: Final = re.compile(r"<(?:[^>\"]|\"[^\"]*\")*>")
_SHOWN_ATTRIBUTE: Final = re.compile(r"(?:title|alt|placeholder|aria-label)=\"([^\"]*)\"")


def words_in_template(file: Path) -> Iterator[tuple[int, str]]:
    """Lines and words of an HTML template that stand in it as they are shown."""
    text = _JINJA.sub(lambda each: "\n" * each[0].count("\n"), file.read_text(encoding="utf-8"))
    attributes = [(each.start(1), each[1]) for each in _SHOWN_ATTRIBUTE.finditer(text)]
    plain = _MARKUP.sub(lambda each: re.sub(r"[^\n]", "\0", each[0]), text)
    for start, found in (*attributes, *((each.start(), each[0]) for each in re.finditer(r"[^\n\0]+", plain))):
        if _A_WORD.search(re.sub(r"&[a-z]+;|\b(leadmasterd( [a-z]+)*|WhatsApp( Web)?)\b", "", found)):
            yield text.count("\n", 0, start) + 1, found.strip()


class _Finder(ast.NodeVisitor):
    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []
        self._told = False

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.visit(node.value)

    def visit_Assert(self, node: ast.Assert) -> None:
        self.visit(node.test)

    def visit_Call(self, node: ast.Call) -> None:
        name = _name(node.func)
        if name in MARKS or name in _NOT_TOLD or (name in _LOGGED and _is_a_log(node.func)):
            return
        self.visit(node.func)
        before = self._told
        self._told = before or name in _TOLD
        for each in node.args:
            self.visit(each)
        for keyword in node.keywords:
            if name == "Field" or (name in ("create_task", "Thread") and keyword.arg == "name"):
                continue
            if name in _TOLD:  # sep, style, file
                continue
            self._told = keyword.arg in _TOLD_BY_NAME
            self.visit(keyword.value)
        self._told = before

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)  # a key is no word

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        text = "".join(
            str(each.value) if isinstance(each, ast.Constant) else "{" + _shown(each) + "}" for each in node.values
        )
        self._look(node.lineno, text)
        before, self._told = self._told, False
        for each in node.values:
            if isinstance(each, ast.FormattedValue):
                self.visit(each.value)
        self._told = before

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._look(node.lineno, node.value)

    def _look(self, line: int, text: str) -> None:
        if _TYPED.match(text) or _SQL.search(text):
            return
        plain = text
        for each in _NAMES:
            plain = plain.replace(each, "")
        plain = re.sub(r"\{[^{}]*\}|`[^`]*`|--?[a-z-]+|\x1b\[[0-9;]*m", "", plain)
        if _TWO_WORDS.search(plain) or (self._told and _A_WORD.search(plain)):
            self.found.append((line, text))


def _shown(value: ast.expr) -> str:
    return ast.unparse(value.value) if isinstance(value, ast.FormattedValue) else ""


def _name(function: ast.expr) -> str:
    return (
        function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    )


def _is_a_log(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and "log" in ast.unparse(function.value).lower()
