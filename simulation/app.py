"""One process of ours: the real use cases and the real pump, started, killed and started again."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime, time, timedelta
from inspect import signature
from typing import Any, Final, TypeVar

from adapters.jobs.pump import Pump
from adapters.jobs.work import ASIDE, work_of
from adapters.persistence.memory import Committed, MemoryStore
from adapters.persistence.memory.tables import JobStatus, Tables
from core.domain.errors import BillingError, Unavailable
from core.ports.access_provisioner import AccessProvisioner
from core.ports.notifier import Notifier, Webhooks
from core.ports.payment_gateway import Gateways
from core.ports.unit_of_work import HeldElsewhere, NewId, Now, Store
from core.use_cases.billing import Billing
from simulation.loop import Node, SimulatedLoop

POLL_AFTER_COMMIT_MAX: Final = 0.25
STANDS_BY: Final = 600.0
NEVER: Final = 10.0**9
DAY: Final = timedelta(days=1)

Answer = TypeVar("Answer")


class NoAnswer(Exception):
    """The process died, or the network lost the request or the reply. Nothing is known."""


@dataclass(frozen=True, slots=True)
class Outside:
    """All that the core is given."""

    store: Store
    gateways: Gateways
    notifier: Notifier
    provisioner: AccessProvisioner
    webhooks: Webhooks
    now: Now
    new_id: NewId


Compose = Callable[[Outside], Billing]


def wired(outside: Outside) -> Billing:
    """The use cases as the product composes them: each is given what its constructor names."""
    given = {each.name: getattr(outside, each.name) for each in fields(outside)}

    def made(use_case: Any) -> Any:
        asked = signature(use_case).parameters.values()
        return use_case(**{one.name: given[one.name] for one in asked if one.default is one.empty})

    return Billing(**{each.name: made(each.type) for each in fields(Billing)})


class App:
    """Web and worker in one process. Each start is a new node; the store outlives them all."""

    def __init__(
        self,
        name: str,
        loop: SimulatedLoop,
        store: MemoryStore,
        compose: Callable[[Now], Billing],
        now: Now,
        restart_after: Callable[[], float] | None,
    ) -> None:
        """`restart_after`: seconds from a death to the next start; None: it stays dead."""
        self.now: Final = now
        self.restart_after = restart_after
        self._reconciles = False
        self._name = name
        self._loop = loop
        self._store = store
        self._compose = compose
        self._chance = loop.stream(f"{name} poll")
        self._lives = 0
        self.start()

    def start(self) -> None:
        self._lives += 1
        self.node = Node(f"{self._name}.{self._lives}")
        self.node.on_kill["app"] = self._died
        self.billing = self._compose(self.now)
        self._due_moved = asyncio.Event()
        self._pump = Pump(
            self._store,
            work_of(self.billing),
            self.now,
            aside=ASIDE,
            sweep=self._sweep_when_due,
            poll_every=NEVER,  # `heard` wakes it in time, so that idle days cost nothing.
            on_error=self._heard_error,
        )
        self._loop.spawn(self.node, self._work())
        self._wake_for(self._store.tables, list(self._store.tables.jobs.rows))

    def reconcile_daily(self) -> None:
        """There is a gateway that lists now. Without one no day is worth waking up for."""
        self._reconciles = True
        self._due_moved.set()

    def heard(self, committed: Committed) -> None:
        """Whoever committed, what it made due is found as promptly as by polling."""
        if "due" in committed.changed:
            self._due_moved.set()
        job_ids = [key for key in committed.changed.get("job", ()) if isinstance(key, int)]
        self._wake_for(committed.tables, job_ids)

    async def serve(self, act: Callable[[Billing], Awaitable[Answer]]) -> Answer:
        """
        Do it for a client who waits outside, as a task of this process.

        Raises:
            NoAnswer: the process is dead, or dies meanwhile.
        """
        if not self.node.is_alive:
            raise NoAnswer
        node, answered = self.node, asyncio.get_running_loop().create_future()

        def hang_up() -> None:
            if not answered.done():
                answered.set_exception(NoAnswer())

        node.on_kill[answered] = hang_up
        self._loop.spawn(node, self._answer(act, answered))
        try:
            answer: Answer = await answered
        finally:
            del node.on_kill[answered]
        return answer

    async def _answer(
        self, act: Callable[[Billing], Awaitable[Answer]], answered: "asyncio.Future[Answer]"
    ) -> None:
        try:
            answer = await act(self.billing)
        except BillingError as refused:
            if not answered.done():
                answered.set_exception(refused)
        except Exception as error:  # noqa: BLE001 - No client may cause it, so it ends the run.
            self._loop.fail(error)
        else:
            if not answered.done():
                answered.set_result(answer)

    def _died(self) -> None:
        self._store.abandon(self.node)
        if self.restart_after is not None:
            self._loop.call_later(self.restart_after(), self.start)

    async def _work(self) -> None:
        """As the product's own process: where another holds the pump, stand by."""
        while True:
            with suppress(HeldElsewhere):
                await self._pump.run(asyncio.Event())
            await asyncio.sleep(STANDS_BY)

    async def _sweep_when_due(self) -> int:
        """A sweep that finds nothing changes nothing, so only those that find something run."""
        while True:
            started = await self.billing.start_reconciling() if self._reconciles else 0
            due = min(self._store.tables.due.rows.values(), default=None)
            if started or (due is not None and due <= self.now()):
                found = started + await self.billing.sweep()
                await self.billing.watch_bounds()
                return found
            self._due_moved.clear()
            if self._reconciles:
                tomorrow = datetime.combine(self.now().date() + DAY, time(), UTC)
                due = tomorrow if due is None else min(due, tomorrow)
            wait = None if due is None else (due - self.now()).total_seconds()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._due_moved.wait()

    def _wake_for(self, tables: Tables, job_ids: list[int]) -> None:
        for job_id in job_ids:
            kept = tables.jobs.rows.get(job_id)
            if kept is not None and kept.status is JobStatus.WAITING:
                wait = max(timedelta(), kept.job.run_at - self.now()).total_seconds()
                wait += self._chance.uniform(0, POLL_AFTER_COMMIT_MAX)
                self._loop.call_as(self.node, wait, self._pump.wake)

    def _heard_error(self, error: Exception) -> None:
        self._loop.note(f"job or sweep failed: {error!r}")
        if not isinstance(error, Unavailable):
            self._loop.fail(error)
