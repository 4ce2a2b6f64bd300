"""Proofs of who calls: short-lived access tokens of customers, and API keys of businesses."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import jwt

from adapters.http.json_reader import parse_json
from core.domain.errors import BillingError, Invalid

LENGTH_MAX: Final = 2048
SIGNING_KEY_LENGTH_MIN: Final = 32
SKEW_SECONDS_MAX: Final = 60
"""How far the clock of another process of ours may be ahead, or a clock be set back."""

_ALGORITHM = "HS256"
_LATEST = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())
_NUMBER_MAX: Final = 10**9
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)


@dataclass(eq=False)
class TokenNotValid(Invalid):
    """The access token is forged, over or not for us; sign in again."""


@dataclass(frozen=True, slots=True)
class AccessClaims:
    session_id: str
    turn: int
    customer_id: str
    issued_at: datetime
    expires_at: datetime


class AccessTokens:
    """
    JWTs that only we issue and only we read, so exactly our own form is taken: our header to the
    letter (no `kid`, `jwk`, `crit`), our claims and no others. `audience` tells environments apart.
    A token is not the session: who reads it still asks whether the session was revoked.
    Of several signing keys the first signs and all are believed, so that a key may be replaced.
    """

    def __init__(
        self,
        *signing_keys: str,
        now: Callable[[], datetime],
        issuer: str = "billhook",
        audience: str = "billhook",
    ) -> None:
        if min(map(len, signing_keys), default=0) < SIGNING_KEY_LENGTH_MIN:
            raise ValueError(f"a signing key has {SIGNING_KEY_LENGTH_MIN} characters at least")
        # Keys of their own: nothing else that a signing key signs can be taken for a token.
        self._keys = _derived(signing_keys, b"billhook access token")
        self._csrf_keys = _derived(signing_keys, b"billhook csrf token")
        self._now = now
        self._issuer = issuer
        self._audience = audience
        self._header = jwt.encode({}, self._keys[0], _ALGORITHM).partition(".")[0]

    def issue(self, session_id: str, customer_id: str, expires_at: datetime, *, turn: int) -> str:
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": customer_id,
            "sid": session_id,
            "trn": turn,
            "iat": int(self._now().timestamp()),
            "exp": int(expires_at.timestamp()),
        }
        return jwt.encode(claims, self._keys[0], _ALGORITHM)

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
                "trn": int(turn),
                "iat": int(issued),
                "exp": int(expires),
                **others,
            } if not others:
                pass
            case _:
                raise TokenNotValid
        # Against our own clock, to the second; pyjwt would ask the machine's.
        now = int(self._now().timestamp())
        if not (_ID.fullmatch(customer_id) and _ID.fullmatch(session_id)):
            raise TokenNotValid
        if not 1 <= turn <= _NUMBER_MAX or isinstance(turn, bool):
            raise TokenNotValid
        if not issued - SKEW_SECONDS_MAX <= now < expires <= _LATEST:
            raise TokenNotValid
        return AccessClaims(
            session_id=session_id,
            turn=turn,
            customer_id=customer_id,
            issued_at=datetime.fromtimestamp(issued, UTC),
            expires_at=datetime.fromtimestamp(expires, UTC),
        )

    def csrf_token(self, session_id: str) -> str:
        """What a page of ours must send along with the session's cookie to change anything."""
        return _csrf_token(self._csrf_keys[0], session_id)

    def is_csrf_token(self, text: str, session_id: str) -> bool:
        # Each is compared in constant time; which of our own keys fits is no secret.
        return any(
            hmac.compare_digest(text.encode(), _csrf_token(key, session_id).encode())
            for key in self._csrf_keys
        )

    def _proven(self, token: str) -> object:
        """What the token says, once its form and signature are ours."""
        if len(token) > LENGTH_MAX or not _TOKEN.fullmatch(token):
            raise TokenNotValid
        if not token.startswith(f"{self._header}."):
            raise TokenNotValid
        for key in self._keys:
            try:
                return parse_json(jwt.PyJWS().decode(token, key, algorithms=[_ALGORITHM]))
            except jwt.InvalidSignatureError:
                continue
            except (jwt.InvalidTokenError, BillingError) as error:
                raise TokenNotValid from error
        raise TokenNotValid


def _derived(signing_keys: Sequence[str], use: bytes) -> list[bytes]:
    return [hmac.digest(key.encode(), use, hashlib.sha256) for key in signing_keys]


def _csrf_token(key: bytes, session_id: str) -> str:
    return hmac.new(key, session_id.encode(), hashlib.sha256).hexdigest()


def new_api_key(entropy: Callable[[int], bytes]) -> str:
    """`bh_` and 256 bits; shown once, and kept only as its hash."""
    return "bh_" + base64.urlsafe_b64encode(entropy(32)).rstrip(b"=").decode()


def api_key_hash(key: str, pepper: str) -> str:
    """What is stored and looked up. A slow hash is for passwords; 256 bits cannot be guessed."""
    return hmac.new(pepper.encode(), key.encode(), hashlib.sha256).hexdigest()
