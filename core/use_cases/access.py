"""Access outside: made equal to what is due, as often as it takes."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.domain.access import LAST_WAIT, NO_ACCESS, Access, AccessState, due_access
from core.domain.audit import Deed, line_of
from core.domain.case import Case, CaseKind
from core.domain.customer import Customer, CustomerId
from core.domain.event import Event
from core.domain.subscription import Activation, Subscription
from core.ports.access_provisioner import (
    AccessProvisioner,
    AccessRefused,
    AccessUnavailable,
    Applied,
)
from core.ports.unit_of_work import Now, Store, UnitOfWork
from core.use_cases.consequences import access_of


@dataclass(frozen=True, slots=True)
class _Order:
    """What is told to the outside, as it was read."""

    customer: Customer
    due: Access
    revision: int


class MakeAccess:
    """
    Read what is due now and have the outside made so: a late job never revokes what was prolonged
    since, nor grants what is over. What is due is read again afterwards, under the lock. If it has
    changed, or several were at it and this order arrived last, another try follows.

    A try that fails is written down with the time of the next, for ever; a sweep finds it. So no
    purchase waits for a panel. The customer is told at the first failure that leaves them without
    access, and a person after PATIENCE.
    """

    def __init__(self, store: Store, provisioner: AccessProvisioner, now: Now) -> None:
        self._store = store
        self._provisioner = provisioner
        self._now = now

    async def __call__(self, customer_id: CustomerId) -> Case | None:
        """The case that had to be opened, if any."""
        order = await self._begun(customer_id)
        if order is None:
            return None
        try:
            applied = await self._provisioner.apply(
                order.customer, order.due, revision=order.revision
            )
        except AccessUnavailable as error:
            return await self._failed(order, error, asked=timedelta(0, error.retry_after_seconds))
        except AccessRefused as error:
            return await self._failed(order, error, asked=LAST_WAIT)
        await self._made(order, applied)
        return None

    async def _begun(self, customer_id: CustomerId) -> _Order | None:
        """None: nothing is due, and nothing was ever made."""
        async with self._store.write() as uow:
            at = self._now()
            customer = await uow.customers.lock(customer_id)
            subscription = await uow.subscriptions.get(customer_id)
            due = due_access(subscription.at(at))
            known = await uow.access.find(customer_id)
            if known is None:
                if due == NO_ACCESS:
                    return None
                await uow.access.add(AccessState(customer_id).begun(at))
            else:
                await uow.access.save(known.begun(at))
            await uow.commit()
        return _Order(customer, due, subscription.version)

    async def _made(self, order: _Order, applied: Applied) -> None:
        async with self._store.write() as uow:
            at, customer_id = self._now(), order.customer.id
            subscription, state = await _locked(uow, customer_id)
            due = due_access(subscription.at(at))
            if due != order.due:
                await uow.access.save(state.overtaken(order.due, at))
                await _activate(uow, subscription, due, Activation.PENDING)
                await uow.record(Event("access.overtaken", customer_id, at, customer_id))
            else:
                await uow.access.save(state.settled(due, applied.link))
                await _activate(uow, subscription, due, Activation.ACTIVE)
                if state.waiting_since is not None:
                    await uow.close_case(_cause(state), reason="made", at=at)
                was_missed = state.tries > 0 and not state.gives(due, at)
                is_news = due.grants and (was_missed or applied.link not in {None, state.link})
                name = "access.given" if is_news else "access.made"
                await uow.record(Event(name, customer_id, at, customer_id))
            await uow.commit()

    async def _failed(
        self, order: _Order, error: AccessUnavailable | AccessRefused, *, asked: timedelta
    ) -> Case | None:
        is_refused = isinstance(error, AccessRefused)
        async with self._store.write() as uow:
            at, customer_id = self._now(), order.customer.id
            subscription, state = await _locked(uow, customer_id)
            due = due_access(subscription.at(at))
            if state.waiting_since is None and due == order.due:
                return None  # Somebody else has made the same meanwhile.
            failed = state.failed(at, asked=asked)
            await uow.access.save(failed)
            reached = Activation.FAILED if is_refused else Activation.PENDING
            await _activate(uow, subscription, due, reached)
            if state.tries == 0 and due.grants and not state.gives(due, at):
                await uow.record(Event("access.delayed", customer_id, at, customer_id))
            case = None
            if is_refused or failed.is_overdue(at):
                case = _case(failed, str(error), at)
                case = case if await uow.open_case(case) else None
            await uow.commit()
        return case


@dataclass(frozen=True, slots=True)
class AccessTold:
    """What is due, whether it is there, and where the customer finds it (None: nowhere, or not yet)."""

    due: Access
    activation: Activation
    link: str | None


class ShowAccess:
    """What a customer may use outside at this moment."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, customer_id: CustomerId) -> AccessTold:
        """
        Raises:
            CustomerNotFound
        """
        async with self._store.read() as view:
            subscription = (await view.subscriptions.get(customer_id)).at(self._now())
            state = await view.access.find(customer_id)
        due = due_access(subscription)
        link = state.link if state is not None and due.grants else None
        return AccessTold(due, subscription.activation, link)


class RetryAccess:
    """An operator mended something: the outside is told again what is due, at once."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, customer_id: CustomerId, *, deed: Deed) -> None:
        """
        Raises:
            CustomerNotFound
        """
        async with self._store.write() as uow:
            at = self._now()
            await uow.customers.lock(customer_id)
            await uow.jobs.drop_parked(access_of(customer_id))
            await uow.record(Event("access.asked_again", customer_id, at, customer_id))
            await uow.audit(line_of(deed, "access.retry", customer_id, at=at))
            await uow.commit()


async def _locked(uow: UnitOfWork, customer_id: CustomerId) -> tuple[Subscription, AccessState]:
    await uow.customers.lock(customer_id)
    state = await uow.access.find(customer_id)
    assert state is not None, "every try is written down before it is made"
    return await uow.subscriptions.get(customer_id), state


async def _activate(
    uow: UnitOfWork, subscription: Subscription, due: Access, reached: Activation
) -> None:
    """A subscription that gives nothing outside has said so by itself."""
    if due.grants and subscription.activation is not reached:
        await uow.subscriptions.save(replace(subscription, activation=reached))


def _cause(state: AccessState) -> str:
    """One for each time that it had to be waited for."""
    assert state.waiting_since is not None
    return f"access {state.customer_id} {state.waiting_since.isoformat()}"


def _case(state: AccessState, why: str, at: datetime) -> Case:
    cause, facts = _cause(state), {"error": why[:200], "tries": str(state.tries)}
    return Case(f"case {cause}", CaseKind.POISON, cause, at, facts, state.customer_id)
