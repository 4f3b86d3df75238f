"""`leadmasterd doctor`: problems on this machine, and how to fix them."""

import argparse
import json
import sys

from leadmasterd.cli.arguments import add_epilog, add_json
from leadmasterd.cli.tables import folded
from leadmasterd.doctor import Finding, Report, examine
from leadmasterd.text import _, ngettext

_SIGNS = {"ok": "ok", "warning": "!", "wrong": "WRONG"}
_COLOURS = {"ok": "\x1b[32m", "warning": "\x1b[33m", "wrong": "\x1b[31m"}
_FOUND = 22
"""Column where the findings begin, for continuation lines."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How thoroughly."""
    parser.add_argument("--quick", action="store_true", help=_("skip starting the browser"))
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd doctor",
        "leadmasterd doctor --quick --json",
        notes=_("exit codes: 0 nothing is wrong (warnings are advice), 1 something is"),
    )


def run(arguments: argparse.Namespace) -> int:
    """0 when nothing is wrong (warnings are advice), 1 otherwise."""
    findings: list[Finding] = []
    for finding in examine(arguments.config, start_browser=not arguments.quick):
        findings.append(finding)
        if not arguments.json:
            _print(finding)
    wrong = sum(finding.level == "wrong" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    if arguments.json:
        report = Report(ok=not wrong, findings=[finding.as_json() for finding in findings])
        print(json.dumps(report, ensure_ascii=False))
    else:
        print(_summary(wrong, warnings))
    return 1 if wrong else 0


def _summary(wrong: int, warnings: int) -> str:
    if wrong:
        return ngettext("{n} thing to fix.", "{n} things to fix.", wrong).format(n=wrong)
    if warnings:
        return ngettext("Nothing to fix; {n} warning.", "Nothing to fix; {n} warnings.", warnings).format(n=warnings)
    return _("All is well.")


def _print(finding: Finding) -> None:
    sign = f"{_SIGNS[finding.level]:<6}"
    text = folded(f"{sign} {finding.check:<14} {finding.found}", _FOUND)
    if sys.stdout.isatty():
        text = f"{_COLOURS[finding.level]}{sign}\x1b[0m{text.removeprefix(sign)}"
    print(text, flush=True)
    if finding.mend:
        print(folded(f"{'':<{_FOUND}}-> {finding.mend}", _FOUND + 3), flush=True)
