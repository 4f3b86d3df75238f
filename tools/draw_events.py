"""Write docs/events: `python tools/draw_events.py`. tests/test_outbox.py fails if something there is stale."""

import json
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from leadmasterd.outbox.events import KINDS, SOURCES, TEST, TEST_FIELDS, VERSION, Field, Type  # noqa: E402

FOLDER: Final = ROOT / "docs" / "events"
_HEAD: Final = """# Events

What a feed is told, written by `python tools/draw_events.py`. Each kind has a JSON Schema of its `data` beside this
file. A full feed also gets the fields in italics: words and names. Version {version}: a field may be added; none
changes its meaning or goes without a new version. Times are UTC.

| event | what it tells | `data` |
|---|---|---|
"""

_TEST_DOC: Final = "nothing happened: a person typed `leadmasterd feeds test`"


def documents() -> dict[str, str]:
    """Each file of the folder with what belongs in it."""
    kinds = {**KINDS, TEST: _TEST_DOC}
    rows = [f"| `{kind}` | {doc} | {_names(_fields(kind))} |" for kind, doc in sorted(kinds.items())]
    files = {"README.md": _HEAD.format(version=VERSION) + "\n".join(rows) + "\n"}
    for kind, doc in kinds.items():
        files[f"{kind}.json"] = json.dumps(_schema(kind, doc), indent=2) + "\n"
    return files


def _fields(kind: str) -> dict[str, Field]:
    """The fields of a kind: those that only some of its sources have are optional."""
    if kind == TEST:
        return dict(TEST_FIELDS)
    return {name: field for source in SOURCES if kind in source.kinds for name, field in source.fields.items()}


def _names(fields: dict[str, Field]) -> str:
    return ", ".join(f"*{name}*" if field.full else f"`{name}`" for name, field in fields.items())


def _schema(kind: str, doc: str) -> dict[str, Any]:
    fields = _fields(kind)
    everywhere = [
        name
        for name, field in fields.items()
        if not field.full and all(name in source.fields for source in SOURCES if kind in source.kinds)
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind,
        "description": doc,
        "type": "object",
        "properties": {name: _property(field) for name, field in fields.items()},
        "required": everywhere,
    }


def _property(field: Field) -> dict[str, Any]:
    name = "string" if field.type is Type.TIME else field.type.value
    only = " (only in a full feed)" if field.full else ""
    return {
        "type": [name, "null"] if field.null else name,
        **({"format": "date-time"} if field.type is Type.TIME else {}),
        "description": f"{field.doc}{only}",
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    wanted = documents()
    for file in FOLDER.iterdir():
        if file.name not in wanted:
            file.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
