"""What a process counts and times, in the text format that Prometheus reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    Histogram,
    generate_latest,
    start_http_server,
)

from adapters.jobs.pump import Ended
from core.use_cases.system_state import Level, SystemState

BUCKETS: Final = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300)


class Metrics:
    """
    Iterations are counted by this process since its start; the system is the same for all, and told
    by whoever looks at it. The labels are names of jobs and codes of troubles, so series are few
    whatever happens.
    """

    def __init__(self) -> None:
        self._own = CollectorRegistry()
        self._iterations = Histogram(
            "billhook_iteration_seconds",
            "Tries of jobs and rounds of the sweep: how many ended how, and how long they took",
            ["name", "ending"],
            buckets=BUCKETS,
            registry=self._own,
        )
        self._of_system = registry = CollectorRegistry()
        self._level = Gauge(
            "billhook_system_level", "0: ok, 1: degraded, 2: unavailable", registry=registry
        )
        self._troubles = Gauge(
            "billhook_troubles", "Why it is not ok: how many by code", ["code"], registry=registry
        )
        self._waiting = Gauge(
            "billhook_jobs_waiting", "Jobs that wait, also for later", registry=registry
        )
        self._cases = Gauge(
            "billhook_open_cases",
            "Cases that wait for a person, a thousand at most",
            registry=registry,
        )

    def iteration_ended(self, ended: Ended) -> None:
        self._iterations.labels(ended.name, ended.ending.value).observe(ended.seconds)

    def told(self, state: SystemState) -> bytes:
        """All of it as text, with the system's state as it is now."""
        self._level.set(list(Level).index(state.level))
        self._waiting.set(state.waiting_jobs)
        self._cases.set(state.open_cases)
        self._troubles.clear()
        for trouble in state.troubles:
            self._troubles.labels(trouble.code).inc()
        return generate_latest(self._of_system) + generate_latest(self._own)

    @contextmanager
    def served(self, port: int | None) -> Iterator[None]:
        """
        What was counted here, for a process that has no web of its own, to this machine alone. None:
        to nobody.
        """
        if port is None:
            yield
            return
        server, thread = start_http_server(port, addr="127.0.0.1", registry=self._own)
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
