"""A deterministic asyncio loop: simulated time, seeded choices, processes that can be killed."""

import asyncio
import gc
import hashlib
import heapq
import random
from asyncio import events
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, NoReturn, TypeVar, cast

STEPS_MAX: Final = 2_000_000
TIDY_EVERY: Final = 0x3FFF
MICROSECONDS: Final = 1_000_000

Result = TypeVar("Result")


class Escaped(RuntimeError):
    """Code under simulation tried to reach the real world."""


class Livelock(RuntimeError):
    """The run takes more steps than any sound run does."""


class Deadlock(RuntimeError):
    """Nothing is left to run, and the run has not ended."""


class Node:
    """A process of the simulated world. Killed, it runs nothing more: no `finally`, no `except`."""

    def __init__(self, name: str) -> None:
        self.name: Final = name
        self.is_alive = True
        self.sleeps_until_us = 0
        """Paused until then, as by SIGSTOP: it runs nothing, and knows nothing of it."""
        self.on_kill: Final[dict[Hashable, Callable[[], None]]] = {}

    def __repr__(self) -> str:
        return self.name


NODE: Final[ContextVar[Node | None]] = ContextVar("node", default=None)
"""Whose code is running."""


class SimulatedTask(asyncio.Task[Any]):
    """Its hash is its number, not its address, so that sets of tasks are walked the same way."""

    def __init__(
        self, coro: Coroutine[Any, Any, Any], *, number: int, context: Context, **kwargs: Any
    ) -> None:
        self.number = number
        self.kept_context = context
        super().__init__(coro, context=context, **kwargs)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class SimulatedLoop:
    """
    As much of an asyncio loop as needs no world outside; whatever else is asked of it raises.

    Time is a whole number of microseconds and jumps to the next timer when nothing is ready.
    Among what is ready a seeded generator chooses, or the order of arrival (`fifo`).
    """

    def __init__(
        self,
        seed: int,
        *,
        fifo: bool = False,
        trace: list[str] | None = None,
        steps_max: float = STEPS_MAX,
    ) -> None:
        self.seed: Final = seed
        self.now_us = 0
        self._as_loop = cast("asyncio.AbstractEventLoop", self)
        self.steps = 0
        self.on_step: Callable[[Node], None] | None = None
        """Told before each step of a living node; may kill it or send it to sleep."""
        self._fifo = fifo
        self._steps_max = steps_max
        self._trace = trace
        self._order = self.stream("order")
        self._ready: list[asyncio.Handle] = []
        self._timers: list[tuple[int, int, asyncio.Handle]] = []
        self._numbers = 0
        self._tasks: list[SimulatedTask] = []
        self._broken: list[BaseException] = []
        self._digest = hashlib.blake2b(digest_size=16)
        self._is_running = self._is_closed = False

    @property
    def trace_hash(self) -> str:
        """Equal for equal runs: when each step was, among how many, and which was chosen."""
        return self._digest.hexdigest()

    def stream(self, name: str) -> random.Random:
        """Chance for one purpose: drawing more for one does not change what the others get."""
        return random.Random(f"{self.seed}/{name}")

    def note(self, what: object) -> None:
        if self._trace is not None:
            self._trace.append(f"{self.now_us / MICROSECONDS:14.6f} {NODE.get()} {what}")

    def fail(self, error: BaseException) -> None:
        """End the run with this error at the next step, whoever would catch it."""
        self._broken.append(error)

    def spawn(self, node: Node, coro: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
        """Start a task as that process's own."""
        return self.create_task(coro, context=_as(node))

    def call_as(self, node: Node, seconds: float, act: Callable[[], object]) -> None:
        """Call this later, if the process still lives."""
        self.call_later(seconds, act, context=_as(node))

    def raise_unheard(self) -> None:
        """
        When nobody has anything left to do: raise what a task died of and nobody heard. What a
        killed process did not get to hear is forgiven.
        """
        for task in self._tasks:
            node = task.kept_context.get(NODE)
            if task.done() and task._log_traceback and (node is None or node.is_alive):
                error = task.exception()
                assert error is not None
                raise error

    def kill(self, node: Node) -> None:
        """As kill -9 does; then the world outside notices."""
        if node.is_alive:
            node.is_alive = False
            self.note(f"KILLED {node}")
            for notice in list(node.on_kill.values()):
                notice()

    # What asyncio asks of a loop.

    def time(self) -> float:
        return self.now_us / MICROSECONDS

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._is_running

    def is_closed(self) -> bool:
        return self._is_closed

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self._as_loop)

    def create_task(
        self,
        coro: Any,
        *,
        name: str | None = None,
        context: Context | None = None,
        **_: Any,
    ) -> "asyncio.Task[Any]":
        self._numbers += 1
        name = name or f"task-{self._numbers}"
        context = context or copy_context()
        task = SimulatedTask(
            coro, number=self._numbers, context=context, loop=self._as_loop, name=name
        )
        self._tasks.append(task)  # A frozen task must not be collected during the run.
        return task

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self._as_loop, context)
        if not self._is_closed:
            self._ready.append(handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self._as_loop, context)
        self._wait(round(when * MICROSECONDS), handle)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A canceled timer is passed over when its time comes."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.fail(context.get("exception") or RuntimeError(context["message"]))

    def __getattr__(self, name: str) -> NoReturn:
        """Threads, executors, sockets, names, signals."""
        raise Escaped(name) if not name.startswith("__") else AttributeError(name)

    # The engine.

    def run_until_complete(self, future: Any) -> Any:
        task = asyncio.ensure_future(future, loop=self._as_loop)
        former = events._get_running_loop()
        events._set_running_loop(self._as_loop)
        was_collecting = gc.isenabled()
        gc.disable()  # Else a collected coroutine runs its `finally` in the middle of the run.
        self._is_running = True
        try:
            while not task.done():
                self._step(task)
            return task.result()
        finally:
            self._is_running = False
            self._bury()
            events._set_running_loop(former)
            if was_collecting:
                gc.enable()

    def _step(self, awaited: "asyncio.Future[Any]") -> None:
        self._wake()
        if not self._ready:
            raise Deadlock(f"{awaited!r} at {self.time()} s")
        among = len(self._ready)
        place = 0 if self._fifo else int(self._order.random() * among)
        handle = self._ready.pop(place)
        if handle.cancelled():
            return
        self.steps += 1
        node = handle._context.get(NODE)  # type: ignore[attr-defined]
        if node is not None and not self._may_run(node, handle):
            return
        self._digest.update(b"%d,%d,%d;" % (self.now_us, among, place))
        handle._run()
        if self._broken:
            raise self._broken[0]
        if self.steps > self._steps_max:
            raise Livelock(f"{self.steps} steps by {self.time()} s")
        if not self.steps & TIDY_EVERY:
            self._tasks = [one for one in self._tasks if not one.done() or one._log_traceback]

    def _wake(self) -> None:
        """When nothing is ready, go to the next timer; all that is due then is ready at once."""
        while not self._ready and self._timers:
            self.now_us = max(self.now_us, self._timers[0][0])
            while self._timers and self._timers[0][0] <= self.now_us:
                handle = heapq.heappop(self._timers)[2]
                if not handle.cancelled():
                    self._ready.append(handle)

    def _may_run(self, node: Node, handle: asyncio.Handle) -> bool:
        if node.is_alive and node.sleeps_until_us <= self.now_us and self.on_step is not None:
            self.on_step(node)
        if node.is_alive and node.sleeps_until_us > self.now_us:
            self._wait(node.sleeps_until_us, handle)
            return False
        return node.is_alive

    def _wait(self, until_us: int, handle: asyncio.Handle) -> None:
        if not self._is_closed:
            self._numbers += 1
            heapq.heappush(self._timers, (max(self.now_us, until_us), self._numbers, handle))

    def _bury(self) -> None:
        """Close what was frozen or left, each in its own context, so that nothing warns later."""
        self._is_closed = True
        self._ready.clear()
        self._timers.clear()
        for task in self._tasks:
            if not task.done():
                setattr(task, "_log_destroy_pending", False)  # noqa: B010 - Not in its types.
                coro = task.get_coro()
                for _ in range(3):  # A task group waits for its children once more.
                    with suppress(BaseException):
                        task.kept_context.run(coro.close)
                        break
            elif not task.cancelled():
                task.exception()
        self._tasks.clear()


def _as(node: Node) -> Context:
    context = copy_context()
    context.run(NODE.set, node)
    return context
