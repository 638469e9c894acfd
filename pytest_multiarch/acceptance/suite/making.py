"""Make checks of the tests of our own files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_multiarch.acceptance.checks import (
    AuditCheck,
    CommandCheck,
    ConfigCheck,
    FileCheck,
    IndexCheck,
    LicenseCheck,
    Named,
    ParityCheck,
    Request,
    ServiceCheck,
)
from pytest_multiarch.acceptance.suite.schema import SERVICE_OPTIONS
from pytest_multiarch.acceptance.suite.values import CONTAINER_OPTIONS, expectation
from pytest_multiarch.image.members import FileKind
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.acceptance.checks import Check, WholeCheck
    from pytest_multiarch.acceptance.objects import Record

_KINDS: Final = {
    "file": (FileKind.FILE,),
    "directory": (FileKind.DIRECTORY,),
    "link": (FileKind.SYMLINK,),
    "device": (FileKind.CHARACTER_DEVICE, FileKind.BLOCK_DEVICE),
    "fifo": (FileKind.FIFO,),
}


def make_check(kind: str, test: Record) -> Check:
    """Return the check of a test that looks at one platform."""
    if kind in ("run", "exec"):
        return _command(kind, test)
    if kind == "file":
        return _file(test)
    if kind == "service":
        return _service(test)
    if kind == "licenses":
        what: Record = test.get("licenses")
        return LicenseCheck(debian=what.get("debian", False), files=what.get("files") or ())
    return _config(test.get("config"))


def make_whole_check(kind: str, test: Record) -> WholeCheck:
    """Return the check of a test that looks at all platforms at once."""
    what: Record = test.get(kind)
    if kind == "index":
        return IndexCheck(
            platforms=_platforms(what.get("platforms")),
            includes=_platforms(what.get("includes")) or (),
            annotations=_named(what.get("annotations")),
            provenance=what.get("provenance"),
            sbom=what.get("sbom"),
        )
    if kind == "audit":
        return AuditCheck(select=what.get("select"), ignore=what.get("ignore"), allow=what.get("allow"))
    return ParityCheck(
        config=what.get("config") or (), paths=what.get("paths") or (), content=what.get("content") or ()
    )


def _command(kind: str, test: Record) -> Check:
    what: Record = test.get(kind)
    options = {key: what.get(key) for key in CONTAINER_OPTIONS if what.get(key)}
    return CommandCheck(
        args=what.get("args"),
        way="run" if kind == "run" else "fresh" if what.get("fresh") else "warm",
        setup=what.get("setup") or (),
        entrypoint=what.get("entrypoint"),
        env=what.get("env") or {},
        setup_env=what.get("env") or {},
        user=what.get("user"),
        workdir=what.get("workdir"),
        stdin=what.get("stdin"),
        tty=what.get("tty", False),
        options=options,
        timeout=test.get("timeout"),
        exit_code=test.get("exit_code", 0),
        stdout=expectation(test.get("stdout")),
        stderr=expectation(test.get("stderr")),
    )


def _file(test: Record) -> Check:
    mode = test.get("mode")
    return FileCheck(
        path=test.get("file"),
        exists=test.get("exists", True),
        follow=test.get("follow", "target" not in test and test.get("kind") != "link"),
        kinds=_KINDS[test.get("kind")] if "kind" in test else (),
        permissions=test.get("permissions", ""),
        mode=None if mode is None else int(mode, 8),
        uid=test.get("uid"),
        gid=test.get("gid"),
        executable_by=test.get("executable_by"),
        target=test.get("target"),
        content=expectation(test.get("content")),
    )


def _config(what: Record) -> Check:
    plain = ("entrypoint", "cmd", "workdir", "user", "stop_signal", "os", "architecture", "variant")
    lists = ("no_env", "ports", "no_ports", "volumes", "no_volumes")
    given: dict[str, Any] = {key: what.get(key) for key in plain if key in what}
    given.update({key: what.get(key) for key in lists if key in what})
    return ConfigCheck(env=_named(what.get("env")), labels=_named(what.get("labels")), **given)


def _service(test: Record) -> Check:
    service: Record = test.get("service")
    wait: Record | None = service.get("wait_for")
    requests = tuple(
        Request(
            path=one.get("path", "/"),
            port=one.get("port"),
            method=one.get("method", "GET"),
            headers=one.get("headers") or {},
            data=one.get("data"),
            status=one.get("status", 200),
            body=expectation(one.get("body")),
            response_headers=_named(one.get("response_headers")),
            timeout=one.get("timeout", 10.0),
        )
        for one in test.get("http")
    )
    return ServiceCheck(
        ports=service.get("ports"),
        wait_for=None if wait is None else next(iter(wait.values.items())),
        options={key: service.get(key) for key in (*SERVICE_OPTIONS, "timeout") if key in service},
        requests=requests,
    )


def _named(values: Mapping[str, Record] | None) -> tuple[Named, ...]:
    return tuple(
        Named(name, value.get("matches", value.get("equals", "")), "matches" in value)
        for name, value in (values or {}).items()
    )


def _platforms(texts: tuple[str, ...] | None) -> tuple[Platform, ...] | None:
    return None if texts is None else tuple(map(Platform.parse, texts))
