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
    """Its last words."""
    storage_broken: bool = False
    passkey_asked: bool = False
    """Its page waits for a passkey: codes that it still shows are not to be scanned."""

    def forget_child(self) -> None:
        """Another child starts: forget what concerns the last one alone."""
        self.bye = None
        self.storage_broken = False
        self.passkey_asked = False

    @property
    def blames_network(self) -> bool:
        """Whether its last words name an error of Chromium's network stack."""
        return bool(self.bye and self.bye.detail and "net::ERR_" in self.bye.detail)
