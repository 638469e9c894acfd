"""Read buildx's machine-readable progress: which step is running, what a failed step printed, which line it stands on."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pytest_multiarch.platforms import Platform

# "[build 2/4] RUN …", "[linux/arm64 build 2/4] RUN …", "[2/4] RUN …": what BuildKit calls a Dockerfile's steps.
_STEP = re.compile(r"^\[(?:(?P<stage>[^\]]*?) )?(?P<number>\d+)/(?P<total>\d+)\] (?P<text>.*)$", re.DOTALL)
_LOG_LINES = 25


@dataclass(frozen=True, slots=True)
class Step:
    """Name a step of a Dockerfile as BuildKit counts it: ``number`` of ``total`` in its stage."""

    number: int
    total: int
    text: str


class BuildListener(Protocol):
    """Hear how builds go on. Called from the builds' threads."""

    def build_started(self, platform: Platform) -> None:
        """Hear that a platform's build has begun."""

    def build_step(self, platform: Platform, step: Step) -> None:
        """Hear which step is running now."""

    def build_ended(self, platform: Platform, seconds: float, *, failed: bool) -> None:
        """Hear that a platform's build is over."""

    def note(self, text: str) -> None:
        """Hear a line that the user should see once."""


class Silent:
    """Listen to nothing."""

    def build_started(self, platform: Platform) -> None:
        """Say nothing."""

    def build_step(self, platform: Platform, step: Step) -> None:
        """Say nothing."""

    def build_ended(self, platform: Platform, seconds: float, *, failed: bool) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""


class ProgressReader:
    """Take the lines that ``buildx --progress=rawjson`` prints on standard error, one after another.

    Each JSON line is a ``SolveStatus`` of BuildKit's client package; the lines that are not JSON are what buildx itself
    says at the end of a failed build, the Dockerfile's line among them. A log is data: control characters are dropped.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._errors: dict[str, str] = {}
        self._logs: dict[str, deque[str]] = {}
        self._plain: list[str] = []

    def feed(self, line: str) -> Step | None:
        """Take one line; return the step that it says has started, if it does."""
        document = _json_object(line)
        if document is None:
            if line.strip():
                self._plain.append(printable(line))
            return None
        started: Step | None = None
        for vertex in _objects(document, "vertexes"):
            digest, name = str(vertex.get("digest", "")), printable(str(vertex.get("name", "")))
            self._names[digest] = name
            if vertex.get("error"):
                self._errors[digest] = printable(str(vertex["error"]))
            if vertex.get("started") and not vertex.get("completed"):
                started = _step(name) or started
        for log in _objects(document, "logs"):
            kept = self._logs.setdefault(str(log.get("vertex", "")), deque(maxlen=_LOG_LINES))
            kept.extend(printable(text) for text in _decoded(log.get("data")).splitlines())
        return started

    def failure(self) -> tuple[str, str]:
        """Return why the build failed, on one line, and the details: Dockerfile line, source, and the failed step's last lines."""
        failed = [digest for digest, error in self._errors.items() if "context canceled" not in error]
        details: list[str] = []
        for digest in failed:
            details.append(self._names[digest])
            details += [f"  {text}" for text in self._logs.get(digest, ())]
        source = [line for line in self._plain if not line.startswith("ERROR:")]
        said = [line.removeprefix("ERROR: ") for line in self._plain if line.startswith("ERROR:")]
        reason = said[-1] if said else next((self._errors[digest] for digest in failed), "buildx gave no reason")
        return reason, "\n".join([*source, *details])


def printable(text: str) -> str:
    """Return text without control characters, tabs as blanks: what comes from a log moves no cursor and paints nothing."""
    return "".join(c if c.isprintable() else " " if c == "\t" else "" for c in _ESCAPES.sub("", text))


_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def _step(name: str) -> Step | None:
    match = _STEP.match(name)
    return Step(int(match["number"]), int(match["total"]), match["text"]) if match else None


def _json_object(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _objects(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    entries = document.get(key)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _decoded(data: object) -> str:
    if not isinstance(data, str):
        return ""
    try:
        return base64.b64decode(data).decode(errors="replace")
    except binascii.Error:
        return ""
