"""``python -m pytest_multiarch COMMAND``: what is done without a test run."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Command:
    """One command: what it is for, its arguments, and what it does; that returns the exit code."""

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], object]
    run: Callable[[argparse.Namespace], int]


def commands() -> tuple[Command, ...]:
    """Return the commands that there are."""
    from pytest_multiarch.acceptance import commands as acceptance

    return (
        Command("prune", "remove what runs have kept (--multiarch-reuse) or left", _no_arguments, _prune),
        Command("schema", "print the JSON Schema of *.multiarch.yaml, for editors", _no_arguments, acceptance.schema),
        Command(
            "convert",
            "turn a file of container-structure-test into a *.multiarch.yaml",
            acceptance.convert_arguments,
            acceptance.convert,
        ),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code: 0 where all is well, 1 where not, 2 for no such command.

    It is 4 for what the caller can mend, as pytest has it.
    """
    from pytest_multiarch.errors import MultiArchError, UsageProblem

    parser = argparse.ArgumentParser(prog="python -m pytest_multiarch", description=__doc__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in commands():
        own = subparsers.add_parser(command.name, help=command.help, description=command.help)
        command.add_arguments(own)
        own.set_defaults(run=command.run)
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except MultiArchError as error:
        print(error, file=sys.stderr)
        return 4 if isinstance(error, UsageProblem) else 1


def _no_arguments(parser: argparse.ArgumentParser) -> None:
    """Take no arguments."""


def _prune(arguments: argparse.Namespace) -> int:
    from pytest_multiarch.engine.kept import prune

    problems = prune()
    print("\n".join(problems or ["nothing is left"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
