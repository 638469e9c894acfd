"""What a harness is, and what counts as a right answer to bytes that nobody vouches for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.errors import MultiArchError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Harness:
    """Hold what is fuzzed.

    ``read`` takes bytes and does all that a run does with such; ``seeds`` are good ones to start from.
    """

    read: Callable[[bytes], None]
    seeds: tuple[bytes, ...]

    def __call__(self, data: bytes) -> None:
        """Read some bytes. What it raises is a finding."""
        refusal: MultiArchError | None = None
        try:
            self.read(data)
        except MultiArchError as error:
            refusal = error
        if refusal is not None:
            assert refusal.tried, "an error that does not say what was tried"
            assert is_shown_as_it_is(str(refusal)), f"an error that moves a terminal's cursor: {str(refusal)!a}"


def is_shown_as_it_is(text: str) -> bool:
    """Tell whether a text of several lines has nothing in it that a terminal obeys."""
    return text.replace("\n", "").isprintable()
