"""`leadmasterd config check` and `show`."""

import argparse
import json
import sys

from leadmasterd.settings.model import load
from leadmasterd.settings.paths import CannotUseSettings
from leadmasterd.text import _, printable


def run(arguments: argparse.Namespace) -> int:
    """Check everything at once, or print what is in force."""
    try:
        settings, places = load(arguments.config)
    except CannotUseSettings as error:
        if not arguments.json:
            raise
        print(json.dumps({"ok": False, "problems": str(error).splitlines()}, ensure_ascii=False))
        return 78
    source = str(places.file) if places.file else None
    if arguments.action == "check":
        if arguments.json:
            print(json.dumps({"ok": True, "file": source}))
        else:
            print(_("{file}: all good.").format(file=source or _("built-in defaults")))
        return 0
    values = settings.model_dump(mode="json")
    if arguments.json:
        print(json.dumps({"file": source, "state_dir": str(places.state_dir), "settings": values}, ensure_ascii=False))
        return 0
    print(f"# {printable(source or _('built-in defaults'))}")
    print(f"# state: {printable(str(places.state_dir))}, database: {printable(str(places.database))}")
    sys.stdout.write(_toml(values))
    return 0


def _toml(values: dict[str, object]) -> str:
    """Settings as TOML: plain values first, then the sections. JSON's literals are TOML's for what settings hold."""
    lines = [f"{key} = {_literal(value)}" for key, value in values.items() if not isinstance(value, dict)]
    for section, inner in values.items():
        if isinstance(inner, dict):
            lines += ["", f"[{section}]", *(f"{key} = {_literal(value)}" for key, value in inner.items())]
    return "\n".join(lines) + "\n"


def _literal(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(key)} = {_literal(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
