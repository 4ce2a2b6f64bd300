"""Roles of operators in the chat, and the deeds that they have begun there."""

from dataclasses import dataclass, replace

from core.domain.audit import Deed, line_of
from core.domain.customer import Identity, IdentityKind
from core.domain.errors import Invalid, NotFound, Refused
from core.domain.operator import Draft, Operator, Role
from core.ports.unit_of_work import NewId, Now, Store


@dataclass(eq=False)
class RoleNotFound(NotFound):
    """Nobody of this name has a role."""

    identity: str


@dataclass(eq=False)
class NotOfTelegram(Invalid):
    """A role counts in the chat alone: name whom Telegram knows, such as telegram:123."""

    identity: str


@dataclass(eq=False)
class OwnerBySetting(Refused):
    """This owner is named by the setting BILLHOOK_OWNER: change it there."""

    identity: str


@dataclass(eq=False)
class OperatorNotBlocked(Refused):
    """Whoever has a role is not blocked from the chat: the role is taken first."""


class ShowRole:
    """Which role somebody has at this moment; read anew each time, so that it ends at once."""

    def __init__(self, store: Store, owner: Identity | None = None) -> None:
        self._store = store
        self._owner = owner

    async def __call__(self, identity: Identity) -> Role | None:
        if identity == self._owner:
            return Role.OWNER
        async with self._store.read() as view:
            found = await view.operators.find(identity)
        return None if found is None else found.role


class ListRoles:
    """Everybody who has a role, the owner by setting first."""

    def __init__(self, store: Store, owner: Identity | None = None) -> None:
        self._store = store
        self._owner = owner

    async def __call__(self) -> list[Operator]:
        async with self._store.read() as view:
            known = await view.operators.everybody()
        first = [] if self._owner is None else [Operator(self._owner, Role.OWNER)]
        return [*first, *(one for one in known if one.identity != self._owner)]


class GrantRole:
    """Give somebody a role, or another one. It counts from their next press."""

    def __init__(self, store: Store, now: Now, owner: Identity | None = None) -> None:
        self._store = store
        self._now = now
        self._owner = owner

    async def __call__(self, identity: Identity, role: Role, *, deed: Deed) -> Operator:
        """
        Raises:
            NotOfTelegram, OwnerBySetting
        """
        if identity.kind is not IdentityKind.TELEGRAM:
            raise NotOfTelegram(str(identity))
        if identity == self._owner:
            raise OwnerBySetting(str(identity))
        async with self._store.write() as uow:
            operator = Operator(identity, role, self._now(), deed.actor)
            known = await uow.operators.find(identity)
            if known is not None and known.role is role:
                return known
            await uow.operators.put(operator)
            line = line_of(deed, "role.grant", str(identity), at=self._now(), role=role.value)
            await uow.audit(line)
            await uow.commit()
        return operator


class RevokeRole:
    """Take somebody's role. Whatever they press next is refused."""

    def __init__(self, store: Store, now: Now, owner: Identity | None = None) -> None:
        self._store = store
        self._now = now
        self._owner = owner

    async def __call__(self, identity: Identity, *, deed: Deed) -> None:
        """
        Raises:
            OwnerBySetting, RoleNotFound
        """
        if identity == self._owner:
            raise OwnerBySetting(str(identity))
        async with self._store.write() as uow:
            if not await uow.operators.remove(identity):
                raise RoleNotFound(str(identity))
            await uow.audit(line_of(deed, "role.revoke", str(identity), at=self._now()))
            await uow.commit()


class Drafting:
    """
    What an operator has begun in the chat, kept until it is confirmed: a restart in between
    forgets nothing. At most one for each operator; its id is what the deed is claimed under.
    """

    def __init__(self, store: Store, now: Now, new_id: NewId) -> None:
        self._store = store
        self._now = now
        self._new_id = new_id

    async def find(self, operator: Identity) -> Draft | None:
        """The newest, whatever became of it."""
        async with self._store.read() as view:
            return await view.operators.draft(operator)

    async def begin(self, operator: Identity, deed: str, about: str = "") -> Draft:
        return await self._kept(Draft(self._new_id("dft"), operator, deed, about, self._now()))

    async def answer(
        self, draft: Draft, question: str, text: str, *, message: str | None = None
    ) -> Draft:
        """`message`: by which one, where it was typed; see `Draft.before`."""
        return await self._kept(draft.answered(question, text, at=self._now(), message=message))

    async def end(self, draft: Draft) -> Draft:
        """It was done, or given up: nothing that is written is an answer to it any more."""
        return await self._kept(replace(draft, is_done=True))

    async def _kept(self, draft: Draft) -> Draft:
        async with self._store.write() as uow:
            await uow.operators.put_draft(draft)
            await uow.commit()
        return draft
