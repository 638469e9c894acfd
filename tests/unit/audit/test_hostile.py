"""Whatever an image holds: findings or an error of ours, in bounded time and memory, and nothing written elsewhere."""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_multiarch.audit import Audit, Policy, audit_image, describe, survey
from pytest_multiarch.errors import DocumentError, LayerError, MultiArchError
from pytest_multiarch.image.elf import read_elf
from pytest_multiarch.image.index import MultiArchImage
from pytest_multiarch.image.layers import LayerStore
from pytest_multiarch.image.limits import LayerLimits
from pytest_multiarch.oci import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST, RawDocument, digest_of
from tests.unit.audit.common import AMD64, MACHINES, program
from tests.unit.elf.build import DYN, property_note
from tests.unit.files.common import (
    NAME,
    MemoryReader,
    directory,
    file,
    hard_link,
    node,
    symlink,
    tar,
    tree_of,
    whiteout,
)
from tests.unit.files.test_hostile_layers import LAYERS, SMALL, bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_multiarch.oci import Descriptor
    from tests.unit.files.common import Entry

ALL = Audit.of(Policy(select=("all",)))
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

_WATCHED: list[set[str]] = []
_WRITES = {
    "os.mkdir",
    "os.rename",
    "os.link",
    "os.symlink",
    "os.remove",
    "os.rmdir",
    "os.chmod",
    "os.chown",
    "os.truncate",
}


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Note each path that is written to, while somebody watches; audit hooks cannot be removed."""
    if _WATCHED and (event in _WRITES or (event == "open" and _opens_for_writing(arguments))):
        for argument in arguments[: 2 if event in ("os.rename", "os.link", "os.symlink") else 1]:
            if isinstance(argument, str | bytes | Path):
                _WATCHED[-1].add(str(argument))


def _opens_for_writing(arguments: tuple[Any, ...]) -> bool:
    _, mode, flags = arguments
    return bool(set(mode or "") & set("wxa+")) or bool((flags or 0) & 0o3)


sys.addaudithook(_watch)


@contextmanager
def writing_only_below(folder: Path) -> Iterator[None]:
    """Fail where a block writes to another place."""
    written: set[str] = set()
    _WATCHED.append(written)
    try:
        yield
    finally:
        _WATCHED.pop()
    assert written
    assert {path for path in written if path.startswith("/") and not path.startswith(str(folder))} == set()


class Image(MemoryReader):
    """Hold an image of two platforms whose every part can be damaged before its digest is taken."""

    def __init__(
        self, change: Callable[[str, bytes], bytes] = lambda part, data: data, layers: Sequence[bytes] = ()
    ) -> None:
        super().__init__()
        self.change = change
        self.documents: dict[str, tuple[bytes, str]] = {}
        entries = [self._image(name, layers or [self._archive(name)]) for name in ("amd64", "arm64")]
        index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
        self.root = self._document("index", index, OCI_INDEX)

    def audit(self, limits: LayerLimits = SMALL) -> str:
        """Return what is found, as text; only errors of ours may come out."""
        self.layers = LayerStore(limits=limits)
        with self.layers:
            try:
                image = MultiArchImage(self, NAME, self.manifest(NAME.with_digest(self.root)))
                text = describe(audit_image(image, ALL))
            except MultiArchError as error:
                text = str(error)
        assert all(line.isprintable() for line in text.split("\n"))
        return text

    def manifest(self, reference: Any) -> RawDocument:
        data, media_type = self.documents.get(reference.digest, (b"{}", OCI_MANIFEST))
        return RawDocument(data, media_type, reference.digest)

    def read_blob(self, repository: object, descriptor: Descriptor, limit: int = 0) -> bytes:
        return self.blobs.get(descriptor.digest, b"")

    def blob(self, repository: Any, descriptor: Descriptor) -> Any:
        self.blobs.setdefault(descriptor.digest, b"")
        return super().blob(repository, descriptor)

    def _image(self, name: str, archives: Sequence[bytes]) -> dict[str, Any]:
        layers, diff_ids = [], []
        for archive in archives:
            changed = self.change("tar", archive)
            packed = self.change("gzip", gzip.compress(changed, 1, mtime=0))
            found = self.add(packed, OCI_LAYER_GZIP)
            layers.append({"mediaType": OCI_LAYER_GZIP, "digest": found.digest, "size": found.size})
            diff_ids.append(f"sha256:{hashlib.sha256(changed).hexdigest()}")
        config = {
            "os": "linux",
            "architecture": name,
            "created": "2024-01-01T00:00:00Z",
            "config": {"Entrypoint": ["start"], "Env": ["PATH=/bin"], "User": "web", "WorkingDir": "/srv"},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created_by": f"RUN |1 A=b /bin/sh -c make {name} # buildkit"} for _ in layers],
        }
        described = self.add(self.change("config", json.dumps(config).encode()), OCI_CONFIG)
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": described.digest, "size": described.size},
            "layers": layers,
        }
        digest = self._document("manifest", json.dumps(manifest).encode(), OCI_MANIFEST)
        size = len(self.documents[digest][0])
        return {
            "mediaType": OCI_MANIFEST,
            "digest": digest,
            "size": size,
            "platform": {"os": "linux", "architecture": name},
        }

    def _archive(self, name: str) -> bytes:
        built = MACHINES[name]
        elf = bytes(type(built)(built.machine, interpreter="/lib/ld.so", notes=property_note(1)).needs("libx.so"))
        library = bytes(type(built)(built.machine, type=DYN))
        status = f"Package: x\nStatus: install ok installed\nVersion: 1\nArchitecture: {name}\n\n"
        home = "usr/lib/python3/x-1.dist-info"
        return tar(
            file("bin/start", self.change("script", b"#!/usr/bin/env -S app -x\n"), mode=0o755),
            file("bin/app", self.change("elf", elf), mode=0o755),
            file("usr/bin/env", library, mode=0o755),
            file("lib/ld.so", library),
            file("lib/libx.so.1", self.change("elf", library)),
            symlink("lib/libx.so", "libx.so.1"),
            hard_link("lib/liby.so", "lib/libx.so.1"),
            file("etc/passwd", self.change("passwd", b"web:x:7:8::/:\n")),
            file("etc/group", self.change("passwd", b"more:x:9:web\n")),
            file("var/lib/dpkg/status", self.change("packages", status.encode())),
            file("var/lib/dpkg/info/x.list", self.change("packages", b"/.\n/bin\n/bin/app\n")),
            file(f"{home}/METADATA", self.change("packages", b"Metadata-Version: 2.1\nName: x\nVersion: 1\n")),
            file(f"{home}/WHEEL", self.change("packages", b"Wheel-Version: 1.0\nTag: py3-none-any\n")),
            file(f"{home}/RECORD", self.change("packages", b"../../../../bin/app,,\n")),
        )

    def _document(self, part: str, data: bytes, media_type: str) -> str:
        changed = self.change(part, data)
        digest = digest_of(changed)
        self.documents[digest] = (changed, media_type)
        return digest


PARTS = ("index", "manifest", "config", "gzip", "tar", "elf", "script", "passwd", "packages")


def test_the_image_of_these_tests_is_without_faults_until_it_is_damaged() -> None:
    assert set(Image().audit().split()) & {"MA102", "MA112"}
    lines = [line for line in Image().audit().split("\n") if line.startswith("MA")]
    assert [line.split()[0] for line in lines] == ["MA112", "MA112"], "there is no attestation"


@pytest.mark.parametrize("part", PARTS)
@quick
@given(data=st.data())
def test_any_part_cut_off(part: str, data: st.DataObject) -> None:
    share = data.draw(st.floats(0, 1, exclude_max=True))
    assert Image(lambda name, whole: whole[: int(len(whole) * share)] if name == part else whole).audit()


@pytest.mark.parametrize("part", PARTS)
@quick
@given(data=st.data())
def test_any_part_with_flipped_bits(part: str, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4))

    def change(name: str, whole: bytes) -> bytes:
        flipped = bytearray(whole)
        for place in places if name == part and whole else ():
            bit = int(place * len(flipped) * 8)
            flipped[bit // 8] ^= 1 << bit % 8
        return bytes(flipped)

    assert Image(change).audit()


@settings(parent=quick, max_examples=60)
@given(layers=LAYERS)
def test_any_entries_in_any_order(layers: list[bytes]) -> None:
    assert Image(layers=layers).audit()


def test_names_and_links_that_lead_out_of_the_image_write_nothing_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    outside = "../" * 30 + str(tmp_path)[1:]
    layers = [
        tar(
            file(f"{outside}/dots", b"x"),
            file(f"{tmp_path}/absolute", b"x"),
            symlink("link", str(tmp_path)),
            file("link/through", b"x"),
            symlink("bin", outside),
            hard_link("hard", f"{outside}/dots"),
            node("device", tarfile.CHRTYPE, devmajor=1, devminor=3),
            node("bin/start", tarfile.BLKTYPE, devmajor=8, devminor=0),
        ),
        tar(
            whiteout(f"{outside}/dots"),
            symlink("a", "b"),
            symlink("b", "a"),
            symlink("etc/passwd", "/proc/self/environ"),
        ),
    ]
    with writing_only_below(tmp_path / "temporary"):
        assert Image(layers=layers).audit()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["temporary"]
    assert list((tmp_path / "temporary").iterdir()) == []


def test_many_thousand_files_that_call_themselves_programs_take_bounded_time() -> None:
    names = (f"app/{number % 300}/{number}" for number in range(8_000))
    layer = tar(*(file(name, b"\x7fELF") for name in names), format=tarfile.USTAR_FORMAT)
    limits = LayerLimits()
    with bounded(90):
        text = Image(layers=[layer, tar(program("amd64", "bin/start"))]).audit(limits)
    assert "MA403 linux/arm64 /bin/start" in text


def test_a_sparse_program_of_ten_gigabytes_is_looked_at_and_not_read_whole() -> None:
    with bounded(20, 20):
        text = Image(layers=[tar(sparse_program("bin/start", 10 * 1024**3))]).audit()
    assert "MA403 linux/arm64 /bin/start" in text


def test_a_program_is_read_once_however_many_links_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counted(data: Any, name: str, *more: Any) -> Any:
        read.append(name)
        return read_elf(data, name, *more)

    monkeypatch.setattr(survey, "read_elf", counted)
    many = [hard_link(f"lib/l{number}", "bin/start", mode=0o755) for number in range(50)]
    later = [hard_link(f"opt/l{number}", "bin/start", mode=0o700) for number in range(50)]
    sparse = sparse_program("bin/sparse", 4096)
    links = [hard_link(f"srv/l{number}", "bin/sparse") for number in range(50)]
    layers = [tar(program("amd64", "bin/start"), *many, program("arm64", "bin/other"), sparse), tar(*later, *links)]
    with tree_of(*layers) as files:
        found = survey.survey(files, AMD64)
    assert len(found) == 153
    assert {one.entry.mode for one in found if one.path.startswith("/opt")} == {0o700}
    assert len(read) == 3


def test_a_program_that_is_broken_is_tried_once_however_many_links_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def refuse(data: Any, name: str, *more: Any) -> Any:
        tried.append(name)
        raise DocumentError(f"read {name}", "it is broken")

    monkeypatch.setattr(survey, "read_elf", refuse)
    monkeypatch.setattr(survey, "read_elf_header", refuse)
    layer = tar(program("amd64", "bin/start"), *(hard_link(f"l{number}", "bin/start") for number in range(50)))
    with tree_of(layer) as files:
        assert survey.survey(files, AMD64) == ()
    assert len(tried) == 2, "all of it, then its header"


def sparse_program(name: str, size: int) -> Entry:
    """Return a program that a sparse file holds."""
    content = bytes(MACHINES["amd64"])
    info, _ = file(name, content, mode=0o755)
    info.pax_headers = {
        "GNU.sparse.map": f"0,{len(content)}",
        "GNU.sparse.size": str(size),
        "GNU.sparse.name": name,
    }
    return info, content


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    image = Image(layers=[bytes(100_000_000)])
    with bounded(30, 20):
        text = image.audit(LayerLimits(layer=10_000_000))
    assert "more than 10,000,000 bytes" in text


def test_deep_folders_and_chains_of_scripts_and_links_end() -> None:
    deep = "/".join("d" for _ in range(900))
    scripts = [file(f"bin/s{number}", f"#!/bin/s{number + 1}\n".encode(), mode=0o755) for number in range(50)]
    links = [symlink(f"lib/l{number}.so", f"l{number + 1}.so") for number in range(100)]
    circle = file("bin/start", b"#!/bin/start\n", mode=0o755)
    with bounded(30):
        text = Image(layers=[tar(directory(deep), circle, *scripts, *links)]).audit()
    assert "MA112" in text


def test_what_is_refused_for_one_platform_is_an_error_of_the_whole(images: Any) -> None:
    images.add("linux/amd64", [file("x")])
    images.add("linux/arm64", [hard_link("a", "nothing")])
    with pytest.raises(LayerError, match="hard link"):
        images.audit("MA2")
