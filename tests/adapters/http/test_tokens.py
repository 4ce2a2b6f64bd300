"""Access tokens against their forgeries, and API keys."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.http.tokens import (
    AccessClaims,
    AccessTokens,
    TokenNotValid,
    api_key_hash,
    new_api_key,
)

NOON = datetime(2026, 10, 1, 12, 0, tzinfo=UTC)
KEY = "a signing key of thirty-two characters, or more"
END = NOON + timedelta(minutes=30)
TOKENS = AccessTokens(KEY, now=lambda: NOON)
GENUINE = TOKENS.issue("ses_1", "cus_1", END, turn=7)
HEADER, PAYLOAD, SIGNATURE = GENUINE.split(".")
SECRET = hmac.digest(KEY.encode(), b"billhook access token", hashlib.sha256)
CLAIMS = {
    "iss": "billhook",
    "aud": "billhook",
    "sub": "cus_1",
    "sid": "ses_1",
    "trn": 7,
    "iat": int(NOON.timestamp()),
    "exp": int(END.timestamp()),
}


def b64(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(payload: str = PAYLOAD, header: object = None, digest: str = "sha256") -> str:
    """A forger who even has the key."""
    text = f"{HEADER if header is None else b64(header)}.{payload}"
    return f"{text}.{b64(hmac.digest(SECRET, text.encode(), digest))}"


def claiming(**changed: object) -> str:
    claims = {**CLAIMS, **changed}
    return signed(b64({name: value for name, value in claims.items() if value is not None}))


def test_an_issued_token_is_read_back() -> None:
    assert TOKENS.read(GENUINE) == AccessClaims("ses_1", 7, "cus_1", NOON, END)
    assert TOKENS.read(claiming()) == TOKENS.read(GENUINE)


FORGED = {
    "nothing": "",
    "a word": "hello",
    "alg none": f"{b64({'alg': 'none', 'typ': 'JWT'})}.{PAYLOAD}.",
    "alg None": f"{b64({'alg': 'None', 'typ': 'JWT'})}.{PAYLOAD}.{SIGNATURE}",
    "alg nOnE": f"{b64({'alg': 'nOnE', 'typ': 'JWT'})}.{PAYLOAD}.",
    "no signature": f"{HEADER}.{PAYLOAD}.",
    "no third part": f"{HEADER}.{PAYLOAD}",
    "HS512": signed(header={"alg": "HS512", "typ": "JWT"}, digest="sha512"),
    "RS256 in name": signed(header={"alg": "RS256", "typ": "JWT"}),
    "kid is a path": signed(header={"alg": "HS256", "typ": "JWT", "kid": "../../dev/null"}),
    "kid of 1 MiB": signed(header={"alg": "HS256", "typ": "JWT", "kid": "x" * 2**20}),
    "jwk within": signed(header={"alg": "HS256", "typ": "JWT", "jwk": {"kty": "oct"}}),
    "jku": signed(header={"alg": "HS256", "typ": "JWT", "jku": "https://evil.com"}),
    "x5u": signed(header={"alg": "HS256", "typ": "JWT", "x5u": "https://evil.com"}),
    "crit": signed(header={"alg": "HS256", "typ": "JWT", "crit": ["x"], "x": 1}),
    "b64 false": signed(header={"alg": "HS256", "typ": "JWT", "b64": False, "crit": ["b64"]}),
    "another order of the header": signed(header={"typ": "JWT", "alg": "HS256"}),
    "exp missing": claiming(exp=None),
    "exp as text": claiming(exp=str(CLAIMS["exp"])),
    "exp with a fraction": claiming(exp=CLAIMS["exp"] + 0.5),
    "exp huge": claiming(exp=10**17),
    "exp huger": claiming(exp=10**30),
    "exp now": claiming(exp=CLAIMS["iat"]),
    "iat missing": claiming(iat=None),
    "iat in the future": claiming(iat=CLAIMS["iat"] + 61),
    "nbf": claiming(nbf=CLAIMS["iat"] + 60),
    "iss missing": claiming(iss=None),
    "iss begins like ours": claiming(iss="billhook.evil.com"),
    "aud missing": claiming(aud=None),
    "aud of another": claiming(aud="other"),
    "aud as a list": claiming(aud=["billhook"]),
    "sub missing": claiming(sub=None),
    "sub as a number": claiming(sub=1),
    "sub empty": claiming(sub=""),
    "sub with a path": claiming(sub="../cus_1"),
    "sid missing": claiming(sid=None),
    "trn missing": claiming(trn=None),
    "trn as text": claiming(trn="7"),
    "trn true": claiming(trn=True),
    "trn zero": claiming(trn=0),
    "trn below zero": claiming(trn=-1),
    "trn with a fraction": claiming(trn=7.5),
    "trn huge": claiming(trn=10**18),
    "a claim more": claiming(scope="operator"),
    "a claim twice": signed(b64(json.dumps(CLAIMS)[:-1].encode() + b', "sub": "cus_2"}')),
    "payload is a list": signed(b64([])),
    "payload is nested without end": signed(b64(b"[" * 1000)),
    "payload is not base64": signed("a"),
    "payload of another": f"{HEADER}.{b64({**CLAIMS, 'sub': 'cus_2'})}.{SIGNATURE}",
    "five parts": f"{GENUINE}.x.y",
    "data after it": GENUINE + "x",
    "a line after it": GENUINE + "\n",
    "padding": GENUINE + "=",
    "a space before it": " " + GENUINE,
    "another alphabet": GENUINE.replace("-", "+").replace("_", "/") + "/",
    "beyond ASCII": GENUINE[:-1] + "é",
    "another key": AccessTokens(KEY + "x", now=lambda: NOON).issue("ses_1", "cus_1", END, turn=7),
    "the signing key itself": jwt.encode(CLAIMS, KEY, "HS256"),
    "another environment": AccessTokens(KEY, now=lambda: NOON, audience="staging").issue(
        "ses_1", "cus_1", END, turn=7
    ),
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
def test_a_forged_token_is_refused(token: str) -> None:
    with pytest.raises(TokenNotValid):
        TOKENS.read(token)


def test_a_token_from_a_process_whose_clock_is_a_little_ahead_is_taken() -> None:
    ahead = AccessTokens(KEY, now=lambda: NOON + timedelta(seconds=60))
    assert TOKENS.read(ahead.issue("ses_1", "cus_1", END, turn=1)).session_id == "ses_1"


def test_a_signature_has_one_spelling() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same_bytes = alphabet[alphabet.index(GENUINE[-1]) ^ 1]

    with pytest.raises(TokenNotValid):
        TOKENS.read(GENUINE[:-1] + same_bytes)


def test_a_token_ends_to_the_second() -> None:
    def at(moment: datetime) -> AccessTokens:
        return AccessTokens(KEY, now=lambda: moment)

    assert at(END - timedelta(seconds=1)).read(GENUINE)
    with pytest.raises(TokenNotValid):
        at(END).read(GENUINE)


def test_a_short_signing_key_stops_the_start() -> None:
    with pytest.raises(ValueError, match="32"):
        AccessTokens("x" * 31, now=lambda: NOON)


def test_while_a_key_is_replaced_tokens_of_both_are_read() -> None:
    old, new = KEY, KEY.upper()
    both = AccessTokens(new, old, now=lambda: NOON)
    signed_before = GENUINE
    signed_now = both.issue("ses_1", "cus_1", END, turn=7)

    assert both.read(signed_before) == both.read(signed_now) == TOKENS.read(GENUINE)
    assert AccessTokens(new, now=lambda: NOON).read(signed_now)
    with pytest.raises(TokenNotValid):
        TOKENS.read(signed_now)
    with pytest.raises(TokenNotValid):
        AccessTokens(new, now=lambda: NOON).read(signed_before)
    assert both.is_csrf_token(TOKENS.csrf_token("ses_1"), "ses_1")
    assert not TOKENS.is_csrf_token(both.csrf_token("ses_1"), "ses_1")


CSRF = TOKENS.csrf_token("ses_1")


@pytest.mark.parametrize(
    "forged",
    ["", "x", CSRF[:-1], CSRF + "0", CSRF.upper(), " " + CSRF, "é" * 64, GENUINE, "0" * 64,
     TOKENS.csrf_token("ses_2"), AccessTokens(KEY + "x", now=lambda: NOON).csrf_token("ses_1"),
     hmac.new(KEY.encode(), b"ses_1", "sha256").hexdigest()],
)  # fmt: skip
def test_a_forged_csrf_token_is_refused(forged: str) -> None:
    assert TOKENS.is_csrf_token(CSRF, "ses_1")
    assert not TOKENS.is_csrf_token(forged, "ses_1")


@given(st.text() | st.text(".AZaz09-_=").map(lambda text: f"{HEADER}.{text}"))
def test_no_text_is_ever_taken_for_a_token(text: str) -> None:
    with pytest.raises(TokenNotValid):
        TOKENS.read(text)


def test_an_api_key_is_kept_as_a_peppered_hash() -> None:
    key = new_api_key(lambda size: b"\xff" * size)

    assert key == "bh_" + "_" * 42 + "8"
    assert api_key_hash(key, "pepper") == hmac.new(b"pepper", key.encode(), "sha256").hexdigest()
    assert api_key_hash(key, "pepper") != api_key_hash(key, "salt")
    assert api_key_hash(key + "é", "pepper") != api_key_hash(key, "pepper")
