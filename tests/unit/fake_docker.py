"""A program called ``docker`` that notes how it is called and answers as it is told: a real process, first on PATH."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SCRIPT = """
import json, os, sys, time
from pathlib import Path
here = Path(sys.argv[1])
words = sys.argv[2:]
with (here / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps([words, dict(os.environ)]) + "\\n")
for rule in json.loads((here / "rules.json").read_text()):
    if all(word in words for word in rule["words"]):
        if rule["metadata"] is not None:
            Path(words[words.index("--metadata-file") + 1]).write_text(rule["metadata"])
        sys.stderr.write(rule["stderr"])
        sys.stdout.write(rule["stdout"])
        sys.stderr.flush()
        sys.stdout.flush()
        time.sleep(rule["seconds"])
        sys.exit(rule["exit_code"])
"""


@dataclass(frozen=True, slots=True)
class Call:
    words: list[str]
    env: dict[str, str]

    def after(self, flag: str) -> list[str]:
        """Return what stands behind each occurrence of a flag."""
        return [self.words[number + 1] for number, word in enumerate(self.words) if word == flag]


class FakeDocker:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._rules: list[dict[str, object]] = []
        folder.mkdir()
        (folder / "docker.py").write_text(SCRIPT)
        (folder / "docker").write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{folder}/docker.py" "{folder}" "$@"\n')
        (folder / "docker").chmod(0o755)
        (folder / "rules.json").write_text("[]")
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def on(
        self,
        *words: str,
        stdout: str = "",
        stderr: str = "",
        exit_code: int = 0,
        metadata: str | None = None,
        seconds: float = 0,
    ) -> None:
        """Answer calls that have all these words; what was said last goes first."""
        rule = {
            "words": words,
            "stdout": stdout,
            "stderr": stderr,
            "exit_code": exit_code,
            "metadata": metadata,
            "seconds": seconds,
        }
        self._rules.insert(0, rule)
        (self._folder / "rules.json").write_text(json.dumps(self._rules))

    @property
    def calls(self) -> list[Call]:
        book = self._folder / "calls.jsonl"
        return [Call(*json.loads(line)) for line in book.read_text().splitlines()] if book.exists() else []
