"""Files for container-structure-test, made up from a seed: each test may be right or wrong, and says which only by running."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random


Outcomes: TypeAlias = tuple[tuple[tuple[str, ...], str], ...]
"""Commands, each with what it may write."""


@dataclass(frozen=True)
class Pool:
    """Hold what an image has, and what it has not, to choose from."""

    paths: tuple[str, ...]
    files: tuple[str, ...]
    permissions: tuple[str, ...]
    patterns: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]
    entrypoints: tuple[tuple[str, ...], ...]
    commands: tuple[tuple[str, ...], ...] = ()
    has_owners: bool = False
    has_debian: bool = False


class Generator:
    """Make files of tests."""

    def __init__(self, random: Random, pool: Pool) -> None:
        self._random = random
        self._pool = pool
        self._number = 0

    def write(self, path: Path, **counts: int) -> Path:
        """Write a file with so many tests of each kind, as YAML or JSON by its suffix."""
        document: dict[str, Any] = {"schemaVersion": "2.0.0"}
        if self._one_in(3):
            document["globalEnvVars"] = [{"key": "GLOBAL", "value": self._random.choice(["etc", "opt", "no${EMPTY}"])}]
        makers = {
            "commandTests": self.command,
            "fileExistenceTests": self.existence,
            "fileContentTests": self.content,
            "licenseTests": self.licenses,
        }
        for key, make in makers.items():
            if counts.get(key):
                document[key] = [make() for _ in range(counts[key])]
        if counts.get("metadataTest"):
            document["metadataTest"] = self.metadata()
        is_json = path.suffix == ".json"
        text = json.dumps(document, indent=1) if is_json else yaml.safe_dump(document, sort_keys=False)
        path.write_text(text, encoding="utf-8")
        return path

    def write_with_options(self, path: Path, folder: Path, outcomes: Outcomes, count: int) -> Path:
        """Write a file of command tests that run options decide on; ``folder`` may be bound, ``outcomes`` are what may come."""
        parts = {
            "user": self._choice(("root", "nobody")),
            "privileged": True,
            "capabilities": ["SYS_NICE"],
            "bindMounts": [f"{folder}:/bound{self._choice(('', ':ro'))}"],
        }
        options = {key: parts[key] for key in self._random.sample(sorted(parts), self._choice((1, 2, 3)))}
        tests = [self._decided(*self._choice(outcomes)) for _ in range(count)]
        document = {"schemaVersion": "2.0.0", "containerRunOptions": options, "commandTests": tests}
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        return path

    def existence(self) -> dict[str, Any]:
        """Return a file existence test."""
        test: dict[str, Any] = {"name": self._name("exists"), "path": self._choice(self._pool.paths)}
        if self._one_in(3):
            test["shouldExist"] = self._random.random() < 0.5
        if self._one_in(2):
            test["permissions"] = self._choice(self._pool.permissions)
        if self._one_in(4):
            test["isExecutableBy"] = self._choice(("owner", "group", "other", "any"))
        if self._pool.has_owners and self._one_in(3):
            test["uid"] = self._choice((0, 1, 1000, -1))
            test["gid"] = self._choice((0, 42, 1000, -1))
        return test

    def content(self) -> dict[str, Any]:
        """Return a file content test."""
        test: dict[str, Any] = {"name": self._name("content"), "path": self._choice(self._pool.files)}
        for key in ("expectedContents", "excludedContents"):
            if self._one_in(2):
                test[key] = self._some(self._pool.patterns)
        return test

    def licenses(self) -> dict[str, Any]:
        """Return a license test."""
        if self._pool.has_debian and self._one_in(2):
            return {"debian": True}
        return {"files": self._some(self._pool.files)}

    def metadata(self) -> dict[str, Any]:
        """Return a metadata test with one or two things in it, so that it may pass as well."""
        pool = self._pool
        parts: dict[str, Any] = {
            "envVars": lambda: self._named(pool.env),
            "labels": lambda: self._named(pool.labels),
            "unboundEnvVars": lambda: [{"key": self._choice(("NOT_SET", pool.env[0][0]))}],
            "entrypoint": lambda: list(self._choice(pool.entrypoints)),
            "cmd": lambda: list(self._choice(pool.entrypoints)),
            "exposedPorts": lambda: self._some(("53", "80", "8080", "443")),
            "unexposedPorts": lambda: self._some(("53", "80", "8080", "443")),
            "volumes": lambda: self._some(("/data", "/var/data", "/nope")),
            "unmountedVolumes": lambda: self._some(("/data", "/var/data", "/nope")),
            "workdir": lambda: self._choice(("/work", "/", "/nope")),
            "user": lambda: self._choice(("nobody", "root", "1000:1000")),
        }
        return {key: parts[key]() for key in self._random.sample(sorted(parts), self._random.choice((1, 1, 2)))}

    def command(self) -> dict[str, Any]:
        """Return a command test."""
        command, *args = self._choice(self._pool.commands)
        test: dict[str, Any] = {"name": self._name("command"), "command": command, "args": args}
        if self._one_in(4):
            test["exitCode"] = self._choice((0, 1, 2, 3, 127))
        for key in ("expectedOutput", "excludedOutput", "expectedError", "excludedError"):
            if self._one_in(3):
                test[key] = self._some(self._pool.patterns)
        if self._one_in(3):
            test["envVars"] = [{"key": "GIVEN", "value": self._choice(("given", "$HOME", "${PATH}"))}]
        if self._one_in(8):
            test["setup"] = [["sh", "-c", "echo prepared > /tmp/prepared; exit 0"]]
        return test

    def _decided(self, command: tuple[str, ...], output: str) -> dict[str, Any]:
        test: dict[str, Any] = {"name": self._name("option"), "command": command[0], "args": list(command[1:])}
        test[self._choice(("expectedOutput", "excludedOutput"))] = [output]
        if self._one_in(2):
            test["exitCode"] = self._choice((0, 1, 2))
        if self._one_in(3):
            test["setup"] = [["sh", "-c", "cat /bound/word > /tmp/prepared; id -un >> /tmp/prepared; exit 0"]]
        return test

    def _named(self, pairs: tuple[tuple[str, str], ...]) -> list[dict[str, Any]]:
        found = []
        for key, value in self._random.sample(pairs, min(2, len(pairs))):
            is_regex = self._one_in(3)
            found.append({"key": key, "value": value if not is_regex else f"^{value[:2]}", "isRegex": is_regex})
        return found

    def _name(self, what: str) -> str:
        self._number += 1
        return f"{what} {self._number}"

    def _choice(self, values: Any) -> Any:
        return self._random.choice(values)

    def _some(self, values: tuple[str, ...]) -> list[str]:
        return self._random.sample(values, min(len(values), self._choice((1, 1, 2))))

    def _one_in(self, number: int) -> bool:
        return self._random.randrange(number) == 0
