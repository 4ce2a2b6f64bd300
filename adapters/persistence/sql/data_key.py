"""The key that personal data is sealed with before the database sees it."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class DataKey:
    """
    Seals with the first key, opens with any of them, so that keys can be rotated: put the new
    one first and keep the old ones for as long as anything is sealed with them. A key is 32
    random bytes in URL-safe base64, as `Fernet.generate_key()` makes them.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """
        Raises:
            ValueError: no key, or one that is not 32 bytes in URL-safe base64.
        """
        self._secrets = [base64.urlsafe_b64decode(key) for key in keys]
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        # One customer is read many times between changes; what is sealed never changes its text.
        self._opened = lru_cache(maxsize=4096)(self._open)

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        return self._opened(sealed)

    def marks(self, text: str) -> list[str]:
        """
        What stands for a text that is not kept: by each of the keys, the first one's first. Whoever
        has none of them cannot try texts until one fits.
        """
        return [hmac.new(key, text.encode(), hashlib.sha256).hexdigest() for key in self._secrets]

    def _open(self, sealed: str) -> str:
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise RuntimeError(
                "Stored personal data was sealed with a key that BILLHOOK_DATA_KEY does not have."
            ) from None
