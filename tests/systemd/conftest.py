"""The machine shared by all tests of the service, with the unit and its user installed."""

from collections.abc import Iterator

import pytest

from tests.systemd.machine import CHECKOUT, Machine, MachineRefusedError, lay_out_installation

UNIT = "leadmasterd.service"


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    binds = lay_out_installation(tmp_path_factory.mktemp("installation"))
    try:
        booted = Machine.boot(tmp_path_factory.mktemp("machine"), binds)
    except MachineRefusedError as why:
        pytest.skip(f"cannot boot a real systemd here: {why}")
    try:
        booted.write(f"/etc/systemd/system/{UNIT}", (CHECKOUT / "systemd" / UNIT).read_text())
        booted.write(
            "/etc/sysusers.d/leadmasterd.conf",
            (CHECKOUT / "systemd" / "leadmasterd.sysusers.conf").read_text(),
        )
        booted.run("systemd-sysusers")
        # An interpreter from elsewhere may have been linked to find its libpython at the old path only.
        booted.run("ldconfig", "/opt/python/lib", check=False)
        yield booted
    finally:
        booted.power_off()
