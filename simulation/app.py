"""One process of ours: the real use cases and the real pump, started, killed and started again."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from adapters.jobs.pump import Pump
from adapters.jobs.work import ASIDE, work_of
from adapters.persistence.memory import Committed, MemoryStore
from adapters.persistence.memory.tables import JobStatus, Tables
from core.domain.errors import BillingError, Unavailable
from core.ports.notifier import Notifier
from core.ports.payment_gateway import Gateways
from core.ports.unit_of_work import HeldElsewhere, NewId, Now, Store
from core.use_cases.billing import Billing
from core.use_cases.buying import AddCheckout, PayWaiting, StartDeposit
from core.use_cases.catalogs import ApplyCatalog, DiffCatalog, ShowCatalog
from core.use_cases.checkouts import WatchCheckout
from core.use_cases.customers import (
    BlockCustomer,
    FindCustomer,
    RegisterCustomer,
    ShowAccount,
    UnblockCustomer,
)
from core.use_cases.escrows import (
    DisputePart,
    FundEscrow,
    OpenEscrow,
    RefundPart,
    ReleaseDue,
    ReleasePart,
    ResolveEscrow,
    ShowEscrows,
)
from core.use_cases.found_refunds import BookRefunds
from core.use_cases.keys import CheckKey, ListKeys, PutKey, RevokeKey
from core.use_cases.news import MarkReach, TellCustomer
from core.use_cases.operators import CloseCase, ListCases, ReplayNotice, ShowAudit
from core.use_cases.payment_methods import (
    AddPaymentMethod,
    CleanMethod,
    ListPaymentMethods,
    RemovePaymentMethod,
)
from core.use_cases.pre_checkout import AllowPayment
from core.use_cases.purchases import (
    CancelPurchase,
    ExpirePurchase,
    PreviewPurchase,
    ShowPurchases,
    StartPurchase,
)
from core.use_cases.quotas import CaptureHold, ConsumeQuota, ExpireHold, ReleaseHold
from core.use_cases.refunds import RefundPurchase, WatchRefund
from core.use_cases.sessions import (
    CheckProof,
    CheckSession,
    CloseSession,
    OpenSession,
    RefreshSession,
)
from core.use_cases.settling import SettlePayment
from core.use_cases.subscriptions import EndPeriod
from core.use_cases.sweeps import Sweep
from core.use_cases.updates import HandleUpdate
from core.use_cases.wallet import AdjustWallet, ShowStatement
from core.use_cases.webhooks import TakeInWebhook
from core.use_cases.withdrawals import (
    ApproveWithdrawal,
    AskPayout,
    MarkWithdrawalDone,
    RejectWithdrawal,
    RequestWithdrawal,
    SendWithdrawal,
    ShowWithdrawals,
)
from simulation.loop import Node, SimulatedLoop

POLL_AFTER_COMMIT_MAX: Final = 0.25
STANDS_BY: Final = 600.0
NEVER: Final = 10.0**9

Answer = TypeVar("Answer")


class NoAnswer(Exception):
    """The process died, or the network lost the request or the reply. Nothing is known."""


@dataclass(frozen=True, slots=True)
class Outside:
    """All that the core is given."""

    store: Store
    gateways: Gateways
    notifier: Notifier
    now: Now
    new_id: NewId


Compose = Callable[[Outside], Billing]


def wired(outside: Outside) -> Billing:
    """The use cases as the product composes them."""
    store, gateways, now, new_id = outside.store, outside.gateways, outside.now, outside.new_id
    return Billing(
        register_customer=RegisterCustomer(store, now, new_id),
        find_customer=FindCustomer(store, now),
        show_account=ShowAccount(store, now),
        block_customer=BlockCustomer(store, now),
        unblock_customer=UnblockCustomer(store, now),
        open_session=OpenSession(store, now, new_id),
        check_session=CheckSession(store, now),
        check_proof=CheckProof(store),
        refresh_session=RefreshSession(store, now),
        close_session=CloseSession(store, now),
        handle_update=HandleUpdate(store, now),
        tell_customer=TellCustomer(store, outside.notifier, now),
        mark_reach=MarkReach(store, now),
        consume_quota=ConsumeQuota(store, now, new_id),
        capture_hold=CaptureHold(store, now),
        release_hold=ReleaseHold(store, now),
        preview_purchase=PreviewPurchase(store, gateways, now),
        start_purchase=StartPurchase(store, gateways, now, new_id),
        add_checkout=AddCheckout(store, gateways, now, new_id),
        cancel_purchase=CancelPurchase(store, now),
        show_purchases=ShowPurchases(store),
        start_deposit=StartDeposit(store, gateways, now, new_id),
        pay_waiting=PayWaiting(store, now),
        show_statement=ShowStatement(store, now),
        adjust_wallet=AdjustWallet(store, now, new_id),
        open_escrow=OpenEscrow(store, now, new_id),
        fund_escrow=FundEscrow(store, gateways, now, new_id),
        release_part=ReleasePart(store, now),
        refund_part=RefundPart(store, now),
        dispute_part=DisputePart(store, now),
        resolve_escrow=ResolveEscrow(store, now),
        show_escrows=ShowEscrows(store, now),
        add_payment_method=AddPaymentMethod(store, gateways, now, new_id),
        list_payment_methods=ListPaymentMethods(store),
        remove_payment_method=RemovePaymentMethod(store, now),
        clean_method=CleanMethod(store, now),
        request_withdrawal=RequestWithdrawal(store, gateways, now, new_id),
        send_withdrawal=SendWithdrawal(store, gateways, now),
        ask_payout=AskPayout(store, gateways, now),
        approve_withdrawal=ApproveWithdrawal(store, now),
        reject_withdrawal=RejectWithdrawal(store, now),
        mark_withdrawal_done=MarkWithdrawalDone(store, now),
        show_withdrawals=ShowWithdrawals(store),
        allow_payment=AllowPayment(store, now),
        take_in_webhook=TakeInWebhook(store, gateways, now, new_id),
        settle_payment=SettlePayment(store, gateways, now),
        refund_purchase=RefundPurchase(store, gateways, now, new_id),
        book_refunds=BookRefunds(store, gateways, now, new_id),
        watch_refund=WatchRefund(store, gateways, now),
        sweep=Sweep(store, now),
        watch_checkout=WatchCheckout(store, gateways, now, new_id),
        expire_purchase=ExpirePurchase(store, gateways, now),
        expire_hold=ExpireHold(store, now),
        release_due=ReleaseDue(store, now),
        end_period=EndPeriod(store, now),
        list_cases=ListCases(store),
        close_case=CloseCase(store, now),
        replay_notice=ReplayNotice(store, now),
        show_audit=ShowAudit(store),
        diff_catalog=DiffCatalog(store),
        apply_catalog=ApplyCatalog(store, now, new_id),
        show_catalog=ShowCatalog(store),
        put_key=PutKey(store, now),
        list_keys=ListKeys(store),
        revoke_key=RevokeKey(store, now),
        check_key=CheckKey(store, now),
    )


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
            due = min(self._store.tables.due.rows.values(), default=None)
            if due is not None and due <= self.now():
                return await self.billing.sweep()
            self._due_moved.clear()
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
