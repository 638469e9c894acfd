"""The lab's command line: up, status, down, run."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from lab import down, environment, images, status, up
from lab.console import LabError, say

if TYPE_CHECKING:
    from collections.abc import Sequence

_RUN_USAGE = """\
usage: python3 -m lab run COMMAND ARG…

Make .venv with this project in it, bring the lab up, then become COMMAND with .venv/bin first on PATH."""


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks for and return the exit code; `run` returns only where it failed."""
    try:
        # Not argparse: what follows `run` belongs to the command, its options and `--` included.
        if arguments[:1] == ["run"]:
            return _run(list(arguments[1:]))
        return _dispatch(parser().parse_args(arguments))
    except LabError as error:
        say(f"error: {error}")
        return 1
    except BrokenPipeError:  # `status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains again as it ends
        return 1
    except KeyboardInterrupt:
        say("interrupted; the same command goes on where this one stopped")
        return 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of every command but `run`, which is listed for its help only."""
    top = argparse.ArgumentParser(
        prog="python3 -m lab", description="Docker, buildx, QEMU and images from Debian's packages."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    each = commands.add_parser("up", help="set up what is missing; nothing where a Docker daemon of yours answers")
    which = each.add_mutually_exclusive_group()
    which.add_argument(
        "--platforms",
        type=platform_list,
        default=images.DEFAULT_PLATFORMS,
        metavar="A,B",
        help=f"make images for these (default: {','.join(images.DEFAULT_PLATFORMS)})",
    )
    which.add_argument(
        "--all-platforms",
        dest="platforms",
        action="store_const",
        const=images.ALL_PLATFORMS,
        help="make images for all",
    )
    each.add_argument("--classic", action="store_true", help="also run a daemon with the classic image store")
    each.add_argument("--newer", action="store_true", help="also run a daemon of a newer version")
    each.add_argument("--remote", action="store_true", help="also run a daemon with another address, TLS and ssh")

    commands.add_parser("status", help="say what is there; exit code 0 if the main job can run")
    each = commands.add_parser("down", help="stop and take back what `up` started; packages stay installed")
    each.add_argument("--purge", action="store_true", help="also remove what was downloaded, built and pulled")
    commands.add_parser("run", help="run a command with this project installed and the lab up", add_help=False)
    return top


def platform_list(text: str) -> tuple[str, ...]:
    """Return the platforms of a comma-separated option, each once."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in images.ALL_PLATFORMS]
    if unknown or not names:
        wrong = f"no platform {', '.join(unknown)}" if unknown else "no platform named"
        raise argparse.ArgumentTypeError(f"{wrong}; there are {', '.join(images.ALL_PLATFORMS)}")
    return names


def _dispatch(options: argparse.Namespace) -> int:
    if options.command == "up":
        up.up(up.Wanted(options.platforms, classic=options.classic, newer=options.newer, remote=options.remote))
        return 0
    if options.command == "status":
        return status.status()
    down.down(purge=options.purge)
    return 0


def _run(command: list[str]) -> int:
    if command[:1] in ([], ["-h"], ["--help"]):
        print(_RUN_USAGE, file=sys.stdout if command else sys.stderr)
        return 0 if command else 2
    environment.prepare(lambda: up.up(up.Wanted(images.DEFAULT_PLATFORMS)))
    return environment.become(command)
