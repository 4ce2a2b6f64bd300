"""The catalog: all that is offered, and on which terms."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.domain.item import Deposit, EscrowShare, Item, PackItem, PlanItem, Verification, Ware
from core.domain.money_terms import MoneyTerms
from core.domain.plan import (
    Feature,
    FeatureNotFound,
    PackCode,
    PackNotFound,
    PackTerms,
    PlanCode,
    PlanNotFound,
    PlanVersion,
    QuotaRule,
)
from core.domain.reminder_terms import ReminderTerms


@dataclass(frozen=True, slots=True)
class ChatTerms:
    """
    What the chat says of the business. `about` is one line by language; `support` is whom to
    write to. `words` name a counted feature by language and CLDR plural category (`one`, `few`,
    `many`, `other`). Digital goods inside Telegram are for Stars by Telegram's own rules:
    `other_gateways` is the operator's explicit word that they are offered there all the same.
    `reminders` say when it speaks by itself. `terms` and `privacy` are what the business publishes,
    by language: the text itself, or a link to it.
    """

    about: Mapping[str, str] = field(default_factory=dict)
    support: str | None = None
    other_gateways: bool = False
    words: Mapping[Feature, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    reminders: ReminderTerms = field(default_factory=ReminderTerms)
    terms: Mapping[str, str] = field(default_factory=dict)
    privacy: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Catalog:
    """
    The plans and packs on offer now, in the order of the file. `revision` counts applied changes.
    `features` names every feature that any plan on offer counts. No pack has a plan's code.
    """

    revision: int
    zone: str
    default_plan: PlanCode
    plans: Mapping[PlanCode, PlanVersion]
    chat: ChatTerms = field(default_factory=ChatTerms)
    money: MoneyTerms = field(default_factory=MoneyTerms)
    packs: Mapping[PackCode, PackTerms] = field(default_factory=dict)

    @property
    def default(self) -> PlanVersion:
        return self.plans[self.default_plan]

    @property
    def trial(self) -> PlanVersion | None:
        """The one plan that can be tried for nothing."""
        return next((plan for plan in self.plans.values() if plan.terms.trial is not None), None)

    def plan(self, code: str) -> PlanVersion:
        found = self.plans.get(PlanCode(code))
        if found is None:
            raise PlanNotFound(code[:64])
        return found

    def ware(self, code: str, kind: type[Ware] | None = None) -> Ware:
        """
        What is sold under this code; None: of whatever kind.

        Raises:
            PlanNotFound, PackNotFound
        """
        pack = None if kind is PlanItem else self.packs.get(PackCode(code))
        if pack is not None:
            return PackItem(pack)
        if kind is PackItem:
            raise PackNotFound(code[:64])
        return PlanItem(self.plan(code))

    def packs_of(self, feature: Feature) -> list[PackTerms]:
        return [pack for pack in self.packs.values() if pack.feature == feature]

    @property
    def features(self) -> tuple[Feature, ...]:
        return tuple(
            dict.fromkeys(name for plan in self.plans.values() for name in plan.terms.quotas)
        )

    def rule_elsewhere(self, feature: Feature) -> QuotaRule:
        """The rule of a plan that does not name the feature: nothing, in the window of others."""
        for plan in self.plans.values():
            rule = plan.terms.quotas.get(feature)
            if rule is not None:
                return QuotaRule(limit=0, per=rule.per)
        raise FeatureNotFound(feature[:64])

    @property
    def currencies(self) -> tuple[str, ...]:
        prices = [price for plan in self.plans.values() for price in plan.terms.prices]
        prices += [price for pack in self.packs.values() for price in pack.prices]
        of_wares = (price.currency.code for price in prices)
        return tuple(dict.fromkeys((*of_wares, *self.money.currencies)))

    def title(self, item: Item, language: str) -> str:
        """What the item is called on a bill."""
        match item:
            case PlanItem() | PackItem():
                return item.terms.title(language)
            case Deposit():
                titles = self.money.deposit.titles
            case Verification():
                titles = self.money.verification.titles
            case EscrowShare():
                titles = self.money.escrow.titles
        return titles.get(language) or next(iter(titles.values()), item.key.partition(" ")[0])
