"""The agent's executable files, one for each machine that daemons run on."""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_multiarch.platforms import Platform

ARCHITECTURES: Final = ("amd64", "arm64")


def agent_program(machine: Platform) -> bytes | None:
    """Return the agent for the machine of a daemon, in containers of whatever platform; None where there is none.

    It is built of ``agent/agent.c`` by ``python -m agent``, and the lint environment holds it against what is here.
    """
    if machine.os != "linux" or machine.architecture not in ARCHITECTURES:
        return None
    return pkgutil.get_data(__name__, f"agent.{machine.architecture}")
