"""What ``.dockerignore`` leaves in, held against what a real builder gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.dockerfile.ignored import left_in, read_patterns
from tests.integration.support import docker

if TYPE_CHECKING:
    from pathlib import Path

FILES = [
    "src/app.py",
    "src/lib/util.py",
    "src/data.txt",
    "readme.md",
    "a.txt",
    "b.txt",
    "build/out.bin",
    "deep/x/y/keep/file.txt",
    "node/keep/f",
    "#hash",
    "!bang",
    "sub/file",
    "myfile.txt",
]


@pytest.mark.parametrize(
    "text",
    [
        b"*\n!**/*.py\n",
        b"*\n!*/app.py\n",
        b"**\n!**/keep\n",
        b"deep\n!**/keep\n",
        b"*\n!src\nsrc/lib\n",
        b"src\n!src/lib\n!deep/*\n",
        b"*\n! src/**\n",
        b"Build\nREADME.MD\n",
        b"[^a].txt\n",
        b"[!a].txt\n[a-c]uild\n",
        b"  #hash\n\\!bang\n# src\n",
        b"\xef\xbb\xbf/src/\r\n./build/.\r\n",
        b"../src\nsub/../build\n//node\n",
        b"src/**/util.py\n**/file\n",
        b"**file.txt\n?.txt\n",
        "src\u2028b.txt\n".encode(),
        b"!src\n.\n",
        b"",
    ],
)
def test_the_builder_gets_what_is_counted(tmp_path: Path, text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "DOCKER_CONFIG", str(tmp_path / "config")
    )  # where buildx notes its builds, instead of the user's
    context, sent = tmp_path / "context", tmp_path / "sent"
    for name in FILES:
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(name)
    (context / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (context / ".dockerignore").write_bytes(text)
    docker("buildx", "build", "--builder=default", "--quiet", f"--output=type=local,dest={sent}", str(context))
    came = {str(path.relative_to(sent)) for path in sent.rglob("*") if path.is_file()} & {*FILES}
    assert {*left_in(context, read_patterns(text))} & {*FILES} == came
