"""The start-up guard: prove tenant isolation on the live database, or refuse to serve and say how to mend it.

Three parts: the role's own flags, a sweep of every table, and a canary that really reads and writes across two tenants.
The override is loud and lies with the caller; nothing here has one.

Source: PostgreSQL documentation, "Row Security Policies"; a superuser ignores FORCE ROW LEVEL SECURITY.
"""

import uuid
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from shifty_pipelines.kernel.errors import ShiftyError

#: Tables without tenant_id outside schema platform; anything else without one is a finding.
TENANTLESS_TABLES = ("alembic_version",)


class IsolationBroken(ShiftyError):
    """Serving now could show one tenant's rows to another; nothing is served."""

    status = 503
    code = "kernel.isolation_broken"

    def __init__(self, findings: Sequence[str]) -> None:
        listed = "\n  - ".join(findings)
        super().__init__(
            f"tenant isolation does not hold, so nothing is served:\n  - {listed}\n"
            "Connect as shifty_app (never as a superuser or table owner) and run `shifty migrate`, then start again."
        )
        self.findings = tuple(findings)


def guard_isolation(engine: Engine) -> None:
    """Check the connected role, every table and a live canary.

    Raises:
        IsolationBroken: with one line per finding.
    """
    with engine.connect() as connection:
        findings = [line for check in CHECKS for line in check(connection)]
    if findings:
        raise IsolationBroken(findings)


def role_findings(connection: Connection) -> list[str]:
    """Flags and memberships of the connected role that would void row-level security."""
    return list(connection.scalars(text(_ROLE)))


_ROLE = """
WITH me AS (SELECT oid, rolname, rolsuper FROM pg_roles WHERE rolname = current_user)
SELECT 'role ' || rolname || ' has ' || flag FROM pg_roles, LATERAL (VALUES
  ('superuser', rolsuper), ('bypassrls', rolbypassrls), ('createrole', rolcreaterole), ('createdb', rolcreatedb)
) AS flags (flag, is_set) WHERE rolname = current_user AND is_set
UNION ALL
SELECT 'role ' || me.rolname || ' is a member of ' || other.rolname FROM me, pg_roles other
WHERE other.oid <> me.oid AND NOT me.rolsuper AND pg_has_role(me.oid, other.oid, 'MEMBER')
UNION ALL
SELECT 'role ' || me.rolname || ' owns ' || c.oid::regclass FROM me JOIN pg_class c ON c.relowner = me.oid
WHERE NOT me.rolsuper AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relpersistence <> 't'
"""

_TABLES = """
WITH relation AS (
  SELECT c.oid, c.oid::regclass::text AS name, n.nspname AS schema, c.relkind AS kind,
    c.relrowsecurity AND c.relforcerowsecurity AS forced,
    'security_invoker=true' = ANY (coalesce(c.reloptions, '{}')) AS invoker,
    has_table_privilege(current_user, c.oid, 'TRUNCATE') AS may_truncate,
    has_table_privilege(current_user, c.oid, 'SELECT') AS may_select,
    EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
      AS has_tenant,
    EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND NOT p.polpermissive AND p.polcmd = '*'
      AND p.polroles = '{0}'::oid[]
      AND pg_get_expr(p.polqual, c.oid) = '(tenant_id = platform.current_tenant())'
      AND pg_get_expr(p.polwithcheck, c.oid) = '(tenant_id = platform.current_tenant())') AS confined
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'
)
SELECT name || ': ' || finding FROM (
  SELECT name, CASE
    WHEN schema = 'platform' THEN CASE WHEN may_select THEN 'in schema platform and readable by the serving role' END
    WHEN may_truncate THEN 'the serving role may TRUNCATE it'
    WHEN kind = 'm' AND may_select THEN 'a materialised view cannot have row-level security, yet is readable'
    WHEN kind IN ('v', 'm') THEN CASE WHEN may_select AND NOT invoker THEN 'a view without security_invoker=true' END
    WHEN NOT has_tenant THEN CASE WHEN may_select AND name <> ALL (:tenantless) THEN 'no column tenant_id' END
    WHEN NOT forced THEN 'row-level security is not forced'
    WHEN NOT confined THEN 'no restrictive policy tenant_isolation'
  END AS finding FROM relation
) found WHERE finding IS NOT NULL ORDER BY 1
"""


def table_findings(connection: Connection) -> list[str]:
    """Tables whose rows are not confined to a tenant, views that would bypass the policies, and excess grants."""
    return list(connection.scalars(text(_TABLES), {"tenantless": list(TENANTLESS_TABLES)}))


def canary_findings(connection: Connection) -> list[str]:
    """Write a row as one synthetic tenant and try to reach it as another; everything is rolled back."""
    tenant_a, tenant_b = uuid.UUID(int=0xA), uuid.UUID(int=0xB)
    connection.rollback()
    with connection.begin() as transaction:
        findings = _canary(connection, tenant_a, tenant_b)
        transaction.rollback()
    return findings


def _canary(connection: Connection, tenant_a: uuid.UUID, tenant_b: uuid.UUID) -> list[str]:
    insert = text("INSERT INTO isolation_canary (tenant_id, id) VALUES (:tenant, gen_random_uuid())")
    count = text("SELECT count(*) FROM isolation_canary")
    findings = []
    _enter(connection, str(tenant_a))
    connection.execute(insert, {"tenant": tenant_a})
    if connection.scalar(count) != 1:
        findings.append("canary: a tenant does not see its own row")
    _enter(connection, str(tenant_b))
    if connection.scalar(count) != 0:
        findings.append("canary: tenant B reads tenant A's row")
    if not _is_refused(connection, lambda: connection.execute(insert, {"tenant": tenant_a})):
        findings.append("canary: tenant B writes a row of tenant A")
    if connection.execute(text("UPDATE isolation_canary SET tenant_id = tenant_id")).rowcount != 0:
        findings.append("canary: tenant B updates tenant A's row")
    _enter(connection, "")
    if connection.scalar(count) != 0:
        findings.append("canary: rows are visible without a tenant")
    if not _is_refused(connection, lambda: _count_unfiltered(connection, count)):
        findings.append("canary: row_security = off is not refused")
    return findings


def _enter(connection: Connection, tenant: str) -> None:
    connection.execute(text("SELECT set_config('app.tenant_id', :tenant, true)"), {"tenant": tenant})


def _count_unfiltered(connection: Connection, count: object) -> None:
    connection.execute(text("SET LOCAL row_security = off"))
    connection.execute(count)  # type: ignore[call-overload]


def _is_refused(connection: Connection, action: Callable[[], object]) -> bool:
    savepoint = connection.begin_nested()
    try:
        action()
    except DBAPIError:
        return True
    else:
        return False
    finally:
        savepoint.rollback()


CHECKS: Sequence[Callable[[Connection], list[str]]] = (role_findings, table_findings, canary_findings)
