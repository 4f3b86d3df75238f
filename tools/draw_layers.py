"""Write the picture at the top of ARCHITECTURE.md from the code: `python tools/draw_layers.py`.

Rows are the layers of the import contract in pyproject.toml, top to bottom: each package or module with the first
sentence of its docstring and what it imports. tests/test_layers_picture.py fails when the picture is stale.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = ROOT / "leadmasterd"
DOCUMENT: Final = ROOT / "ARCHITECTURE.md"
BEGIN: Final = "<!-- layers: begin, written by tools/draw_layers.py -->"
END: Final = "<!-- layers: end -->"
WIDTH: Final = 80


def main() -> None:
    """Replace the picture between its marks."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(replaced(text), encoding="utf-8")


def replaced(text: str) -> str:
    """The document with today's picture."""
    before, found, rest = text.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not (found and found_end):
        raise SystemExit(f"cannot draw: {DOCUMENT.name} has no marks `{BEGIN}` and `{END}`")
    return f"{before}{BEGIN}\n\n{picture()}\n\n{END}{after}"


def picture() -> str:
    """The layers as indented text, at most 80 columns wide."""
    lines = []
    for number, layer in enumerate(_layers()):
        if number:
            lines.append("")
        for name in layer:
            lines.extend(_drawn(name))
    return "\n".join(f"    {line}".rstrip() for line in lines)


def _layers() -> list[list[str]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    [layers] = [each["layers"] for each in contracts if each["type"] == "layers"]
    names = [[name for name in re.split(r"[|:\s]+", layer) if not name.startswith("_")] for layer in layers]
    return [layer for layer in names if layer]


def _drawn(name: str) -> Iterator[str]:
    label = f"{name}/" if (PACKAGE / name).is_dir() else name
    yield from _wrapped(f"{label:<12}", _summary(name))
    if uses := sorted(_imports(name) - {"text", "times", "errors", "identity"}):
        yield from _wrapped(" " * 12, f"-> {', '.join(uses)}")


def _wrapped(head: str, text: str) -> Iterator[str]:
    line = head
    for word in text.split():
        if len(line) + 1 + len(word) > WIDTH - 4:
            yield line
            line = " " * len(head)
        line += f" {word}"
    yield line


def _files(name: str) -> list[Path]:
    folder = PACKAGE / name
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{name}.py"]


def _summary(name: str) -> str:
    """The first sentence of its docstring."""
    doc = ast.get_docstring(ast.parse(_files(name)[0].read_text(encoding="utf-8"))) or ""
    return re.split(r"(?<=[.:])\s", doc.replace("\n", " "), maxsplit=1)[0].rstrip(":.")


def _imports(name: str) -> set[str]:
    """Top-level parts of this project that any of its files imports."""
    found = set()
    for file in _files(name):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            root, _, rest = node.module.partition(".")
            if root == PACKAGE.name:
                found |= {rest.partition(".")[0]} if rest else {alias.name for alias in node.names}
    return {each for each in found if each != name and not each.startswith("_")}


if __name__ == "__main__":
    main()
