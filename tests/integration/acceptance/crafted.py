"""A small image with everything that file and metadata tests look at, in the two forms that the two readers take."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from pytest_multiarch.oci import ImageConfig
from pytest_multiarch.platforms import Platform
from tests.integration.acceptance.generated import Pool
from tests.unit.files.common import directory, file, hard_link, symlink, tar, tree_of, whiteout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_multiarch.image.platform_image import PlatformImage

BASE: Final = tar(
    directory("tmp", mode=0o1777),
    directory("etc"),
    file("etc/hello", b"hello\nworld\n", mode=0o644),
    file("etc/secret", b"s3cret", mode=0o600),
    file("etc/binary", b"\xff\xfe ok\n", mode=0o644),
    file("etc/empty", b"", mode=0o444),
    file("etc/gone", b"gone", mode=0o644),
    symlink("etc/link", "hello"),
    symlink("etc/dangling", "nowhere"),
    symlink("here", "etc"),
    directory("opt"),
    directory("opt/app", mode=0o2750),
    file("opt/app/run", b"#!/bin/sh\necho hi\n", mode=0o755),
    file("opt/app/suid", b"x", mode=0o4755),
    file("opt/app/sgid", b"x", mode=0o2711),
    file("opt/app/all", b"x", mode=0o7777),
    file("opt/app/owner", b"x", mode=0o700),
    file("opt/app/group", b"x", mode=0o070),
    file("opt/app/other", b"x", mode=0o007),
    hard_link("opt/app/hard", "opt/app/run", mode=0o755),
    file("usr/share/doc/good/copyright", b"MIT\n", mode=0o644),
    file("usr/share/doc/libgnutls30/copyright", b"AGPL\n", mode=0o644),
    file("usr/share/doc/readme", b"no folder\n", mode=0o644),
    file("etc/license", b"This is the aGpL-3.0\n", mode=0o644),
)
TOP: Final = tar(whiteout("etc/gone"), file("etc/hello", b"hello\nthere\n", mode=0o640), file("new", b"1.10\n"))
CONFIG: Final[dict[str, Any]] = {
    "Env": ["PATH=/usr/bin:/bin", "APP=app", "EMPTY=", "DIR=/etc"],
    "Entrypoint": ["/entry"],
    "Cmd": ["run", "it"],
    "ExposedPorts": {"53/udp": {}, "80/tcp": {}, "443": {}},
    "Volumes": {"/data": {}},
    "WorkingDir": "/work",
    "User": "nobody",
    "Labels": {"org.example.name": "sample", "empty": ""},
}
POOL: Final = Pool(
    paths=(
        *("/etc/hello", "etc/hello", "/etc/../etc/hello", "/etc//hello", "/etc/secret", "/etc/empty", "/etc/gone"),
        *("/etc/link", "/etc/dangling", "/here", "/here/hello", "/nowhere", "/etc/hello/below", "/tmp", "/opt"),  # noqa: S108
        *("/opt/app", "/opt/app/run", "/opt/app/suid", "/opt/app/sgid", "/opt/app/all", "/opt/app/hard", "/new"),
        *("/opt/app/owner", "/opt/app/group", "/opt/app/other"),
        *(
            "/opt/$APP",
            "/opt/${APP}/run",
            "/${NOT_SET}etc",
            "$DIR/hello",
            "/$GLOBAL/hello",
            "/etc/$",
            "/${}etc",
            "/${etc/hello",
        ),
        *("/$1etc", "/$$APP", "$DIR$EMPTY/hello", "/etc/hello$"),
    ),
    files=(
        *("/etc/hello", "/etc/secret", "/etc/binary", "/etc/empty", "/etc/gone", "/etc/link", "/etc", "/nowhere"),
        *("/here/hello", "/opt/app/run", "/opt/app/hard", "/new", "/etc/license", "/etc/dangling", "$DIR/hello"),
    ),
    permissions=(
        *("-rw-r-----", "-rw-r--r--", "-rw-------", "-r--r--r--", "drwxr-xr-x", "dtrwxrwxrwx", "dgrwxr-x---"),
        *("Lrwxrwxrwx", "-rwxr-xr-x", "urwxr-xr-x", "grwx--x--x", "ugtrwxrwxrwx", "lrwxrwxrwx", "0644", "-rwsr-xr-x"),
    ),
    patterns=(
        *("hello", "^hello", "^hello$", "(?m)^hello$", "there\n$", "there$", r"\Ahello", r"there\n\z", "HELLO"),
        *(
            "(?i)HELLO",
            "h.llo",
            "hello.there",
            "(?s)hello.there",
            "[[:alpha:]]+",
            "[^[:alpha:]]",
            r"\d\.\d+",
            r"\bok\b",
        ),
        *(r"^\x{FFFD}", r"^..\sok", r"\pL\p{L}", r"\PL", r"\Qhel\Elo", "h(e|x)l{2}o", "h(?:el)+lo", "(?P<n>el)", "x*"),
        *(
            "(a*)*$",
            "l{2,}",
            "l{3,}",
            "{",
            "}",
            "]",
            "a{,2}",
            "^$",
            r"\B",
            "(?U)h.*o",
            "h.*?o",
            "",
            "[a-]",
            r"[\]]",
            "[]a]",
        ),
        *(
            r"\s\S",
            r"\w\W",
            r"[\d\s]",
            r"\x68",
            r"\150",
            "#!/bin/sh",
            "echo hi",
            "1.10",
            "1\\.10",
            "(?i:H)ello",
            "e(?-i:L)l",
        ),
    ),
    env=(("APP", "app"), ("EMPTY", ""), ("PATH", "/usr/bin:/bin"), ("MISSING", "x"), ("APP", "ap")),
    labels=(("org.example.name", "sample"), ("org.example.name", "other"), ("empty", ""), ("missing", "")),
    entrypoints=((), ("/entry",), ("run", "it"), ("run",), ("it", "run")),
    has_debian=True,
)


def write_archive(path: Path) -> str:
    """Write the image as ``docker save`` does, and return its path."""
    layers = {"base/layer.tar": BASE, "top/layer.tar": TOP}
    manifest = [{"Config": "config.json", "RepoTags": ["crafted:1"], "Layers": list(layers)}]
    with tarfile.open(path, "w") as archive:
        for name, data in {
            **layers,
            "config.json": _config(),
            "manifest.json": json.dumps(manifest).encode(),
        }.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return str(path)


@contextmanager
def crafted_image() -> Iterator[PlatformImage]:
    """Give the image as we read it."""
    with tree_of(BASE, TOP) as files:
        image = SimpleNamespace(
            files=files, config=ImageConfig.from_bytes(_config()), platform=Platform.parse("linux/amd64")
        )
        yield cast("PlatformImage", image)


def _config() -> bytes:
    digests = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in (BASE, TOP)]
    document = {"os": "linux", "architecture": "amd64", "config": CONFIG}
    return json.dumps({**document, "rootfs": {"type": "layers", "diff_ids": digests}}).encode()
