"""Read from a Dockerfile which images it stands on, and for which platforms each is wanted.

The instructions are found by dockerfile-parse; what it leaves to us are heredocs and empty lines inside an instruction (it
takes what follows for instructions), and which of the names are stages. Variables are expanded as BuildKit does for
``FROM``: from the arguments before the first ``FROM`` only.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# BuildKit knows these without an ARG line; they differ per platform, so what uses them is not known here.
_PREDEFINED = (
    *(f"{side}{what}" for side in ("BUILD", "TARGET") for what in ("PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT")),
    "TARGETSTAGE",
)
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*")
_DIRECTIVES = frozenset({"syntax", "escape", "check"})
_TAKES_HEREDOCS = re.compile(r"\s*(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\s+(.*)", re.IGNORECASE | re.DOTALL)
# A word of a shell: quoted parts and escaped characters stay whole, and so does what follows `<<`, blanks or not.
_WORD = re.compile(r"""\s*((?:<<[ \t]*|'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"\\])+)""", re.DOTALL)
_FLAG = re.compile(r"""\s*(--(?:'[^']*'|"(?:[^"\\]|\\.)*"|[^\s'"])+)""")
_HEREDOC = re.compile(r"\d*<<(-?)\s*([^<]+)")
_NAME = re.compile(r"\w+", re.ASCII)
_OPERATOR = re.compile(r":?[-+?]|\}")
_QUOTES = "\"'"


@dataclass(frozen=True, slots=True)
class BaseImage:
    """Name an image that a Dockerfile takes something from, where, and for which platform.

    ``platform`` is what ``FROM --platform=`` says (``$BUILDPLATFORM`` unexpanded), empty for the target's own.
    """

    reference: str
    line: int
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Instruction:
    """Hold one instruction, its value on one line; ``line`` is where it begins, from 1."""

    name: str
    value: str
    line: int


def base_images(path: Path, args: Mapping[str, str]) -> tuple[BaseImage, ...]:
    """Return the images that a Dockerfile names in ``FROM``, ``COPY --from`` and ``RUN --mount=from=``, in its order.

    Stages, ``scratch`` and names that differ per platform are left out; so is an image that a stage is named after, because
    a build context of that name would stand for the stage. Lines count from 1. Raises `UsageProblem` where the file
    cannot be read.
    """
    images, stages = _images_and_stages(path, args)
    return tuple(image for image in images if _is_known(image, stages))


def names_are_known(path: Path, args: Mapping[str, str]) -> bool:
    """Say whether `base_images` holds all images that a Dockerfile names. Raises `UsageProblem` where the file cannot be read."""
    images, stages = _images_and_stages(path, args)
    return all(_is_known(image, stages) for image in images)


def reads_elsewhere(path: Path, args: Mapping[str, str]) -> bool:
    """Say whether a build takes something that neither its context nor `base_images` holds.

    That is what ``ADD`` fetches, and images whose names only the builder knows. Raises `UsageProblem` where the file cannot
    be read.
    """
    if not names_are_known(path, args):
        return True
    return any(
        instruction.name == "ADD" and re.search(r"://|git@|\$", instruction.value)
        for instruction in read_instructions(path)
    )


def _images_and_stages(path: Path, args: Mapping[str, str]) -> tuple[list[BaseImage], set[str]]:
    values = predefined(args)
    stages: set[str] = set()
    bases: list[BaseImage] = []
    sources: list[BaseImage] = []
    for instruction in read_instructions(path):
        name, value, line = instruction.name, instruction.value, instruction.line
        if name == "ARG" and not bases:
            declare(value, values, args)
        elif name == "FROM":
            image, stage = read_from(value, line, values)
            # FROM knows the stages above it, by name only.
            bases.append(BaseImage("scratch", line) if image.reference.lower() in stages else image)
            if stage:
                stages.add(stage.lower())
        elif name in ("COPY", "RUN"):
            sources += [BaseImage(reference, line) for reference in sources_of(value) if not reference.isdecimal()]
    # These know all stages, also those further down.
    sources = [image for image in sources if image.reference.lower() not in stages]
    found = sorted([*bases, *sources], key=lambda image: image.line)
    return [image for image in found if image.reference not in ("", "scratch")], stages


def _is_known(image: BaseImage, stages: set[str]) -> bool:
    return "$" not in image.reference and _short_name(image.reference) not in stages


def read_instructions(path: Path) -> Iterator[Instruction]:
    """Yield a Dockerfile's instructions. Raises `UsageProblem`: the file cannot be read."""
    from dockerfile_parse import DockerfileParser

    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"reading the Dockerfile {path}", str(error), "It has to be a text file in UTF-8.") from None
    parser = DockerfileParser(fileobj=io.BytesIO(_on_one_line_each(text).encode()), env_replace=False)
    for found in parser.structure:
        yield Instruction(found["instruction"], found["value"], found["startline"] + 1)


def predefined(args: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that BuildKit knows without an ARG line, standing for themselves where they differ by platform."""
    return {name: args.get(name, f"${name}") for name in _PREDEFINED}


def expand(text: str, values: Mapping[str, str]) -> str:
    """Expand ``$NAME``, ``${NAME}``, ``${NAME:-default}`` and ``${NAME:+other}`` and take quotes away, as BuildKit does.

    An unknown name becomes empty; what is written in a form that is not known here is left as it is.
    """
    return _expanded(text, values, 0, "")[0]


def _expanded(text: str, values: Mapping[str, str], start: int, end: str) -> tuple[str, int]:
    """Expand from ``start`` to the character ``end``, and return the position behind it too."""
    found: list[str] = []
    quote = ""
    position = start
    while position < len(text):
        character = text[position]
        if character == end and not quote:
            return "".join(found), position + 1
        if character == "\\" and quote != "'" and position + 1 < len(text):
            found.append(text[position + 1])
            position += 2
        elif character in _QUOTES and quote in ("", character):
            quote = "" if quote else character
            position += 1
        elif character == "$" and quote != "'":
            piece, position = _variable(text, values, position)
            found.append(piece)
        else:
            found.append(character)
            position += 1
    return "".join(found), position


def _variable(text: str, values: Mapping[str, str], start: int) -> tuple[str, int]:
    braced = text.startswith("${", start)
    name = _NAME.match(text, start + 1 + braced)
    if name is None:
        return "$", start + 1
    value = values.get(name[0])
    if not braced:
        return value or "", name.end()
    operator = _OPERATOR.match(text, name.end())
    if operator is None:
        return "$", start + 1
    if operator[0] == "}":
        return value or "", operator.end()
    word, position = _expanded(text, values, operator.end(), "}")
    if value is not None and value.startswith("$"):
        return value, position  # nobody knows here whether it is empty
    # With a colon, empty counts as unset (POSIX 2.6.2), as in Dockerfiles.
    is_set = bool(value) if operator[0].startswith(":") else value is not None
    if operator[0].endswith("+"):
        return word if is_set else "", position
    return (value or "") if is_set or operator[0].endswith("?") else word, position


def split_arguments(value: str) -> list[tuple[str, str | None]]:
    """Return the names of an ARG line, each with its default as it is written, quotes taken away; None without one."""
    pairs = (word.partition("=") for word in _words(value))
    return [
        (name, "".join(c for c in default if c not in _QUOTES) if equals else None) for name, equals, default in pairs
    ]


def declare(value: str, values: dict[str, str], given: Mapping[str, str]) -> None:
    """Take an ARG line's names into the variables: what was given for them, else their defaults."""
    for word in _words(value):
        name, equals, default = word.partition("=")
        if name in given:
            values[name] = given[name]
        elif equals:
            values[name] = expand(default, values)


def read_from(value: str, line: int, values: Mapping[str, str]) -> tuple[BaseImage, str]:
    """Return what a FROM line stands on, and the name of its stage, empty where it has none."""
    words = value.split()
    platform = ""
    while words and words[0].startswith("--"):
        flag, _, setting = words.pop(0).partition("=")
        if flag == "--platform":
            platform = expand(setting, values)
    stage = words[2] if len(words) >= 3 and words[1].lower() == "as" else ""
    return BaseImage(expand(words[0], values) if words else "", line, platform), stage


def sources_of(value: str) -> list[str]:
    """Return what ``--from=`` and ``--mount=…,from=…`` name; BuildKit expands no variables there."""
    found = []
    position = 0
    while match := _FLAG.match(value, position):
        position = match.end()
        flag, _, setting = "".join(c for c in match[1] if c not in _QUOTES).partition("=")
        if flag == "--from":
            found.append(setting)
        elif flag == "--mount":
            options = (part.partition("=") for part in setting.split(","))
            found += [option for key, _, option in options if key.lower() == "from"]
    return [name for name in found if name]


def _short_name(reference: str) -> str:
    """Return the name under which BuildKit looks for a build context: without Docker Hub's parts and ``:latest``."""
    return re.sub(r"^(?:(?:index\.)?docker\.io/)?(?:library/)?|:latest$", "", reference)


def _words(text: str) -> list[str]:
    """Split a line as a shell does, quotes kept; nothing where a quote is not closed."""
    words = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _WORD.match(text, position)
        if match is None:
            return []
        words.append(match[1])
        position = match.end()
    return words


def _on_one_line_each(text: str) -> str:
    """Return the Dockerfile with each instruction on the line where it begins, and all its other lines empty.

    As BuildKit joins them (``frontend/dockerfile/parser/parser.go``): comments and empty lines inside an instruction are
    left out, a doubled escape character at the end of a line continues nothing, and heredocs belong to their instruction.
    """
    lines = text.split("\n")
    escape = re.escape(_escape_character(lines))
    continued = re.compile(rf"(^|[^{escape}]){escape}[ \t]*$")
    result = [""] * len(lines)
    number = 0
    while number < len(lines):
        start, joined = number, lines[number].lstrip()
        number += 1
        if joined.startswith("#"):
            continue
        while number < len(lines) and continued.search(joined):
            following = lines[number]
            number += 1
            if following.strip() and not following.lstrip().startswith("#"):
                joined = continued.sub(r"\1", joined) + following
        result[start] = joined.rstrip("\\ \t")  # dockerfile-parse would take what stands there for a continuation
        for name, chomps in _heredocs(joined):
            number = _end_of_heredoc(lines, number, name, chomps)
    return "\n".join(result)


def _escape_character(lines: list[str]) -> str:
    """Return what the ``escape`` directive says; directives stand at the top, and anything else ends them."""
    for line in lines:
        match = _DIRECTIVE.fullmatch(line.lstrip())
        if match is None or match[1].lower() not in _DIRECTIVES:
            break
        if match[1].lower() == "escape":
            return match[2]
    return "\\"


def _heredocs(line: str) -> list[tuple[str, bool]]:
    """Return the end marks of a line's heredocs, and whether tabs before them do not count (``<<-``)."""
    instruction = _TAKES_HEREDOCS.fullmatch(line)
    if instruction is None or "<<" not in line:
        return []
    found = [_HEREDOC.fullmatch(word) for word in _words(instruction[1])]
    return [("".join(c for c in match[2] if c not in _QUOTES), match[1] == "-") for match in found if match]


def _end_of_heredoc(lines: list[str], start: int, name: str, chomps: bool) -> int:
    """Return where a heredoc's lines end; ``start`` where it has no end, because then it was none."""
    for number in range(start, len(lines)):
        if (lines[number].lstrip("\t") if chomps else lines[number]) == name:
            return number + 1
    return start
