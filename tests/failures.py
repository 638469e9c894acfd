"""Print again what failed in a run of tox: the gate is long, and its last lines say only which environments did."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINES = 100
"""Of each command: pytest's own summary and a few tracebacks."""


def failures(results: dict[str, Any]) -> Iterator[str]:
    """Yield what each failed command of each failed environment printed last, from what ``tox --result-json`` writes."""
    for name, environment in results.get("testenvs", {}).items():
        if environment.get("result", {}).get("success", True):
            continue
        steps = [step for step in (*environment.get("setup", ()), *environment.get("test", ())) if step["retcode"] != 0]
        if not steps:
            yield f"{name}: failed before any command of its own; its words are further above"
        for step in steps:
            said = [*step["output"].splitlines(), *step["err"].splitlines()]
            yield f"{name}: exit code {step['retcode']} of {' '.join(step['command'])}; the last {_LINES} lines:"
            yield from (f"  {line}" for line in said[-_LINES:])


def main(path: Path) -> None:
    """Print them. Where tox was ended before it wrote its results there are none."""
    if not path.exists():
        print("tox wrote no results: it was ended, or did not start")
        return
    for line in failures(json.loads(path.read_text())):
        print(line)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
