"""``python -m pytest_multiarch COMMAND``: what is there beside the plugin. Each command is imported only when it is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

# A command's name to the function that is given the rest of the command line and returns the exit code, and its help.
COMMANDS: Final = {
    "doctor": ("pytest_multiarch.engine.doctor.command:main", "look at what a run needs on this machine"),
    "prune": ("pytest_multiarch.engine.pruning:main", "remove what runs have kept (--multiarch-reuse) or left"),
    "schema": ("pytest_multiarch.acceptance.commands:schema", "print the JSON Schema of *.multiarch.yaml, for editors"),
    "convert": (
        "pytest_multiarch.acceptance.commands:convert",
        "turn a file of container-structure-test into a *.multiarch.yaml",
    ),
}


def main(arguments: Sequence[str]) -> int:
    """Call the command that the first argument names, and return its exit code.

    It is 0 where all is well, 1 where not, 2 for no such command, and 4 for what the caller can mend, as pytest has it.
    """
    from pytest_multiarch.errors import MultiArchError, UsageProblem

    name = arguments[0] if arguments else ""
    if name not in COMMANDS:
        is_help = name in ("-h", "--help")
        print(_usage(), file=sys.stdout if is_help else sys.stderr)
        return 0 if is_help else 2
    module, _, function = COMMANDS[name][0].partition(":")
    try:
        return int(getattr(import_module(module), function)(arguments[1:]))
    except MultiArchError as error:
        print(error, file=sys.stderr)
        return 4 if isinstance(error, UsageProblem) else 1


def _usage() -> str:
    lines = [f"  {name:<10} {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(["usage: python -m pytest_multiarch COMMAND [OPTION…]", "", *lines])


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
