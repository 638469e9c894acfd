"""Small images for the audit's tests: layouts on disk, audited as a user would without a daemon."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_multiarch.audit import Audit, Policy, audit_image
from pytest_multiarch.image.index import MultiArchImage
from pytest_multiarch.image.layout import LayoutClient
from pytest_multiarch.oci import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST
from pytest_multiarch.platforms import Platform
from tests.unit.elf.build import Built
from tests.unit.fake_registry import FakeRegistry
from tests.unit.files.common import file, pack, tar
from tests.unit.files.layouts import entry_of, write_folder
from tests.unit.images import add_index, descriptor, platform_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_multiarch.audit import Allowance, Finding
    from tests.unit.files.common import Entry

AMD64, ARM64, S390X = (Platform.parse(f"linux/{name}") for name in ("amd64", "arm64", "s390x"))
MACHINES = {"amd64": Built(62), "arm64": Built(183), "s390x": Built(22, order="big")}


class Images:
    """Put images together, platform by platform, and audit them."""

    def __init__(self, folder: Path) -> None:
        self.registry = FakeRegistry()
        self.entries: list[dict[str, Any]] = []
        self._folder = folder
        self._written = 0

    def add(
        self,
        platform: str,
        *layers: Sequence[Entry],
        config: Mapping[str, Any] | None = None,
        says: str = "",
        annotations: Mapping[str, str] | None = None,
        **document: Any,
    ) -> str:
        """Add one platform's image and return its digest; ``says`` is what its config calls it, unless the same."""
        archives = [tar(*entries) for entries in layers]
        described = [
            descriptor(OCI_LAYER_GZIP, self.registry.add_blob("app", data), len(data))
            for data in (pack(archive, OCI_LAYER_GZIP) for archive in archives)
        ]
        diff_ids = [f"sha256:{hashlib.sha256(archive).hexdigest()}" for archive in archives]
        content = {
            **platform_json(says or platform),
            "config": dict(config or {}),
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            **document,
        }
        data = json.dumps(content).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(OCI_CONFIG, self.registry.add_blob("app", data), len(data)),
            "layers": described,
        }
        digest = self.registry.add_manifest("app", manifest, OCI_MANIFEST)
        size = len(self.registry.manifests["app", digest][0])
        entry = descriptor(OCI_MANIFEST, digest, size, platform=platform_json(platform))
        self.entries.append({**entry, "annotations": dict(annotations)} if annotations else entry)
        return digest

    @contextmanager
    def opened(self) -> Iterator[MultiArchImage]:
        """Give the image under one tag."""
        digest = add_index(self.registry, "app", "1", entries=self.entries)
        self._written += 1
        folder = write_folder(self.registry, self._folder / str(self._written), entry_of(self.registry, digest))
        with LayoutClient(f"oci-layout://{folder}") as client:
            yield MultiArchImage.load(client, client.reference)

    def audit(
        self,
        *select: str,
        allow: Sequence[Allowance] = (),
        platforms: Sequence[Platform] | None = None,
        **limits: Any,
    ) -> tuple[Finding, ...]:
        """Return what is found by some rules, all of them unless given."""
        policy = Policy(select=select or ("default",), allow=tuple(allow), **limits)
        with self.opened() as image:
            return audit_image(image, Audit.of(policy), platforms)


def program(platform: str, path: str = "bin/app", **more: Any) -> Entry:
    """Return a program for a platform, executable by all unless said otherwise."""
    return file(path, bytes(MACHINES[platform]) + platform.encode(), **{"mode": 0o755, **more})


def places(findings: Sequence[Finding]) -> list[tuple[str, str, str]]:
    """Return code, platform and place of each finding."""
    return [(one.code, str(one.platform or ""), one.place) for one in findings]
