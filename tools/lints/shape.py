"""The shape budget: what fits on a screen and in a head (docs/decisions/0009).

Flagged:
    file-too-long       more than 400 lines.
    function-too-long   a body of more than 40 lines, its docstring not counted.
    too-many-arguments  more than 6 arguments, `self` and `cls` not counted; a command of the CLI is free, because its
                        arguments are its flags.
    nested-too-deep     `if`, `for`, `while`, `with`, `try`, `match` more than 4 deep; `elif` is no deeper than its
                        `if`, a nested function starts anew.

Why: the code bases that are read with pleasure keep to this; those without a limit end in a `service.py` of thousands
of lines.

How to mend: name a part. A long file splits by noun (`service/missions.py`), a long function by step, many arguments
are a dataclass that lacks a name, a deep nest is a guard clause or a function.
"""

import ast
from collections.abc import Iterator

from tools.lints.source import Finding, SourceFile

MAX_FILE_LINES = 400
MAX_BODY_LINES = 40
MAX_ARGUMENTS = 6
MAX_DEPTH = 4

Function = ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


def check(source: SourceFile) -> Iterator[Finding]:
    """Findings of this rule, in any file."""
    line_count = len(source.text.splitlines())
    if line_count > MAX_FILE_LINES:
        message = f"{line_count} lines, at most {MAX_FILE_LINES}: split it by noun, one idea per file"
        yield Finding(source.path, line_count, "file-too-long", message)
    for node in source.nodes:
        if isinstance(node, _FUNCTIONS):
            yield from _function(source, node)


def _function(source: SourceFile, function: Function) -> Iterator[Finding]:
    body_lines = _body_lines(function)
    if body_lines > MAX_BODY_LINES:
        message = f"`{function.name}` has {body_lines} lines, at most {MAX_BODY_LINES}: name its steps as functions"
        yield source.finding(function, "function-too-long", message)
    argument_count = _argument_count(function)
    if argument_count > MAX_ARGUMENTS and not _is_command(source, function):
        message = (
            f"`{function.name}` takes {argument_count} arguments, at most {MAX_ARGUMENTS}: "
            "gather those that travel together in a dataclass"
        )
        yield source.finding(function, "too-many-arguments", message)
    deepest = max(_block_depths(function.body, 0), default=(0, function.lineno))
    if deepest[0] > MAX_DEPTH:
        message = (
            f"`{function.name}` nests {deepest[0]} deep, at most {MAX_DEPTH}: return early, or name the inner block"
        )
        yield Finding(source.path, deepest[1], "nested-too-deep", message)


def _body_lines(function: Function) -> int:
    body = function.body
    if ast.get_docstring(function, clean=False) is not None:
        body = body[1:]
    if not body:
        return 0
    return (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1


def _argument_count(function: Function) -> int:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    if positional and positional[0].arg in {"self", "cls"}:
        positional = positional[1:]
    return len(positional) + len(arguments.kwonlyargs)


def _is_command(source: SourceFile, function: Function) -> bool:
    return source.path.startswith("shifty_pipelines/cli/") and bool(function.decorator_list)


def _block_depths(statements: list[ast.stmt], depth: int) -> Iterator[tuple[int, int]]:
    """Depth and line of every block among `statements` and below, nested functions and classes left out."""
    for statement in statements:
        if isinstance(statement, _BLOCKS):
            yield depth + 1, statement.lineno
            for inner, inner_depth in _bodies(statement, depth + 1):
                yield from _block_depths(inner, inner_depth)


def _bodies(block: ast.stmt, depth: int) -> Iterator[tuple[list[ast.stmt], int]]:
    for name, value in ast.iter_fields(block):
        if name in {"handlers", "cases"}:
            yield from ((clause.body, depth) for clause in value)
        elif name in {"body", "orelse", "finalbody"}:
            is_elif = name == "orelse" and isinstance(block, ast.If) and [type(one) for one in value] == [ast.If]
            yield value, depth - 1 if is_elif else depth
