"""Read buildx's machine-readable progress: which step is running, what a failed step printed, which line it stands on."""

from __future__ import annotations

import base64
import codecs
import json
import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_multiarch.platforms import Platform

# "[build 2/4] RUN …", "[linux/arm64 build 2/4] RUN …", "[2/4] RUN …": what BuildKit calls a Dockerfile's steps.
_STEP = re.compile(
    r"^\[(?:(?P<stage>[^\]]*?) )?(?P<number>\d{1,6})/(?P<total>\d{1,6})\] (?P<text>.*)$", re.ASCII | re.DOTALL
)
# What is kept of a build's output, however much it prints.
_LOG_LINES = 25
_PLAIN_LINES = 100
_LINE_LENGTH = 1000
_DOCUMENT_LENGTH = 64 * 2**20


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

    Each document is a ``SolveStatus`` of BuildKit's client package, on one line, or indented over many (buildx 0.13). What
    is not JSON is what buildx itself says at the end of a failed build, the Dockerfile's line among it. A log is data:
    control characters are dropped, and only its end is kept.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._errors: dict[str, str] = {}
        self._running: dict[str, None] = {}
        self._logs: dict[str, _Log] = {}
        self._plain: deque[str] = deque(maxlen=_PLAIN_LINES)
        self._open: list[str] = []
        self._open_length = 0

    def feed(self, line: str) -> Step | None:
        """Take one line; return the step that it says has started, if it does."""
        if self._open:
            if line == "}" or line.startswith(" "):
                return self._continue(line)
            # JSON has no line breaks inside its texts, so this was no document.
            self._plain.extend(map(printable, self._open))
            self._open = []
        if line == "{":
            self._open, self._open_length = [line], 0
            return None
        document = _json_object(line)
        if document is None:
            if line.strip():
                self._plain.append(printable(line))
            return None
        return self._take(document)

    def failure(self) -> tuple[str, str]:
        """Return why the build failed, on one line, and the details: Dockerfile line, source, and the failed step's last lines."""
        failed = [digest for digest, error in self._errors.items() if "context canceled" not in error]
        source = [line for line in self._plain if not line.startswith("ERROR:")]
        said = [line.removeprefix("ERROR: ") for line in self._plain if line.startswith("ERROR:")]
        reason = said[-1] if said else next((self._errors[digest] for digest in failed), "buildx gave no reason")
        return reason, "\n".join([*source, *self._ends_of(failed)])

    def unfinished(self) -> str:
        """Return the steps that have started and not ended, with their last lines: what a build that was stopped was doing."""
        return "\n".join(self._ends_of(self._running))

    def _ends_of(self, digests: Iterable[str]) -> list[str]:
        lines: list[str] = []
        for digest in digests:
            lines.append(self._names[digest])
            lines += [f"  {text}" for text in (self._logs[digest].lines() if digest in self._logs else ())]
        return lines

    def _continue(self, line: str) -> Step | None:
        self._open_length += len(line)
        if self._open_length <= _DOCUMENT_LENGTH:
            self._open.append(line)
        if line != "}":
            return None
        document = _json_object("".join(self._open))
        self._open = []
        return self._take(document) if document is not None else None

    def _take(self, document: dict[str, Any]) -> Step | None:
        started: Step | None = None
        for vertex in _objects(document, "vertexes"):
            digest, name = str(vertex.get("digest", "")), printable(str(vertex.get("name", "")))
            self._names[digest] = name
            if vertex.get("error"):
                self._errors[digest] = printable(str(vertex["error"]))
            if vertex.get("started") and not vertex.get("completed"):
                started = _step(name) or started
                self._running[digest] = None
            else:
                self._running.pop(digest, None)
        for log in _objects(document, "logs"):
            self._logs.setdefault(str(log.get("vertex", "")), _Log()).add(decoded(log.get("data")))
        return started


class _Log:
    """Keep the last lines of one step's output, which comes in pieces that end anywhere."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._whole: deque[str] = deque(maxlen=_LOG_LINES)
        self._rest = ""

    def add(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        self._whole.extend(_last_state(line) for line in whole[-_LOG_LINES:])
        self._rest = self._rest[-4 * _LINE_LENGTH :]

    def lines(self) -> list[str]:
        return [*self._whole, *([_last_state(self._rest)] if self._rest else [])][-_LOG_LINES:]


def _last_state(line: str) -> str:
    """Return what a terminal would show of a line in the end: a progress bar writes over itself after each return."""
    return printable(line.rstrip("\r").rpartition("\r")[2])


def printable(text: str) -> str:
    """Return a text's beginning without control characters, white space as blanks: it moves no cursor and paints nothing."""
    plain = "".join(
        c if c.isprintable() else " " if c.isspace() else "" for c in _ESCAPES.sub("", text[: 4 * _LINE_LENGTH])
    )
    return plain if len(plain) <= _LINE_LENGTH else f"{plain[: _LINE_LENGTH - 1]}…"


# Control sequences, operating system commands (a window's title), and the short ones: ECMA-48, 5.3 and 5.4.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-Z\\^-~])")


def _step(name: str) -> Step | None:
    match = _STEP.match(name)
    return Step(int(match["number"]), int(match["total"]), match["text"]) if match else None


def _json_object(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _objects(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    entries = document.get(key)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def decoded(data: object) -> bytes:
    """Return the bytes that Go has written into JSON, in base64; none where it is no such text."""
    try:
        return base64.b64decode(data) if isinstance(data, str) else b""
    except ValueError:
        return b""
