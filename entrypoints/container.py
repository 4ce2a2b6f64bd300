"""The container: all the wiring, in one place. Plain constructors; nothing is opened here."""

from datetime import UTC, datetime

from dependency_injector import containers, providers
from uuid_utils.compat import uuid7

from adapters.provisioning.memory import NoProvisioner
from core.domain.customer import Identity
from core.ports.access_provisioner import AccessProvisioner
from core.ports.notifier import Notifier, Webhooks
from core.ports.payment_gateway import Gateways
from core.ports.unit_of_work import Store
from core.use_cases.access import MakeAccess, RetryAccess, ShowAccess
from core.use_cases.billing import Billing
from core.use_cases.broadcasts import (
    CreateBroadcast,
    MoveBroadcast,
    SendBroadcast,
    ShowBroadcasts,
)
from core.use_cases.buying import AddCheckout, PayWaiting, StartDeposit
from core.use_cases.catalogs import ApplyCatalog, DiffCatalog, ShowCatalog
from core.use_cases.charging import ChargeMethod
from core.use_cases.checkouts import WatchCheckout
from core.use_cases.customers import (
    BlockCustomer,
    ChangeZone,
    FindCustomer,
    RegisterCustomer,
    ShowAccount,
    UnblockCustomer,
)
from core.use_cases.deliveries import (
    DeliverWebhook,
    ReplayDelivery,
    ShowDeliveries,
    TryWebhook,
)
from core.use_cases.desk import (
    ListFailedNotices,
    OpenCustomer,
    SearchCustomers,
    ShowDoors,
    ShowFigures,
)
from core.use_cases.erasing import EraseCustomer, FinishErasing
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
from core.use_cases.explaining import Explain
from core.use_cases.found_refunds import BookRefunds
from core.use_cases.gateway_renewals import HearRenewal, MatchRenewal
from core.use_cases.gifts import GrantDays
from core.use_cases.keys import CheckKey, ListKeys, PutKey, RevokeKey
from core.use_cases.news import MarkReach, TellCustomer
from core.use_cases.offers import ShowOffer
from core.use_cases.operators import (
    CloseCase,
    ListCases,
    ReplayNotice,
    ResetBreakers,
    ShowAudit,
)
from core.use_cases.payment_methods import (
    AddPaymentMethod,
    CleanMethod,
    ListPaymentMethods,
    RemovePaymentMethod,
)
from core.use_cases.pre_checkout import AllowPayment
from core.use_cases.promo_codes import (
    CreatePromoCode,
    RedeemPromoCode,
    ShowPromoCodes,
    StopPromoCode,
)
from core.use_cases.purchases import (
    CancelPurchase,
    ExpirePurchase,
    PreviewPurchase,
    ShowPurchases,
    StartPurchase,
)
from core.use_cases.quotas import CaptureHold, ConsumeQuota, ExpireHold, ReleaseHold
from core.use_cases.rechecking import RecheckPurchases
from core.use_cases.reconciling import Reconcile, StartReconciling
from core.use_cases.referrals import JoinReferral, ShowReferrals, TendReward
from core.use_cases.refunds import RefundPurchase, WatchRefund
from core.use_cases.reminding import RemindCustomer
from core.use_cases.roles import Drafting, GrantRole, ListRoles, RevokeRole, ShowRole
from core.use_cases.safety import WatchBounds
from core.use_cases.sessions import (
    CheckProof,
    CheckSession,
    CloseSession,
    OpenSession,
    RefreshSession,
)
from core.use_cases.settling import SettlePayment
from core.use_cases.subscriptions import ChangeSubscription, ChargeRenewal, TendSubscription
from core.use_cases.sweeps import Sweep
from core.use_cases.switches import ListSwitches, TurnSwitch
from core.use_cases.system_state import ShowSystemState
from core.use_cases.trials import StartTrial
from core.use_cases.updates import HandleUpdate
from core.use_cases.waiting_withdrawals import (
    ApproveWithdrawal,
    MarkWithdrawalDone,
    RejectWithdrawal,
    ShowPayoutAccount,
    ShowWaitingWithdrawals,
)
from core.use_cases.wallet import AdjustWallet, ReverseAdjustment, ShowStatement
from core.use_cases.webhooks import TakeInWebhook
from core.use_cases.withdrawals import (
    AskPayout,
    RequestWithdrawal,
    SendWithdrawal,
    ShowWithdrawals,
)


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_id(prefix: str) -> str:
    """Ordered by time, so that new rows lie together; 74 random bits, so that none is guessed."""
    return f"{prefix}_{uuid7().hex}"


class Container(containers.DeclarativeContainer):
    """Give it a store and the gateways; `billing()` is everything that the system can do."""

    store: providers.Dependency[Store] = providers.Dependency()
    gateways = providers.Dependency(instance_of=Gateways)
    notifier: providers.Dependency[Notifier] = providers.Dependency()
    provisioner: providers.Provider[AccessProvisioner] = providers.Object(NoProvisioner())
    webhooks: providers.Dependency[Webhooks] = providers.Dependency()
    owner: providers.Provider[Identity | None] = providers.Object(None)
    now = providers.Object(utc_now)
    new_id = providers.Object(new_id)

    register_customer = providers.Factory(RegisterCustomer, store=store, now=now, new_id=new_id)
    find_customer = providers.Singleton(FindCustomer, store=store, now=now)  # It remembers.
    show_account = providers.Factory(ShowAccount, store=store, now=now)
    block_customer = providers.Factory(BlockCustomer, store=store, now=now)
    unblock_customer = providers.Factory(UnblockCustomer, store=store, now=now)
    change_zone = providers.Factory(ChangeZone, store=store, now=now)
    erase_customer = providers.Factory(EraseCustomer, store=store, now=now)

    open_session = providers.Factory(OpenSession, store=store, now=now, new_id=new_id)
    check_session = providers.Factory(CheckSession, store=store, now=now)
    check_proof = providers.Factory(CheckProof, store=store)
    refresh_session = providers.Factory(RefreshSession, store=store, now=now)
    close_session = providers.Factory(CloseSession, store=store, now=now)

    handle_update = providers.Factory(HandleUpdate, store=store, now=now)
    tell_customer = providers.Factory(TellCustomer, store=store, notifier=notifier, now=now)
    mark_reach = providers.Factory(MarkReach, store=store, now=now)

    consume_quota = providers.Singleton(  # It groups asks.
        ConsumeQuota, store=store, now=now, new_id=new_id
    )
    capture_hold = providers.Factory(CaptureHold, store=store, now=now)
    release_hold = providers.Factory(ReleaseHold, store=store, now=now)

    show_offer = providers.Factory(ShowOffer, store=store, gateways=gateways)
    start_trial = providers.Factory(StartTrial, store=store, now=now)
    preview_purchase = providers.Factory(PreviewPurchase, store=store, gateways=gateways, now=now)
    start_purchase = providers.Factory(
        StartPurchase, store=store, gateways=gateways, now=now, new_id=new_id
    )
    add_checkout = providers.Factory(
        AddCheckout, store=store, gateways=gateways, now=now, new_id=new_id
    )
    cancel_purchase = providers.Factory(CancelPurchase, store=store, now=now)
    show_purchases = providers.Factory(ShowPurchases, store=store)
    recheck_purchases = providers.Factory(RecheckPurchases, store=store, gateways=gateways, now=now)

    create_promo_code = providers.Factory(CreatePromoCode, store=store, now=now, new_id=new_id)
    stop_promo_code = providers.Factory(StopPromoCode, store=store, now=now)
    show_promo_codes = providers.Factory(ShowPromoCodes, store=store)
    redeem_promo_code = providers.Factory(RedeemPromoCode, store=store, now=now)

    start_deposit = providers.Factory(
        StartDeposit, store=store, gateways=gateways, now=now, new_id=new_id
    )
    pay_waiting = providers.Factory(PayWaiting, store=store, now=now)
    show_statement = providers.Factory(ShowStatement, store=store, now=now)
    adjust_wallet = providers.Factory(AdjustWallet, store=store, now=now, new_id=new_id)
    reverse_adjustment = providers.Factory(ReverseAdjustment, store=store, now=now)

    join_referral = providers.Factory(JoinReferral, store=store, now=now)
    show_referrals = providers.Factory(ShowReferrals, store=store)
    tend_reward = providers.Factory(TendReward, store=store, now=now)

    open_escrow = providers.Factory(OpenEscrow, store=store, now=now, new_id=new_id)
    fund_escrow = providers.Factory(
        FundEscrow, store=store, gateways=gateways, now=now, new_id=new_id
    )
    release_part = providers.Factory(ReleasePart, store=store, now=now)
    refund_part = providers.Factory(RefundPart, store=store, now=now)
    dispute_part = providers.Factory(DisputePart, store=store, now=now)
    resolve_escrow = providers.Factory(ResolveEscrow, store=store, now=now)
    show_escrows = providers.Factory(ShowEscrows, store=store, now=now)

    add_payment_method = providers.Factory(
        AddPaymentMethod, store=store, gateways=gateways, now=now, new_id=new_id
    )
    list_payment_methods = providers.Factory(ListPaymentMethods, store=store)
    remove_payment_method = providers.Factory(RemovePaymentMethod, store=store, now=now)
    charge_method = providers.Factory(
        ChargeMethod, store=store, gateways=gateways, now=now, new_id=new_id
    )
    clean_method = providers.Factory(CleanMethod, store=store, now=now)
    request_withdrawal = providers.Factory(
        RequestWithdrawal, store=store, gateways=gateways, now=now, new_id=new_id
    )
    send_withdrawal = providers.Factory(SendWithdrawal, store=store, gateways=gateways, now=now)
    ask_payout = providers.Factory(AskPayout, store=store, gateways=gateways, now=now)
    approve_withdrawal = providers.Factory(ApproveWithdrawal, store=store, now=now)
    reject_withdrawal = providers.Factory(RejectWithdrawal, store=store, now=now)
    mark_withdrawal_done = providers.Factory(MarkWithdrawalDone, store=store, now=now)
    show_withdrawals = providers.Factory(ShowWithdrawals, store=store)
    show_waiting_withdrawals = providers.Factory(ShowWaitingWithdrawals, store=store)
    show_payout_account = providers.Factory(ShowPayoutAccount, store=store, now=now)

    allow_payment = providers.Factory(AllowPayment, store=store, now=now)
    take_in_webhook = providers.Factory(
        TakeInWebhook, store=store, gateways=gateways, now=now, new_id=new_id
    )
    settle_payment = providers.Factory(SettlePayment, store=store, gateways=gateways, now=now)

    refund_purchase = providers.Factory(
        RefundPurchase, store=store, gateways=gateways, now=now, new_id=new_id
    )
    book_refunds = providers.Factory(
        BookRefunds, store=store, gateways=gateways, now=now, new_id=new_id
    )
    watch_refund = providers.Factory(WatchRefund, store=store, gateways=gateways, now=now)

    deliver_webhook = providers.Singleton(  # It counts what is under way.
        DeliverWebhook, store=store, webhooks=webhooks, now=now
    )
    show_deliveries = providers.Factory(ShowDeliveries, store=store)
    replay_delivery = providers.Factory(ReplayDelivery, store=store, webhooks=webhooks, now=now)
    try_webhook = providers.Factory(TryWebhook, webhooks=webhooks, now=now, new_id=new_id)

    sweep = providers.Factory(Sweep, store=store, now=now)
    watch_bounds = providers.Singleton(WatchBounds, store=store, now=now)
    watch_checkout = providers.Factory(
        WatchCheckout, store=store, gateways=gateways, now=now, new_id=new_id
    )
    expire_purchase = providers.Factory(ExpirePurchase, store=store, gateways=gateways, now=now)
    expire_hold = providers.Factory(ExpireHold, store=store, now=now)
    release_due = providers.Factory(ReleaseDue, store=store, now=now)
    tend_subscription = providers.Factory(TendSubscription, store=store, now=now, new_id=new_id)
    charge_renewal = providers.Factory(
        ChargeRenewal, store=store, gateways=gateways, now=now, new_id=new_id
    )
    remind_customer = providers.Factory(RemindCustomer, store=store, now=now)
    change_subscription = providers.Factory(
        ChangeSubscription, store=store, gateways=gateways, now=now
    )
    match_renewal = providers.Factory(MatchRenewal, store=store, gateways=gateways, now=now)
    hear_renewal = providers.Factory(HearRenewal, store=store, now=now)
    send_broadcast = providers.Factory(SendBroadcast, store=store, notifier=notifier, now=now)
    show_access = providers.Factory(ShowAccess, store=store, now=now)
    make_access = providers.Factory(MakeAccess, store=store, provisioner=provisioner, now=now)
    finish_erasing = providers.Factory(
        FinishErasing, store=store, gateways=gateways, provisioner=provisioner, now=now
    )
    reconcile = providers.Factory(Reconcile, store=store, gateways=gateways, now=now, new_id=new_id)
    start_reconciling = providers.Singleton(  # It remembers the day.
        StartReconciling, store=store, gateways=gateways, now=now, new_id=new_id
    )

    list_cases = providers.Factory(ListCases, store=store)
    close_case = providers.Factory(CloseCase, store=store, now=now)
    replay_notice = providers.Factory(ReplayNotice, store=store, now=now)
    reset_breakers = providers.Factory(ResetBreakers, store=store, gateways=gateways, now=now)
    show_system_state = providers.Factory(ShowSystemState, store=store, gateways=gateways, now=now)
    retry_access = providers.Factory(RetryAccess, store=store, now=now)
    grant_days = providers.Factory(GrantDays, store=store, now=now, new_id=new_id)
    list_switches = providers.Factory(ListSwitches, store=store, gateways=gateways)
    turn_switch = providers.Factory(TurnSwitch, store=store, gateways=gateways, now=now)
    show_role = providers.Factory(ShowRole, store=store, owner=owner)
    list_roles = providers.Factory(ListRoles, store=store, owner=owner)
    grant_role = providers.Factory(GrantRole, store=store, now=now, owner=owner)
    revoke_role = providers.Factory(RevokeRole, store=store, now=now, owner=owner)
    drafting = providers.Factory(Drafting, store=store, now=now, new_id=new_id)
    show_figures = providers.Factory(ShowFigures, store=store, now=now)
    search_customers = providers.Factory(SearchCustomers, store=store, gateways=gateways)
    open_customer = providers.Factory(OpenCustomer, store=store, now=now)
    show_doors = providers.Factory(ShowDoors, store=store, gateways=gateways)
    list_failed_notices = providers.Factory(ListFailedNotices, store=store)
    create_broadcast = providers.Factory(CreateBroadcast, store=store, now=now, new_id=new_id)
    show_broadcasts = providers.Factory(ShowBroadcasts, store=store, now=now)
    move_broadcast = providers.Factory(MoveBroadcast, store=store, now=now)
    show_audit = providers.Factory(ShowAudit, store=store)
    explain = providers.Factory(Explain, store=store, now=now)
    diff_catalog = providers.Factory(DiffCatalog, store=store)
    apply_catalog = providers.Factory(ApplyCatalog, store=store, now=now, new_id=new_id)
    show_catalog = providers.Factory(ShowCatalog, store=store)
    put_key = providers.Factory(PutKey, store=store, now=now)
    list_keys = providers.Factory(ListKeys, store=store)
    revoke_key = providers.Factory(RevokeKey, store=store, now=now)
    check_key = providers.Singleton(CheckKey, store=store, now=now)  # It remembers.

    billing = providers.Factory(
        Billing,
        register_customer=register_customer,
        find_customer=find_customer,
        show_account=show_account,
        block_customer=block_customer,
        unblock_customer=unblock_customer,
        change_zone=change_zone,
        erase_customer=erase_customer,
        finish_erasing=finish_erasing,
        open_session=open_session,
        check_session=check_session,
        check_proof=check_proof,
        refresh_session=refresh_session,
        close_session=close_session,
        handle_update=handle_update,
        tell_customer=tell_customer,
        mark_reach=mark_reach,
        consume_quota=consume_quota,
        capture_hold=capture_hold,
        release_hold=release_hold,
        show_offer=show_offer,
        start_trial=start_trial,
        preview_purchase=preview_purchase,
        start_purchase=start_purchase,
        add_checkout=add_checkout,
        cancel_purchase=cancel_purchase,
        show_purchases=show_purchases,
        recheck_purchases=recheck_purchases,
        create_promo_code=create_promo_code,
        stop_promo_code=stop_promo_code,
        show_promo_codes=show_promo_codes,
        redeem_promo_code=redeem_promo_code,
        start_deposit=start_deposit,
        pay_waiting=pay_waiting,
        show_statement=show_statement,
        adjust_wallet=adjust_wallet,
        reverse_adjustment=reverse_adjustment,
        join_referral=join_referral,
        show_referrals=show_referrals,
        tend_reward=tend_reward,
        open_escrow=open_escrow,
        fund_escrow=fund_escrow,
        release_part=release_part,
        refund_part=refund_part,
        dispute_part=dispute_part,
        resolve_escrow=resolve_escrow,
        show_escrows=show_escrows,
        add_payment_method=add_payment_method,
        list_payment_methods=list_payment_methods,
        remove_payment_method=remove_payment_method,
        charge_method=charge_method,
        clean_method=clean_method,
        request_withdrawal=request_withdrawal,
        send_withdrawal=send_withdrawal,
        ask_payout=ask_payout,
        approve_withdrawal=approve_withdrawal,
        reject_withdrawal=reject_withdrawal,
        mark_withdrawal_done=mark_withdrawal_done,
        show_withdrawals=show_withdrawals,
        show_waiting_withdrawals=show_waiting_withdrawals,
        show_payout_account=show_payout_account,
        allow_payment=allow_payment,
        take_in_webhook=take_in_webhook,
        settle_payment=settle_payment,
        refund_purchase=refund_purchase,
        book_refunds=book_refunds,
        deliver_webhook=deliver_webhook,
        show_deliveries=show_deliveries,
        replay_delivery=replay_delivery,
        try_webhook=try_webhook,
        watch_refund=watch_refund,
        sweep=sweep,
        watch_bounds=watch_bounds,
        watch_checkout=watch_checkout,
        expire_purchase=expire_purchase,
        expire_hold=expire_hold,
        release_due=release_due,
        tend_subscription=tend_subscription,
        charge_renewal=charge_renewal,
        remind_customer=remind_customer,
        change_subscription=change_subscription,
        match_renewal=match_renewal,
        hear_renewal=hear_renewal,
        send_broadcast=send_broadcast,
        show_access=show_access,
        make_access=make_access,
        reconcile=reconcile,
        start_reconciling=start_reconciling,
        list_cases=list_cases,
        close_case=close_case,
        replay_notice=replay_notice,
        reset_breakers=reset_breakers,
        show_system_state=show_system_state,
        retry_access=retry_access,
        grant_days=grant_days,
        list_switches=list_switches,
        turn_switch=turn_switch,
        show_role=show_role,
        list_roles=list_roles,
        grant_role=grant_role,
        revoke_role=revoke_role,
        drafting=drafting,
        show_figures=show_figures,
        search_customers=search_customers,
        open_customer=open_customer,
        show_doors=show_doors,
        list_failed_notices=list_failed_notices,
        create_broadcast=create_broadcast,
        show_broadcasts=show_broadcasts,
        move_broadcast=move_broadcast,
        show_audit=show_audit,
        explain=explain,
        diff_catalog=diff_catalog,
        apply_catalog=apply_catalog,
        show_catalog=show_catalog,
        put_key=put_key,
        list_keys=list_keys,
        revoke_key=revoke_key,
        check_key=check_key,
    )
