"""Tests that leave the very same processes ready: nothing in them ends the page or keeps it from answering."""

import pytest

_phones = iter(range(5491155560000, 5491155570000, 100))


@pytest.fixture
def shared_settings() -> dict[str, str]:
    """Settings of the shared daemon: the page may answer late, since other tests may starve it for seconds."""
    return {"LEADMASTERD_SUPERVISOR__HEARTBEAT_TIMEOUT": "45"}


@pytest.fixture
def ana() -> str:
    """A phone that no other test uses; the 99 after it are free too."""
    return str(next(_phones))
