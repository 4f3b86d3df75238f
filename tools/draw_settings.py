"""Write config.example.toml from the settings' model: `python tools/draw_settings.py`.

tests/test_settings.py fails when it is stale.
"""

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from leadmasterd.settings.feeds import FEED_KINDS  # noqa: E402
from leadmasterd.settings.model import Settings  # noqa: E402

DOCUMENT: Final = ROOT / "config.example.toml"
WIDTH: Final = 118

HEAD: Final = """\
# leadmasterd: every setting with its default. Copy this file to ./config.toml or /etc/leadmasterd/config.toml and keep
# only what you change. `leadmasterd config check` finds mistakes, `leadmasterd config show` prints what is in force.
#
# Each key can also be set in the environment, which wins: LEADMASTERD_STATE_DIR, LEADMASTERD_LISTENER__BROWSER, ...
# Lists and tables are JSON there. Relative paths count from this file's folder. Durations are in seconds.
"""


def render() -> str:
    """The whole file: plain values first, then the sections, whose tables come last."""
    return "\n".join([HEAD, *_keys(Settings, "")]) + "\n"


def _keys(model: type[BaseModel], section: str) -> Iterator[str]:
    tables: list[str] = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            tables += ["", f"[{name}]", *_keys(inner, name)]
        elif name == "feeds":
            tables += ["", *_comment(field), f"[{name}]", *_feeds()]
        elif isinstance(field.default, dict) and field.default:
            tables += ["", *_comment(field), f"[{section}.{name}]"]
            tables += [f"{key} = {_literal(value)}" for key, value in field.default.items()]
        else:
            yield from (*_comment(field), f"{name} = {_literal(field.default)}")
    yield from tables


def _feeds() -> Iterator[str]:
    """One section of each kind, commented out; what must be given has an example."""
    urls = {"webhook": "https://hub.example/hook", "sheets": "https://script.google.com/macros/s/…/exec"}
    for kind, model in FEED_KINDS.items():
        examples = {"url": urls.get(kind), "secrets": ["whsec_…"]}
        yield from ("", f"# [feeds.my-{kind}]", f'# kind = "{kind}"')
        for name, field in model.model_fields.items():
            if name != "kind":
                yield from (f"#{line}" for line in _comment(field))
                yield f"# {name} = {_literal(examples.get(name, field.default))}"


def _comment(field: FieldInfo) -> Iterator[str]:
    for line in (field.description or "").split("\n"):
        yield from textwrap.wrap(line, WIDTH, initial_indent="# ", subsequent_indent="# ")


def _literal(value: Any) -> str:
    """As TOML, which equals JSON for the types of defaults; whole numbers without a fraction."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False)


def main() -> None:
    """Write the file."""
    DOCUMENT.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
