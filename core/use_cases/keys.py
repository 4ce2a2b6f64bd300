"""API keys of the business's own backend: put, list, revoke, recognise."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.domain.credentials import ApiKey, NotSignedIn, Scope
from core.domain.errors import NotFound
from core.ports.unit_of_work import Now, Store
from core.use_cases.grouping import Remembered


@dataclass(eq=False)
class KeyNotFound(NotFound):
    """No API key has this name."""

    name: str


class PutKey:
    """Keep a key under a name, by its keyed hash. The same name again replaces the key."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, name: str, key_hash: str, scopes: frozenset[Scope]) -> ApiKey:
        key = ApiKey(name, key_hash, scopes, self._now())
        async with self._store.write() as uow:
            await uow.credentials.put_key(key)
            await uow.commit()
        return key


class ListKeys:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self) -> list[ApiKey]:
        async with self._store.read() as view:
            return await view.credentials.list_keys()


class RevokeKey:
    """The key is refused from now on; its name stays in the list."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, name: str) -> ApiKey:
        """
        Raises:
            KeyNotFound
        """
        async with self._store.write() as uow:
            known = next((k for k in await uow.credentials.list_keys() if k.name == name), None)
            if known is None:
                raise KeyNotFound(name[:64])
            if known.revoked_at is None:
                known = replace(known, revoked_at=self._now())
                await uow.credentials.put_key(known)
                await uow.commit()
        return known


class CheckKey:
    """The key with one of these hashes; one that was revoked is refused within a second."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._remembered = Remembered(self._find, now)

    async def __call__(self, *key_hashes: str) -> ApiKey:
        """
        One key's hashes, under each pepper that is in use, the newest first.

        Raises:
            NotSignedIn: unknown or revoked.
        """
        key = await self._remembered(key_hashes)
        if key is None or key.revoked_at is not None:
            raise NotSignedIn
        return key

    async def _find(self, asks: Sequence[tuple[str, ...]]) -> Sequence[ApiKey | None]:
        async with self._store.read() as view:
            found = await view.credentials.find_keys({one for ask in asks for one in ask})
        return [next((found[one] for one in ask if one in found), None) for ask in asks]
