"""Provenance: how an image was built, in SLSA's versions 0.2 and 1, with what BuildKit adds to them.

Sources: https://slsa.dev/spec/v0.2/provenance, https://slsa.dev/spec/v1.1/provenance, and for BuildKit's own fields
https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_multiarch.errors import InvalidPlatform
from pytest_multiarch.image.attestations.resources import Resource, resources_at
from pytest_multiarch.oci import FrozenMap
from pytest_multiarch.oci.reading import Node
from pytest_multiarch.oci.times import time_at
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from datetime import datetime

PROVENANCE_V02: Final = "https://slsa.dev/provenance/v0.2"
PROVENANCE_V1: Final = "https://slsa.dev/provenance/v1"
PROVENANCE_TYPES: Final = frozenset({PROVENANCE_V02, PROVENANCE_V1})

_BUILDKIT_V02: Final = "https://mobyproject.org/buildkit@v1"
_BUILDKIT_V1: Final = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md"
_BUILD_ARG: Final = "build-arg:"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """Hold a file that the build was read from, such as the Dockerfile."""

    name: str
    language: str
    data: bytes

    @property
    def text(self) -> str:
        """Return the content; bytes that are no UTF-8 become U+FFFD."""
        return self.data.decode("utf-8", errors="replace")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Tell how something was built, by what and from what.

    ``builder_id`` is empty where nobody set it, as in a build on one's own machine. ``materials`` are what the build
    took in: base images, repositories, downloads; the specification does not order them. ``config_source`` is where
    the build's definition came from, None for a local folder, and ``entry_point`` its path there. ``parameters`` are
    all external parameters by name: text as it was written, all else as JSON.

    The fields after ``reproducible`` are BuildKit's own, empty in the provenance of other builders: ``args`` are the
    frontend's options, ``builder_platform`` is that of the machine that built, not of the image, ``hermetic`` says that
    the build had no network, ``vcs`` is what buildx says of the context's repository. ``sources`` is there for
    ``mode=max`` only.
    """

    builder_id: str
    build_type: str
    materials: tuple[Resource, ...] = ()
    config_source: Resource | None = None
    entry_point: str = ""
    parameters: FrozenMap = field(default_factory=FrozenMap)
    invocation_id: str = ""
    started: datetime | None = None
    finished: datetime | None = None
    parameters_complete: bool = False
    materials_complete: bool = False
    reproducible: bool = False
    frontend: str = ""
    args: FrozenMap = field(default_factory=FrozenMap)
    builder_platform: Platform | None = None
    hermetic: bool = False
    vcs: FrozenMap = field(default_factory=FrozenMap)
    sources: tuple[SourceFile, ...] = ()

    @property
    def build_args(self) -> dict[str, str]:
        """Return the build arguments that were given, by name."""
        return {
            name.removeprefix(_BUILD_ARG): value for name, value in self.args.items() if name.startswith(_BUILD_ARG)
        }

    def material(self, digest: str) -> Resource | None:
        """Return what the build took in under a digest, ``algorithm:hex``; None where it took in no such thing."""
        return next((one for one in self.materials if one.has_digest(digest)), None)


def read_provenance(predicate: Node, predicate_type: str) -> Provenance:
    """Read the predicate of one of ``PROVENANCE_TYPES``.

    Raises DocumentError: a required field is missing, or a field has the wrong type.
    """
    return _version_1(predicate) if predicate_type == PROVENANCE_V1 else _version_02(predicate)


def _version_02(root: Node) -> Provenance:
    invocation = _object_at(root, "invocation")
    metadata = _object_at(root, "metadata")
    completeness = _object_at(metadata, "completeness")
    source = _object_at(invocation, "configSource")
    build_type = root.need("buildType").text()
    ours = build_type == _BUILDKIT_V02
    request = _object_at(invocation, "parameters")
    details = _object_at(metadata, f"{_BUILDKIT_V02}#metadata") if ours else _nothing(root)
    return Provenance(
        builder_id=root.need("builder").text_at("id"),
        build_type=build_type,
        materials=resources_at(root, "materials"),
        config_source=_config_source(source),
        entry_point=source.text_at("entryPoint"),
        parameters=_as_text(request),
        invocation_id=_either(metadata, "buildInvocationId", "buildInvocationID"),
        started=time_at(metadata, "buildStartedOn"),
        finished=time_at(metadata, "buildFinishedOn"),
        parameters_complete=_flag_at(completeness, "parameters"),
        materials_complete=_flag_at(completeness, "materials"),
        reproducible=_flag_at(metadata, "reproducible"),
        frontend=request.text_at("frontend") if ours else "",
        args=request.text_map_at("args") if ours else FrozenMap(),
        builder_platform=_platform_at(_object_at(invocation, "environment"), "platform") if ours else None,
        hermetic=_flag_at(metadata, f"{_BUILDKIT_V02}#hermetic"),
        vcs=details.text_map_at("vcs"),
        sources=_sources(details),
    )


def _version_1(root: Node) -> Provenance:
    definition = root.need("buildDefinition")
    run = root.need("runDetails")
    build_type = definition.need("buildType").text()
    external = _object_at(definition, "externalParameters")
    metadata = _object_at(run, "metadata")
    ours = build_type == _BUILDKIT_V1
    # All of an external parameter's meaning is its build type's: only BuildKit's is known here.
    source = _object_at(external, "configSource") if ours else _nothing(root)
    request = _object_at(external, "request") if ours else _nothing(root)
    completeness = _object_at(metadata, "buildkit_completeness") if ours else _nothing(root)
    details = _object_at(metadata, "buildkit_metadata") if ours else _nothing(root)
    return Provenance(
        builder_id=run.need("builder").text_at("id"),
        build_type=build_type,
        materials=resources_at(definition, "resolvedDependencies"),
        config_source=_config_source(source),
        entry_point=source.text_at("path"),
        parameters=_as_text(external),
        invocation_id=_either(metadata, "invocationId", "invocationID"),
        started=time_at(metadata, "startedOn"),
        finished=time_at(metadata, "finishedOn"),
        parameters_complete=_flag_at(completeness, "request"),
        materials_complete=_flag_at(completeness, "resolvedDependencies"),
        reproducible=_flag_at(metadata, "buildkit_reproducible") if ours else False,
        frontend=request.text_at("frontend"),
        args=request.text_map_at("args"),
        builder_platform=_platform_at(_object_at(definition, "internalParameters"), "builderPlatform")
        if ours
        else None,
        hermetic=_flag_at(metadata, "buildkit_hermetic") if ours else False,
        vcs=details.text_map_at("vcs"),
        sources=_sources(details),
    )


def _config_source(node: Node) -> Resource | None:
    found = Resource.from_node(node)
    return found if found.uri or found.digests else None


def _object_at(node: Node, key: str) -> Node:
    """Return a member that is an object, an empty one where it is absent: both specifications hold these for equal."""
    child = node.child(key)
    if child is None:
        return _nothing(node)
    child.keys()
    return child


def _nothing(node: Node) -> Node:
    return Node(node.document, {}, node.pointer)


def _flag_at(node: Node, key: str) -> bool:
    child = node.child(key)
    return child is not None and child.flag()


def _either(node: Node, key: str, written: str) -> str:
    """Return a text under its specified name, or the one that in-toto's Go library writes (in-toto/in-toto-golang#260)."""
    return node.text_at(key) or node.text_at(written)


def _as_text(node: Node) -> FrozenMap:
    members = ((key, node.child(key)) for key in node.keys())  # noqa: SIM118  # a Node is no mapping
    return FrozenMap({key: child.as_text() for key, child in members if child is not None})


def _platform_at(node: Node, key: str) -> Platform | None:
    child = node.child(key)
    if child is None or child.text() == "":
        return None
    try:
        return Platform.parse(child.text())
    except InvalidPlatform:
        child.expected("a platform")


def _sources(details: Node) -> tuple[SourceFile, ...]:
    infos = _object_at(details, "source").child("infos")
    return () if infos is None else tuple(_source(item) for item in infos.items())


def _source(node: Node) -> SourceFile:
    child = node.child("data")
    try:
        data = b"" if child is None else base64.b64decode(child.text(), validate=True)
    except (binascii.Error, ValueError):
        node.need("data").expected("base64")
    return SourceFile(node.text_at("filename"), node.text_at("language"), data)
