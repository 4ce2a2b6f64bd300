"""A customer's wallet, as a Python service sees it."""

import uuid
from urllib.parse import quote

from billhook_client.answers import Balances, Purchase, balances_from_answer, purchase_from_answer
from billhook_client.connection import Connection


class Wallet:
    """
    The wallet of one customer. Amounts are in minor units: 500.00 PHP is 50000. The key needs the
    scope `customers` to look, and `purchases` to deposit.
    """

    def __init__(self, connection: Connection, customer: str) -> None:
        self._connection = connection
        self._path = f"/customers/{quote(customer, safe=':@')}/wallet"

    async def balances(self) -> Balances:
        """
        Raises:
            Unavailable, NotFound, NotAllowed
        """
        return balances_from_answer(await self._connection.get(f"{self._path}/"))

    async def deposit(
        self,
        amount_minor: int,
        currency: str,
        *,
        gateway: str | None = None,
        return_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> Purchase:
        """
        Open a deposit: send the customer to `confirmation_url`. The money is in the wallet once
        it was paid there. `idempotency_key` makes it one and the same however often it is asked
        for, from whichever process; without one, each call is a request of its own (the same sum
        still leads to the deposit of it that is open).

        Raises:
            Unavailable: not known; ask again with the same `idempotency_key`.
            Invalid: no such deposit is taken, see `GET /plans/`.
            Conflict, NotFound, NotAllowed
        """
        body: dict[str, object] = {"amount": {"amount_minor": amount_minor, "currency": currency}}
        chosen = {"gateway": gateway, "return_url": return_url}
        body |= {name: value for name, value in chosen.items() if value is not None}
        path = f"{self._path}/deposits/"
        key = idempotency_key or uuid.uuid4().hex
        return purchase_from_answer(await self._connection.post(path, body, key=key))
