"""The commands about acceptance files: ``schema`` and ``convert``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Sequence


def schema(argv: Sequence[str]) -> int:
    """Print the JSON Schema of our own format, and return the exit code."""
    from pytest_multiarch.acceptance.suite import json_schema

    _parser("schema", "Print the JSON Schema of *.multiarch.yaml, for editors.").parse_args(argv)
    print(json.dumps(json_schema(), indent=2))
    return 0


def convert(argv: Sequence[str]) -> int:
    """Write a file of container-structure-test in our own format, and return the exit code.

    Raises UsageProblem: it cannot be read or written.
    """
    from pytest_multiarch.acceptance.convert import convert as converted

    parser = _parser("convert", "Turn a file of container-structure-test into a *.multiarch.yaml.")
    parser.add_argument("file", type=Path, metavar="FILE", help="a file of container-structure-test")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="where to write (default: print it); not written over"
    )
    arguments = parser.parse_args(argv)
    source: Path = arguments.file
    target: Path | None = arguments.output
    try:
        text = converted(source.read_text(encoding="utf-8-sig"), str(source))
        if target is None:
            sys.stdout.write(text)
        else:
            with target.open("x", encoding="utf-8") as stream:
                stream.write(text)
    except FileExistsError:
        raise UsageProblem(f"writing {target}", "it is there already", "Name another file, or remove it.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"converting {source}", str(error)) from None
    return 0


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=f"python -m pytest_multiarch {name}", description=description)
