"""Tenant scope, the third lock after scoped repositories and row-level security (docs/decisions/0004).

Flagged:
    sql-outside-repository  an import of `select`, `insert`, `update`, `delete`, `text`, of a driver or of what opens
                            connections, or a statement run on a session, outside contexts/*/repository and kernel/
                            (migrations lie outside the package).
    unscoped-repository     a class of a context named `…Repository` that does not derive from ScopedRepository.
    unscoped-statement      in a repository: a statement that reads or changes rows and neither starts from
                            `self.scoped` nor binds `tenant_id` (tools/lints/statements.py says what counts).
    tenant-header           the text `X-Tenant-Id`, or a parameter `x_tenant_id`, outside api/routes/webhooks.py.

Why: a hand-made query that forgets its tenant shows another customer's data, and looks right in every test that has one
tenant. The tenant comes from the caller's token; a header that names one is an invitation to try another.

How to mend: move the statement into the context's repository and give it a name; start from `self.scoped(Model)`, or
add `.where(Model.tenant_id == self.tenant_id)` to the same chain; take the tenant from the unit of work.
"""

import ast
import re
from collections.abc import Iterator

from tools.lints.source import Finding, SourceFile, imported_modules, session_call
from tools.lints.statements import unscoped_statements

PACKAGE = "shifty_pipelines/"
HEADER_HOME = "shifty_pipelines/api/routes/webhooks.py"
SQL_NAMES = frozenset({"select", "insert", "update", "delete", "text", "create_engine", "sessionmaker"})
SQL_MODULES = frozenset({"sqlalchemy", "psycopg", "psycopg2"})
SQL_METHODS = frozenset({"execute", "scalar", "scalars", "query", "exec_driver_sql", "add", "add_all", "merge"})
_SQL_HOME = re.compile(r"shifty_pipelines/(kernel/|contexts/[^/]+/repository(/|\.py$))")
_CONTEXT = re.compile(r"shifty_pipelines/contexts/")
_REPOSITORY = re.compile(r"shifty_pipelines/contexts/[^/]+/repository(/|\.py$)")
_HEADER = "x-tenant-id"


def check(source: SourceFile) -> Iterator[Finding]:
    """Findings of this rule in the platform; other folders hold no tenant's rows."""
    if not source.path.startswith(PACKAGE):
        return
    if not _SQL_HOME.match(source.path):
        yield from _stray_sql(source)
    if _CONTEXT.match(source.path):
        yield from _unscoped_repositories(source)
    if _REPOSITORY.match(source.path):
        for call, what in unscoped_statements(source):
            message = (
                f"{what} names no tenant: start from `self.scoped(Model)`, "
                "or bind `Model.tenant_id == self.tenant_id` in this very chain"
            )
            yield source.finding(call, "unscoped-statement", message)
    if source.path != HEADER_HOME:
        yield from _tenant_headers(source)


def _stray_sql(source: SourceFile) -> Iterator[Finding]:
    remedy = "move the statement into the context's repository.py (or kernel/) and call it by a name"
    for node in source.nodes:
        if isinstance(node, ast.Import | ast.ImportFrom) and (name := _sql_import(node)):
            yield source.finding(node, "sql-outside-repository", f"import of `{name}`: {remedy}")
        if isinstance(node, ast.Call) and (method := session_call(node)) in SQL_METHODS:
            yield source.finding(node, "sql-outside-repository", f"`.{method}(…)` on a session: {remedy}")


def _sql_import(node: ast.Import | ast.ImportFrom) -> str | None:
    modules = imported_modules(node)
    if isinstance(node, ast.ImportFrom) and modules and modules[0].split(".")[0] == "sqlalchemy":
        return next((alias.name for alias in node.names if alias.name in SQL_NAMES), None)
    return next((module for module in modules if module.split(".")[0] in SQL_MODULES), None)


def _unscoped_repositories(source: SourceFile) -> Iterator[Finding]:
    for node in source.nodes:
        if isinstance(node, ast.ClassDef) and node.name.endswith("Repository") and not _is_scoped(node):
            message = (
                f"`{node.name}` can be built without a tenant: "
                "derive it from shifty_pipelines.kernel.repository.ScopedRepository"
            )
            yield source.finding(node, "unscoped-repository", message)


def _is_scoped(repository: ast.ClassDef) -> bool:
    """True for a child of ScopedRepository, or of a sibling `…Repository` that this rule looks at itself."""
    return any(isinstance(base, ast.Name) and re.search(r"\wRepository$", base.id) for base in repository.bases)


def _tenant_headers(source: SourceFile) -> Iterator[Finding]:
    message = (
        "the tenant comes from the caller's token: take it from the unit of work (webhooks.py alone reads a header)"
    )
    docstrings = {id(node.value) for node in source.nodes if isinstance(node, ast.Expr)}
    for node in source.nodes:
        match node:
            case ast.Constant(value=str(text)) if _HEADER in text.lower() and id(node) not in docstrings:
                yield source.finding(node, "tenant-header", message)
            case ast.Constant(value=bytes(raw)) if _HEADER.encode() in raw.lower():
                yield source.finding(node, "tenant-header", message)
            case ast.arg(arg="x_tenant_id"):
                # FastAPI reads a parameter of this name from that header.
                yield source.finding(node, "tenant-header", message)
