"""Customers with an app open in a tab or two: they sign in, go on, are robbed, and sign out."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from core.domain.credentials import (
    REFRESH_GRACE,
    NotSignedIn,
    Session,
    SessionId,
    SignedOutBefore,
)
from core.domain.customer import CustomerId, Identity, identity
from core.domain.errors import Unavailable
from core.use_cases.billing import Billing
from simulation.app import NoAnswer
from simulation.clients import HOUR, Surroundings, surely

Answer = TypeVar("Answer")

GRACE: Final = REFRESH_GRACE.total_seconds()


class Premises(Surroundings, Protocol):
    """What visitors can reach, and what is known of their sessions."""

    @property
    def skew(self) -> float:
        """By how many seconds the clocks of our processes may differ at most."""
        ...

    def retired_at(self, session_id: SessionId, turn: int) -> float | None:
        """When the commit that retired a token was made, if one was."""
        ...

    def sessions_of(self, proof: str) -> Sequence[Session]: ...


@dataclass(slots=True)
class Tab:
    """What the app has heard. `may_be_over`: somebody has done what may have ended the session."""

    session_id: SessionId
    proof: str
    turn: int
    may_be_over: bool = False


class Visitor:
    """Honest, and repeats what was not answered; now and then a thief uses an old token."""

    def __init__(self, world: Premises, name: str) -> None:
        self._world = world
        self._chance = world.loop.stream(name)
        self._identity: Identity = identity(f"external:{name}")
        self._id = CustomerId("")
        self._visits = 0

    async def registers(self) -> None:
        self._id = (
            await self._surely(lambda billing: billing.register_customer(self._identity))
        ).id

    async def live(self, days: float) -> None:
        await self.registers()
        for _ in range(self._chance.randint(2, 5)):
            await asyncio.sleep(self._chance.uniform(0, days * 24 * HOUR / 5))
            await self.visits(idle=self._chance.choice((0.0, 1.0, 600.0)))

    async def visits(self, *, idle: float) -> None:
        """One sign-in and what comes of it; so many seconds pass between two doings, or more."""
        tab = await self._signs_in()
        for _ in range(self._chance.randint(1, 3)):
            await asyncio.sleep(idle * self._chance.uniform(0.5, 1.5))
            await asyncio.gather(*(self._renews(tab) for _ in range(self._chance.randint(1, 2))))
            await self._looks(tab)
            if self._chance.random() < 0.2:
                await self._is_robbed(tab)
        await self._leaves(tab)

    async def leaves_in_a_hurry(self) -> None:
        """Signs out while the app renews again and again: whoever is first, it ends signed out."""
        tab = await self._signs_in()
        tab.may_be_over = True

        async def renews_after(seconds: float) -> None:
            await asyncio.sleep(seconds)
            await self._renews(tab)

        waits = [self._chance.uniform(0, 1.5) for _ in range(4)]
        closing = self._surely(lambda one: one.close_session(tab.session_id))
        await asyncio.gather(closing, *map(renews_after, waits))

    async def _signs_in(self) -> Tab:
        self._visits += 1
        proof = f"{self._identity} {self._visits}"
        session = await self._surely(
            lambda one: one.open_session(self._id, may_pay=True, proof=proof)
        )
        return Tab(session.id, proof, session.turn)

    async def _renews(self, tab: Tab) -> None:
        """A lost answer never signs an honest client out who asks again within the grace."""
        shown, began = tab.turn, self._world.loop.time()
        try:
            session = await self._surely(lambda one: one.refresh_session(tab.session_id, shown))
        except NotSignedIn:
            took = self._world.loop.time() - began
            excused = tab.may_be_over or took + self._world.skew >= GRACE
            self._world.demand(excused, "S3 an honest client was signed out", tab, took)
            tab.may_be_over = True
            return
        # Whoever waited a minute may have a request of before still under way somewhere.
        tab.may_be_over |= self._world.loop.time() - began + self._world.skew >= GRACE
        tab.turn = max(tab.turn, session.turn)

    async def _looks(self, tab: Tab) -> None:
        """With the newest token, which must do, and with any older one, which must not for long."""
        older = self._chance.randint(1, tab.turn)
        for turn in (tab.turn, older):
            reading, sent = self._chance.random() < 0.5, self._world.loop.time()
            try:
                await self._surely(self._check(tab, turn, reading=reading))
            except NotSignedIn:
                excused = tab.may_be_over or turn != tab.turn
                self._world.demand(excused, "S3 a good token was refused", tab)
            else:
                self._may_be_used(tab, turn, sent, grace=GRACE if reading else 0)

    async def _is_robbed(self, tab: Tab) -> None:
        turn, tab.may_be_over = self._chance.randint(1, tab.turn), True
        await asyncio.sleep(self._chance.choice((0, 2 * GRACE)))
        sent = self._world.loop.time()
        try:
            await self._world.ask(lambda one: one.refresh_session(tab.session_id, turn))
        except (NoAnswer, Unavailable, NotSignedIn):
            return
        self._may_be_used(tab, turn, sent, grace=GRACE)

    async def _leaves(self, tab: Tab) -> None:
        """In the middle of a renewal, as likely as not; and then nothing of it is good any more."""
        tab.may_be_over = True
        renewing = [self._renews(tab)] if self._chance.random() < 0.7 else []
        await asyncio.gather(self._surely(lambda one: one.close_session(tab.session_id)), *renewing)
        for session in self._world.sessions_of(tab.proof):
            self._world.demand(session.revoked_at is not None, "S1 signed out and live", session)
        tries: list[Callable[[Billing], Awaitable[object]]] = [
            lambda one: one.open_session(self._id, may_pay=True, proof=tab.proof),
            lambda one: one.check_proof(self._identity, tab.proof),
            lambda one: one.refresh_session(tab.session_id, tab.turn),
            self._check(tab, tab.turn, reading=True),
        ]
        for act in tries:
            try:
                await self._surely(act)
            except (NotSignedIn, SignedOutBefore):
                continue
            self._world.demand(False, "S1 signed out and let in", tab)

    def _may_be_used(self, tab: Tab, turn: int, sent: float, *, grace: float) -> None:
        retired = self._world.retired_at(tab.session_id, turn)
        in_time = retired is None or sent < retired + grace + self._world.skew
        self._world.demand(in_time, "S2 a retired token was taken", tab, turn, sent, retired)

    def _check(
        self, tab: Tab, turn: int, *, reading: bool
    ) -> Callable[[Billing], Awaitable[Session]]:
        return lambda one: one.check_session(tab.session_id, turn, reading=reading)

    async def _surely(self, act: Callable[[Billing], Awaitable[Answer]]) -> Answer:
        return await surely(self._world, self._chance, act)
