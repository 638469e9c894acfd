"""What keeps a warm container up, chosen from the image: never by trying."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.engine.agent.program import agent_program
from pytest_multiarch.engine.keep_alive import PROGRAM_PATH, choose_keep_alive
from pytest_multiarch.engine.tiny_elf import pausing_program
from pytest_multiarch.errors import EngineError
from pytest_multiarch.platforms import Platform
from tests.unit.elf.build import Built
from tests.unit.files.common import directory, file, symlink, tree_of

if TYPE_CHECKING:
    from pytest_multiarch.image.filesystem import ImageFiles

MIPS, RISCV, AMD64 = (Platform.parse(f"linux/{name}") for name in ("mips64le", "riscv64", "amd64"))
FITS, FOREIGN = bytes(Built(machine=8)), bytes(Built(machine=62))


def never() -> ImageFiles:
    raise AssertionError("the layers were read")


def program(name: str, content: bytes = FITS, **more: Any) -> Any:
    return file(name, content, **{"mode": 0o755, **more})


@pytest.mark.parametrize("platform", [Platform.parse("linux/s390x"), MIPS, AMD64])
def test_where_the_agent_runs_it_keeps_up_images_of_all_platforms(platform: Platform) -> None:
    chosen = choose_keep_alive(platform, AMD64, never)
    assert (chosen.command, chosen.is_agent) == ((PROGRAM_PATH,), True)
    assert chosen.program == agent_program(AMD64)


def test_on_other_machines_a_program_for_the_images_platform_does() -> None:
    chosen = choose_keep_alive(Platform.parse("linux/s390x"), RISCV, never)
    assert (chosen.command, chosen.is_agent) == ((PROGRAM_PATH,), False)
    assert chosen.program == pausing_program(Platform.parse("linux/s390x"))


@pytest.mark.parametrize(
    ("entries", "first"),
    [
        ([program("bin/sh"), program("bin/sleep")], "/bin/sh"),
        (
            [
                symlink("bin", "usr/bin"),
                program("usr/bin/dash"),
                symlink("usr/bin/sh", "dash"),
                program("usr/bin/sleep"),
            ],
            "/bin/sh",
        ),
        ([program("bin/sh"), program("usr/bin/perl")], "/usr/bin/perl"),
        ([program("bin/sh", FOREIGN), program("bin/sleep")], "/bin/sleep"),
        ([program("bin/sh", mode=0o644), program("bin/busybox")], "/bin/busybox"),
        ([directory("bin/sh"), program("usr/local/bin/python3")], "/usr/local/bin/python3"),
        ([program("bin/busybox", b"#!/nothing"), program("usr/bin/tail")], "/usr/bin/tail"),
    ],
)
def test_elsewhere_it_is_a_program_of_the_image_that_fits(entries: list[Any], first: str) -> None:
    with tree_of(entries) as files:
        chosen = choose_keep_alive(MIPS, RISCV, lambda: files)
    assert (chosen.command[0], chosen.program) == (first, b"")


def test_an_image_with_nothing_to_wait_with_is_to_be_run_otherwise() -> None:
    with (
        tree_of([program("app")]) as files,
        pytest.raises(EngineError, match="no shell and nothing to wait with") as caught,
    ):
        choose_keep_alive(MIPS, RISCV, lambda: files)
    assert "platform_image.run()" in caught.value.hint
