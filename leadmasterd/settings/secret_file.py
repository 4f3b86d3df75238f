"""Secrets in a file of their own, so that the settings file may be read by others."""

import os
from pathlib import Path

from leadmasterd import causes
from leadmasterd.errors import CannotUseSettings
from leadmasterd.settings.paths import path_from
from leadmasterd.text import _


def secret_path(name: str, base: Path) -> Path:
    """The file of secrets that a setting names: `$VARIABLES` in `name` are replaced.

    `base`: what a relative path starts from. Raises CannotUseSettings.
    """
    return path_from(base, os.path.expandvars(name))


def read_secrets(path: Path, where: str, each: str) -> list[str]:
    """The secrets in a file, one on each line. Raises CannotUseSettings for one that is empty or can't be read.

    Errors name the file as `where`, and a secret as `each` ("address").
    """
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
