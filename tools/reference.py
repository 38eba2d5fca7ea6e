"""Writes docs/routes.md from the permission table: `python -m tools.reference`. A test compares the two."""

from pathlib import Path

from shifty_pipelines.api.permissions import RULES, Rule
from shifty_pipelines.api.scopes import scope_of
from shifty_pipelines.kernel.tenant import Role

PAGE = Path(__file__).resolve().parents[1] / "docs" / "routes.md"
HEAD = """# Routes and who may call them
Made from `shifty_pipelines/api/permissions.py` by `python -m tools.reference`; a test fails when they differ.
Everything not in this table is refused. The routes of a service answer on its own port and on the gateway's; bodies
and answers are in each port's `/openapi.json`. An API key needs the scope in the last column as well; where there is
none, only a session is let in (`shifty_pipelines/api/scopes.py`).

| verb | path | roles | or grants | key's scope |
|---|---|---|---|---|
"""


def page() -> str:
    """The page's text."""
    return HEAD + "".join(
        f"| {verb} | `{path}` | {_roles(rule)} | {'' if rule.is_open else scope_of(verb, path) or 'none'} |\n"
        for (verb, path), rule in RULES.items()
    )


def _roles(rule: Rule) -> str:
    if rule.is_open:
        return "open | "
    if rule.roles == frozenset(Role):
        return "everybody signed in | "
    return f"{', '.join(role for role in Role if role in rule.roles)} | {', '.join(sorted(rule.grants))}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
