"""Customers who write before, during and after a fault, and the checks on their messages at the end."""

from leadmasterd.demo.standin import StandIn
from tests.e2e.daemon import DaemonUnderTest, wait_long

ANA = "5491155550001"
BETO = "5491155550002"


class Customers:
    """They write during any fault and remember every message; the operator answers on the phone."""

    def __init__(self, daemon: DaemonUnderTest, standin: StandIn) -> None:
        self.daemon = daemon
        self.standin = standin
        self.written: list[str] = []

    @classmethod
    def who_wrote(cls, daemon: DaemonUnderTest, standin: StandIn) -> "Customers":
        """Customers whose first messages were captured, on a daemon that has done its first sweep."""
        customers = cls(daemon, standin)
        customers.write("antes")
        customers.await_captured()
        daemon.await_sweep()
        return customers

    def write(self, when: str, count: int = 3) -> list[str]:
        """Write in two chats and answer in one; returns the ids of all these messages."""
        ids = self.standin.act("deliver", **{"from": ANA, "body": f"{when} {{n}}", "count": count, "spread": 2})["ids"]
        ids += self.standin.act("own", to=ANA, body=f"respuesta {when}")["ids"]
        self.written += ids
        return [str(each) for each in ids]

    def await_captured(self) -> None:
        """Wait for everything written so far, and check that each message is there once and no other."""
        self.daemon.await_rows(lambda: self.daemon.count() >= len(self.written), f"{len(self.written)} messages")
        rows = self.daemon.query("SELECT stanza_id FROM messages")
        assert sorted(row["stanza_id"] for row in rows) == sorted(self.written)

    def are_heard_live(self) -> bool:
        """Write once more and return whether all of it is captured live."""
        ids = self.write("después")
        self.await_captured()
        marks = ", ".join("?" * len(ids))
        rows = self.daemon.query(f"SELECT captured_via FROM messages WHERE stanza_id IN ({marks})", *ids)
        return {row["captured_via"] for row in rows} == {"live"}

    def expect_to_be_heard_live(self) -> None:
        """Expect that new messages are captured live, by the child that runs now.

        The page stores a message before it emits it, so a sweep of that moment may bring it first: then the next count.
        """
        node = self.daemon.node()
        wait_long(self.are_heard_live, "messages that are captured live")
        assert self.daemon.node() == node, "not after a restart because it was deaf"

    def nothing_was_lost(self, *causes: str) -> None:
        """Ready again: captured live, each message once, all gaps closed (one of a cause named), nothing sent."""
        self.expect_to_be_heard_live()
        self.daemon.await_rows(
            lambda: not self.daemon.query("SELECT 1 FROM gaps WHERE closed_at IS NULL"), "the gaps to be closed"
        )
        if causes:
            assert {row["cause"] for row in self.daemon.query("SELECT cause FROM gaps")} & {*causes}
        self.await_captured()
        assert self.standin.state()["sent"] == []
