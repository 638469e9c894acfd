"""What real images have shown the rules to get wrong, each as the smallest image that shows it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.audit import Audit, Policy, audit_image
from pytest_multiarch.image.index import MultiArchImage
from pytest_multiarch.oci import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, digest_of
from tests.unit.elf.build import DYN, Built
from tests.unit.files.common import directory, file, hard_link, symlink, tar, whiteout
from tests.unit.images import add_index, descriptor, platform_json
from tests.unit.registry.conftest import client, connect, pauses, registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_multiarch.audit import Finding
    from pytest_multiarch.image.registry import RegistryClient
    from tests.unit.fake_registry import FakeRegistry

__all__ = ["client", "connect", "pauses", "registry"]

AMD64, ARM64, ARM = "linux/amd64", "linux/arm64", "linux/arm/v7"
MACHINES = {AMD64: Built(62), ARM64: Built(183), ARM: Built(40, bits=32, flags=0x05000400)}


@pytest.fixture
def findings(registry: FakeRegistry, client: RegistryClient) -> Callable[..., tuple[Finding, ...]]:
    """Return a function that audits an image of the layers, and the config, that each platform has."""

    def audit(layers: dict[str, Sequence[bytes]], select: str, **config: Any) -> tuple[Finding, ...]:
        entries = []
        for platform, contents in layers.items():
            described = [descriptor(OCI_LAYER, registry.add_blob("app", one), len(one)) for one in contents]
            diff_ids = [digest_of(one) for one in contents]
            document = {
                **platform_json(platform),
                "config": config,
                "rootfs": {"type": "layers", "diff_ids": diff_ids},
            }
            data = json.dumps(document).encode()
            manifest = {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": descriptor(OCI_CONFIG, registry.add_blob("app", data), len(data)),
                "layers": described,
            }
            digest = registry.add_manifest("app", manifest, OCI_MANIFEST)
            size = len(registry.manifests["app", digest][0])
            entries.append(descriptor(OCI_MANIFEST, digest, size, platform=platform_json(platform)))
        add_index(registry, "app", "1", entries=entries)
        image = MultiArchImage.load(client, f"{registry.host}/app:1")
        return audit_image(image, Audit.of(Policy(select=(select,))))

    return audit


def places(found: Sequence[Finding]) -> list[tuple[str, str, str]]:
    return [(one.code, one.path, one.item) for one in found]


@pytest.mark.parametrize(
    ("first_line", "wanted"),
    [
        (b"#!/bin/sh\r\n", "/bin/sh\r"),
        (b"#!/usr/bin/env sh\r\n", "sh\r"),
        (b"#!/bin/sh -e\r\n", ""),  # the shell is started, and complains of the option itself
        (b"#! \t/bin/sh\t-e \n", ""),
        (b"#!/usr/bin/env -S LEVEL=1 sh -e\n", ""),
    ],
)
def test_a_carriage_return_is_a_part_of_the_interpreters_name(
    findings: Callable[..., tuple[Finding, ...]], first_line: bytes, wanted: str
) -> None:
    layer = tar(
        directory("bin"),
        file("bin/sh", bytes(Built(62)), mode=0o755),
        directory("usr/bin"),
        file("usr/bin/env", bytes(Built(62)), mode=0o755),
        file("start", first_line + b"exec true\n", mode=0o755),
    )
    found = findings({AMD64: [layer]}, "MA401", Entrypoint=["/start"])
    assert [one.item for one in found] == ([wanted] if wanted else [])


def test_a_loader_that_is_also_a_needed_library_is_told_once(findings: Callable[..., tuple[Finding, ...]]) -> None:
    loader = "/lib/ld-linux-aarch64.so.1"
    program = bytes(Built(183, interpreter=loader).needs("libc.so.6", "ld-linux-aarch64.so.1"))
    libc = file("lib/libc.so.6", bytes(Built(183, type=DYN).needs("ld-linux-aarch64.so.1")))
    layer = tar(directory("lib"), libc, file("app", program, mode=0o755))
    assert places(findings({ARM64: [layer]}, "MA2")) == [("MA203", "/app", loader)]


class TestASharedLayer:
    def test_that_links_to_files_of_each_platforms_own_has_no_code(
        self, findings: Callable[..., tuple[Finding, ...]]
    ) -> None:
        shared = tar(hard_link("again", "app"), whiteout("app"))
        layers = {
            platform: [tar(file("app", bytes(machine), mode=0o755)), shared] for platform, machine in MACHINES.items()
        }
        assert findings(layers, "MA210") == ()

    def test_counts_for_the_platforms_that_still_have_its_code(
        self, findings: Callable[..., tuple[Finding, ...]]
    ) -> None:
        shared = tar(file("app", bytes(MACHINES[AMD64]), mode=0o755))
        own = {platform: tar(file("own", platform.encode())) for platform in MACHINES}
        replaced = {platform: tar(file("app", bytes(machine), mode=0o755)) for platform, machine in MACHINES.items()}
        mended = {
            AMD64: [shared, own[AMD64]],
            ARM64: [shared, replaced[ARM64]],
            ARM: [shared, tar(whiteout("app"))],
        }
        assert findings(mended, "MA210") == ()
        (found,) = findings({**mended, ARM64: [shared, own[ARM64]]}, "MA210")
        assert found.path == "/app"
        assert found.expected == f"a layer of its own for each of {AMD64}, {ARM64}"


def test_one_platforms_size_does_not_make_its_siblings_stand_out(
    findings: Callable[..., tuple[Finding, ...]],
) -> None:
    small, large = 400_000, 3_400_000

    def image(*sizes: int) -> dict[str, list[bytes]]:
        return {
            platform: [tar(file("data", platform.encode().ljust(size, b"\0")))]
            for platform, size in zip(MACHINES, sizes, strict=False)
        }

    assert [str(one.platform) for one in findings(image(small, large, small), "MA506")] == [ARM64]
    assert [str(one.platform) for one in findings(image(large, large, small), "MA506")] == [ARM]
    (found,) = findings(image(small, large), "MA506")
    assert str(found.platform) == ARM64
    assert found.expected.startswith(f"at most 2 times from {AMD64}'s 0.4 MB")


def test_the_compilers_packages_that_some_processors_lack_may_differ(
    findings: Callable[..., tuple[Finding, ...]],
) -> None:
    def root(architecture: str, *names: str) -> list[bytes]:
        paragraphs = [
            f"Package: {name}\nStatus: install ok installed\nVersion: 1\nArchitecture: {architecture}\n"
            for name in names
        ]
        status = file("var/lib/dpkg/status", "\n".join(paragraphs).encode())
        return [tar(directory("var"), directory("var/lib"), directory("var/lib/dpkg"), status)]

    layers = {
        AMD64: root("amd64", "binutils", "libgprofng0", "libquadmath0", "plugin"),
        ARM: root("armhf", "binutils"),
    }
    assert [one.item for one in findings(layers, "MA502")] == ["plugin"]


def test_the_linkers_libm_is_a_script_on_some_architectures(findings: Callable[..., tuple[Finding, ...]]) -> None:
    script = tar(
        file("usr/lib/x86_64-linux-gnu/libm.so", b"GROUP ( libm.so.6 )"),
        file("usr/lib/x86_64-linux-gnu/libz.so", b"GROUP ( libz.so.1 )"),
    )
    link = tar(
        symlink("usr/lib/aarch64-linux-gnu/libm.so", "libm.so.6"),
        symlink("usr/lib/aarch64-linux-gnu/libz.so", "libz.so.1"),
    )
    found = findings({AMD64: [script], ARM64: [link]}, "MA504")
    assert [one.path for one in found] == ["/usr/lib/aarch64-linux-gnu/libz.so"]
