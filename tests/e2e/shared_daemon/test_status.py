"""The status of a linked daemon when all is well."""

import pytest

from leadmasterd.demo.standin import StandIn
from tests.e2e.daemon import OUR_PHONE, DaemonUnderTest

pytestmark = pytest.mark.e2e


def test_when_all_is_well_there_is_no_concern(daemon: DaemonUnderTest, standin: StandIn, ana: str) -> None:
    """The check of WhatsApp Web's modules finds nothing missing on a build that has them all."""
    standin.act("deliver", **{"from": ana, "body": "hola"})
    daemon.await_messages(1)
    assert daemon.status["concerns"] == {}


def test_a_pairing_code_that_is_not_needed_is_refused(daemon: DaemonUnderTest) -> None:
    """It prints one sentence and exits with 1."""
    refused = daemon.command("qr", "--pairing-code", OUR_PHONE, "--once")
    assert refused.returncode == 1
    assert "no scan is needed" in refused.stderr
