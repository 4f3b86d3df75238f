"""Another checkout is played as it is: its own interpreter, and only the settings that it has."""

import os
from pathlib import Path

import pytest

from tests.chaos.product import OURS, CannotPrepare, prepared
from tests.e2e.daemon import ROOT


def test_a_folder_is_played_with_its_own_environment() -> None:
    """Not with the interpreter of the driver, whose packages may differ."""
    with prepared(str(ROOT)) as product:
        assert product.root == ROOT
        assert product.python == str(ROOT / ".venv" / "bin" / "python")


@pytest.mark.parametrize(
    ("checkout", "said"), [("no-such-commit", "neither a folder nor a commit"), ("/proc", "setup.sh")]
)
def test_what_is_no_checkout_is_refused(checkout: str, said: str) -> None:
    """With a sentence that names it."""
    with pytest.raises(CannotPrepare, match=f"cannot play {checkout}.*{said}"), prepared(checkout):
        pass


def test_a_product_gets_only_the_settings_that_it_has(tmp_path: Path) -> None:
    """An unknown one would keep it from starting."""
    environment = {**os.environ, "LEADMASTERD_STATE_DIR": str(tmp_path)}
    settings = {"LEADMASTERD_SUPERVISOR__BACKOFF_MAX": "40", "LEADMASTERD_SUPERVISOR__NOT_YET": "1"}
    assert OURS.known(settings, environment) == {"LEADMASTERD_SUPERVISOR__BACKOFF_MAX": "40"}
