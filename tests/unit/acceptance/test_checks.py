"""The checks as Python has them: what they say of an image, and of a container that is made up."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.acceptance import assert_passes
from pytest_multiarch.acceptance.checks import (
    CommandCheck,
    ConfigCheck,
    FileCheck,
    LicenseCheck,
    Named,
    Request,
    ServiceCheck,
    TextExpectation,
)
from pytest_multiarch.acceptance.checks.files import go_mode
from pytest_multiarch.acceptance.checks.json_path import JsonPath
from pytest_multiarch.acceptance.checks.text import same_json
from pytest_multiarch.acceptance.expand import expand
from pytest_multiarch.errors import CommandTimeout, EngineError, MultiArchError
from pytest_multiarch.image.members import FileKind
from pytest_multiarch.outputs import Output
from pytest_multiarch.platforms import Platform
from pytest_multiarch.results import CommandResult
from tests.integration.acceptance.crafted import crafted_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_multiarch.image.platform_image import PlatformImage

AMD64 = Platform.parse("linux/amd64")


@pytest.fixture
def image() -> Iterator[PlatformImage]:
    with crafted_image() as found:
        yield found


@dataclass
class Answering:
    """A container that answers every command alike."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0
    error: Exception | None = None
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def exec(self, args: Sequence[str], **_: Any) -> CommandResult:
        self.asked.append(tuple(args))
        if self.error is not None:
            raise self.error
        return CommandResult(
            tuple(args), self.exit_code, Output(self.stdout.encode()), Output(self.stderr.encode()), 0.5, AMD64
        )


class TestFiles:
    def test_pass_where_all_is_as_expected(self, image: PlatformImage) -> None:
        assert_passes(FileCheck(path="/etc/hello", mode=0o640, kinds=(FileKind.FILE,)), image)
        assert_passes(FileCheck(path="/etc/link", target="hello"), image)
        assert_passes(FileCheck(path="/etc/link", follow=True, kinds=(FileKind.FILE,)), image)
        assert_passes(FileCheck(path="/etc/gone", exists=False), image)

    def test_fail_with_what_came(self, image: PlatformImage) -> None:
        with pytest.raises(AssertionError) as caught:
            assert_passes(FileCheck(path="/etc/hello", mode=0o600, uid=5), image)
        assert str(caught.value).splitlines()[0] == "mode of /etc/hello: expected 0600, came 0640 and 1 more"
        assert "owner of /etc/hello\n  expected: 5\n  came:     0" in str(caught.value)

    @pytest.mark.parametrize("path", ["/etc/hello/", "/etc/link/"])
    def test_that_have_a_slash_at_their_paths_end_cannot_be_read(self, image: PlatformImage, path: str) -> None:
        hello = TextExpectation(matches=("hello",))
        for check in (FileCheck(path=path, content=hello, reads_content=True), LicenseCheck(files=(path,))):
            with pytest.raises(
                AssertionError, match="it is a file, and a path with a slash at its end names a directory"
            ):
                assert_passes(check, image)


@pytest.mark.parametrize(
    ("kind", "mode", "shown"),
    [
        (FileKind.FILE, 0o644, "-rw-r--r--"),
        (FileKind.DIRECTORY, 0o1777, "dtrwxrwxrwx"),
        (FileKind.FILE, 0o4755, "urwxr-xr-x"),
        (FileKind.FILE, 0o6755, "ugrwxr-xr-x"),
        (FileKind.SYMLINK, 0o777, "Lrwxrwxrwx"),
        (FileKind.CHARACTER_DEVICE, 0o666, "Dcrw-rw-rw-"),
        (FileKind.BLOCK_DEVICE, 0o660, "Drw-rw----"),
        (FileKind.FIFO, 0o600, "prw-------"),
        (FileKind.FILE, 0, "----------"),
    ],
)
def test_modes_are_printed_as_go_does(kind: FileKind, mode: int, shown: str) -> None:
    assert go_mode(kind, mode) == shown


class TestConfig:
    def test_ports_are_of_any_protocol_unless_one_is_said(self, image: PlatformImage) -> None:
        assert_passes(ConfigCheck(ports=("53", "53/udp", "443"), no_ports=("53/tcp", "8080")), image)
        with pytest.raises(AssertionError, match="port 53/udp: expected is not among them"):
            assert_passes(ConfigCheck(no_ports=("53/udp",)), image)

    def test_names_and_their_values(self, image: PlatformImage) -> None:
        assert_passes(
            ConfigCheck(env=(Named("APP", "^a", is_pattern=True), Named("EMPTY", "")), no_env=("NOPE",)), image
        )
        with pytest.raises(AssertionError, match="variable NOPE: expected is 'x', came it is not set"):
            assert_passes(ConfigCheck(env=(Named("NOPE", "x"),)), image)


class TestCommands:
    def test_are_judged_by_all_that_is_said(self, image: PlatformImage) -> None:
        container = Answering('{"a": [1, 2]}\n', "a warning", 3)
        check = CommandCheck(
            args=("x",),
            exit_code=3,
            stdout=TextExpectation(json={"$.a[-1]": 2}),
            stderr=TextExpectation(excludes=("error",)),
        )
        assert_passes(check, image, container)
        assert container.asked == [("x",)]

    def test_that_cannot_be_run_fail_whatever_exit_code_is_expected(self, image: PlatformImage) -> None:
        said = 'OCI runtime exec failed: exec failed: exec: "x": executable file not found in $PATH: unknown\n'
        with pytest.raises(AssertionError, match="command: expected can be run, came OCI runtime exec failed"):
            assert_passes(CommandCheck(args=("x",), exit_code=126), image, Answering(said, exit_code=126))

    def test_that_do_not_end_fail_with_what_came_so_far(self, image: PlatformImage) -> None:
        error = CommandTimeout("running x", "no end within 1 s", detail="so far")
        with pytest.raises(AssertionError, match=r"(?s)command: expected ends in time, came no end within 1 s.*so far"):
            assert_passes(CommandCheck(args=("x",)), image, Answering(error=error))

    def test_run_as_the_containers_own_process_where_the_image_has_no_shell(self, image: PlatformImage) -> None:
        ran = []

        def run(args: Sequence[str], **options: Any) -> CommandResult:
            ran.append((args, options["entrypoint"]))
            return CommandResult(tuple(args), 0, Output(b"hello\n"), Output(), 0.5, AMD64)

        own: Any = SimpleNamespace(files=image.files, platform=AMD64, run=run)

        class Broken:
            def exec(self, args: Sequence[str], **_: Any) -> CommandResult:
                raise NotImplementedError

        def warm() -> Broken:
            raise EngineError("starting a container", "no such file: /bin/sh")

        from pytest_multiarch.acceptance.checks import Subject

        check = CommandCheck(args=("echo", "hello"), stdout=TextExpectation(equals="hello"))
        outcome = check.check(Subject(own, warm=warm, fresh=lambda **_: pytest.fail("none is fresh")))
        assert outcome.mismatches == ()
        assert ran == [(("hello",), ("echo",))]

    def test_need_a_container_from_whoever_calls(self, image: PlatformImage) -> None:
        with pytest.raises(MultiArchError, match="Give assert_passes the platform_container"):
            assert_passes(CommandCheck(args=("x",)), image)

    def test_show_nothing_that_a_terminal_obeys(self, image: PlatformImage) -> None:
        container = Answering("\x1b[2J\x1b[31mred\u202e\n\x07", "\x9b31m", 1)
        with pytest.raises(AssertionError) as caught:
            assert_passes(CommandCheck(args=("x",), stdout=TextExpectation(equals="x\ny")), image, container)
        assert "red" in str(caught.value)
        assert all(one.isprintable() or one == "\n" for one in str(caught.value))


class TestServices:
    def test_are_asked_and_judged(self, image: PlatformImage) -> None:
        from contextlib import nullcontext
        from http.server import BaseHTTPRequestHandler, HTTPServer
        from threading import Thread

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path == "/health" else 404)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(b'{"status": "ok"}')

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}"
            service = SimpleNamespace(url=lambda port, path: f"{url}{path}")
            own: Any = SimpleNamespace(platform=AMD64, start=lambda **_: nullcontext(service))
            good = Request(
                path="/health",
                body=TextExpectation(json={"$.status": "ok"}),
                response_headers=(Named("Content-Type", "json$", is_pattern=True),),
            )
            assert_passes(ServiceCheck(ports=(80,), requests=(good,)), own)
            with pytest.raises(AssertionError, match="status of GET /nope: expected 200, came 404"):
                assert_passes(ServiceCheck(ports=(80,), requests=(Request(path="/nope"),)), own)
            server.shutdown()


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$A/${A}", "a/a"),
        ("$NOPE-${NOPE}", "-"),
        ("$", "$"),
        ("a$ b", "a$ b"),
        ("${}x", "x"),
        ("${A", "A"),
        ("$$A", "A"),
        ("$1A", "A"),
        ("${A-b}", ""),
        ("\\$A", "\\a"),
    ],
)
def test_variables_are_expanded_as_go_does(text: str, expanded: str) -> None:
    assert expand(text, {"A": "a"}) == expanded


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$", ()),
        ("$.a.b-c", ("a", "b-c")),
        ("$[0][-1]", (0, -1)),
        ("$['a b'][\"c\"]", ("a b", "c")),
        (r"$['it\'s']", ("it's",)),
    ],
)
def test_json_paths_lead_to_one_value(path: str, steps: tuple[str | int, ...]) -> None:
    assert JsonPath.parse(path).steps == steps


@pytest.mark.parametrize("path", ["", "a", "$a", "$.", "$..a", "$[*]", "$.a[", "$[?@.a]"])
def test_other_json_paths_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="no JSON path to one value"):
        JsonPath.parse(path)


def test_in_json_true_is_not_one() -> None:
    assert not same_json(True, 1)
    assert not same_json({"a": [True]}, {"a": [1]})
    assert same_json({"a": [1.0]}, {"a": [1]})
