"""The daemon's jobs about leads: the classifier in force, projection, nightly training, who waits for an answer.

Leads are derived on the writer's thread (`projection.worker`), by what `leads` decides.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime

from leadmasterd import causes
from leadmasterd.apart import python_module
from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.reloading import Reloading
from leadmasterd.daemon.threads import on_loop
from leadmasterd.daemon.warnings import ActiveWarnings
from leadmasterd.errors import DatabaseDamaged
from leadmasterd.health import HOURS_CHANGED, RULES, TRAINING
from leadmasterd.listener import tree
from leadmasterd.projection.ahead import Ahead, command_for
from leadmasterd.projection.policy import model_file, policy_of, rules_file
from leadmasterd.projection.worker import ProjectionWorker
from leadmasterd.settings.leads_light import read_leads_settings
from leadmasterd.settings.paths import Paths
from leadmasterd.settings.plain import PlainLeads
from leadmasterd.state.status_object import Waiting
from leadmasterd.store.waiting import WhoWaits, who_waits
from leadmasterd.store.writer import IdleWork, Writer
from leadmasterd.text import printable

log = logging.getLogger(__name__)


class LeadJobs:
    """To be made on the event loop, where it changes warnings and `status`.

    `classifying` holds the classifier in force, and replaces it when its files change. The maker starts and stops it.
    """

    def __init__(
        self, leads: PlainLeads, paths: Paths, *, warnings: ActiveWarnings, changed: Callable[[], None]
    ) -> None:
        self._leads = leads
        self._paths = paths
        self._warnings = warnings
        self._changed = changed
        self._waiting = WhoWaits()
        self._on_projected = on_loop(self._keep_waiting)
        self.classifying = Reloading(
            rules_file(leads.rules, paths),
            model_file(paths),
            on_problem=on_loop(self._rules_problem),
            on_change=on_loop(self._rules_changed),
        )

    def idle_work(self, connection: sqlite3.Connection) -> IdleWork:
        """The work that derives leads, for the writer's thread to do while nothing waits to be written."""
        leads, paths, policy = self._leads, self._paths, policy_of(self._leads)
        ahead = Ahead(
            command_for(paths.database, rules_file(leads.rules, paths), model_file(paths), policy.burst_seconds)
        )
        return ProjectionWorker(connection, self.classifying.current, policy, self._on_projected, ahead=ahead)

    async def train(self) -> None:
        """Train the classifier with people's corrections, every night. Warns if that fails.

        In a process of its own, because training takes memory that a daemon should not hold.
        """
        process = await asyncio.create_subprocess_exec(
            *python_module("leadmasterd", *self._paths.config_arguments, "rules", "train"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "LEADMASTERD_GENERAL__LANGUAGE": "en"},  # what it says goes to the log
        )
        try:
            with tree.not_the_listeners(process.pid):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:  # cancelled, because the daemon stops
                os.killpg(process.pid, signal.SIGKILL)  # its whole group, because it trains in a child of its own
        said = printable(output.decode(errors="replace").strip())
        if process.returncode:
            self._warnings.set(TRAINING, said or causes.of_exit(process.returncode))
        else:
            self._warnings.clear(TRAINING)
            log.info("%s", said, extra={"action": "learned"})

    async def count_waiting(self, writer: Writer) -> None:
        """Count who waits for an answer: conversations become overdue as time passes, without any message."""
        asked = writer.call(lambda connection, rows: who_waits(connection, datetime.now(UTC)))
        with contextlib.suppress(DatabaseDamaged):  # the writer reports it
            self._keep_waiting(await asyncio.wrap_future(asked))
        self._compare_hours()

    def _compare_hours(self) -> None:
        """Warn while the settings file has other opening hours than those that this daemon started with.

        Values that can't be used change nothing: somebody may be in the middle of writing them. They are checked only
        if they differ, because the check loads the library of holidays.
        """
        now = read_leads_settings(self._paths)
        if now.hours_version() == self._leads.hours_version():
            self._warnings.clear(HOURS_CHANGED)
        elif not now.wrong() and now.calendar() is not None:
            self._warnings.set(HOURS_CHANGED, "")

    def waiting(self) -> Waiting:
        """Who waits for an answer, for `status`."""
        who = self._waiting
        return Waiting(conversations=who.conversations, overdue=who.overdue, oldest_since=who.oldest_since)

    def _keep_waiting(self, who: WhoWaits) -> None:
        """Keep who waits for an answer, as just counted, and have `status` rewritten if that has changed."""
        if who != self._waiting:
            self._waiting = who
            self._changed()

    def _rules_problem(self, problem: str | None) -> None:
        """Warn that the rules or the model cannot be used; None: they can."""
        if problem:
            self._warnings.set(RULES, problem)
        else:
            self._warnings.clear(RULES)

    def _rules_changed(self, classifier: Classifier) -> None:
        log.info("new rules or a new model are in force: %s", classifier.version, extra={"action": "rules_changed"})
