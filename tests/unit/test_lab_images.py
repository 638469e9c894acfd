from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lab import assembly, buildkit, images, layers, oci
from lab.carried import Carried
from lab.console import LabError
from lab.layers import Layer
from lab.recipes import BUILDKIT, DEBIAN, PYTHON, REGISTRY
from lab.sources import Source

if TYPE_CHECKING:
    from pathlib import Path

LAYER = Layer("sha256:" + "1" * 64, "sha256:" + "2" * 64, 10, {})
MACHINE = Carried((Source(("http://m.example/debian",), ("bookworm",), ("main",)),), b"certificates", (), ())


def entry(platform: str, key: str = "k") -> dict[str, object]:
    return oci.entry(platform, oci.Document(oci.MANIFEST, f"{platform} {key}".encode()), key)


def read(document: oci.Document) -> dict[str, object]:
    value: dict[str, object] = json.loads(document.data)
    return value


@pytest.mark.parametrize("platform", images.ALL_PLATFORMS)
def test_every_platform_keeps_its_name_through_an_index(platform: str) -> None:
    assert oci.platform_of(entry(platform)) == platform


def test_variants_are_those_of_the_official_images() -> None:
    variants = {name: oci.platform_fields(name).get("variant") for name in images.ALL_PLATFORMS}
    assert {name: variant for name, variant in variants.items() if variant} == {
        "linux/arm64": "v8",
        "linux/arm/v7": "v7",
    }


def test_an_index_grows_by_platforms_in_a_fixed_order() -> None:
    first = read(oci.index({}, [entry("linux/s390x"), entry("linux/amd64")]))
    grown = oci.index(first, [entry("linux/arm64")])
    assert list(oci.keys(read(grown))) == ["linux/amd64", "linux/arm64", "linux/s390x"]


def test_a_platform_made_anew_replaces_the_one_before() -> None:
    first = read(oci.index({}, [entry("linux/amd64", "old"), entry("linux/arm64", "old")]))
    grown = read(oci.index(first, [entry("linux/amd64", "new")]))
    assert oci.keys(grown) == {"linux/amd64": "new", "linux/arm64": "old"}


def test_a_configuration_names_its_platform_and_says_that_it_is_a_stand_in() -> None:
    config = json.loads(oci.config(PYTHON, "linux/arm/v7", [LAYER, LAYER], PYTHON.env).data)
    assert (config["os"], config["architecture"], config["variant"]) == ("linux", "arm", "v7")
    assert config["config"]["Labels"] == {"org.pytest-multiarch.stand-in": "true"}
    assert config["config"]["Cmd"] == ["python3"]
    assert "Entrypoint" not in config["config"]
    assert len(config["rootfs"]["diff_ids"]) == len(config["history"]) == 2


def test_a_manifest_names_the_configuration_and_compressed_layers() -> None:
    config = oci.config(REGISTRY, "linux/amd64", [LAYER], REGISTRY.env)
    manifest = json.loads(oci.manifest(config, [LAYER]).data)
    assert manifest["config"]["digest"] == config.digest
    assert manifest["layers"] == [{"mediaType": oci.LAYER, "digest": LAYER.digest, "size": 10}]


def test_the_key_follows_what_an_image_is_made_from() -> None:
    keys = {
        assembly.key(DEBIAN, "linux/amd64", MACHINE),
        assembly.key(DEBIAN, "linux/arm64", MACHINE),
        assembly.key(PYTHON, "linux/amd64", MACHINE),
        assembly.key(DEBIAN, "linux/amd64", Carried(MACHINE.sources, b"others", (), ())),
        assembly.key(DEBIAN, "linux/amd64", Carried(MACHINE.sources, MACHINE.ca_bundle, (("cert", "x"),), ())),
    }
    assert len(keys) == 5


@pytest.mark.parametrize(
    ("version", "upstream"), [("3.11.2-6+deb12u6", "3.11.2"), ("1:2.38.1-5+deb12u3", "2.38.1"), ("2026", "2026")]
)
def test_the_upstream_version_lacks_epoch_and_revision(version: str, upstream: str) -> None:
    assert assembly._upstream_version(f"Package: x\nVersion: {version}\nDepends: y (>= 1-2)\n") == upstream


def test_cached_images_are_made_of_the_cache_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "CACHE", tmp_path)
    paragraph = "Package: python3.11-minimal\nVersion: 3.11.2-6\n"
    for recipe in (DEBIAN, PYTHON):
        layers.cached_layer(
            assembly.key(recipe, "linux/arm64", MACHINE),
            lambda layer: {"paragraphs": {"python3.11-minimal": paragraph}, "triggers": {}},
        )
    monkeypatch.setenv("PATH", "")
    made = assembly.make([PYTHON, DEBIAN], "linux/arm64", MACHINE, bool)
    assert list(made) == [DEBIAN, PYTHON]
    assert made[PYTHON].layers[0] == made[DEBIAN].layers[0]
    assert "PYTHON_VERSION=3.11.2" in json.loads(made[PYTHON].config.data)["config"]["Env"]


def test_an_unknown_platform_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabError, match="no platform linux/riscv64"):
        images.check(["linux/amd64", "linux/riscv64"])


def test_without_go_the_lab_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(buildkit, "CACHE", tmp_path)
    monkeypatch.setenv("PATH", "")
    assert not buildkit.build()
    assert "no Go compiler" in capsys.readouterr().err
    assert BUILDKIT not in dict(assembly.wanted(["linux/amd64"]))


def test_a_failed_compilation_is_not_tried_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(buildkit, "CACHE", tmp_path / "cache")
    go = tmp_path / "go"
    go.write_text('#!/bin/sh\necho "no module proxy here" >&2\nexit 1\n')
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not buildkit.build()
    assert "no module proxy here" in capsys.readouterr().err
    go.write_text("#!/bin/sh\nexit 0\n")
    assert not buildkit.build()
    assert "within the last hour" in capsys.readouterr().err
    assert not buildkit.is_expected()
