"""The commands about acceptance files: ``schema`` and ``convert``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.errors import UsageProblem

if TYPE_CHECKING:
    import argparse


def schema(arguments: argparse.Namespace) -> int:
    """Print the JSON Schema of our own format."""
    from pytest_multiarch.acceptance.suite import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0


def convert_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the file to convert, and where to write."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a file of container-structure-test")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="where to write (default: print it); not written over"
    )


def convert(arguments: argparse.Namespace) -> int:
    """Write a file of container-structure-test in our own format. Raises UsageProblem: it cannot be read or written."""
    from pytest_multiarch.acceptance.convert import convert as converted

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
