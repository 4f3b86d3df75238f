"""`leadmasterd leads …`: each word's module is imported when it is asked for."""

import argparse
from importlib import import_module
from typing import Final

_PLACES: Final = {
    "list": "leads_list",
    "waiting": "leads_list",
    "show": "leads_show",
    "label": "leads_write",
    "stage": "leads_write",
    "note": "leads_write",
    "merge": "leads_merge",
    "export": "leads_export",
    "rebuild": "leads_rebuild",
}


def run(arguments: argparse.Namespace) -> int:
    """0 done, 1 when the answer is no, 64 for a word that there is not."""
    module = import_module(f"leadmasterd.cli.{_PLACES[arguments.action]}")
    return int(getattr(module, f"run_{arguments.action}")(arguments))
