"""Around everything that checks a password: count the attempt as failed, and forgive it when it was not.

Counters are kept per client address, and per client address and account. So whoever guesses is slowed down, wherever
they turn, and nobody else is: the owner signs in from another address as if nothing happened. An account that does not
exist is counted like one that does.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from shifty_pipelines.contexts.tenancy.domain import ACCOUNT_BACKOFF, ADDRESS_BACKOFF, network_of
from shifty_pipelines.kernel.pseudonyms import TenantHmac
from shifty_pipelines.kernel.tenant import SYSTEM_TENANT, Actor, system_actor
from shifty_pipelines.services import Services

PURPOSE = "attempts to sign in"


class Counting(Protocol):
    """What counting needs of the platform."""

    @property
    def pseudonyms(self) -> TenantHmac:
        """Digests that stand for addresses: the counters do not say whose they are."""
        ...

    def open(self, actor: Actor) -> AbstractContextManager[Services]:
        """A unit of work of `actor`."""
        ...


@contextmanager
def counted_attempt(counting: Counting, *, account: str, client_address: str) -> Iterator[None]:
    """Run one check of a password; whatever it raises stays counted.

    `account` is the e-mail address tried, in its normal form.

    Raises:
        TooManyAttempts: this client has to wait; the check is not made.
    """
    network = network_of(client_address)
    # A line break is in no client address, so two pairs never share a text.
    account_key = counting.pseudonyms.digest(SYSTEM_TENANT, PURPOSE, f"{network}\n{account}")
    address_key = counting.pseudonyms.digest(SYSTEM_TENANT, PURPOSE, network)
    with counting.open(system_actor(SYSTEM_TENANT)) as services:
        services.tenancy.count_attempt({account_key: ACCOUNT_BACKOFF, address_key: ADDRESS_BACKOFF})
    yield
    with counting.open(system_actor(SYSTEM_TENANT)) as services:
        services.tenancy.forgive_attempt(account_key=account_key, address_key=address_key)
