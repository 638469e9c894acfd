"""Builds the corpus for real: two runs of `docker buildx bake` for all images, the foundation first, then edits by hand."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_multiarch.audit import Allowance, Audit, AuditRun, BuildContext, Policy
from pytest_multiarch.audit.sources import WholeImage
from pytest_multiarch.image.index import MultiArchImage
from pytest_multiarch.platforms import Platform
from tests.integration.corpus.faults import AMD64, SIX
from tests.integration.corpus.materials import write_materials
from tests.integration.corpus.shelf import Shelf, entry_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_multiarch.audit import Finding
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.image.registry import RegistryClient
    from tests.integration.corpus.faults import Build, Image, Pair

FOUNDATION: Final = ("static", "foreign", "shell", "all", "packages", "wheels")
_FOLDER: Final = Path(__file__).parent / "foundation"
_LIMIT: Final = 600
_UNATTESTED: Final = "type=provenance,disabled=true"


@dataclass(frozen=True, slots=True)
class Made:
    """Hold an image of the corpus that is there: under which reference, and what its findings may name."""

    wanted: Image
    image: MultiArchImage
    dockerfile: Path
    names: Mapping[str, str]
    reader: RegistryClient

    def findings(self, image: MultiArchImage | None = None) -> tuple[Finding, ...]:
        """Hold the image, and its Dockerfile, against the default rules and those that are selected beside them.

        ``image`` is the same image in another place.
        """
        allow = tuple(map(Allowance.parse, self.wanted.allow))
        audit = Audit.of(Policy(select=("default", *self.wanted.select), allow=allow))
        platforms = [Platform.parse(one) for one in self.wanted.platforms]
        run = AuditRun(audit, WholeImage(image or self.image), platforms, lambda: self._context(platforms))
        return tuple(finding for _, outcome in run.outcomes() for finding in outcome.findings)

    def _context(self, platforms: list[Platform]) -> BuildContext:
        replaced = frozenset(FOUNDATION)
        return BuildContext.read(self.dockerfile, platforms, reader=lambda: self.reader, replaced=replaced)


@dataclass(slots=True)
class Workshop:
    """Build with one builder, into one repository of one registry.

    Args:
        builder: its name.
        environ: what docker runs with, which knows the registry's login.
        client: reads and writes the registry.
        repository: where all images are, each under a tag of its own.
        folder: takes the build context.

    """

    builder: str
    environ: Mapping[str, str]
    client: RegistryClient
    repository: Reference
    folder: Path
    names: dict[str, str] = field(default_factory=dict)

    def make(self, pairs: Iterable[Pair]) -> dict[str, Made]:
        """Build all images and return them by name: the pair's, and ``-faulty`` or ``-good``."""
        self._lay_foundation()
        wanted = {f"{pair.name}-{kind}": image for pair in pairs for kind, image in _both(pair).items()}
        builds = {tag: build for name, image in wanted.items() for tag, build in _tagged(name, image).items()}
        for tag, build in builds.items():
            text = build.dockerfile.format(**self.names) if "{" in build.dockerfile else build.dockerfile
            self._dockerfile(tag).write_text(text, encoding="utf-8")
        self._bake({tag: self._target(tag, build, self._pushed(tag)) for tag, build in builds.items()})
        shelf = Shelf(self.client, self.repository)
        return {name: self._made(name, image, shelf) for name, image in wanted.items()}

    def export(self, made: Mapping[str, Made], folder: Path) -> None:
        """Build images again, which takes no step, as OCI layouts in a folder: ``NAME``, and as an archive ``NAME.tar``."""
        builds = {name: one.wanted.builds[0] for name, one in made.items()}
        outputs = {"": "type=oci,tar=false,dest={}", ".tar": "type=oci,dest={}"}
        self._bake(
            {
                f"{name}{'-archive' if end else ''}": self._target(name, build, output.format(folder / f"{name}{end}"))
                for name, build in builds.items()
                for end, output in outputs.items()
            }
        )

    def _lay_foundation(self) -> None:
        write_materials(self.folder)
        common = {"context": str(_FOLDER), "platforms": list(SIX), "attest": [_UNATTESTED]}
        self._bake({name: {**common, "target": name, "output": [self._pushed(name)]} for name in FOUNDATION})
        static = Shelf(self.client, self.repository).document("static")
        self.names["amd64"] = f"{self.repository}@{entry_for(static, AMD64)['digest']}"
        self.names["index"] = f"{self.repository}@{self.client.manifest(self.repository.with_tag('static')).digest}"

    def _target(self, tag: str, build: Build, output: str) -> dict[str, Any]:
        return {
            "context": str(self.folder),
            "contexts": {name: f"docker-image://{self.repository}:{name}" for name in FOUNDATION},
            "dockerfile": str(self._dockerfile(tag)),
            "args": dict(build.args),
            "platforms": list(build.platforms),
            "output": [output],
            "attest": ["type=provenance,mode=min" if build.attested else _UNATTESTED],
        }

    def _pushed(self, tag: str) -> str:
        return f"type=image,name={self.repository}:{tag},push=true"

    def _dockerfile(self, tag: str) -> Path:
        return self.folder / f"{tag}.Dockerfile"

    def _bake(self, targets: Mapping[str, Mapping[str, Any]]) -> None:
        definition = {"group": {"default": {"targets": list(targets)}}, "target": targets}
        done = subprocess.run(
            ["docker", "buildx", "bake", "--builder", self.builder, "--progress", "plain", "--file", "-"],
            input=json.dumps(definition),
            env=dict(self.environ),
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]

    def _made(self, name: str, image: Image, shelf: Shelf) -> Made:
        tags = list(_tagged(name, image))
        names = {**self.names, "dockerfile": self._dockerfile(tags[0]).name}
        tag = tags[0]
        if image.edit is not None:
            index, more = image.edit(shelf, [shelf.document(one) for one in tags])
            tag, names = name, {**names, **more}
            shelf.put_index(tag, index)
        loaded = MultiArchImage.load(self.client, self.repository.with_tag(tag))
        return Made(image, loaded, self._dockerfile(tags[0]), names, self.client)


def _both(pair: Pair) -> dict[str, Image]:
    return {"faulty": pair.faulty, "good": pair.good}


def _tagged(name: str, image: Image) -> dict[str, Build]:
    if image.edit is None:
        (build,) = image.builds
        return {name: build}
    return {f"{name}-{number}": build for number, build in enumerate(image.builds)}
