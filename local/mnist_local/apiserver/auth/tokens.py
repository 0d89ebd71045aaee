"""ServiceAccount tokens: signed JWTs bound to a ServiceAccount, and optionally to a Pod or Secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
import uuid
from dataclasses import dataclass, field

import orjson

from mnist_local.apiserver.errors import Obj

ISSUER = "https://kubernetes.default.svc.cluster.local"
_HEADER = {"alg": "HS256", "kid": "mnist-local"}


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass(slots=True)
class TokenSigner:
    """Signs and checks tokens with a key that lives as long as the server."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def issue(self, account: Obj, audiences: list[str], seconds: int, bound: Obj | None) -> str:
        """Return a token for a ServiceAccount object; `bound` is {kind, name, uid} of what it lives with."""
        now = int(time.time())
        metadata = account["metadata"]
        private: Obj = {
            "namespace": metadata["namespace"],
            "serviceaccount": {"name": metadata["name"], "uid": metadata["uid"]},
        }
        if bound is not None:
            private[bound["kind"].lower()] = {"name": bound["name"], "uid": bound["uid"]}
        claims = {
            "aud": audiences,
            "exp": now + seconds,
            "iat": now,
            "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": private,
            "nbf": now,
            "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
        }
        signed = f"{_text(orjson.dumps(_HEADER))}.{_text(orjson.dumps(claims))}"
        return f"{signed}.{_text(self._sign(signed))}"

    def read(self, token: str) -> Obj | None:
        """Return the claims of a token that this server signed and that has not expired."""
        signed, _, signature = token.rpartition(".")
        try:
            if not signed or not hmac.compare_digest(self._sign(signed), _bytes(signature)):
                return None
            claims: Obj = orjson.loads(_bytes(signed.partition(".")[2]))
        except ValueError:
            return None
        return claims if claims["exp"] > time.time() else None

    def _sign(self, text: str) -> bytes:
        return hmac.new(self.key, text.encode(), hashlib.sha256).digest()
