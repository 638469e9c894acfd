"""How a platform runs here, as a value: native, emulated, on a node of its own, or not at all and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_multiarch.errors import PlatformUnavailable

if TYPE_CHECKING:
    from pytest_multiarch.platforms import Platform

Status = Literal["native", "emulated", "unavailable"]


@dataclass(frozen=True, slots=True)
class Support:
    """Say what executes a platform's programs.

    ``emulator`` and ``version`` are as far as they can be told; ``kernel`` is the release of the kernel that runs it;
    ``endpoint`` is the platform's own node, empty for the main daemon. What is unavailable has a ``reason``, and a ``hint``
    with what mends it.
    """

    platform: Platform
    status: Status
    emulator: str = ""
    version: str = ""
    kernel: str = ""
    endpoint: str = ""
    reason: str = ""
    hint: str = ""

    @property
    def is_emulated(self) -> bool:
        """Tell whether an emulator runs it."""
        return self.status == "emulated"

    @property
    def runs(self) -> bool:
        """Tell whether it runs at all."""
        return self.status != "unavailable"

    @property
    def emulation(self) -> str:
        """Return the emulator in words, empty for what needs none."""
        named = " ".join(part for part in (self.emulator or "an emulator", self.version) if part)
        return named if self.is_emulated else ""

    @property
    def how(self) -> str:
        """Return how it runs, in a few words: ``native``, ``emulated by qemu-aarch64 10.0.2``, ``unavailable (why)``."""
        words = {"native": "native", "emulated": f"emulated by {self.emulation}"}.get(
            self.status, f"unavailable ({self.reason})"
        )
        if not self.endpoint:
            return words
        return f"on the node {self.endpoint}" + ("" if self.status == "native" else f", {words}")

    def __str__(self) -> str:
        """Return platform and how it runs."""
        return f"{self.platform} {self.how}"

    def check(self) -> None:
        """Raise `PlatformUnavailable` where the platform does not run."""
        if not self.runs:
            where = f" on the node {self.endpoint}" if self.endpoint else " here"
            raise PlatformUnavailable(f"running {self.platform}{where}", self.reason, self.hint)
