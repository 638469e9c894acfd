"""How each platform would run: natively, by an emulator, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.engine.doctor.check import Check
from pytest_multiarch.errors import MultiArchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_multiarch.engine.doctor.check import Status
    from pytest_multiarch.engine.support import Support
    from pytest_multiarch.platforms import Platform


def check_platforms(
    find: Callable[[Platform], Support], platforms: Sequence[Platform], *, are_wanted: bool
) -> Iterator[Check]:
    """Yield a check for each platform; one that does not run is a failure where the user asked for it by name."""
    otherwise: Status = "failure" if are_wanted else "warning"
    for platform in platforms:
        name = f"platform {platform}"
        try:
            support = find(platform)
        except MultiArchError as error:
            yield Check.of_error(name, error, otherwise)
            continue
        facts = {
            "platform": str(platform),
            "how": support.status,
            "emulator": support.emulator,
            "version": support.version,
        }
        yield Check(name, "ok" if support.runs else otherwise, support.how, support.hint, facts)
