"""SBOMs: SPDX 2 and CycloneDX, from the specifications' examples and from BuildKit."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from pytest_multiarch.errors import DocumentError
from pytest_multiarch.image.attestations import SbomPackage
from tests.unit.attestations.common import CYCLONEDX, DATA, SPDX, read, sbom, statement

# From SPDXJSONExample-v2.3.spdx.json of spdx-spec, without what is not read.
SPDX_EXAMPLE: dict[str, Any] = {
    "SPDXID": "SPDXRef-DOCUMENT",
    "spdxVersion": "SPDX-2.3",
    "creationInfo": {"created": "2010-01-29T18:30:22Z", "creators": ["Tool: LicenseFind-1.0"]},
    "name": "SPDX-Tools-v2.0",
    "packages": [
        {
            "SPDXID": "SPDXRef-Package",
            "externalRefs": [
                {
                    "referenceCategory": "SECURITY",
                    "referenceLocator": "cpe:2.3:a:pivotal_software:spring_framework:4.1.0:*:*:*:*:*:*:*",
                    "referenceType": "cpe23Type",
                },
                {
                    "referenceCategory": "OTHER",
                    "referenceLocator": "acmecorp/acmenator/4.1.3-alpha",
                    "referenceType": "http://spdx.org/spdxdocs/spdx-example#LocationRef-acmeforge",
                },
            ],
            "name": "glibc",
            "versionInfo": "2.11.1",
        },
        {"SPDXID": "SPDXRef-fromDoap-1", "name": "Apache Commons Lang"},
        {
            "SPDXID": "SPDXRef-fromDoap-0",
            "externalRefs": [
                {
                    "referenceCategory": "PACKAGE-MANAGER",
                    "referenceLocator": "pkg:maven/org.apache.jena/apache-jena@3.12.0",
                    "referenceType": "purl",
                }
            ],
            "name": "Jena",
            "versionInfo": "3.12.0",
        },
    ],
}

# From valid-bom-1.4.json of CycloneDX's specification, without what is not read.
CYCLONEDX_EXAMPLE: dict[str, Any] = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.4",
    "version": 1,
    "metadata": {
        "timestamp": "2020-04-13T20:20:39+00:00",
        "component": {"type": "application", "name": "Acme Application", "version": "9.1.1"},
    },
    "components": [
        {
            "type": "library",
            "group": "com.acme",
            "name": "tomcat-catalina",
            "version": "9.0.14",
            "purl": "pkg:npm/acme/component@1.0.0",
        },
        {"type": "library", "group": "org.example", "name": "mylibrary", "version": "1.0.0"},
    ],
}


def test_spdx_as_the_specification_has_it() -> None:
    found = sbom(statement(SPDX, SPDX_EXAMPLE))
    assert found.format == "SPDX-2.3"
    assert found.name == "SPDX-Tools-v2.0"
    assert found.created == datetime(2010, 1, 29, 18, 30, 22, tzinfo=timezone.utc)
    assert found.packages == (
        SbomPackage("glibc", "2.11.1"),
        SbomPackage("Apache Commons Lang"),
        SbomPackage("Jena", "3.12.0", "pkg:maven/org.apache.jena/apache-jena@3.12.0"),
    )


def test_cyclonedx_as_the_specification_has_it() -> None:
    found = sbom(statement(CYCLONEDX, CYCLONEDX_EXAMPLE))
    assert found.format == "CycloneDX-1.4"
    assert found.name == "Acme Application"
    assert found.created == datetime(2020, 4, 13, 20, 20, 39, tzinfo=timezone.utc)
    assert found.packages == (
        SbomPackage("tomcat-catalina", "9.0.14", "pkg:npm/acme/component@1.0.0"),
        SbomPackage("mylibrary", "1.0.0"),
    )


def test_what_buildkit_pushes_of_a_scanners_output() -> None:
    found = sbom((DATA / "buildkit-sbom.json").read_bytes())
    assert (found.format, found.name) == ("SPDX-2.3", "sbom")
    assert found.packages == (SbomPackage("hello", "1.2", "pkg:generic/hello@1"),)


def test_components_within_components_are_packages_too() -> None:
    inner = {"name": "inner", "components": [{"name": "innermost", "version": "1"}]}
    nested = {**CYCLONEDX_EXAMPLE, "components": [{"name": "outer", "components": [inner]}, {"name": "last"}]}
    assert [one.name for one in sbom(statement(CYCLONEDX, nested)).packages] == ["outer", "inner", "innermost", "last"]


def test_packages_are_found_by_name() -> None:
    packages = [{"name": "zlib", "versionInfo": "1"}, {"name": "zlib1g"}, {"name": "zlib", "versionInfo": "2"}]
    found = sbom(statement(SPDX, {**SPDX_EXAMPLE, "packages": packages}))
    assert found.find("zlib") == (SbomPackage("zlib", "1"), SbomPackage("zlib", "2"))
    assert found.find("missing") == ()


def test_a_package_urls_type_may_be_written_as_its_uri() -> None:
    reference = {
        "referenceCategory": "PACKAGE_MANAGER",
        "referenceType": "http://spdx.org/rdf/references/purl",
        "referenceLocator": "pkg:deb/debian/zlib1g@1.2.13",
    }
    found = sbom(statement(SPDX, {**SPDX_EXAMPLE, "packages": [{"name": "zlib1g", "externalRefs": [reference]}]}))
    assert found.packages[0].purl == "pkg:deb/debian/zlib1g@1.2.13"


@pytest.mark.parametrize("predicate_type", [SPDX, f"{SPDX}/v2.3", f"{SPDX}/v2"])
def test_spdx_types_may_have_a_version(predicate_type: str) -> None:
    assert sbom(statement(predicate_type, SPDX_EXAMPLE)).format == "SPDX-2.3"


@pytest.mark.parametrize("predicate_type", [CYCLONEDX, f"{CYCLONEDX}/v1.4"])
def test_cyclonedx_types_may_have_a_version(predicate_type: str) -> None:
    assert sbom(statement(predicate_type, CYCLONEDX_EXAMPLE)).format == "CycloneDX-1.4"


@pytest.mark.parametrize(
    "predicate_type", [f"{SPDX}/v3.0", f"{SPDX}s", f"{CYCLONEDX}/v2.0", "https://spdx,dev/Document"]
)
def test_other_types_are_not_read_as_sboms(predicate_type: str) -> None:
    assert read(statement(predicate_type, SPDX_EXAMPLE)).predicate is None


@pytest.mark.parametrize(
    ("predicate_type", "predicate", "message"),
    [
        (SPDX, {}, "/predicate: required field 'spdxVersion' is missing"),
        (SPDX, {"spdxVersion": "SPDX-3.0"}, "/predicate/spdxVersion: expected SPDX-2.2, SPDX-2.3 or another version 2"),
        (SPDX, {"spdxVersion": "SPDX-2.3", "packages": [{}]}, "/packages/0: required field 'name' is missing"),
        (
            SPDX,
            {"spdxVersion": "SPDX-2.3", "packages": [{"name": "a", "versionInfo": 1}]},
            "/packages/0/versionInfo: expected a string, found a number 1",
        ),
        (
            SPDX,
            {"spdxVersion": "SPDX-2.3", "packages": [{"name": "a", "externalRefs": [{"referenceType": "purl"}]}]},
            "/externalRefs/0: required field 'referenceLocator' is missing",
        ),
        (CYCLONEDX, {"bomFormat": "SPDX"}, "/predicate/bomFormat: expected 'CycloneDX'"),
        (CYCLONEDX, {"bomFormat": "CycloneDX", "specVersion": "2.0"}, "/predicate/specVersion: expected 1.4"),
        (CYCLONEDX, {**CYCLONEDX_EXAMPLE, "components": ["x"]}, "/components/0: expected an object, found 'x'"),
    ],
)
def test_what_is_broken_is_refused_with_its_place(predicate_type: str, predicate: object, message: str) -> None:
    with pytest.raises(DocumentError) as refused:
        sbom(statement(predicate_type, predicate))
    assert message in str(refused.value)
