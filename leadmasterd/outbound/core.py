"""What the sender reads from the listener's database: phones, and when people wrote. It opens the file read-only.

Optional: a sender whose user may not read that file knows people by their phones only, and none of their messages.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from leadmasterd.outbound.decision import Inbound, Source


@dataclass(frozen=True, slots=True)
class Core:
    """The listener's database, opened for each question and closed again."""

    path: Path

    def readable(self) -> bool:
        """Whether it is there and may be read."""
        return self._ask("SELECT 1 FROM contact_identities LIMIT 1", {}) is not None

    def phone_of_lead(self, lead_id: int) -> str | None:
        """The digits of a lead's WhatsApp id: of its own contact, else of one that was merged into that.

        None if it has no phone, there is no such lead, or the database can't be read.
        """
        rows = self._ask(
            "SELECT i.value FROM leads l JOIN contacts c ON c.contact_id = l.contact_id "
            "OR c.merged_into_id = l.contact_id JOIN contact_identities i ON i.contact_id = c.contact_id "
            "WHERE l.lead_id = :lead AND i.kind = 'wa_jid' ORDER BY c.contact_id = l.contact_id DESC, i.identity_id",
            {"lead": lead_id},
        )
        return str(rows[0][0]).partition("@")[0] if rows else None

    def phone_as_known(self, match_key: str) -> str | None:
        """The digits of the WhatsApp id with this match key: WhatsApp's own spelling, never one that we made up.

        None if the listener does not know it, or its database can't be read.
        """
        rows = self._ask(
            "SELECT value FROM contact_identities JOIN contacts USING (contact_id) "
            "WHERE match_key = :key AND kind = 'wa_jid' ORDER BY identity_id",
            {"key": match_key},
        )
        return str(rows[0][0]).partition("@")[0] if rows else None

    def inbound(self, match_key: str) -> list[Inbound]:
        """The last message of the person with this match key to each number that we listen to; empty if none is known.

        Messages to the Cloud API are not captured yet.
        """
        rows = self._ask(
            "SELECT wid, max(last_inbound_at) FROM conversations JOIN contacts USING (contact_id) "
            "JOIN accounts USING (account_id) WHERE match_key = :key AND last_inbound_at IS NOT NULL GROUP BY wid",
            {"key": match_key},
        )
        return [Inbound(Source.WHATSAPP_WEB, wid, datetime.fromisoformat(at)) for wid, at in rows or ()]

    def _ask(self, query: str, values: dict[str, object]) -> list[tuple[str, str]] | None:
        """The rows of a query. None if the database can't be read: callers count what is unknown against sending."""
        try:
            if self.path.stat().st_size == 0:  # emptied: to open it would delete what its WAL still holds
                return None
            with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as core:
                return core.execute(query, values).fetchall()
        except (sqlite3.Error, OSError):
            return None
