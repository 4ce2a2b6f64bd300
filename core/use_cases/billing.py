"""Billing: all that the system can do, by name."""

from dataclasses import dataclass

from core.use_cases.access import MakeAccess, RetryAccess, ShowAccess
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


@dataclass(frozen=True, slots=True)
class Billing:
    """The table of contents. Each field is one use case; driving adapters know only this."""

    # Customers
    register_customer: RegisterCustomer
    find_customer: FindCustomer
    show_account: ShowAccount
    block_customer: BlockCustomer
    unblock_customer: UnblockCustomer
    change_zone: ChangeZone
    erase_customer: EraseCustomer
    finish_erasing: FinishErasing
    # Sessions
    open_session: OpenSession
    check_session: CheckSession
    check_proof: CheckProof
    refresh_session: RefreshSession
    close_session: CloseSession
    # The chat
    handle_update: HandleUpdate
    tell_customer: TellCustomer
    mark_reach: MarkReach
    # Usage
    consume_quota: ConsumeQuota  # At once, or by a hold.
    capture_hold: CaptureHold
    release_hold: ReleaseHold
    # Purchases
    show_offer: ShowOffer
    start_trial: StartTrial
    preview_purchase: PreviewPurchase
    start_purchase: StartPurchase
    add_checkout: AddCheckout
    cancel_purchase: CancelPurchase
    show_purchases: ShowPurchases
    recheck_purchases: RecheckPurchases
    # Promo codes
    create_promo_code: CreatePromoCode
    stop_promo_code: StopPromoCode
    show_promo_codes: ShowPromoCodes
    redeem_promo_code: RedeemPromoCode
    # The wallet
    start_deposit: StartDeposit
    pay_waiting: PayWaiting
    show_statement: ShowStatement
    adjust_wallet: AdjustWallet
    reverse_adjustment: ReverseAdjustment
    # Referrals
    join_referral: JoinReferral
    show_referrals: ShowReferrals
    tend_reward: TendReward
    # Escrows
    open_escrow: OpenEscrow
    fund_escrow: FundEscrow
    release_part: ReleasePart
    refund_part: RefundPart
    dispute_part: DisputePart
    resolve_escrow: ResolveEscrow
    show_escrows: ShowEscrows
    # Payment methods and withdrawals
    add_payment_method: AddPaymentMethod
    list_payment_methods: ListPaymentMethods
    remove_payment_method: RemovePaymentMethod
    charge_method: ChargeMethod
    clean_method: CleanMethod
    request_withdrawal: RequestWithdrawal
    send_withdrawal: SendWithdrawal
    ask_payout: AskPayout
    approve_withdrawal: ApproveWithdrawal
    reject_withdrawal: RejectWithdrawal
    mark_withdrawal_done: MarkWithdrawalDone
    show_withdrawals: ShowWithdrawals
    show_waiting_withdrawals: ShowWaitingWithdrawals
    show_payout_account: ShowPayoutAccount
    # Money coming in
    allow_payment: AllowPayment
    take_in_webhook: TakeInWebhook
    settle_payment: SettlePayment
    # Money going back
    refund_purchase: RefundPurchase
    book_refunds: BookRefunds
    # The business's own system
    deliver_webhook: DeliverWebhook
    show_deliveries: ShowDeliveries
    replay_delivery: ReplayDelivery
    try_webhook: TryWebhook
    # Time passing
    sweep: Sweep
    watch_bounds: WatchBounds
    watch_checkout: WatchCheckout
    watch_refund: WatchRefund
    expire_purchase: ExpirePurchase
    expire_hold: ExpireHold
    release_due: ReleaseDue
    tend_subscription: TendSubscription
    charge_renewal: ChargeRenewal
    remind_customer: RemindCustomer
    change_subscription: ChangeSubscription
    match_renewal: MatchRenewal
    hear_renewal: HearRenewal
    send_broadcast: SendBroadcast
    show_access: ShowAccess
    make_access: MakeAccess
    reconcile: Reconcile
    start_reconciling: StartReconciling
    # The operator's own
    list_cases: ListCases
    close_case: CloseCase
    replay_notice: ReplayNotice
    reset_breakers: ResetBreakers
    show_system_state: ShowSystemState
    retry_access: RetryAccess
    grant_days: GrantDays
    list_switches: ListSwitches
    turn_switch: TurnSwitch
    show_role: ShowRole
    list_roles: ListRoles
    grant_role: GrantRole
    revoke_role: RevokeRole
    drafting: Drafting
    show_figures: ShowFigures
    search_customers: SearchCustomers
    open_customer: OpenCustomer
    show_doors: ShowDoors
    list_failed_notices: ListFailedNotices
    create_broadcast: CreateBroadcast
    show_broadcasts: ShowBroadcasts
    move_broadcast: MoveBroadcast
    show_audit: ShowAudit
    explain: Explain
    diff_catalog: DiffCatalog
    apply_catalog: ApplyCatalog
    show_catalog: ShowCatalog
    put_key: PutKey
    list_keys: ListKeys
    revoke_key: RevokeKey
    check_key: CheckKey
