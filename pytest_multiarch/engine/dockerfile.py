"""Read from a Dockerfile which images it stands on, and for which platforms each is wanted.

The instructions are found by dockerfile-parse; what it leaves to us are heredocs (it takes their lines for instructions),
and which of the names are stages. Variables are expanded as BuildKit does for ``FROM``: from the arguments before the
first ``FROM`` only.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HEREDOC = re.compile(r"<<-?\s*([\"']?)([A-Za-z_][A-Za-z0-9_.]*)\1")
_HEREDOC_INSTRUCTIONS = ("RUN", "COPY", "ADD")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?:(:?[-+])([^}]*))?\})")
# BuildKit knows these without an ARG line; TARGET* and BUILD* differ per platform, so what uses them is not known here.
_PER_PLATFORM = re.compile(r"\$\{?(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT|OSVERSION)\b")


@dataclass(frozen=True, slots=True)
class BaseImage:
    """Name an image that a Dockerfile takes something from, where, and for which platform.

    ``platform`` is what ``FROM --platform=`` says (``$BUILDPLATFORM`` unexpanded), empty for the target's own.
    """

    reference: str
    line: int
    platform: str = ""


def base_images(path: Path, args: Mapping[str, str]) -> tuple[BaseImage, ...]:
    """Return the images that a Dockerfile names in ``FROM``, ``COPY --from`` and ``RUN --mount=from=``, in its order.

    Stages, ``scratch`` and names that differ per platform are left out. Lines count from 1. Raises `UsageProblem` where
    the file cannot be read.
    """
    from dockerfile_parse import DockerfileParser

    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"reading the Dockerfile {path}", str(error), "It has to be a text file in UTF-8.") from None
    parser = DockerfileParser(fileobj=io.BytesIO(_without_heredocs(text).encode()), env_replace=False)
    values: dict[str, str] = {}
    stages: set[str] = set()
    found: list[BaseImage] = []
    seen_from = False
    for instruction in parser.structure:
        name, value, line = instruction["instruction"], instruction["value"], instruction["startline"] + 1
        if name == "ARG" and not seen_from:
            values.update(_arguments(value, values, args))
        elif name == "FROM":
            seen_from = True
            image, stage = _from(value, line, values)
            if image is not None and image.reference.lower() not in stages:
                found.append(image)
            if stage:
                stages.add(stage.lower())
        elif name in ("COPY", "ADD", "RUN"):
            found += [
                BaseImage(reference, line)
                for reference in _sources(value)
                if reference.lower() not in stages and not reference.isdigit()
            ]
    return tuple(image for image in found if image.reference != "scratch" and "$" not in image.reference)


def expand(text: str, values: Mapping[str, str]) -> str:
    """Expand ``$NAME``, ``${NAME}``, ``${NAME:-default}`` and ``${NAME:+other}``; an unknown name becomes empty."""

    def one(match: re.Match[str]) -> str:
        name, operator, operand = match[1] or match[2], match[3] or "", match[4] or ""
        value = values.get(name)
        # With a colon, empty counts as unset (POSIX 2.6.2), as in Dockerfiles.
        is_set = bool(value) if operator.startswith(":") else value is not None
        if operator.endswith("-"):
            return value or "" if is_set else operand
        if operator.endswith("+"):
            return operand if is_set else ""
        return value or ""

    return _VARIABLE.sub(one, text)


def _arguments(value: str, values: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    read: dict[str, str] = {}
    for word in value.split():
        name, equals, default = word.partition("=")
        if name in given:
            read[name] = given[name]
        elif equals:
            read[name] = expand(default.strip("\"'"), {**values, **read})
    return read


def _from(value: str, line: int, values: Mapping[str, str]) -> tuple[BaseImage | None, str]:
    words = value.split()
    platform = ""
    while words and words[0].startswith("--"):
        flag, _, setting = words.pop(0).partition("=")
        if flag == "--platform":
            platform = setting
    if not words:
        return None, ""
    stage = words[2] if len(words) >= 3 and words[1].lower() == "as" else ""
    if _PER_PLATFORM.search(words[0]):
        return None, stage
    reference = expand(words[0], values)
    return (BaseImage(reference, line, platform) if reference else None), stage


def _sources(value: str) -> list[str]:
    """Return what ``--from=`` and ``--mount=…,from=…`` name; BuildKit expands no variables there."""
    found = []
    for word in value.split():
        if not word.startswith("--"):
            break
        flag, _, setting = word.partition("=")
        if flag == "--from":
            found.append(setting)
        elif flag == "--mount":
            found += [part.partition("=")[2] for part in setting.split(",") if part.startswith("from=")]
    return [name for name in found if name]


def _without_heredocs(text: str) -> str:
    """Blank out the bodies of heredocs, so that their lines are not taken for instructions; line numbers stay."""
    ends: list[str] = []
    lines = []
    for line in text.splitlines(keepends=True):
        if ends:
            if line.strip() == ends[0]:
                ends.pop(0)
            lines.append("\n")
            continue
        if line.lstrip().upper().startswith(_HEREDOC_INSTRUCTIONS):
            ends = [match[2] for match in _HEREDOC.finditer(line)]
        lines.append(line)
    return "".join(lines)
