"""No call of our own passes more than four positional arguments: beyond that, two values swapped still type-check.

Functions and classes are found through the imports of the file; methods by their name alone.
"""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("leadmasterd", "benchmarks")
MOST = 4

CALLERS = {"partial", "to_thread"}
"""Library functions that pass the arguments after the first on to it."""


def files() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


Nodes = Sequence[ast.AST]
"""All that a file has, in any depth."""


def nodes_of(source: str) -> Nodes:
    """Those of a file."""
    return [*ast.walk(ast.parse(source))]


def defined(nodes: Nodes) -> set[str]:
    """Names of all functions, methods and classes that a file defines."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in nodes if isinstance(node, kinds)}


def variadic(nodes: Nodes) -> set[str]:
    """Names of functions with `*args`, whose arguments are a list of one kind of thing."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in nodes if isinstance(node, kinds) and node.args.vararg}


def imported(nodes: Nodes) -> dict[str, str]:
    """What each imported name stands for, as a dotted path."""
    found: dict[str, str] = {}
    for node in nodes:
        match node:
            case ast.Import(names=names):
                found |= {each.asname or each.name.partition(".")[0]: each.name for each in names}
            case ast.ImportFrom(module=str(module), names=names):
                found |= {each.asname or each.name: f"{module}.{each.name}" for each in names}
            case _:
                pass
    return found


class Calls:
    """Calls in one file with too many positional arguments.

    `ours`: names that our code defines anywhere; `lists`: those of them that take `*args`.
    """

    def __init__(self, nodes: Nodes, ours: set[str], lists: set[str]) -> None:
        self._nodes = nodes
        self._lists = lists
        self._ours = ours | {"cls"}
        self._here = defined(nodes) | {"cls"}
        self._imported = imported(nodes)

    def too_long(self) -> Iterator[str]:
        """The place and the name of each such call."""
        for node in self._nodes:
            if isinstance(node, ast.Call):
                called, arguments = node.func, node.args
                if arguments and _last_name(called) in CALLERS and self._is_ours(arguments[0]):
                    called, arguments = arguments[0], arguments[1:]
                if len(arguments) > MOST and self._is_ours(called) and _last_name(called) not in self._lists:
                    yield f"line {node.lineno}: {ast.unparse(called)} gets {len(arguments)}"

    def _is_ours(self, called: ast.expr) -> bool:
        match called:
            case ast.Name(id=name):
                path = self._imported.get(name)
                return name in self._here if path is None else _in_our_packages(path)
            case ast.Attribute(value=ast.Name(id=owner), attr=_) if owner in self._imported:
                return _in_our_packages(self._imported[owner])
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super"))):
                return True
            case ast.Attribute(attr=name):
                return name in self._ours
            case _:
                return False


def _last_name(called: ast.expr) -> str:
    match called:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _in_our_packages(path: str) -> bool:
    return path.partition(".")[0] in PACKAGES


def all_too_long() -> dict[str, list[str]]:
    """Such calls by file, without files that have none."""
    parsed = {file.relative_to(ROOT).as_posix(): nodes_of(file.read_text(encoding="utf-8")) for file in files()}
    ours, lists = set().union(*map(defined, parsed.values())), set().union(*map(variadic, parsed.values()))
    found = {name: list(Calls(nodes, ours, lists).too_long()) for name, nodes in parsed.items()}
    return {name: calls for name, calls in found.items() if calls}


def test_calls_of_our_own_name_their_arguments() -> None:
    """Nobody can check more than four positional values by eye."""
    assert all_too_long() == {}


@pytest.mark.parametrize(
    "source",
    [
        "def f(a, b, c, d, e): ...\nf(1, 2, 3, 4, 5)",
        "class C: ...\nC(*common, 2, 3, 4, 5)",
        "from leadmasterd.x import C\nC(1, 2, 3, 4, 5)",
        "from leadmasterd import x\nx.anything(1, 2, 3, 4, 5)",
        "import leadmasterd.x as y\ny.C(1, 2, 3, 4, 5)",
        "something.method(1, 2, 3, 4, 5)",
        "super().__init__(1, 2, 3, 4, 5)",
        "def f(a, b, c, d, e): ...\npartial(f, 1, 2, 3, 4, 5)",
        "await asyncio.to_thread(self.method, 1, 2, 3, 4, 5)",
    ],
)
def test_a_long_call_is_found(source: str) -> None:
    """Shows that these checks can fail."""
    assert list(Calls(nodes_of(source), {"method", "several"}, {"several"}).too_long())


@pytest.mark.parametrize(
    "source",
    [
        "def f(a, b, c, d): ...\nf(1, 2, 3, 4)",
        "class C: ...\nC(1, 2, 3, 4, five=5)",
        "import os\nos.path.join(1, 2, 3, 4, 5)",
        "from os.path import join\njoin(1, 2, 3, 4, 5)",
        "print(1, 2, 3, 4, 5)",
        "from leadmasterd.x import several\nseveral(1, 2, 3, 4, 5)",
        "something.other(1, 2, 3, 4, 5)",
    ],
)
def test_other_calls_are_left_alone(source: str) -> None:
    """Short calls, calls of foreign functions, and lists of one kind of thing are allowed."""
    assert not list(Calls(nodes_of(source), {"method", "several"}, {"several"}).too_long())
