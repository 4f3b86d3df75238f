"""Secrets in a file of their own, so that the settings file may be read by others."""

import os
from pathlib import Path

from leadmasterd.errors import CannotUseSettings
from leadmasterd.settings.paths import path_from


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
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise CannotUseSettings(f"cannot read {where}: {why}") from error
    if not found:
        raise CannotUseSettings(f"cannot use {where}: it is empty; put one {each} on each line")
    return found
