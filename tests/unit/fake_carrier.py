"""A program called ``docker`` that carries its input and output to a socket, as ``dial-stdio`` and ``exec … nc`` do."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SCRIPT = """
import json, os, socket, sys, threading
folder, *words = sys.argv[1:]
with open(f"{folder}/calls.jsonl", "a") as calls:
    calls.write(json.dumps(words) + "\\n")
target = json.load(open(f"{folder}/target.json"))
if not target:
    sys.stderr.write("command [ssh -- box docker system dial-stdio] has exited: stderr=ssh: box: no such host\\n")
    sys.exit(255)
there = socket.socket(socket.AF_UNIX) if isinstance(target, str) else socket.socket()
there.connect(target if isinstance(target, str) else tuple(target))
def send():
    while data := os.read(0, 65536):
        there.sendall(data)
    there.shutdown(socket.SHUT_WR)
threading.Thread(target=send, daemon=True).start()
while data := there.recv(65536):
    os.write(1, data)
"""


class Carrier:
    """Put the program first on ``PATH``; ``target`` is a Unix socket's path, a host and a port, or nothing: no way there."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, target: str | tuple[str, int] | None) -> None:
        folder.mkdir()
        self._calls = folder / "calls.jsonl"
        (folder / "target.json").write_text(json.dumps(target))
        (folder / "carry.py").write_text(SCRIPT)
        (folder / "docker").write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{folder}/carry.py" "{folder}" "$@"\n')
        (folder / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    @property
    def calls(self) -> list[list[str]]:
        """Return the words of each call."""
        return [json.loads(line) for line in self._calls.read_text().splitlines()] if self._calls.exists() else []
