"""What the run options of container-structure-test's files ask of containers, and how commands are then run."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.acceptance import Needs
from pytest_multiarch.acceptance.checks import CommandCheck, Mismatch, Subject
from pytest_multiarch.acceptance.structure import read_structure_file
from pytest_multiarch.acceptance.suite import read_suite
from pytest_multiarch.engine.mounts import Mount
from pytest_multiarch.errors import CommandTimeout, EngineError
from pytest_multiarch.outputs import Output
from pytest_multiarch.platforms import Platform
from pytest_multiarch.results import CommandResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_multiarch.acceptance.checks import Outcome

AMD64 = Platform.parse("linux/amd64")


@dataclass
class Asked:
    """Answer every command, and note how it was run, and in what."""

    runs: list[tuple[tuple[str, ...], dict[str, Any]]] = field(default_factory=list)
    execs: list[tuple[tuple[str, ...], bool]] = field(default_factory=list)
    containers: list[dict[str, Any]] = field(default_factory=list)
    envs: list[Mapping[str, str]] = field(default_factory=list)

    def run(self, args: Sequence[str], *, entrypoint: Sequence[str], **options: Any) -> CommandResult:
        said = {
            key: value for key, value in options.items() if value and key in ("privileged", "cap_add", "tty", "mounts")
        }
        self.runs.append(((*entrypoint, *args), said))
        return self._result(args)

    def exec(
        self, args: Sequence[str], *, env: Mapping[str, str] | None = None, tty: bool = False, **_: Any
    ) -> CommandResult:
        self.execs.append((tuple(args), tty))
        self.envs.append(env or {})
        return self._result(args)

    @contextmanager
    def fresh(self, **options: Any) -> Iterator[Asked]:
        self.containers.append(options)
        yield self

    @property
    def subject(self) -> Subject:
        image: Any = SimpleNamespace(platform=AMD64, run=self.run, config=SimpleNamespace(environment={}))
        return Subject(image, warm=lambda: pytest.fail("it is not the warm one"), fresh=self.fresh)

    def _result(self, args: Sequence[str]) -> CommandResult:
        return CommandResult(tuple(args), 0, Output(b"hello\r\n"), Output(), 0.1, AMD64)


def checked(options: str, asked: Asked, setup: str = "[]", *, is_strict: bool = False) -> Outcome:
    """Make the one check of a file with these run options."""
    text = f"""\
schemaVersion: 2.0.0
containerRunOptions: {options}
commandTests:
  - {{name: a, setup: {setup}, command: echo, args: [hello], expectedOutput: [hello]}}
"""
    (case,) = read_structure_file(text, "image.yaml", is_strict=is_strict).cases
    return case.make(AMD64).check(asked.subject)


BOUND = (Mount.bind("/here", "/there", read_only=True), Mount.bind("/a", "/b"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("{privileged: true}", {"privileged": True}),
        ("{allocateTty: true}", {"tty": True}),
        ("{capabilities: [NET_ADMIN, CAP_SYS_TIME]}", {"cap_add": ("NET_ADMIN", "CAP_SYS_TIME")}),
        ('{bindMounts: ["/here:/there:ro", "/a:/b"]}', {"mounts": BOUND}),
    ],
)
class TestEachOption:
    def test_is_the_containers_or_the_commands(self, options: str, said: Mapping[str, Any]) -> None:
        asked = Asked()
        assert checked(options, asked).mismatches == ()
        assert asked.containers == [{key: value for key, value in said.items() if key != "tty"}]
        assert asked.execs == [(("echo", "hello"), "tty" in said)]

    def test_is_there_in_the_setup_as_well_but_for_the_terminal(self, options: str, said: Mapping[str, Any]) -> None:
        asked = Asked()
        assert checked(options, asked, setup='[["prepare"]]').mismatches == ()
        assert asked.containers == [{key: value for key, value in said.items() if key != "tty"}]
        assert asked.execs == [(("prepare",), False), (("echo", "hello"), "tty" in said)]


def test_strict_gives_no_capabilities_as_the_binary_gets_none() -> None:
    asked = Asked()
    checked("{capabilities: [NET_ADMIN], privileged: true}", asked, is_strict=True)
    checked("{capabilities: [NET_ADMIN]}", asked, is_strict=True)
    assert asked.containers == [{"privileged": True}, {}]


@pytest.mark.parametrize("options", [{}, {"cap_add": ["NO_SUCH_THING"]}])
def test_a_container_that_cannot_have_its_options_is_the_tests_failure(options: Mapping[str, Any]) -> None:
    def refuse(**_: Any) -> Any:
        raise EngineError("starting a container", "invalid CapAdd")

    subject = replace(Asked().subject, fresh=refuse)
    check = CommandCheck(args=("x",), way="fresh", options=options)
    if options:
        assert check.check(subject).mismatches == (Mismatch("container", "can be started", "invalid CapAdd"),)
    else:  # nothing that the file says is why
        with pytest.raises(EngineError, match="invalid CapAdd"):
            check.check(subject)


def test_a_setup_that_does_not_end_is_told_with_its_output() -> None:
    def late(*_: Any, **__: Any) -> Any:
        raise CommandTimeout("running prepare", "no end within 1 s", detail="so far")

    asked = Asked()
    asked.exec = late  # type: ignore[method-assign]
    found = CommandCheck(args=("x",), setup=(("prepare",),)).check(asked.subject).mismatches
    assert found == (Mismatch("setup ['prepare']", "succeeds", "no end within 1 s\nso far"),)


def test_a_command_with_options_is_never_in_the_warm_container() -> None:
    asked = Asked()
    CommandCheck(args=("x",), options={"cap_add": ["NET_ADMIN"]}).check(asked.subject)
    assert asked.containers == [{"cap_add": ["NET_ADMIN"]}]
    assert asked.execs == [(("x",), False)]


OURS = """\
tests:
  - {name: a, run: {args: [hello], entrypoint: [echo], privileged: true, cap_add: NET_ADMIN, tty: true}}
  - {name: b, exec: {args: [echo, hello], tty: true, cap_add: [NET_ADMIN]}}
  - {name: c, exec: {args: [echo, hello], tty: true, setup: [[prepare]], mounts: {/a: /b}}}
"""


def test_our_own_files_have_the_same_options() -> None:
    asked = Asked()
    cases = read_suite(OURS, "app.multiarch.yaml").cases
    for case in cases:
        assert case.make(AMD64).check(asked.subject).mismatches == ()
    assert [case.needs for case in cases] == [Needs.RUNNING] * 3
    assert asked.runs == [(("echo", "hello"), {"privileged": True, "cap_add": ("NET_ADMIN",), "tty": True})]
    assert asked.containers == [{"cap_add": ("NET_ADMIN",)}, {"mounts": {"/a": "/b"}}]
    assert asked.execs == [(("echo", "hello"), True), (("prepare",), False), (("echo", "hello"), True)]
