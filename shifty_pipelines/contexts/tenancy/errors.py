"""What tenancy refuses, and why."""

from shifty_pipelines.kernel.errors import Conflict, Forbidden, ShiftyError, TooMany


class InvalidCredentials(ShiftyError):
    """E-mail and password do not belong together; which of the two is wrong is not said."""

    status = 401
    code = "auth.invalid_credentials"

    def __init__(self) -> None:
        super().__init__("Invalid credentials")


class InvalidToken(ShiftyError):
    """No usable token: absent, malformed, expired, logged out, or its user or tenant is no longer active."""

    status = 401
    code = "auth.invalid_token"

    def __init__(self, reason: str = "Invalid or expired token") -> None:
        super().__init__(f"{reason}. Sign in at POST /api/v1/auth/login and send the token as 'Authorization: Bearer'.")


class RegistrationClosed(Forbidden):
    """A tenant exists already and registration is not open."""

    code = "auth.registration_closed"

    def __init__(self) -> None:
        super().__init__(
            "Registration is closed: ask an owner to add you, or set SHIFTY_OPEN_REGISTRATION=1 on this server."
        )


class UserExists(Conflict):
    """The e-mail address signs in somewhere already; where is not said."""

    code = "auth.user_exists"

    def __init__(self) -> None:
        super().__init__("User already exists")


class SlugTaken(Conflict):
    """Another tenant in use has this slug."""

    code = "tenancy.slug_taken"

    def __init__(self, slug: str) -> None:
        super().__init__(f"The slug '{slug}' is taken; choose another.", slug=slug)


class LastOwner(Conflict):
    """A tenant keeps at least one active owner."""

    code = "tenancy.last_owner"

    def __init__(self) -> None:
        super().__init__("This is the tenant's last active owner; make somebody else an owner first.")


class AboveOwnRole(Forbidden):
    """Nobody changes a person above their own role, or lifts anybody above it."""

    code = "tenancy.above_own_role"

    def __init__(self, own: str, other: str) -> None:
        super().__init__(f"Your role is {own}; only a person of at least role {other} may do this.")


class OwnRights(Forbidden):
    """Nobody changes their own role, grants or status."""

    code = "tenancy.own_rights"

    def __init__(self) -> None:
        super().__init__("Nobody changes their own role, grants or status; ask another owner or admin.")


class ScopeAboveOwnRights(Forbidden):
    """An API key never gets a scope that opens nothing to the person it acts for."""

    code = "tenancy.scope_above_own_rights"

    def __init__(self, scopes: list[str]) -> None:
        named = ", ".join(scopes)
        super().__init__(f"Your role and grants open nothing that the scope {named} is for; leave it out.")


class ScopeMissing(Forbidden):
    """The API key was not made for this."""

    code = "auth.scope_missing"

    def __init__(self, scope: str | None) -> None:
        wanted = f"needs the scope '{scope}'; make a key that has it" if scope else "is for people: sign in"
        super().__init__(f"This API key may not do this: it {wanted}.")


class WrongPassword(Forbidden):
    """The present password is another one."""

    code = "auth.wrong_password"

    def __init__(self) -> None:
        super().__init__("The present password is not this one; nothing was changed.")


class InvitationUnusable(Conflict):
    """Unknown, used, expired, revoked, the inviter lost the right, or the address signs in; which is not said."""

    code = "auth.invitation_unusable"

    def __init__(self) -> None:
        super().__init__("This invitation cannot be accepted. Ask whoever invited you for a new one.")


class InvitationClosed(Conflict):
    """Only a pending invitation can be revoked."""

    code = "tenancy.invitation_closed"

    def __init__(self, status: str) -> None:
        super().__init__(f"This invitation is {status}; only a pending one can be revoked.")


class AlreadyMember(Conflict):
    """The address is one of this tenant's own people."""

    code = "tenancy.already_member"

    def __init__(self, email: str) -> None:
        super().__init__(f"{email} is a member of this tenant already; change their role at PUT /api/v1/users.")


class TooManyPending(Conflict):
    """A bound on what one tenant or person may have open at once."""

    code = "tenancy.too_many_open"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"There are {limit} {what} already, which is the limit; revoke some first.", limit=limit)


class AddressInvitedOften(TooMany):
    """This address was invited several times today; each invitation may be a mail."""

    code = "tenancy.address_invited_often"

    def __init__(self, limit: int, *, retry_after_s: int) -> None:
        super().__init__(
            f"This address was invited {limit} times within a day; hand on the latest link, or try again tomorrow.",
            retry_after_s=retry_after_s,
        )


class TooManyAttempts(TooMany):
    """Too many wrong passwords from one client address; the same for accounts that exist and that do not."""

    code = "auth.too_many_attempts"

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__(
            f"Too many attempts from your address; try again in {retry_after_s} s.", retry_after_s=retry_after_s
        )


class RefreshSuperseded(Conflict):
    """Another request used this refresh token a moment ago and got the next one; the session lives."""

    code = "auth.refresh_superseded"

    def __init__(self) -> None:
        super().__init__(
            "This refresh token was used a moment ago; use the one in that answer. If it was lost, sign in again."
        )
