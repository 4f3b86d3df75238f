"""What the daemon does about leads: the classifier in force, judging, nightly learning, how many conversations wait.

Leads themselves are made on the writer's thread (`store.judging`), of what `leads` decides.
"""

import asyncio
import logging
import os
import signal
import sqlite3
import sys
from datetime import UTC, datetime

from leadmasterd import sentences
from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.reloading import Reloading
from leadmasterd.daemon.status import StatusBoard
from leadmasterd.daemon.threads import on_loop
from leadmasterd.projection.policy import model_file, policy_of, rules_file
from leadmasterd.projection.worker import ProjectionWorker
from leadmasterd.settings.model import LeadsSettings
from leadmasterd.settings.paths import Paths
from leadmasterd.store.waiting import WhoWaits, who_waits
from leadmasterd.store.writer import Writer
from leadmasterd.text import printable

log = logging.getLogger(__name__)


class LeadKeeper:
    """Made on the loop. Whoever opens it starts `classifying`, and stops it."""

    def __init__(self, leads: LeadsSettings, places: Paths, board: StatusBoard) -> None:
        self._leads = leads
        self._places = places
        self._board = board
        self._on_judged = on_loop(self._know_who_waits)
        self.classifying = Reloading(
            rules_file(leads, places),
            model_file(places),
            on_problem=on_loop(self._rules_problem),
            on_change=on_loop(self._rules_changed),
        )

    def judging(self, connection: sqlite3.Connection) -> ProjectionWorker:
        """What makes leads on the writer's thread."""
        return ProjectionWorker(connection, self.classifying.current, policy_of(self._leads), self._on_judged)

    async def learn(self) -> None:
        """Nightly, in a process of its own, because learning takes memory that a listener should not hold."""
        config = ["--config", str(self._places.file)] if self._places.file else []
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "leadmasterd", *config, "rules", "train"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            said, _ = await process.communicate()
        finally:
            if process.returncode is None:  # the daemon stops
                os.killpg(process.pid, signal.SIGKILL)  # it, and the process of its own that it learns in
        level = logging.WARNING if process.returncode else logging.INFO
        log.log(level, "%s", printable(said.decode(errors="replace").strip()), extra={"action": "learned"})

    async def look_who_waits(self, writer: Writer) -> None:
        """Conversations become overdue by themselves, with nothing to judge."""
        asked = writer.call(lambda connection, rows: who_waits(connection, datetime.now(UTC)))
        self._know_who_waits(await asyncio.wrap_future(asked))

    def _know_who_waits(self, who: WhoWaits) -> None:
        if who != self._board.waiting:
            self._board.waiting = who
            self._board.changed()

    def _rules_problem(self, problem: str | None) -> None:
        self._board.rules_concerns.clear()
        if problem:
            self._board.rules_concerns["rules"] = problem
            log.error("%s", sentences.concern("rules", problem), extra={"action": "rules_broken"})
        self._board.show_concerns()

    def _rules_changed(self, classifier: Classifier) -> None:
        log.info("new rules or a new model are in force: %s", classifier.version, extra={"action": "rules_changed"})
