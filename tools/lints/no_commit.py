"""Nobody but the edge commits, and no service talks to the network.

Flagged:
    commit-outside-unit-of-work  a call of `.commit()`, `.rollback()` or `.begin()` outside kernel/db.py and the few
                                 kernel modules that own a connection (`OWNERS`). A savepoint is free, if the
                                 variable that holds it is called so: ending it ends no transaction.
    network-in-context           an import of an HTTP client or of sockets in a context, its adapters excepted.

Why: the state, its event and its audit row are one transaction (docs/decisions/0003). A commit half-way through a use
case publishes the one without the other; a request inside a transaction holds locks for as long as someone else's
server likes.

How to mend: let the caller's unit of work commit (`Platform.open`, `Database.tenant_transaction`); to survive a
violated constraint, or to give locks back, take a savepoint, `savepoint = session.begin_nested()`. Put the request
behind a port and into the context's `adapters/`.
"""

import ast
import re
from collections.abc import Iterator

from tools.lints.source import Finding, SourceFile, imported_modules, last_name

#: The unit of work, and the kernel modules that own a connection of their own before or beside it.
OWNERS = frozenset(
    f"shifty_pipelines/kernel/{name}.py"
    for name in ("db", "outbox", "embedded_postgres", "roles", "migrations", "isolation")
)
TRANSACTION_METHODS = frozenset({"commit", "rollback", "begin"})
NETWORK_MODULES = ("requests", "httpx", "aiohttp", "urllib3", "urllib.request", "http.client", "socket", "websockets")
_CONTEXT_WITHOUT_ADAPTERS = re.compile(r"shifty_pipelines/contexts/(?![^/]+/adapters(/|\.py$))")


def check(source: SourceFile) -> Iterator[Finding]:
    """Findings of this rule; only the platform has a unit of work, so only `shifty_pipelines` is looked at."""
    if source.path.startswith("shifty_pipelines/") and source.path not in OWNERS:
        yield from _commits(source)
    if _CONTEXT_WITHOUT_ADAPTERS.match(source.path):
        yield from _network_imports(source)


def _commits(source: SourceFile) -> Iterator[Finding]:
    for node in source.nodes:
        match node:
            # With a positional argument it is something else, e.g. a Git commit with its message.
            case ast.Call(func=ast.Attribute(value=owner, attr=method), args=[]) if (
                method in TRANSACTION_METHODS and last_name(owner) != "savepoint"
            ):
                yield source.finding(
                    node,
                    "commit-outside-unit-of-work",
                    f"`.{method}()` belongs to kernel/db.py: leave it to the caller's unit of work, "
                    "or take a savepoint, `savepoint = session.begin_nested()`",
                )


def _network_imports(source: SourceFile) -> Iterator[Finding]:
    for node in source.nodes:
        found = next(filter(_is_network, imported_modules(node)), None)
        if found is not None and isinstance(node, ast.Import | ast.ImportFrom):
            yield source.finding(
                node,
                "network-in-context",
                f"`{found}` inside a context: ask through a port, and import it in the context's adapters/ only",
            )


def _is_network(module: str) -> bool:
    return any(module == known or module.startswith(f"{known}.") for known in NETWORK_MODULES)
