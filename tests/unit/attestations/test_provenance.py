"""Provenance in both versions of SLSA, from the specifications' examples and from BuildKit."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from pytest_multiarch.errors import DocumentError
from pytest_multiarch.image.attestations import Resource, SourceFile
from pytest_multiarch.oci import FrozenMap
from pytest_multiarch.platforms import Platform
from tests.unit.attestations.common import DATA, V02, V1, provenance, statement

AMD64 = Platform.parse("linux/amd64")
BASE = "sha256:b0115c806042a071260ce29772f05bf2bb3a6f974168fa8cb0052cb796450ed1"
DOCKERFILE = b"FROM debian:bookworm-slim\nARG GREETING=x\nRUN echo 1.2 > /version\n"

# The example of https://slsa.dev/spec/v0.2/provenance, "Example".
MAKEFILE: dict[str, Any] = {
    "buildType": "https://example.com/Makefile",
    "builder": {"id": "mailto:person@example.com"},
    "invocation": {
        "configSource": {
            "uri": "https://example.com/example-1.2.3.tar.gz",
            "digest": {"sha256": "1234..."},
            "entryPoint": "src:foo",
        },
        "parameters": {"CFLAGS": "-O3"},
    },
    "materials": [{"uri": "https://example.com/example-1.2.3.tar.gz", "digest": {"sha256": "1234..."}}],
}

# The examples of https://slsa.dev/spec/v1.1/provenance, "BuildDefinition", with the fields of "Schema".
REPOSITORY: dict[str, Any] = {
    "buildDefinition": {
        "buildType": "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1",
        "externalParameters": {
            "repository": "https://github.com/octocat/hello-world",
            "ref": "refs/heads/main",
            "inputs": {"build_id": 123, "deploy_target": "deployment_sys_1a", "perform_deploy": True},
            "unset": None,
        },
        "resolvedDependencies": [
            {
                "uri": "git+https://github.com/octocat/hello-world@refs/heads/main",
                "digest": {"gitCommit": "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"},
            }
        ],
    },
    "runDetails": {
        "builder": {"id": "https://github.com/actions/runner/github-hosted"},
        "metadata": {
            "invocationId": "https://github.com/octocat/hello-world/actions/runs/1536140711/attempts/1",
            "startedOn": "2023-01-01T12:34:56Z",
        },
    },
}


def test_version_02_as_the_specification_has_it() -> None:
    found = provenance(statement(V02, MAKEFILE))
    archive = Resource(uri="https://example.com/example-1.2.3.tar.gz", digests=FrozenMap({"sha256": "1234..."}))
    assert found.builder_id == "mailto:person@example.com"
    assert found.build_type == "https://example.com/Makefile"
    assert found.config_source == archive
    assert found.entry_point == "src:foo"
    assert found.parameters == {"CFLAGS": "-O3"}
    assert found.materials == (archive,)
    assert (found.started, found.finished, found.invocation_id) == (None, None, "")


def test_version_1_as_the_specification_has_it() -> None:
    found = provenance(statement(V1, REPOSITORY, _type="https://in-toto.io/Statement/v1"))
    assert found.builder_id == "https://github.com/actions/runner/github-hosted"
    assert found.build_type == "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1"
    assert found.parameters == {
        "repository": "https://github.com/octocat/hello-world",
        "ref": "refs/heads/main",
        "inputs": '{"build_id":123,"deploy_target":"deployment_sys_1a","perform_deploy":true}',
    }
    (material,) = found.materials
    assert material.uri == "git+https://github.com/octocat/hello-world@refs/heads/main"
    assert material.digests == {"gitCommit": "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"}
    assert found.invocation_id == "https://github.com/octocat/hello-world/actions/runs/1536140711/attempts/1"
    assert found.started == datetime(2023, 1, 1, 12, 34, 56, tzinfo=timezone.utc)
    assert found.finished is None


def test_buildkits_version_02_with_its_own_fields() -> None:
    found = provenance((DATA / "buildkit-v0.2.json").read_bytes())
    assert found.builder_id == ""
    assert found.build_type == "https://mobyproject.org/buildkit@v1"
    assert found.invocation_id == "rembok0i1bjtmgx315uul93gk"
    assert found.started == datetime(2026, 11, 24, 3, 46, 32, 942514, tzinfo=timezone.utc)
    assert found.finished == datetime(2026, 11, 24, 3, 46, 35, 78076, tzinfo=timezone.utc)
    assert found.frontend == "dockerfile.v0"
    assert found.args == {"build-arg:GREETING": "hi"}
    assert found.builder_platform == AMD64
    assert found.config_source is None
    assert found.entry_point == "Dockerfile"
    assert [one.uri for one in found.materials] == [
        "pkg:docker/debian@bookworm-slim?platform=linux%2Farm64",
        "pkg:docker/localhost%3A34293/scanner@latest",
    ]
    assert (found.parameters_complete, found.materials_complete) == (True, False)
    assert (found.reproducible, found.hermetic) == (False, False)
    assert found.sources == (SourceFile("Dockerfile", "Dockerfile", DOCKERFILE),)
    assert found.vcs == {}


def test_buildkits_version_1_with_its_own_fields() -> None:
    found = provenance((DATA / "buildkit-v1.json").read_bytes())
    assert found.builder_id == ""
    assert found.build_type.endswith("/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md")
    assert found.invocation_id == "nxfhd75sku3xa53zngmkw7o9l"
    assert found.started == datetime(2026, 11, 24, 3, 46, 35, 548075, tzinfo=timezone.utc)
    assert found.frontend == "dockerfile.v0"
    assert found.args == {"build-arg:GREETING": "hi"}
    assert set(found.parameters) == {"configSource", "request"}
    assert found.builder_platform == AMD64
    assert found.config_source is None
    assert found.entry_point == "Dockerfile"
    assert [one.uri for one in found.materials] == ["pkg:docker/debian@bookworm-slim?platform=linux%2Famd64"]
    assert (found.parameters_complete, found.materials_complete) == (True, False)
    assert [one.text for one in found.sources] == [DOCKERFILE.decode()]


def test_a_git_context_and_version_control_as_buildkit_documents_them() -> None:
    # slsa-definitions.md, "configSource", "vcs", "hermetic", "reproducible".
    build_type = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md"
    source = {
        "uri": "https://github.com/moby/buildkit.git#refs/tags/v0.11.0",
        "digest": {"sha1": "4b220de5058abfd01ff619c9d2ff6b09a049bea0"},
    }
    vcs = {"source": "https://github.com/moby/buildkit.git", "revision": "4b220de5"}
    new = {
        "buildDefinition": {
            "buildType": build_type,
            "externalParameters": {"configSource": {**source, "path": "Dockerfile"}},
        },
        "runDetails": {
            "builder": {"id": "https://github.com/docker/buildx/actions/runs/3709599520"},
            "metadata": {
                "buildkit_metadata": {"vcs": vcs},
                "buildkit_hermetic": True,
                "buildkit_reproducible": True,
            },
        },
    }
    old = {
        "buildType": "https://mobyproject.org/buildkit@v1",
        "builder": {"id": "https://github.com/docker/buildx/actions/runs/3709599520"},
        "invocation": {"configSource": {**source, "entryPoint": "Dockerfile"}},
        "metadata": {
            "reproducible": True,
            "https://mobyproject.org/buildkit@v1#hermetic": True,
            "https://mobyproject.org/buildkit@v1#metadata": {"vcs": vcs},
        },
    }
    for found in (provenance(statement(V1, new)), provenance(statement(V02, old))):
        assert found.config_source == Resource(uri=source["uri"], digests=FrozenMap(source["digest"]))  # type: ignore[arg-type]
        assert found.entry_point == "Dockerfile"
        assert found.builder_id == "https://github.com/docker/buildx/actions/runs/3709599520"
        assert found.vcs == vcs
        assert found.hermetic
        assert found.reproducible


def test_build_arguments_are_the_frontends_options_with_that_prefix() -> None:
    # slsa-definitions.md, "invocation.parameters".
    args = {"build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR": "1", "label:FOO": "bar", "target": "release"}
    buildkit = {
        "buildType": "https://mobyproject.org/buildkit@v1",
        "builder": {"id": ""},
        "invocation": {"parameters": {"frontend": "gateway.v0", "args": args}},
    }
    found = provenance(statement(V02, buildkit))
    assert found.args == args
    assert found.build_args == {"BUILDKIT_CONTEXT_KEEP_GIT_DIR": "1"}


def test_a_material_is_found_by_the_digest_of_an_image() -> None:
    found = provenance((DATA / "buildkit-v1.json").read_bytes())
    base = found.material(BASE)
    assert base is not None
    assert base.uri.startswith("pkg:docker/debian@")
    assert found.material("sha512" + BASE.removeprefix("sha256")) is None
    assert found.material("") is None


def test_what_another_builder_means_by_buildkits_names_is_not_guessed() -> None:
    parameters = {"frontend": ["react"], "args": ["-O3"]}
    other = {**MAKEFILE, "invocation": {"parameters": parameters, "environment": {"platform": "a blue one"}}}
    found = provenance(statement(V02, other))
    assert (found.frontend, dict(found.args), found.builder_platform) == ("", {}, None)
    assert found.parameters == {"frontend": '["react"]', "args": '["-O3"]'}
    definition = {**REPOSITORY["buildDefinition"], "internalParameters": {"builderPlatform": 7}}
    assert provenance(statement(V1, {**REPOSITORY, "buildDefinition": definition})).builder_platform is None


def test_null_means_unset() -> None:
    # Both versions, "Parsing rules".
    empty = {**MAKEFILE, "invocation": None, "metadata": None, "materials": None}
    found = provenance(statement(V02, empty))
    assert found.materials == ()
    assert found.parameters == {}
    assert found.config_source is None


@pytest.mark.parametrize(
    ("predicate_type", "predicate", "message"),
    [
        (V02, {"builder": {"id": "x"}}, "/predicate: required field 'buildType' is missing"),
        (V02, {"buildType": "x"}, "/predicate: required field 'builder' is missing"),
        (V02, {**MAKEFILE, "materials": {}}, "/predicate/materials: expected a list, found an object"),
        (V02, {**MAKEFILE, "invocation": []}, "/predicate/invocation: expected an object, found a list"),
        (
            V02,
            {**MAKEFILE, "metadata": {"buildStartedOn": "now"}},
            "/predicate/metadata/buildStartedOn: expected a date",
        ),
        (V1, {"runDetails": {}}, "/predicate: required field 'buildDefinition' is missing"),
        (V1, {**REPOSITORY, "runDetails": {}}, "/predicate/runDetails: required field 'builder' is missing"),
        (V1, {**REPOSITORY, "buildDefinition": "x"}, "/predicate/buildDefinition: expected an object, found 'x'"),
    ],
)
def test_what_is_broken_is_refused_with_its_place(predicate_type: str, predicate: object, message: str) -> None:
    with pytest.raises(DocumentError) as refused:
        provenance(statement(predicate_type, predicate))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("details", "message"),
    [
        (
            {"invocation": {"environment": {"platform": "linux/amd64/v1/x/y"}}},
            "environment/platform: expected a platform",
        ),
        ({"invocation": {"parameters": {"args": {"a": 1}}}}, "parameters/args/a: expected a string"),
        (
            {"metadata": {"https://mobyproject.org/buildkit@v1#metadata": {"source": {"infos": [{"data": "?"}]}}}},
            "source/infos/0/data: expected base64",
        ),
    ],
)
def test_buildkits_broken_fields_are_refused_with_their_place(details: dict[str, object], message: str) -> None:
    buildkit = {"buildType": "https://mobyproject.org/buildkit@v1", "builder": {"id": ""}, **details}
    with pytest.raises(DocumentError, match=message):
        provenance(statement(V02, buildkit))
