"""Who takes part in the demo: two tenants, each with an owner and a crowd of simulated labelers."""

import secrets
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx

from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.contexts.tenancy.domain import NewTenant, NewUser
from shifty_pipelines.flows.entrance import found_tenant
from shifty_pipelines.kernel.tenant import Role, TenantId, system_actor

#: The shops whose errors the tenants get; the names of their settings in examples/shop/tenants.
SHOPS = ("north", "coast")
#: As many as a mission may have slots; one of them does not look.
CROWD = ("good", "good", "good", "average", "average", "average", "spammer")
GUEST = "guest"
TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody signed in; `competence` of simulated labelers."""

    user_id: str
    name: str
    client: httpx.Client = field(repr=False)
    token: str = field(repr=False)
    competence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One tenant of the demo."""

    tenant_id: TenantId
    shop: str
    owner: Person
    labelers: tuple[Person, ...]
    #: A member who labels nothing by themselves: whoever runs the demo.
    guest: Person
    owner_email: str
    owner_password: str = field(repr=False)
    guest_email: str
    guest_password: str = field(repr=False)


def found_tenants(platform: Platform, gateway: str) -> list[Tenant]:
    """Two tenants with everybody signed in over the API."""
    number = secrets.token_hex(3)
    with ThreadPoolExecutor(len(SHOPS)) as pool:  # most of it is hashing passwords, one a core
        return list(pool.map(lambda shop: _found(platform, gateway, shop, number), SHOPS))


def _found(platform: Platform, gateway: str, shop: str, number: str) -> Tenant:
    crowd = [GUEST, *(f"{competence}-{place}" for place, competence in enumerate(CROWD, 1))]
    users = {
        name: NewUser(
            email=f"{name}@{shop}-{number}.example",
            password=secrets.token_urlsafe(15),
            first_name=name.title(),
            last_name="Demo" if name in ("owner", GUEST) else "Simulated",
            role=Role.OWNER if name == "owner" else Role.MEMBER,
        )
        for name in ("owner", *crowd)
    }
    founded = found_tenant(
        platform, NewTenant(name=f"{shop.title()} {number}", slug=f"{shop}-{number}"), users["owner"]
    )
    tenant_id = TenantId(founded.tenant.tenant_id)
    with platform.open(system_actor(tenant_id)) as services:
        for name in crowd:
            services.tenancy.add_user(users[name])
    tls = ssl.create_default_context()
    with ThreadPoolExecutor(4) as pool:
        people = list(pool.map(lambda name: signed_in(gateway, name, users[name], tls=tls), users))
    return Tenant(
        tenant_id=tenant_id,
        shop=shop,
        owner=people[0],
        guest=people[1],
        labelers=tuple(people[2:]),
        owner_email=users["owner"].email,
        owner_password=users["owner"].password,
        guest_email=users[GUEST].email,
        guest_password=users[GUEST].password,
    )


def signed_in(gateway: str, name: str, user: NewUser, *, tls: ssl.SSLContext | None = None) -> Person:
    """A person with a client of their own; many share one `tls`, which costs as much to make as a sign-in."""
    credentials = {"email": user.email, "password": user.password}
    client = httpx.Client(base_url=gateway, timeout=TIMEOUT_S, verify=tls or True)
    body = client.post("/api/v1/auth/login", json=credentials).raise_for_status().json()
    client.headers["Authorization"] = f"Bearer {body['token']}"
    return Person(
        user_id=body["user"]["id"],
        name=name,
        client=client,
        token=body["token"],
        competence=name.partition("-")[0] if "-" in name else "",
    )
