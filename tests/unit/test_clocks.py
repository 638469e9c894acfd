"""Limits are measured on a clock that never jumps: the time of day is for dates that others write."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pytest_multiarch
from pytest_multiarch.image.transport import Request, Transport
from tests.unit.fake_registry import FakeRegistry, Fault

PACKAGE = Path(pytest_multiarch.__file__).parent
# One dates files that it makes, one looks how old the file system says that a folder is; the others take the date of a
# `Retry-After` header apart (RFC 9110, section 10.2.3).
FOR_DATES = {"engine/archive.py", "image/registry.py", "image/spool.py", "image/transport.py"}
JUMPING = {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today")}


def uses(source: str) -> set[tuple[str, str]]:
    """Return the clocks that a module reads, or hands on to be read."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            holder = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            found.add((holder, node.attr))
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            found |= {("time", name.name) for name in node.names}
    return found & JUMPING


@pytest.mark.parametrize(
    "source", ["import time\ntime.time()", "from time import time", "import datetime as d\nd.datetime.now()"]
)
def test_clocks_that_jump_are_seen(source: str) -> None:
    assert uses(source)


def test_no_limit_is_measured_on_one() -> None:
    modules = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    assert len(modules) > 100
    assert {name for name, path in modules.items() if uses(path.read_text(encoding="utf-8"))} == FOR_DATES


@pytest.mark.parametrize(("now", "waited"), [(0.0, []), (4e9, [0.0])], ids=["decades back", "decades ahead"])
def test_a_clock_that_has_jumped_makes_nobody_wait_for_a_date(now: float, waited: list[float]) -> None:
    pauses: list[float] = []
    transport = Transport(sleep=pauses.append, now=lambda: now)
    with FakeRegistry().running() as registry:
        registry.fail("GET", "/v2/", Fault(503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), Fault(200))
        transport.send(Request("ask", "GET", f"{registry.url}/v2/")).close()
        transport.close()
    assert pauses == waited  # a date that is years ahead is not waited for: the refusal stands
