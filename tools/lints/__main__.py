"""`python -m tools.lints FOLDER...`: every finding as `path:line: code message`; exit 1 if there is one."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.lints import no_commit, shape, tenant_scope
from tools.lints.source import Finding, Rule, SourceFile

RULES: Sequence[Rule] = (tenant_scope.check, no_commit.check, shape.check)


def findings_in(folder: Path) -> Iterator[Finding]:
    """Findings of every rule in the Python files under `folder`, a path relative to the repository."""
    for path in sorted(folder.rglob("*.py")):
        source = SourceFile(path.as_posix(), path.read_text(encoding="utf-8"))
        for rule in RULES:
            yield from rule(source)


def main(arguments: Sequence[str]) -> int:
    """Print the findings of the named folders; the exit status."""
    missing = [name for name in arguments if not Path(name).is_dir()]
    if missing or not arguments:
        print(f"no such folder: {', '.join(missing)}" if missing else "usage: python -m tools.lints FOLDER...")
        return 2
    findings = sorted({finding for name in arguments for finding in findings_in(Path(name))})
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
