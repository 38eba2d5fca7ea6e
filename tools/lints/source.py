"""What every rule works on: one parsed file, and the findings in it."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One violation: where, which rule, and what to do about it in one line."""

    path: str
    line: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.code} {self.message}"


@dataclass(frozen=True)
class SourceFile:
    """A Python file, parsed once for all rules; `path` is relative to the repository, with forward slashes."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The file's syntax tree."""
        return ast.parse(self.text, filename=self.path)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the tree; rules share one walk."""
        return tuple(ast.walk(self.tree))

    def finding(self, node: ast.stmt | ast.expr | ast.arg, code: str, message: str) -> Finding:
        """A finding at the line of `node`."""
        return Finding(self.path, node.lineno, code, message)


Rule = Callable[[SourceFile], Iterator[Finding]]

#: What a session or connection is called here; a rule sees names, not types.
_SESSION = re.compile(r"(^|_)(session|connection|conn|cursor)$|^connect$")


def last_name(node: ast.expr) -> str:
    """The last identifier of a dotted or called expression: `self.scope.session` and `session()` are "session"."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=function):
            return last_name(function)
        case _:
            return ""


def session_call(node: ast.AST) -> str | None:
    """The method's name if `node` calls one on something named like a session or connection, else None."""
    match node:
        case ast.Call(func=ast.Attribute(value=receiver, attr=method)) if _SESSION.search(last_name(receiver)):
            return method
        case _:
            return None


def imported_modules(node: ast.AST) -> list[str]:
    """The absolute names of the modules that an import statement names; empty for any other node."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), names=names):
            # `from http import client` names http.client as much as `import http.client` does.
            return [module, *(f"{module}.{alias.name}" for alias in names)]
        case _:
            return []
