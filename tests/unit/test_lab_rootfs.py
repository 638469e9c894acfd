from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import debs, layers, rootfs
from lab.carried import Carried
from lab.foreign_apt import Deb
from lab.layers import LayerWriter
from lab.sources import Source

if TYPE_CHECKING:
    from lab.layers import Layer

Entry = tuple[str, bytes, bytes, str]  # path, type, content, link's target
MACHINE = Carried(
    sources=(Source(("http://mirror.example/debian",), ("bookworm",), ("main",)),),
    ca_bundle=b"the machine's own",
    pip=(("extra-index-url", "https://a.example\nhttps://b.example"),),
    apt=('Acquire::Check-Date "false";',),
)


class Packages:
    """Packages in memory, handed out where dpkg-deb would read them from files."""

    def __init__(self) -> None:
        self._archives: dict[str, dict[str, bytes]] = {}

    def add(self, name: str, *entries: Entry, control: str = "", conffiles: str = "") -> Deb:
        text = f"Package: {name}\nArchitecture: amd64\nVersion: 1\n{control}"
        files: list[Entry] = [("./control", tarfile.REGTYPE, text.encode(), "")]
        if conffiles:
            files.append(("./conffiles", tarfile.REGTYPE, conffiles.encode(), ""))
        self._archives[name] = {"--ctrl-tarfile": pack(*files), "--fsys-tarfile": pack(*entries)}
        return Deb(Path(f"{name}_1_amd64.deb"))

    def read(self, what: str, deb: Deb) -> bytes:
        return self._archives[deb.name][what]


def pack(*entries: Entry) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, kind, content, target in entries:
            info = tarfile.TarInfo(path)
            info.type, info.linkname, info.size = kind, target, len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def file(path: str, content: bytes = b"") -> Entry:
    return (path, tarfile.REGTYPE, content, "")


def folder(path: str) -> Entry:
    return (path, tarfile.DIRTYPE, b"", "")


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> Packages:
    made = Packages()
    monkeypatch.setattr(debs, "_dpkg_deb", made.read)
    return made


def written(*closure: Deb, base: bool = True) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    """Return the members of a layer made of the packages, by path."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        layer = LayerWriter(archive)
        root = rootfs.add_packages(layer, closure)
        if base:
            rootfs.add_base(layer, root)
            rootfs.add_certificates(layer, MACHINE)
            rootfs.add_settings(layer, MACHINE)
        rootfs.add_database(layer, root.installed)
    packed.seek(0)
    with tarfile.open(fileobj=packed) as archive:
        names = archive.getnames()
        assert len(names) == len(set(names))
        contents = {member.name: archive.extractfile(member) for member in archive if member.isreg()}
        return {
            member.name: (member, data.read() if (data := contents.get(member.name)) else b"") for member in archive
        }


def test_files_under_the_old_folders_land_in_usr(packages: Packages) -> None:
    members = written(packages.add("tool", folder("./"), folder("./bin/"), file("./bin/tool", b"x")))
    assert members["usr/bin/tool"][1] == b"x"
    assert members["bin"][0].linkname == "usr/bin"
    assert not any(name.startswith("bin/") for name in members)


def test_hard_links_follow_their_target_into_usr(packages: Packages) -> None:
    entries = (file("./bin/a", b"x"), ("./bin/b", tarfile.LNKTYPE, b"", "./bin/a"))
    member = written(packages.add("tool", *entries))["usr/bin/b"][0]
    assert (member.type, member.linkname) == (tarfile.LNKTYPE, "usr/bin/a")


def test_symbolic_links_keep_their_target(packages: Packages) -> None:
    entries = (("./lib/libx.so", tarfile.SYMTYPE, b"", "libx.so.1"), ("./bin/sh", tarfile.SYMTYPE, b"", "/bin/dash"))
    members = written(packages.add("tool", *entries))
    assert members["usr/lib/libx.so"][0].linkname == "libx.so.1"
    assert members["usr/bin/sh"][0].linkname == "/bin/dash"


def test_lib64_is_a_link_only_where_a_package_has_it(packages: Packages) -> None:
    with_it = packages.add("libc6", folder("./lib64/"), ("./lib64/ld.so.2", tarfile.SYMTYPE, b"", "/lib/ld.so"))
    assert written(with_it)["lib64"][0].linkname == "usr/lib64"
    assert "lib64" not in written(packages.add("other", file("./usr/bin/x")))


def test_an_upper_layer_does_not_turn_the_links_into_folders(packages: Packages) -> None:
    members = written(packages.add("tool", folder("./"), folder("./lib/"), file("./lib/x")), base=False)
    assert {name for name in members if "dpkg" not in name} == {"usr/lib/x"}


def test_dpkg_lists_files_under_the_names_that_the_package_has(packages: Packages) -> None:
    deb = packages.add("tool", folder("./"), folder("./bin/"), file("./bin/tool"), file("./usr/share/doc/tool/NEWS"))
    assert written(deb)["var/lib/dpkg/info/tool.list"][1] == b"/.\n/bin\n/bin/tool\n/usr/share/doc/tool/NEWS\n"


@pytest.mark.parametrize(
    ("path", "left_out"),
    [
        ("usr/share/doc/tool/NEWS.gz", True),
        ("usr/share/doc/tool/copyright", False),
        ("usr/share/man/man1/tool.1.gz", True),
        ("usr/share/tool/manual", False),
    ],
)
def test_a_slim_image_lacks_documentation_and_keeps_licences(packages: Packages, path: str, left_out: bool) -> None:
    assert (path not in written(packages.add("tool", file(f"./{path}")))) == left_out


def test_conffiles_are_known_by_their_sums(packages: Packages) -> None:
    deb = packages.add("tool", file("./etc/tool.conf", b"a"), conffiles="/etc/tool.conf\n")
    status = written(deb)["var/lib/dpkg/status"][1].decode()
    assert " /etc/tool.conf 0cc175b9c0f1b6a831c399e269772661\n" in status


def test_users_come_from_base_passwd_with_apts_own(packages: Packages) -> None:
    master = file("./usr/share/base-passwd/passwd.master", b"root:*:0:0:root:/root:/bin/bash\n")
    members = written(packages.add("base-passwd", master))
    names = [line.split(":")[:3] for line in members["etc/passwd"][1].decode().splitlines()]
    assert names == [["root", "x", "0"], ["_apt", "x", "42"]]
    assert members["etc/shadow"][0].mode == 0o640
    assert members["etc/shadow"][1].decode().splitlines()[0].startswith("root:*:")


def test_a_root_of_a_few_packages_has_root_and_nobody(packages: Packages) -> None:
    users = written(packages.add("tool"))["etc/passwd"][1].decode()
    assert [line.partition(":")[0] for line in users.splitlines()][:2] == ["root", "nobody"]


def test_alternatives_are_registered_with_the_names_that_go_along(packages: Packages) -> None:
    members = written(packages.add("mawk", file("./usr/bin/mawk")))
    assert members["usr/bin/nawk"][0].linkname == "/etc/alternatives/nawk"
    assert members["etc/alternatives/awk"][0].linkname == "/usr/bin/mawk"
    assert members["var/lib/dpkg/alternatives/awk"][1] == (
        b"auto\n/usr/bin/awk\nnawk\n/usr/bin/nawk\n\n/usr/bin/mawk\n5\n/usr/bin/mawk\n\n"
    )
    assert "usr/bin/which" not in members


def test_the_machines_certificates_and_settings_are_in_their_places(packages: Packages) -> None:
    members = written(packages.add("tool"))
    for path in ("etc/ssl/certs/ca-certificates.crt", "usr/local/share/ca-certificates/host.crt"):
        assert members[path][1] == b"the machine's own"
    assert b"mirror.example" in members["etc/apt/sources.list.d/debian.sources"][1]
    assert members["etc/apt/apt.conf.d/docker-slim"][1].startswith(b'Acquire::Check-Date "false";\n')
    conf = members["etc/pip.conf"][1]
    assert conf == b"[global]\nextra-index-url = https://a.example\n    https://b.example\n"


def test_temporary_folders_are_everybodys(packages: Packages) -> None:
    members = written(packages.add("tool"))
    assert [members[path][0].mode for path in ("tmp", "var/tmp", "run/lock")] == [0o1777] * 3
    assert members["var/run"][0].linkname == "/run"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(layers, "CACHE", tmp_path)
    return tmp_path


def one_file(layer: LayerWriter) -> dict[str, str]:
    layer.file("etc/a", b"a" * 1000)
    return {"note": "kept"}


def test_the_same_files_give_the_same_layer(cache: Path) -> None:
    first = layers.cached_layer("one", one_file)
    second = layers.cached_layer("two", one_file)
    assert first == second
    assert first.size == first.path.stat().st_size


def test_a_layer_is_written_once_and_recalls_its_notes(cache: Path) -> None:
    def never(layer: LayerWriter) -> dict[str, str]:
        raise AssertionError

    written_one = layers.cached_layer("one", one_file)
    assert layers.cached_layer("one", never) == written_one
    assert written_one.notes == {"note": "kept"}


def test_a_record_without_its_layer_does_not_count(cache: Path) -> None:
    layer: Layer = layers.cached_layer("one", one_file)
    layer.path.unlink()
    assert not layers.is_cached("one")


def test_a_layer_that_fails_leaves_no_record(cache: Path) -> None:
    def fails(layer: LayerWriter) -> dict[str, str]:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        layers.cached_layer("one", fails)
    assert not layers.is_cached("one")
    assert not [path for path in cache.rglob("*") if path.is_file()]
