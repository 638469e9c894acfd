"""Base images copied into the throwaway registry: which, for which platforms, and what a build is told of it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.dockerfile import BaseImage
from pytest_multiarch.engine.bases import BaseUse, _home, _tag, find_bases
from pytest_multiarch.engine.foundations import Foundation
from pytest_multiarch.engine.spec import BuildSpec
from pytest_multiarch.errors import BuildError, EngineError, NotInRegistry
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.image.registry import RegistryClient
from pytest_multiarch.image.transport import Limits
from pytest_multiarch.platforms import Platform
from tests.unit.fake_registry import FakeRegistry
from tests.unit.images import add_image, add_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_multiarch.engine.bases import Bases, FoundBases
    from pytest_multiarch.engine.progress import Step

AMD64, ARM64, ARM_V7, S390X = (
    Platform.parse(text) for text in ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x")
)
DIGEST = "sha256:" + "ab" * 32


class Listener:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def build_started(self, platform: Platform) -> None: ...

    def build_step(self, platform: Platform, step: Step) -> None: ...

    def build_ended(self, platform: Platform, seconds: float, *, failed: bool) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def source() -> Iterator[FakeRegistry]:
    with FakeRegistry().running() as fake:
        yield fake


@pytest.fixture
def target() -> Iterator[FakeRegistry]:
    with FakeRegistry().running() as fake:
        yield fake


@pytest.fixture
def client() -> Iterator[RegistryClient]:
    made = RegistryClient(limits=Limits(connect=2, read=2, attempts=1))
    yield made
    made.close()


@pytest.fixture
def listener() -> Listener:
    return Listener()


class Copying:
    """Copy the bases of a Dockerfile from one registry in this process to another."""

    def __init__(self, client: RegistryClient, target: FakeRegistry, listener: Listener, folder: Path) -> None:
        self._client, self._target, self._listener, self._folder = client, target, listener, folder
        self.started: Callable[[], RegistryClient] | None = None
        """Gives the client of the target registry, once that has started."""

    def spec(self, dockerfile: str, **options: Any) -> BuildSpec:
        (self._folder / "Dockerfile").write_text(dockerfile)
        return BuildSpec(context=self._folder, **options)

    def __call__(self, spec: BuildSpec, *platforms: Platform) -> Bases:
        return self.send(self.find(spec, *platforms), *platforms)

    def find(self, spec: BuildSpec, *platforms: Platform) -> FoundBases:
        return find_bases(spec, platforms, source=self._client, builders_own=AMD64, listener=self._listener)

    def send(self, found: FoundBases, *platforms: Platform) -> Bases:
        return found.send(
            platforms,
            self.started or (lambda: self._client),
            lambda: Reference.parse(f"{self._target.host}/flow:latest"),
        )


@pytest.fixture
def copying(client: RegistryClient, target: FakeRegistry, listener: Listener, tmp_path: Path) -> Copying:
    return Copying(client, target, listener, tmp_path)


def add(source: FakeRegistry, name: str, *platforms: str) -> str:
    """Put an image for these platforms into the source registry and return its reference."""
    add_index(source, name, "1", entries=[add_image(source, name, platform) for platform in platforms])
    return f"{source.host}/{name}:1"


def platforms_in(target: FakeRegistry, name: str, tag: str = "1") -> list[str]:
    index = json.loads(target.manifests[name, tag][0])
    return ["/".join(entry["platform"].values()) for entry in index["manifests"]]


def digest_of(target: FakeRegistry, name: str, tag: str = "1") -> str:
    return f"sha256:{hashlib.sha256(target.manifests[name, tag][0]).hexdigest()}"


@pytest.mark.parametrize(
    ("dockerfile", "target_name", "stands_on"),
    [
        ("FROM {ours}\n", None, True),
        ("FROM --platform=$TARGETPLATFORM {ours}\n", None, True),
        ("FROM {ours} AS below\nFROM scratch AS other\nFROM below\nCOPY --from=other / /\n", None, True),
        ("FROM {ours} AS ours\nFROM scratch\nCOPY --from=ours / /\n", None, False),
        ("FROM {ours} AS ours\nFROM scratch\nCOPY --from=ours / /\n", "ours", True),
        ("FROM --platform=$BUILDPLATFORM {ours}\n", None, False),
        ("FROM --platform=$BUILDPLATFORM {ours} AS below\nFROM below\n", None, False),
        ("FROM {ours} AS replaced\nFROM replaced\n", None, False),
        ("FROM {ours}\n", "nothing", False),
    ],
)
def test_what_the_built_image_stands_on_is_known_by_each_platforms_own_digest(
    source: FakeRegistry,
    copying: Copying,
    target: FakeRegistry,
    dockerfile: str,
    target_name: str | None,
    stands_on: bool,
) -> None:
    ours = add(source, "python", "linux/amd64", "linux/arm64")
    contexts = {"replaced": "docker-image://other"}
    spec = copying.spec(dockerfile.format(ours=ours), target=target_name, contexts=contexts)
    bases = copying(spec, AMD64, ARM64, S390X)
    entries = {
        entry["platform"]["architecture"]: entry["digest"]
        for entry in json.loads(source.manifests["python", "1"][0])["manifests"]
    }
    for platform in (AMD64, ARM64):
        digest = entries[platform.architecture]
        config = json.loads(source.manifests["python", digest][0])["config"]["digest"]
        expected = Foundation(f"{target.host}/{home(source, 'python')}@{digest}", config) if stands_on else None
        assert bases.below(platform) == expected
    assert bases.below(S390X) is None


def home(source: FakeRegistry, name: str) -> str:
    return f"base/{source.host.replace(':', '-')}/{name}"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([""], [ARM64]),
        (["$TARGETPLATFORM"], [ARM64]),
        (["$BUILDPLATFORM"], [S390X]),
        (["linux/arm/v7"], [ARM_V7]),
        (["linux/arm64/v8"], [ARM64]),
        (["linux/$TARGETARCH"], [ARM64, S390X]),
        (["nonsense"], [ARM64, S390X]),
        (["$BUILDPLATFORM", ""], [S390X, ARM64]),
        (["linux/arm64", "", "linux/amd64"], [ARM64, AMD64]),
        ([], [ARM64]),
    ],
)
def test_a_base_is_wanted_for_the_platforms_that_its_stages_ask_for(said: list[str], expected: list[Platform]) -> None:
    use = BaseUse(tuple(BaseImage("x", 1, platform) for platform in said), S390X)
    assert use.platforms(ARM64) == expected


@pytest.mark.parametrize(
    ("text", "repository", "tag"),
    [
        ("debian", "base/debian", "latest"),
        ("debian:12-slim", "base/debian", "12-slim"),
        ("docker.io/library/debian:12", "base/debian", "12"),
        ("ghcr.io/owner/name:1", "base/ghcr.io/owner/name", "1"),
        ("localhost:5000/a", "base/localhost-5000/a", "latest"),
        ("localhost:5000/a:b", "base/localhost-5000/a", "b"),
        ("[::1]:5000/a:b", "base/1-5000/a", "b"),
        (f"debian@{DIGEST}", "base/debian", "sha256-" + "ab" * 16 + "a"),
        (f"localhost:5000/a:b@{DIGEST}", "base/localhost-5000/a", "sha256-" + "ab" * 16 + "a"),
        ("GCR.Example/a__b/c:B", "base/gcr.example/a__b/c", "B"),
        ("owner/name", "base/owner/name", "latest"),
    ],
)
def test_each_base_has_a_home_and_a_tag(text: str, repository: str, tag: str) -> None:
    reference = Reference.parse(text)
    found = _home("localhost:5001", reference).with_tag(_tag(reference))
    assert (found.registry, found.repository, found.tag) == ("localhost:5001", repository, tag)
    assert Reference.parse(str(found)) == found


def test_bases_are_copied_for_the_platforms_of_the_run(
    copying: Copying, source: FakeRegistry, target: FakeRegistry
) -> None:
    base = add(source, "debian", "linux/amd64", "linux/s390x", "linux/arm64")
    bases = copying(copying.spec(f"FROM {base}\n"), ARM64, AMD64)
    name = home(source, "debian")
    assert platforms_in(target, name) == ["linux/amd64", "linux/arm64"]
    assert bases.contexts == {base: f"docker-image://{target.host}/{name}@{digest_of(target, name)}"}


@pytest.mark.parametrize("mounts", [True, False])
def test_the_repository_that_is_built_has_the_layers_of_its_base_where_the_registry_can_share(
    copying: Copying, source: FakeRegistry, target: FakeRegistry, mounts: bool
) -> None:
    target.mounts = mounts
    base = add(source, "debian", "linux/amd64")
    bases = copying(copying.spec(f"FROM {base}\n"), AMD64)
    layers = {b"layer of linux/amd64", b"a layer that all share"}
    assert {data for (name, _), data in target.blobs.items() if name == "flow"} == (layers if mounts else set())
    assert list(bases.contexts) == [base]


def test_a_stage_on_the_build_platform_needs_its_base_for_that_alone(
    copying: Copying, source: FakeRegistry, target: FakeRegistry
) -> None:
    tools, base = add(source, "tools", "linux/amd64", "linux/arm64"), add(source, "base", "linux/arm64", "linux/amd64")
    copying(copying.spec(f"FROM --platform=$BUILDPLATFORM {tools} AS t\nFROM {base}\nCOPY --from=t / /\n"), ARM64)
    assert platforms_in(target, home(source, "tools")) == ["linux/amd64"]
    assert platforms_in(target, home(source, "base")) == ["linux/arm64"]


def no_match(bases: Bases, name: str, spec: BuildSpec) -> BuildError:
    """Return a failure as BuildKit tells it: it names the copy, by digest."""
    copy = bases.contexts[name].removeprefix("docker-image://")
    found = f"failed to solve: {name}: failed to resolve source metadata for {copy}: "
    return BuildError(
        f"building {spec.dockerfile_path} for linux/s390x",
        f"{found}no match for platform in manifest {copy.partition('@')[2]}: not found",
    )


def test_a_base_that_has_nothing_for_a_platform_is_told_with_its_line(copying: Copying, source: FakeRegistry) -> None:
    base = add(source, "debian", "linux/amd64", "linux/arm64")
    spec = copying.spec(f"# a comment\nFROM {base}\n")
    bases = copying(spec, AMD64, S390X)
    fault = bases.fault_behind(no_match(bases, base, spec), S390X)
    assert fault is not None
    assert fault.headline == (
        f"building {spec.dockerfile_path} for linux/s390x: line 2: the base image {base} has nothing for linux/s390x"
    )
    assert "Of this run's platforms it has linux/amd64." in fault.hint


def test_a_base_that_has_nothing_at_all_says_so(copying: Copying, source: FakeRegistry) -> None:
    base = add(source, "debian", "linux/amd64")
    spec = copying.spec(f"FROM --platform=$TARGETPLATFORM {base}\n")
    bases = copying(spec, S390X)
    fault = bases.fault_behind(no_match(bases, base, spec), S390X)
    assert fault is not None
    assert "it has none of them" in fault.hint


def test_another_failure_keeps_its_own_words(copying: Copying, source: FakeRegistry) -> None:
    base, other = add(source, "debian", "linux/amd64"), add(source, "other", "linux/amd64", "linux/s390x")
    spec = copying.spec(f"FROM {base} AS unused\nFROM {other}\n")
    bases = copying(spec, AMD64, S390X)
    failed = BuildError("building", "process did not complete successfully: exit code: 3", detail=bases.contexts[base])
    assert bases.fault_behind(failed, S390X) is None
    assert bases.fault_behind(no_match(bases, other, spec), S390X) is None


def test_what_cannot_be_copied_is_left_to_the_builder(
    copying: Copying, source: FakeRegistry, listener: Listener
) -> None:
    base = add(source, "debian", "linux/amd64")
    bases = copying(copying.spec(f"FROM {source.host}/nowhere:1 AS x\nFROM {base}\n"), AMD64)
    assert list(bases.contexts) == [base]
    (note,) = listener.notes
    assert note.startswith(f"{source.host}/nowhere:1 is left for the builder to fetch: ")


def test_what_is_no_reference_is_left_to_the_builder_without_a_word(copying: Copying, listener: Listener) -> None:
    assert copying(copying.spec("FROM debian:\nFROM Not/Valid\n"), AMD64).contexts == {}
    assert listener.notes == []


def test_an_image_that_was_asked_for_has_to_be_there(copying: Copying, source: FakeRegistry) -> None:
    with pytest.raises(NotInRegistry):
        copying(copying.spec("FROM scratch\n", base_images=(f"{source.host}/nowhere:1",)), AMD64)


def test_an_image_that_was_asked_for_is_copied_for_all_platforms(
    copying: Copying, source: FakeRegistry, target: FakeRegistry
) -> None:
    extra = add(source, "extra", "linux/amd64", "linux/arm64", "linux/s390x")
    spec = copying.spec("FROM scratch\n", base_images=(extra,))
    bases = copying(spec, AMD64, S390X)
    assert list(bases.contexts) == [extra]
    assert platforms_in(target, home(source, "extra")) == ["linux/amd64", "linux/s390x"]


def test_what_the_user_has_named_is_not_copied(copying: Copying, source: FakeRegistry) -> None:
    base = add(source, "debian", "linux/amd64")
    spec = copying.spec(f"FROM {base}\n", contexts={base: "docker-image://mine"})
    assert copying(spec, AMD64).contexts == {}
    assert source.asked("GET") == []


def test_build_arguments_decide_what_is_copied(copying: Copying, source: FakeRegistry) -> None:
    base, other = add(source, "debian", "linux/amd64"), add(source, "other", "linux/amd64")
    spec = copying.spec(f"ARG BASE={base}\nFROM $BASE\n", args={"BASE": other})
    assert list(copying(spec, AMD64).contexts) == [other]


def test_an_image_that_is_named_twice_is_copied_once(copying: Copying, source: FakeRegistry) -> None:
    base = add(source, "debian", "linux/amd64")
    bases = copying(copying.spec(f"FROM {base}\nFROM {base}\nCOPY --from={base} / /\n", base_images=(base,)), AMD64)
    assert list(bases.contexts) == [base]
    assert len(source.asked("GET", "/manifests/1")) == 1


def test_a_copy_for_other_platforms_does_not_take_the_place_of_the_first(
    copying: Copying, source: FakeRegistry, target: FakeRegistry
) -> None:
    base = add(source, "debian", "linux/amd64", "linux/arm64")
    spec = copying.spec(f"FROM {base}\n")
    first, second = copying(spec, AMD64), copying(spec, ARM64)
    for bases, platform in ((first, "linux/amd64"), (second, "linux/arm64")):
        reference = Reference.parse(bases.contexts[base].removeprefix("docker-image://"))
        assert platforms_in(target, reference.repository, reference.digest) == [platform]


def test_one_tag_pinned_to_two_digests_is_two_images(copying: Copying, source: FakeRegistry) -> None:
    names = [
        f"{source.host}/app:1@{add_image(source, 'app', platform)['digest']}"
        for platform in ("linux/amd64", "linux/arm64")
    ]
    bases = copying(copying.spec("".join(f"FROM {name}\n" for name in names)), AMD64)
    assert list(bases.contexts) == names
    assert len(set(bases.contexts.values())) == 2


def test_what_one_platform_reads_of_a_base_does_not_depend_on_the_others(
    copying: Copying, source: FakeRegistry
) -> None:
    base = add(source, "debian", "linux/amd64", "linux/arm64", "linux/s390x")
    entries = json.loads(source.manifests["debian", "1"][0])["manifests"]
    amd64, arm64 = (entry["digest"] for entry in entries[:2])
    spec = copying.spec(f"FROM --platform=$BUILDPLATFORM {base} AS tools\nFROM {base}\nCOPY --from=tools / /\n")
    one, more = copying(spec, ARM64), copying(spec, AMD64, ARM64, S390X)
    assert one.contexts != more.contexts
    assert one.read_for(ARM64) == more.read_for(ARM64) == {base: (amd64, arm64)}
    assert more.read_for(AMD64) == {base: (amd64,)}


def test_of_a_base_without_an_index_all_is_read(copying: Copying, source: FakeRegistry) -> None:
    digest = add_image(source, "plain", "linux/amd64", "1")["digest"]
    base = f"{source.host}/plain:1"
    assert copying(copying.spec(f"FROM {base}\n"), S390X).read_for(S390X) == {base: (digest,)}


def test_a_registry_that_does_not_start_is_no_fault_of_the_base(
    copying: Copying, source: FakeRegistry, listener: Listener
) -> None:
    asked: list[object] = []

    def started() -> RegistryClient:
        asked.extend(source.asked("GET", "/manifests/"))
        raise EngineError("starting the registry", "no space")

    copying.started = started
    with pytest.raises(EngineError, match="no space"):
        copying(copying.spec(f"FROM {add(source, 'debian', 'linux/amd64')}\n"), AMD64)
    assert listener.notes == []
    assert len(asked) == 2  # the index and the manifest: they are read meanwhile


@pytest.mark.parametrize(
    ("dockerfile", "options", "expected"),
    [
        ("FROM {ours}\n", {}, [[AMD64], [ARM64, S390X]]),
        ("FROM {ours} AS a\nFROM {other}\nCOPY --from=a / /\n", {}, [[AMD64], [ARM64, S390X]]),
        ("FROM {ours}\nCOPY --from={other} / /\n", {}, [[AMD64], [ARM64, S390X]]),
        ("FROM scratch\n", {}, [[AMD64], [ARM64, S390X]]),
        ("FROM {nowhere} AS a\nFROM {ours}\n", {}, [[AMD64], [ARM64, S390X]]),
        ("FROM --platform=$BUILDPLATFORM {ours} AS a\nFROM {ours}\nCOPY --from=a / /\n", {}, [[ARM64, AMD64, S390X]]),
        ("FROM --platform=$BUILDPLATFORM {other} AS a\nFROM {ours}\n", {}, [[ARM64, AMD64, S390X]]),
        ("FROM --platform=linux/amd64 {other} AS a\nFROM {ours}\n", {}, [[ARM64, AMD64, S390X]]),
        ("FROM --platform=linux/s390x {other} AS a\nFROM {ours}\n", {}, [[ARM64, AMD64, S390X]]),
        ("ARG B\nFROM $B\n", {"base_images": ["other"]}, [[ARM64, AMD64, S390X]]),
        # What BuildKit makes of this name is not known here: it could be that of the other stage.
        ("ARG V\nFROM --platform=$BUILDPLATFORM x:${{V%-slim}} AS a\nFROM {ours}\n", {}, [[ARM64, AMD64, S390X]]),
    ],
)
def test_a_native_platform_whose_images_no_other_needs_goes_first(
    copying: Copying, source: FakeRegistry, dockerfile: str, options: dict[str, Any], expected: list[list[Platform]]
) -> None:
    names = {name: add(source, name, "linux/amd64", "linux/arm64", "linux/s390x") for name in ("ours", "other")}
    given = {"base_images": tuple(names[name] for name in options.get("base_images", ()))}
    found = copying.find(
        copying.spec(dockerfile.format(**names, nowhere=f"{source.host}/nowhere:1"), **given), AMD64, ARM64, S390X
    )
    assert [list(group) for group in found.groups((ARM64, AMD64, S390X))] == expected
    assert found.groups((ARM64, S390X)) == [(ARM64, S390X)]
    assert found.groups((AMD64,)) == [(AMD64,)]


def test_each_group_has_a_copy_of_its_own_and_is_read_once(
    copying: Copying, source: FakeRegistry, target: FakeRegistry
) -> None:
    base = add(source, "debian", "linux/amd64", "linux/arm64")
    spec = copying.spec(f"# a comment\nFROM {base}\n")
    found = copying.find(spec, AMD64, ARM64, S390X)
    first = copying.send(found, AMD64)
    assert platforms_in(target, home(source, "debian")) == ["linux/amd64"]
    others = copying.send(found, ARM64, S390X)
    assert platforms_in(target, home(source, "debian")) == ["linux/arm64"]
    assert first.contexts != others.contexts
    assert len(source.asked("GET", "/manifests/1")) == 1
    blobs = [seen.path for seen in source.asked("GET", "/blobs/")]
    assert len(blobs) == len(set(blobs))
    fault = others.fault_behind(no_match(others, base, spec), S390X)
    assert fault is not None
    assert "Of this run's platforms it has linux/amd64, linux/arm64." in fault.hint


def test_what_cannot_be_sent_is_told_once(copying: Copying, source: FakeRegistry, listener: Listener) -> None:
    base = add(source, "debian", "linux/amd64", "linux/arm64")
    found = copying.find(copying.spec(f"FROM {base}\n"), AMD64, ARM64)
    source.blobs.clear()
    assert copying.send(found, AMD64).contexts == copying.send(found, ARM64).contexts == {}
    (note,) = listener.notes
    assert note.startswith(f"{base} is left for the builder to fetch: ")
