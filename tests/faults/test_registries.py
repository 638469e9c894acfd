"""A registry that fails: what passes is waited for by whoever reads, this process or the daemon; what does not is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.platforms import Platform
from tests.faults.tiny import add_tiny
from tests.unit.fake_registry import FakeRegistry, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cleanup.runs import Run

READS = """
def test_reads(platform_image):
    assert platform_image.files.stat("/noise").size == 300_000
    assert platform_image.files.exists("/app")
"""
RUNS = """
def test_runs(platform_image):
    assert platform_image.run(["/app"]).exit_code == 0
"""
OTHER = """
def test_other(multiarch_platforms):
    assert multiarch_platforms
"""


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry().running() as fake:
        add_tiny(fake, "app")
        yield fake


def index_digest(registry: FakeRegistry) -> str:
    return next(key[1] for key in registry.manifests if key[1].startswith("sha256:"))


def largest_blob(registry: FakeRegistry) -> str:
    return max(registry.blobs, key=lambda key: len(registry.blobs[key]))[1]


def of_registry(registry: FakeRegistry) -> str:
    return f"--multiarch-image={registry.host}/app:1"


PASSING = {
    "internal error": ("/", [Fault(status=500), Fault(status=500)]),
    "too many requests": ("/", [Fault(status=429, headers={"Retry-After": "1"})]),
    "cut off": ("/blobs/", [Fault(cut_after=10)]),
    "hung up": ("/", [Fault(hang_up=True)]),
    "silent": ("/blobs/", [Fault(silent=True)]),
}


@pytest.mark.parametrize(("path", "faults"), PASSING.values(), ids=PASSING.keys())
def test_a_fault_that_passes_is_mended_for_this_process(
    registry: FakeRegistry,
    project: Path,
    start: Callable[..., Run],
    path: str,
    faults: list[Fault],
    nothing_is_left: Callable[[], None],
) -> None:
    (project / "test_it.py").write_text(READS + OTHER, encoding="utf-8")
    registry.fail("GET", path, *faults)
    run = start(of_registry(registry))
    assert run.end() == pytest.ExitCode.OK, run.output
    assert registry.faults["GET", path] == []
    nothing_is_left()


@pytest.mark.parametrize(
    "faults",
    [
        [Fault(status=500)] * 2,
        [Fault(status=429)] * 2,
        [Fault(cut_after=1000)],
        [Fault(hang_up=True)] * 2,
        [Fault(silent=True)],
    ],
    ids=["internal error", "too many requests", "cut off", "hung up", "silent"],
)
def test_a_fault_that_passes_is_mended_for_the_daemon(
    registry: FakeRegistry,
    project: Path,
    start: Callable[..., Run],
    faults: list[Fault],
    nothing_is_left: Callable[[], None],
) -> None:
    (project / "test_it.py").write_text(RUNS, encoding="utf-8")
    registry.fail("GET", f"/blobs/{largest_blob(registry)}", *faults)
    run = start(of_registry(registry))
    assert run.end() == pytest.ExitCode.OK, run.output
    assert len(registry.faults["GET", f"/blobs/{largest_blob(registry)}"]) < len(faults)
    nothing_is_left()


@pytest.mark.parametrize(
    ("status", "words"), [(500, "HTTP 500"), (429, "HTTP 429"), (403, "HTTP 403")], ids=["500", "429", "403"]
)
def test_a_registry_that_goes_on_failing_is_named_and_costs_only_its_own_tests(
    registry: FakeRegistry,
    project: Path,
    start: Callable[..., Run],
    status: int,
    words: str,
    nothing_is_left: Callable[[], None],
) -> None:
    (project / "test_it.py").write_text(READS + RUNS + OTHER, encoding="utf-8")
    registry.fail("GET", "/manifests/", *[Fault(status=status)] * 100)
    run = start(of_registry(registry))
    assert run.end() == pytest.ExitCode.TESTS_FAILED
    assert "1 passed, 2 errors" in run.output
    assert f"{registry.host}/app:1" in run.output
    assert words in run.output
    nothing_is_left()


def test_other_bytes_than_the_digest_says_are_refused_by_both(
    registry: FakeRegistry, project: Path, start: Callable[..., Run], nothing_is_left: Callable[[], None]
) -> None:
    (project / "test_it.py").write_text(READS + RUNS + OTHER, encoding="utf-8")
    digest = largest_blob(registry)
    blob = registry.blobs["app", digest]
    registry.blobs["app", digest] = blob[:-1] + bytes([blob[-1] ^ 1])
    run = start(of_registry(registry))
    assert run.end() == pytest.ExitCode.TESTS_FAILED
    assert "2 failed, 1 passed" in run.output
    assert digest in run.output
    assert "digest" in run.output.partition("test_runs")[2]
    nothing_is_left()


def test_credentials_are_for_the_registry_that_they_are_of(
    registry: FakeRegistry, project: Path, start: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also the daemon, which is handed them, shows them to nobody else."""
    folder = tmp_path / "with-credentials"
    folder.mkdir()
    registry.auth, registry.user, registry.password = "basic", "somebody", "quite-secret-word"
    auth = "c29tZWJvZHk6cXVpdGUtc2VjcmV0LXdvcmQ="
    (folder / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}), encoding="utf-8")
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    (project / "test_it.py").write_text(
        READS + RUNS + "\ndef test_shows(platform_image): assert not platform_image\n", encoding="utf-8"
    )
    # Another host: to Go's client, and so to the daemon, another port alone is none.
    with FakeRegistry().running("127.0.0.2") as elsewhere:
        elsewhere.blobs = registry.blobs
        registry.redirect_blobs_to = elsewhere.url
        run = start(of_registry(registry), "-vv", "--showlocals")
        assert run.end() == pytest.ExitCode.TESTS_FAILED
        assert "1 failed, 2 passed" in run.output, run.output
        assert elsewhere.asked("GET")
        assert all("Authorization" not in request.headers for request in elsewhere.seen)
    assert any(request.headers.get("Authorization") == f"Basic {auth}" for request in registry.seen)
    for secret in (auth, registry.password, "X-Signature=abc"):
        assert secret not in run.output


STALLS = 120  # seconds; Ctrl-C must not wait for them
WAITING = {
    "the daemon pulls the throwaway registry's image": ("FROM scratch", "--multiarch-registry-image={}/app:1"),
    "a base image is copied": ("FROM {}/app:1", "--multiarch-platforms={}"),
    "the daemon pulls the image under test": ("", "--multiarch-image={}/app:1"),
}


@pytest.mark.parametrize(("dockerfile", "option"), WAITING.values(), ids=WAITING.keys())
def test_ctrl_c_waits_for_no_registry_that_stalls(
    registry: FakeRegistry,
    project: Path,
    start: Callable[..., Run],
    dockerfile: str,
    option: str,
    nothing_is_left: Callable[[], None],
) -> None:
    (project / "Dockerfile").write_text(dockerfile.format(registry.host) + "\n", encoding="utf-8")
    (project / "test_it.py").write_text(RUNS, encoding="utf-8")
    blob = f"/blobs/{largest_blob(registry)}"
    registry.fail("GET", blob, *[Fault(silent=True, seconds=STALLS)] * 50)
    run = start(option.format(Platform.host() if "platforms" in option else registry.host))
    run.reach(lambda: registry.asked("GET", blob))
    run.interrupt()
    assert run.end(STALLS / 2) == pytest.ExitCode.INTERRUPTED
    nothing_is_left()
