"""Secrets in a file of their own, so that the settings file may be read by others."""

import os
from pathlib import Path

from leadmasterd import causes
from leadmasterd.errors import CannotUseSettings
from leadmasterd.settings.paths import path_from
from leadmasterd.text import _


def secret_path(name: str, base: Path) -> Path:
    """Where it is. `name`: as in the settings, with variables; `base`: what relative paths start from.

    Raises CannotUseSettings.
    """
    return path_from(base, os.path.expandvars(name))


def read_secrets(path: Path, where: str, each: str) -> list[str]:
    """One from each line. `where`: what errors call the file; `each`: and a secret. Raises CannotUseSettings."""
    try:
        found = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        why = causes.of_system(error) if isinstance(error, OSError) else _("it is no UTF-8 text")
        raise CannotUseSettings(_("cannot read {where}: {why}").format(where=where, why=why)) from error
    if not found:
        raise CannotUseSettings(
            _("cannot use {where}: it is empty; put one {what} on each line").format(where=where, what=each)
        )
    return found
