"""Proofs of who calls: short-lived access tokens of customers, and API keys of businesses."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import jwt

from adapters.http.json_reader import parse_json
from core.domain.errors import BillingError, Invalid

LENGTH_MAX: Final = 2048
SIGNING_KEY_LENGTH_MIN: Final = 32
_ALGORITHM = "HS256"
_LATEST = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)


@dataclass(eq=False)
class TokenNotValid(Invalid):
    """The access token is forged, over or not for us; sign in again."""


@dataclass(frozen=True, slots=True)
class AccessClaims:
    session_id: str
    customer_id: str
    issued_at: datetime
    expires_at: datetime


class AccessTokens:
    """
    JWTs that only we issue and only we read, so exactly our own form is taken: our header to the
    letter (no `kid`, `jwk`, `crit`), our claims and no others. `audience` tells environments apart.
    A token is not the session: who reads it still asks whether the session was revoked.
    """

    def __init__(
        self,
        signing_key: str,
        *,
        now: Callable[[], datetime],
        issuer: str = "billhook",
        audience: str = "billhook",
    ) -> None:
        if len(signing_key) < SIGNING_KEY_LENGTH_MIN:
            raise ValueError(f"a signing key has {SIGNING_KEY_LENGTH_MIN} characters at least")
        # A key of its own: nothing else that the signing key signs can be taken for a token.
        self._key = hmac.digest(signing_key.encode(), b"billhook access token", hashlib.sha256)
        self._now = now
        self._issuer = issuer
        self._audience = audience
        self._header = jwt.encode({}, self._key, _ALGORITHM).partition(".")[0]

    def issue(self, session_id: str, customer_id: str, expires_at: datetime) -> str:
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": customer_id,
            "sid": session_id,
            "iat": int(self._now().timestamp()),
            "exp": int(expires_at.timestamp()),
        }
        return jwt.encode(claims, self._key, _ALGORITHM)

    def read(self, token: str) -> AccessClaims:
        """
        Raises:
            TokenNotValid: without a reason, which would only help a forger.
        """
        match self._proven(token):
            case {
                "iss": self._issuer,
                "aud": self._audience,
                "sub": str(customer_id),
                "sid": str(session_id),
                "iat": int(issued),
                "exp": int(expires),
                **others,
            } if not others:
                pass
            case _:
                raise TokenNotValid
        # Against our own clock, to the second, with no leeway; pyjwt would ask the machine's.
        now = int(self._now().timestamp())
        if not (_ID.fullmatch(customer_id) and _ID.fullmatch(session_id)):
            raise TokenNotValid
        if not issued <= now < expires <= _LATEST:
            raise TokenNotValid
        return AccessClaims(
            session_id=session_id,
            customer_id=customer_id,
            issued_at=datetime.fromtimestamp(issued, UTC),
            expires_at=datetime.fromtimestamp(expires, UTC),
        )

    def _proven(self, token: str) -> object:
        """What the token says, once its form and signature are ours."""
        if len(token) > LENGTH_MAX or not _TOKEN.fullmatch(token):
            raise TokenNotValid
        if not token.startswith(f"{self._header}."):
            raise TokenNotValid
        try:
            payload = jwt.PyJWS().decode(token, self._key, algorithms=[_ALGORITHM])
            return parse_json(payload)
        except (jwt.InvalidTokenError, BillingError) as error:
            raise TokenNotValid from error


def new_api_key(entropy: Callable[[int], bytes]) -> str:
    """`bh_` and 256 bits; shown once, and kept only as its hash."""
    return "bh_" + base64.urlsafe_b64encode(entropy(32)).rstrip(b"=").decode()


def api_key_hash(key: str, pepper: str) -> str:
    """What is stored and looked up. A slow hash is for passwords; 256 bits cannot be guessed."""
    return hmac.new(pepper.encode(), key.encode(), hashlib.sha256).hexdigest()
