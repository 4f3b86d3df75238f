"""Write docs/cli.md from the parser: `python tools/draw_cli.py`. tests/test_cli_doc.py fails when it is stale."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from leadmasterd.cli.arguments import CommandParser, subcommands  # noqa: E402
from leadmasterd.cli.parser import make_parser  # noqa: E402

DOCUMENT: Final = ROOT / "docs" / "cli.md"

HEAD: Final = """\
# Commands

Written by `python tools/draw_cli.py` from the parser: edit the command's file in `leadmasterd/cli/`, then run it.

`leadmasterd [--config FILE] COMMAND …`; `--config` may also follow the command. Objects printed with `--json` are
described in [json.md](json.md).

Commands speak English or Spanish, as `[general] language` says. Their names and flags, and what `--json` prints, are
the same in both.

Every command shows times in the business's zone, `leads.timezone`, and takes times without an offset to be in it. Where
this machine's zone differs, the zone is named.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | the answer is no |
| 64 | usage |
| 70 | internal error: a defect, with a traceback |
| 73 | the state can't be used: in use, damaged, read-only, not ours, newer schema; systemd does not restart |
| 78 | settings, node or browser wrong; systemd does not restart |
| 130 | interrupted, as by Ctrl-C |

`leadmaster-outbound` is another program: [outbound.md](outbound.md).

`status` has codes of its own. `qr`, `pause`, `resume`, `restart-listener` and `doctor --page` exit with 3 when no
daemon is running.
"""


def render() -> str:
    """The whole document."""
    commands = dict(_leaves(subcommands(make_parser())))
    table = ["| command | what it does |", "|---|---|"]
    table += [f"| [`{name}`](#{name.replace(' ', '-')}) | {_summary(parser)} |" for name, parser in commands.items()]
    parts = [f"## {name}\n\n```text\n{parser.format_help().rstrip()}\n```" for name, parser in commands.items()]
    return "\n".join([HEAD, *table, "", "\n\n".join(parts), ""])


def _leaves(parsers: Mapping[str, CommandParser], group: str = "") -> Iterator[tuple[str, CommandParser]]:
    """Commands that can be typed as they are, by name, such as `leads list`."""
    for name, parser in parsers.items():
        below = subcommands(parser)
        if not below or parser.get_default("run"):
            yield f"{group}{name}", parser
        if below:
            yield from _leaves(below, f"{name} ")


def _summary(parser: CommandParser) -> str:
    return (parser.description or "").rstrip(".")


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
