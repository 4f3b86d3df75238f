"""What the child has said about itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from leadmasterd.wire.events import Bye


@dataclass(slots=True)
class ChildReport:
    """`versions` and `browser_pid` are those of the last child that reported them."""

    versions: Mapping[str, str | None] = field(default_factory=dict)
    browser_pid: int | None = None
    bye: Bye | None = None
    """Its last line, which says why it ends."""
    storage_broken: bool = False
    """Its page reported that the profile's databases do not open."""
    passkey_asked: bool = False
    """Its page waits for a passkey. It may still show codes, which nobody should scan now."""

    def forget_child(self) -> None:
        """Another child starts: forget what concerns the last one alone."""
        self.bye = None
        self.storage_broken = False
        self.passkey_asked = False

    @property
    def blames_network(self) -> bool:
        """Whether its last line names an error of Chromium's network stack."""
        return bool(self.bye and self.bye.detail and "net::ERR_" in self.bye.detail)
