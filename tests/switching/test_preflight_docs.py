"""docs/preflight.md lists every finding."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from spotlab.switching import preflight
from spotlab.switching.preflight import group_findings, storage_findings

PACKAGE = Path(preflight.__file__).parent
PAGE = PACKAGE.parent.parent.parent / "docs" / "preflight.md"


def codes_of_the_code() -> set[str]:
    """The code of each Finding that the modules make."""
    found = {*group_findings.CODES.values(), *storage_findings.KEY_CODES}
    for path in PACKAGE.glob("*_findings.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding" and node.args:
                code = node.args[0]
                if isinstance(code, ast.Constant):
                    found.add(str(code.value))
                else:
                    assert ast.unparse(code) == "code", f"{path.name}:{node.lineno}"
    return found


def test_the_page_lists_every_finding_and_no_other() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    listed = [code for row in rows for code in re.findall(r"`([a-z0-9-]+)`", row.split("|")[1])]
    assert len(listed) == len(set(listed)), "a finding is listed twice"
    assert set(listed) == codes_of_the_code()
