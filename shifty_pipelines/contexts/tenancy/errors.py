"""What tenancy refuses, and why."""

from shifty_pipelines.kernel.errors import Conflict, Forbidden, ShiftyError


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
