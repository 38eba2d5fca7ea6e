"""Which statements of a repository the rule `tenant_scope` finds, each beside a twin that binds its tenant."""

from textwrap import dedent, indent

import pytest

from tools.lints import tenant_scope
from tools.lints.source import SourceFile

REPOSITORY_FILE = "shifty_pipelines/contexts/arcade/repository.py"


def found(code: str) -> list[str]:
    source = SourceFile(REPOSITORY_FILE, dedent(code).lstrip("\n"))
    return [f"{finding.line} {finding.code}" for finding in tenant_scope.check(source)]


def in_repository(body: str) -> str:
    """A repository whose only method has this body, from line 7 on."""
    method = f"    def method(self):\n{indent(dedent(body).strip(), '        ')}"
    imports = "from sqlalchemy import Integer, cast, delete, exists, func, select, text, update\n"
    return f"{imports}from sqlalchemy.orm import aliased\n\n\nclass ArcadeRepository(ScopedRepository):\n{method}\n"


# Each pair differs in what binds the tenant, and in nothing else.
STATEMENTS = [
    pytest.param(
        "return select(Mission).where(Mission.id == mission_id)",
        "return select(Mission).where(Mission.tenant_id == self.tenant_id, Mission.id == mission_id)",
        id="select",
    ),
    pytest.param(
        "self.session.execute(update(Slot).where(Slot.id == slot_id).values(state=1))",
        "self.session.execute(update(Slot).where(Slot.tenant_id == self.tenant_id).values(state=1))",
        id="update",
    ),
    pytest.param(
        "self.session.execute(delete(Slot))",
        "self.session.execute(delete(Slot).filter_by(tenant_id=self.tenant_id))",
        id="delete",
    ),
    pytest.param(
        "return select(func.count()).select_from(Mission)",
        "return select(func.count()).select_from(self.scoped(Mission).subquery())",
        id="count",
    ),
    pytest.param(
        "return select(func.max(Mission.priority))",
        "return select(func.pg_advisory_xact_lock(number))",
        id="function-of-a-column",
    ),
    pytest.param(
        "return select(Slot, Mission).join(Mission, Slot.tenant_id == Mission.tenant_id)",
        "return select(Slot, Mission).join(Mission, Slot.tenant_id == Mission.tenant_id)"
        ".where(Slot.tenant_id == self.tenant_id)",
        id="a-join-on-the-tenant-binds-none",
    ),
    pytest.param(
        "return select(Slot, Mission).where(Slot.tenant_id == Mission.tenant_id)",
        "return select(Slot).where(Slot.tenant_id == Mission.tenant_id).exists()",
        id="two-tables-bind-none-a-correlated-subquery-does",
    ),
    pytest.param(
        "return self.scoped(Mission).where(Mission.id.in_(select(Slot.mission_id).where(Slot.state == 1)))",
        "return self.scoped(Mission).where(Mission.id.in_(select(Slot.mission_id).where(Slot.tenant_id == tenant_id)))",
        id="subquery-inside-a-scoped-statement",
    ),
    pytest.param(
        "return select(Slot).where(Slot.mission_id.in_(select(Mission.id).where(Mission.tenant_id == self.tenant_id)))",
        "return select(Slot).where(Slot.mission_id.in_(self.scoped(Mission).with_only_columns(Mission.id)))",
        id="the-tenant-of-a-subquery-does-not-bind-the-outer-statement",
    ),
    pytest.param(
        "other = aliased(Slot)\nreturn select(other.id).where(other.state == 1)",
        "other = aliased(Slot)\nreturn select(other.id).where(other.tenant_id == Slot.tenant_id)",
        id="alias",
    ),
    pytest.param(
        "due = Slot.state == 1\nreturn select(Slot.id).where(due)",
        "due = Slot.tenant_id == scope.tenant_id\nreturn select(Slot.id).where(due)",
        id="condition-in-a-variable",
    ),
    pytest.param(
        "ranked = Slot\nreturn select(ranked.id)",
        "ranked = self.scoped(Slot).subquery()\nreturn select(ranked.c.id)",
        id="table-in-a-variable",
    ),
    pytest.param(
        "return exists().where(Slot.state == 1)",
        "return exists().where(Slot.tenant_id == Mission.tenant_id)",
        id="exists",
    ),
    pytest.param(
        "return select(func.max(Slot.state))",
        "return select(cast(number, Integer))",
        id="a-type-is-no-table",
    ),
    pytest.param(
        "ranked = aliased(Slot)\nreturn select(ranked)",
        "ranked = select(Slot).where(Slot.tenant_id == self.tenant_id).subquery()\nreturn select(ranked)",
        id="rows-of-a-subquery-in-a-variable",
    ),
    pytest.param(
        "return select(Slot).filter_by(owner_id=owner)",
        "return select(Slot).filter_by(tenant_id=owner)",
        id="condition-by-keyword",
    ),
    pytest.param("return select(model)", "return self.scoped(model)", id="model-as-an-argument"),
    pytest.param(
        "statement = select(Slot)\nif day:\n    statement = statement.where(Slot.tenant_id == self.tenant_id)",
        "statement = select(Slot).where(Slot.tenant_id == self.tenant_id)\nif day:\n    statement = statement.limit(1)",
        id="a-later-condition-may-not-run",
    ),
    pytest.param("return self.session.get(Slot, slot_id)", "return self.find(Slot, slot_id)", id="get-by-id"),
    pytest.param(
        "return self.session.get(Slot, slot_id)",
        "return self.session.get(Slot, (self.tenant_id, slot_id))",
        id="get-by-key",
    ),
    pytest.param(
        "return self.session.query(Slot).all()",
        "return self.session.query(Slot).filter_by(tenant_id=self.tenant_id).all()",
        id="old-query",
    ),
    pytest.param(
        'self.session.execute(text("SELECT id FROM slots"))',
        'self.session.execute(text("SELECT id FROM slots WHERE tenant_id = :tenant_id"))',
        id="raw-select",
    ),
    pytest.param(
        'self.session.execute(text("UPDATE slots SET state = 1"))',
        'self.session.execute(text("SELECT count(*) FROM platform.claim_work(1) FOR UPDATE SKIP LOCKED"))',
        id="raw-update",
    ),
    pytest.param(
        'text("INSERT INTO slots SELECT 1")',
        'text("INSERT INTO platform.tenants SELECT 1 ON CONFLICT DO UPDATE SET state = 1")',
        id="raw-upsert",
    ),
    pytest.param(
        'text("SELECT id FROM unnest(:ids) AS id JOIN slots USING (id)")',
        'text("SELECT id FROM unnest(:ids) AS id JOIN platform.tenants USING (id)")',
        id="raw-function",
    ),
    pytest.param(
        'self.session.connection().exec_driver_sql("DELETE FROM only_slots")',
        'self.session.connection().exec_driver_sql("SET LOCAL lock_timeout = 100")',
        id="driver-sql",
    ),
]


@pytest.mark.parametrize(("unscoped", "scoped"), STATEMENTS)
def test_a_statement_that_binds_no_tenant_is_found_and_its_scoped_twin_is_not(unscoped: str, scoped: str) -> None:
    codes = {line.split()[1] for line in found(in_repository(unscoped))}

    assert codes == {"unscoped-statement"}
    assert found(in_repository(scoped)) == []


def test_every_unscoped_statement_of_a_function_is_found_on_its_own_line() -> None:
    code = in_repository("""
        first = self.scoped(Slot)
        second = select(Slot)
        third = select(Slot).where(Slot.tenant_id == self.tenant_id)
        return select(Mission)
        """)

    assert found(code) == ["8 unscoped-statement", "10 unscoped-statement"]


def test_functions_and_constants_beside_the_class_are_looked_at_too() -> None:
    code = """
        from sqlalchemy import select as choose
        import sqlalchemy as sa

        ALL_SLOTS = choose(Slot)

        def slots(session):
            return session.scalars(sa.select(Slot))
        """

    assert found(code) == ["4 unscoped-statement", "7 unscoped-statement"]


def test_a_name_that_is_not_sqlalchemys_begins_no_statement() -> None:
    assert found("from random_choices import select\nselect(Slot)") == []
