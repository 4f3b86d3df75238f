"""`leadmasterd doctor`: problems on this machine, and how to fix them; with `--page`, what WhatsApp Web has changed."""

import argparse
import json
import sys

from leadmasterd import health
from leadmasterd.cli.arguments import add_epilog, add_json
from leadmasterd.cli.tables import folded
from leadmasterd.doctor import Finding, Level, PageObject, Report, check_in_words, examine, switch_in_words
from leadmasterd.settings.paths import find_paths
from leadmasterd.state.control import ask
from leadmasterd.state.status_object import Page
from leadmasterd.text import _, ngettext, printable

_COLOURS = {"ok": "\x1b[32m", "warning": "\x1b[33m", "wrong": "\x1b[31m"}
_FINDINGS_BEGIN = 22
"""Screen column where findings begin, and their continuation lines."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how thoroughly to look, and `--json`."""
    parser.add_argument("--quick", action="store_true", help=_("skip starting the browser and trying the network"))
    parser.add_argument(
        "--page",
        action="store_true",
        help=_("only compare the running WhatsApp Web with what capture relies on; changes nothing"),
    )
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd doctor",
        "leadmasterd doctor --quick --json",
        "leadmasterd doctor --page",
        notes=_(
            "exit codes: 0 nothing is wrong (warnings are advice), 1 something is;\n"
            "with --page also 3 when no daemon is running"
        ),
    )


def run(arguments: argparse.Namespace) -> int:
    """Print each finding as it is made, then a summary. Returns 0 if nothing is wrong (warnings are advice), else 1."""
    if arguments.page:
        return _check_page(arguments)
    findings: list[Finding] = []
    for finding in examine(arguments.config, start_browser=not arguments.quick):
        findings.append(finding)
        if not arguments.json:
            _print(finding.level, finding.check, finding.found, finding.mend)
    wrong = sum(finding.level == "wrong" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    if arguments.json:
        report = Report(ok=not wrong, findings=[finding.as_json() for finding in findings])
        print(json.dumps(report, ensure_ascii=False))
    else:
        print(_summary(wrong, warnings))
    return 1 if wrong else 0


def _summary(wrong: int, warnings: int) -> str:
    """The last line. `wrong` and `warnings`: how many findings of these levels there are."""
    if wrong:
        return ngettext("{n} thing to fix.", "{n} things to fix.", wrong).format(n=wrong)
    if warnings:
        return ngettext("Nothing to fix; {n} warning.", "Nothing to fix; {n} warnings.", warnings).format(n=warnings)
    return _("All is well.")


def _check_page(arguments: argparse.Namespace) -> int:
    """Have the daemon compare WhatsApp Web as it runs with what capture relies on. Returns 1 if a name is missing.

    Raises CannotReachDaemon and Refused.
    """
    page: Page = ask(find_paths(arguments.config).socket, "check-page")["page"]
    found = PageObject(
        ok=not page["missing"],
        web_version=page["web_version"],
        at=page["at"],
        required=page["required"],
        missing=page["missing"],
        late=page["late"],
        new_types=page["new_types"],
        ab=dict(page["ab"]),
    )
    if arguments.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        _print_page(found)
    return 0 if found["ok"] else 1


def _print_page(page: PageObject) -> None:
    """Print WhatsApp Web's version, which names are missing or late, new message types, and its A/B switches."""
    _print("ok", "page", "WhatsApp Web " + printable(page["web_version"] or "?"))
    for each in page["missing"]:
        mend = _("this costs {what}; look for a newer leadmasterd").format(what=health.cost(each["costs"]))
        _print("wrong", _("gone"), printable(f"{each['module']}.{each['function']}"), printable(mend))
    for each in page["late"]:
        mend = _("it may come yet; without it, {what} is lost").format(what=health.cost(each["costs"]))
        _print("warning", _("not loaded"), printable(f"{each['module']}.{each['function']}"), printable(mend))
    for type_ in page["new_types"]:
        mend = _("captured, and shown by that name; look for a newer leadmasterd")
        _print("warning", _("new"), _("messages of the type {type}").format(type=printable(type_)), mend)
    for name, value in page["ab"].items():
        if value is None:
            shown = _("{switch}: the page does not tell").format(switch=printable(name))
        else:
            shown = switch_in_words(name, value)
        _print("ok", _("switch"), shown)
    there = page["required"] - len(page["missing"]) - len(page["late"])
    print(_("{n} of {all} names that capture relies on are there.").format(n=there, all=page["required"]))


def _print(level: Level, check: str, found: str, mend: str = "") -> None:
    """Print a finding: a sign for its level, the check, and what was found; below them how to mend it."""
    sign = f"{_sign(level):<6}"
    text = folded(f"{sign} {check_in_words(check):<14} {found}", _FINDINGS_BEGIN)
    if sys.stdout.isatty():
        text = f"{_COLOURS[level]}{sign}\x1b[0m{text.removeprefix(sign)}"
    print(text, flush=True)
    if mend:
        print(folded(f"{'':<{_FINDINGS_BEGIN}}-> {mend}", _FINDINGS_BEGIN + 3), flush=True)


def _sign(level: Level) -> str:
    return {"ok": _("ok"), "warning": "!", "wrong": _("WRONG")}[level]
