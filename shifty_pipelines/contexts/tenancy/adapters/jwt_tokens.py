"""Tokens as HS256 JSON Web Tokens (RFC 7519) with the claim names the specification's clients know."""

import uuid
from datetime import UTC, datetime
from typing import Any

import jwt

from shifty_pipelines.contexts.tenancy.ports import Claims
from shifty_pipelines.kernel.clock import Clock
from shifty_pipelines.kernel.tenant import Role, TenantId, UserId

ALGORITHM = "HS256"
ISSUER = "shifty-auth"
REQUIRED = ["userId", "tenantId", "role", "email", "iat", "exp", "iss", "jti"]


class JwtTokens:
    """One key, one algorithm: a token that names another is refused before its signature is looked at."""

    def __init__(self, secret: str, clock: Clock) -> None:
        self._secret = secret
        self._clock = clock

    def issue(self, claims: Claims) -> str:
        """A signed token."""
        payload = {
            "userId": str(claims.user_id),
            "tenantId": str(claims.tenant_id),
            "role": claims.role.value,
            "email": claims.email,
            "iat": int(claims.issued_at.timestamp()),
            "exp": int(claims.expires_at.timestamp()),
            "iss": ISSUER,
            "jti": str(claims.session_id),
        }
        return jwt.encode(payload, self._secret, algorithm=ALGORITHM)

    def read(self, token: str) -> Claims | None:
        """The claims of a token of ours that has not expired by our clock, else None."""
        try:
            payload = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                # Expiry is checked below against the platform's clock.
                options={"require": REQUIRED, "verify_exp": False, "verify_iat": False},
            )
            claims = _claims(payload)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, OverflowError):
            return None
        return claims if claims.expires_at > self._clock.now() else None


def _claims(payload: dict[str, Any]) -> Claims:
    return Claims(
        user_id=UserId(uuid.UUID(payload["userId"])),
        tenant_id=TenantId(uuid.UUID(payload["tenantId"])),
        session_id=uuid.UUID(payload["jti"]),
        role=Role(payload["role"]),
        email=str(payload["email"]),
        issued_at=datetime.fromtimestamp(payload["iat"], UTC),
        expires_at=datetime.fromtimestamp(payload["exp"], UTC),
    )
