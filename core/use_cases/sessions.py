"""Sessions: sign a customer in, know the session again, renew its token, sign out."""

from core.domain.credentials import (
    SESSION_LIFE,
    NotSignedIn,
    Session,
    SessionEnd,
    SessionId,
    SignedOutBefore,
)
from core.domain.customer import CustomerId, Identity
from core.ports.unit_of_work import NewId, Now, Store, UnitOfWork, View


class OpenSession:
    """
    Sign a customer in whose identity somebody trusted has proven. Each call is a new session;
    the same proof may be used again until somebody signs out with it.
    """

    def __init__(self, store: Store, now: Now, new_id: NewId) -> None:
        self._store = store
        self._now = now
        self._new_id = new_id

    async def __call__(
        self,
        customer_id: CustomerId,
        *,
        may_pay: bool,
        in_telegram: bool = False,
        proof: str | None = None,
    ) -> Session:
        """
        Raises:
            CustomerBlocked
            SignedOutBefore: a session of the same proof was signed out.
        """
        async with self._store.write() as uow:
            at = self._now()
            # Locked, so that a sign-out with the same proof is before or after it as a whole.
            (await uow.customers.lock(customer_id)).require_served()
            await _require_unspent(uow, proof)
            session = Session(
                SessionId(self._new_id("ses")),
                customer_id,
                created_at=at,
                expires_at=at + SESSION_LIFE,
                may_pay=may_pay,
                in_telegram=in_telegram,
                proof=proof,
            )
            await uow.credentials.add_session(session)
            await uow.commit()
        return session


class CheckSession:
    """The session behind an access token, as long as token, session and customer are good."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, session_id: SessionId, turn: int, *, reading: bool = False) -> Session:
        """
        Raises:
            NotSignedIn: unknown, ended or revoked, or the token was retired (`Session.admits`).
            CustomerBlocked
        """
        async with self._store.read() as view:
            session = await view.credentials.find_session(session_id)
            if session is None or not session.admits(turn, self._now(), reading=reading):
                raise NotSignedIn
            customer = await view.customers.get(session.customer_id)
            if customer.is_leaving:
                raise NotSignedIn
            customer.require_served()
        return session


class CheckProof:
    """Whose proof this is, for a single look without a session."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, identity: Identity, proof: str) -> CustomerId:
        """
        Raises:
            CustomerNotFound, CustomerBlocked
            SignedOutBefore: see OpenSession.
        """
        async with self._store.read() as view:
            customer = await view.customers.get(identity)
            customer.require_served()
            await _require_unspent(view, proof)
        return customer.id


class RefreshSession:
    """
    Exchange a token for its successor (`Session.refreshed`): compare-and-set, so that of two
    at once one moves the number and the other hears of the same. A token that was retired long
    ago ends the session for whoever holds it.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, session_id: SessionId, turn: int) -> Session:
        """
        Raises:
            NotSignedIn: unknown, ended or revoked; or revoked now.
            CustomerBlocked
            SavedMeanwhile: somebody refreshed it at the same moment; repeat.
        """
        async with self._store.write() as uow:
            at = self._now()
            known = await uow.credentials.find_session(session_id)
            if known is None or not known.is_live(at):
                raise NotSignedIn
            customer = await uow.customers.get(known.customer_id)
            if customer.is_leaving:
                raise NotSignedIn
            customer.require_served()
            session = known.refreshed(turn, at=at)
            if session != known:
                await uow.credentials.save_session(session)
                await uow.commit()
        if session.revoked_at is not None:
            raise NotSignedIn
        return session


class CloseSession:
    """
    Sign out: no token of this session, nor of another one opened with the same proof, is good
    any more, and the proof opens no other. Repeats change nothing.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, session_id: SessionId) -> None:
        async with self._store.read() as view:
            session = await view.credentials.find_session(session_id)
        if session is None:
            return
        async with self._store.write() as uow:
            at = self._now()
            await uow.customers.lock(session.customer_id)
            alike = [await uow.credentials.find_session(session_id)]
            if session.proof is not None:
                alike = list(await uow.credentials.sessions_of(session.proof))
            for one in alike:
                if one is not None and one.ended_as is not SessionEnd.SIGNED_OUT:
                    await uow.credentials.save_session(one.signed_out(at=at))
            await uow.commit()


async def _require_unspent(reader: View | UnitOfWork, proof: str | None) -> None:
    if proof is None:
        return
    for session in await reader.credentials.sessions_of(proof):
        if session.ended_as is SessionEnd.SIGNED_OUT:
            raise SignedOutBefore
