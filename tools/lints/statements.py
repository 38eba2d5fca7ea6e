"""Reading SQL in repositories: which statements bind no tenant. Used by the rule `tenant_scope`.

A chain is one expression, from `select(…)` to its last method. It is scoped if one of these holds:

- it mentions `self.scoped(…)`, e.g. counts over `self.scoped(Mission).subquery()`;
- one of its conditions names `tenant_id` of something that is not a table of the same chain: `self.tenant_id`,
  `scope.tenant_id`, or the outer table of a correlated subquery. A join on `A.tenant_id == B.tenant_id` alone binds
  nothing, and a later `.where` on the same variable is not looked for, because it may stand behind an `if`;
- it draws from no table: `select(func.now())`, or from a variable that holds another chain, which is judged itself.

Raw SQL is scoped if its text names `tenant_id`, or if all its tables belong to schema `platform`; calls of functions
are free, those of `platform` guard themselves. `insert` is free: row-level security checks what it writes, and it
shows nothing.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tools.lints.source import SourceFile, session_call

STARTERS = frozenset({"select", "update", "delete", "exists"})
CONDITIONS = frozenset({"where", "filter", "filter_by"})
SOURCES = frozenset({"select_from", "join", "outerjoin", "join_from", "add_columns", "with_only_columns"})
_CAMEL_CASE = re.compile(r"[A-Z]\w*[a-z]")
#: Tables of raw SQL. `FOR UPDATE` and `DO UPDATE` name none; what is followed by a parenthesis is a function.
_SQL_TABLE = re.compile(r"\b(?:from|join|into|(?<!for )(?<!do )update)\s+([a-z_][a-z0-9_.]*+)(?!\s*\()", re.IGNORECASE)


@dataclass(frozen=True)
class Scope:
    """What names mean in one function: `imported` maps names to SQLAlchemy's own, `values` the others by assignment."""

    imported: Mapping[str, str]
    values: Mapping[str, ast.expr]

    def original(self, function: ast.expr) -> str | None:
        """SQLAlchemy's own name of what is called: "select" for `select`, an alias of it, or `sa.select`."""
        match function:
            case ast.Name(id=name):
                return self.imported.get(name)
            case ast.Attribute(value=ast.Name(id=module), attr=name) if self.imported.get(module) == "sqlalchemy":
                return name
            case _:
                return None

    def begins_statement(self, call: ast.Call) -> bool:
        """True for `select(…)` and its like, and for the old `session.query(…)`."""
        return self.original(call.func) in STARTERS or session_call(call) == "query"

    def chain(self, call: ast.Call) -> Sequence[ast.Call]:
        """The calls of a chain, last method first, down to the one that begins it."""
        calls = [call]
        while not self.begins_statement(calls[-1]):
            match calls[-1].func:
                case ast.Attribute(value=ast.Call() as receiver):
                    calls.append(receiver)
                case _:
                    break
        return calls

    def is_statement(self, node: ast.AST) -> bool:
        """True for a whole chain that begins a statement of its own."""
        return isinstance(node, ast.Call) and self.begins_statement(self.chain(node)[-1])

    def mentions(self, node: ast.AST, followed: frozenset[str] = frozenset()) -> Iterator[ast.AST]:
        """The nodes at and below `node` and in the variables it names; other statements are left out."""
        if self.is_statement(node):
            return
        yield node
        if isinstance(node, ast.Name) and node.id in self.values and node.id not in followed:
            yield from self.mentions(self.values[node.id], followed | {node.id})
        for child in ast.iter_child_nodes(node):
            yield from self.mentions(child, followed)


def unscoped_statements(source: SourceFile) -> Iterator[tuple[ast.Call, str]]:
    """Each call that begins an unscoped statement, with words for it."""
    for nodes, scope in _scopes(source.tree, Scope(_imports(source), {})):
        seen: set[ast.Call] = set()
        for node in nodes:
            if not isinstance(node, ast.Call) or node in seen:
                continue
            chain = scope.chain(node)
            seen.update(chain)
            if scope.begins_statement(chain[-1]):
                if not _is_scoped(chain, scope):
                    yield chain[-1], f"`{ast.unparse(chain[-1])}`"
            elif _is_unscoped_sql(node, scope):
                yield node, "this SQL"
            elif _is_unscoped_get(node, scope):
                yield node, f"`{ast.unparse(node)}`"


def _imports(source: SourceFile) -> Mapping[str, str]:
    imported: dict[str, str] = {}
    for node in source.nodes:
        match node:
            case ast.Import(names=names):
                imported |= {alias.asname or alias.name: "sqlalchemy" for alias in names if alias.name == "sqlalchemy"}
            case ast.ImportFrom(module=str(module), names=names) if module.split(".")[0] == "sqlalchemy":
                imported |= {alias.asname or alias.name: alias.name for alias in names}
    return imported


def _scopes(owner: ast.AST, outer: Scope) -> Iterator[tuple[Sequence[ast.AST], Scope]]:
    """The module's own nodes, then each function's, with the values that names have there."""
    nodes = list(_own_nodes(owner))
    values = {**outer.values}
    for node in nodes:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                values[name] = value
    scope = replace(outer, values=values)
    yield nodes, scope
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _scopes(node, scope)


def _own_nodes(owner: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(owner):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _own_nodes(child)


def _is_scoped(chain: Sequence[ast.Call], scope: Scope) -> bool:
    tables = _tables(chain, scope)
    drawn_from = [*_arguments(chain[-1:], None), *_arguments(chain, SOURCES | CONDITIONS)]
    if any(_is_scoped_call(node) for part in drawn_from for node in scope.mentions(part)):
        return True
    if not tables and drawn_from and chain[-1].args:
        return True
    return any(_binds(condition, tables, scope) for condition in _conditions(chain))


def _tables(chain: Sequence[ast.Call], scope: Scope) -> frozenset[str]:
    """Names of the tables and aliases that the chain draws from."""
    found = set()
    for part in [*_arguments(chain[-1:], None), *_arguments(chain, SOURCES)]:
        if isinstance(part, ast.Name) and not scope.is_statement(scope.values.get(part.id, part)):
            found.add(part.id)
        for node in scope.mentions(part, followed=frozenset(scope.values)):
            if isinstance(node, ast.Name) and node.id not in scope.imported and _names_table(node, scope):
                found.add(node.id)
    return frozenset(found)


def _names_table(name: ast.Name, scope: Scope) -> bool:
    """True for a model, and for a variable made of models, e.g. by `aliased(Slot)`."""
    return any(isinstance(node, ast.Name) and _CAMEL_CASE.match(node.id) for node in scope.mentions(name))


def _arguments(calls: Sequence[ast.Call], methods: frozenset[str] | None) -> list[ast.expr]:
    """What is handed to these methods of a chain; to every call if `methods` is None."""
    chosen = [call for call in calls if methods is None or _method(call) in methods]
    return [part for call in chosen for part in (*call.args, *(keyword.value for keyword in call.keywords))]


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _conditions(chain: Sequence[ast.Call]) -> list[ast.AST]:
    """What the chain's conditions say; `filter_by(tenant_id=…)` counts by its keyword."""
    return [part for call in chain if _method(call) in CONDITIONS for part in (*call.args, *call.keywords)]


def _binds(condition: ast.AST, tables: frozenset[str], scope: Scope) -> bool:
    for node in scope.mentions(condition):
        match node:
            case ast.Name(id="tenant_id") | ast.keyword(arg="tenant_id"):
                return True
            case ast.Attribute(attr="tenant_id", value=owner) if _root(owner) not in tables:
                return True
    return False


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_scoped_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "scoped" and _root(node.value) == "self"


def _is_unscoped_sql(call: ast.Call, scope: Scope) -> bool:
    """True for `text("…")`, or a string run on a session, whose tables are a tenant's and whose text names none."""
    is_sql = scope.original(call.func) == "text" or session_call(call) in {"execute", "exec_driver_sql"}
    if not is_sql or not call.args:
        return False
    parts = [node.value for node in scope.mentions(call.args[0]) if isinstance(node, ast.Constant)]
    sql = " ".join(part for part in parts if isinstance(part, str))
    tables = [name for name in _SQL_TABLE.findall(sql) if not name.startswith("platform.")]
    return bool(tables) and "tenant_id" not in sql


def _is_unscoped_get(call: ast.Call, scope: Scope) -> bool:
    """True for `session.get(Model, …)` whose key does not hold the tenant."""
    if session_call(call) != "get" or not call.args:
        return False
    return not any(_binds(part, frozenset(), scope) for part in call.args[1:])
