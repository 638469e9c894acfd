"""``python -m pytest_multiarch doctor``: its options, its lines, its JSON, its exit code."""

from __future__ import annotations

import argparse
import json
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

from pytest_multiarch.engine.builder import DEFAULT_BUILDKIT_IMAGE
from pytest_multiarch.engine.doctor.examination import examine
from pytest_multiarch.engine.options import EngineOptions
from pytest_multiarch.engine.progress import printable
from pytest_multiarch.engine.registry import DEFAULT_IMAGE
from pytest_multiarch.errors import UsageProblem
from pytest_multiarch.platforms import parse_platforms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_multiarch.engine.doctor.check import Check

_PATIENCE = 2.0  # seconds until the user is told what is waited for
_LIMIT = 120.0  # for the trial's one build, of one file


def main(arguments: Sequence[str]) -> int:
    """Look at everything, print what was found, and return the exit code: 1 where something keeps a run from working."""
    options = _parser().parse_args(arguments)
    try:
        platforms = parse_platforms([options.platforms]) if options.platforms else ()
    except UsageProblem as error:
        print(error, file=sys.stderr)
        return 2
    settings = EngineOptions(
        builder="auto",
        mirrors=(),
        registry_image=options.registry_image,
        registry_port=None,
        buildkit_image=options.buildkit_image,
        build_timeout=_LIMIT,
        command_timeout=_LIMIT,
    )
    found: list[Check] = []
    with closing(_Patience()) as patience:
        for check in examine(settings, platforms, patience.working):
            found.append(check)
            if not options.json:
                patience.close()
                print(as_text(check), flush=True)
    failed = sum(check.status == "failure" for check in found)
    if options.json:
        print(as_json(found))
    else:
        warned = sum(check.status == "warning" for check in found)
        print(f"{len(found)} checks, {failed} failures, {warned} warnings")
    return 1 if failed else 0


def as_text(check: Check) -> str:
    """Return a check's lines: how it is, its name, what was found, and below that what to do."""
    lines = [f"{check.status:<8} {check.name:<22} {printable(check.summary)}"]
    lines += [f"{'':<8} {'':<22} {printable(line)}" for line in check.hint.splitlines()]
    return "\n".join(lines)


def as_json(checks: Iterable[Check]) -> str:
    """Return all checks as one document, whose keys stay the same between versions."""
    found = list(checks)
    document = {
        "ok": not any(check.status == "failure" for check in found),
        "checks": [
            {
                "name": check.name,
                "status": check.status,
                "summary": check.summary,
                "hint": check.hint,
                "facts": dict(check.facts),
            }
            for check in found
        ],
    }
    return json.dumps(document, indent=2)


class _Patience:
    """Tell on standard error what is waited for, once it takes long."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def working(self, what: str) -> None:
        self.close()
        self._timer = threading.Timer(_PATIENCE, lambda: print(f"doctor: {what} …", file=sys.stderr, flush=True))
        self._timer.daemon = True
        self._timer.start()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pytest_multiarch doctor",
        description="Look at what a run needs on this machine, try it in small, and say what to do where something is amiss.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--platforms", metavar="PLATFORM,…", help="platforms that have to run, such as linux/arm64")
    parser.add_argument("--registry-image", default=DEFAULT_IMAGE, metavar="REF", help="as --multiarch-registry-image")
    parser.add_argument(
        "--buildkit-image", default=DEFAULT_BUILDKIT_IMAGE, metavar="REF", help="as --multiarch-buildkit-image"
    )
    return parser
