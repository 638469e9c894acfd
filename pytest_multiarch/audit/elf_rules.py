"""Rules about machine code: each ELF file has to be one that the platform promises to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.audit.rule import PlatformRule
from pytest_multiarch.image.elf import is_chosen_at_run_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.audit.finding import Finding
    from pytest_multiarch.audit.views import PlatformView


class ForeignMachineRule(PlatformRule):
    """Find ELF files for another machine than the platform's.

    Machine, class (32 or 64 bits), byte order and ABI (arm's float ABI, PowerPC's ELF version) have to be the platform's,
    of programs, libraries and Python's extension modules alike. Code that no processor of the platform is asked to run
    (BPF, GPUs) does not count. Files that look like ELF and have no readable header are left out.

    Why: on a machine of that platform the program does not start, or the library does not load. Here it does: an emulator
    that is registered with the kernel runs the wrong binary, and it exits 0.

    Seen in: projectcalico/calico#13183, utkuozdemir/nvidia_gpu_exporter#418, artyomsv/marauder#79 (wrong binaries);
    hermes-agent#74554 (an x86-64 `_pydantic_core.so` in arm64); cloudposse/atmos#2931 (the whole userland).

    Mend: the layer and its step tell where it came from. Mostly a download with `amd64` in its URL (use `TARGETARCH`), a
    `COPY --from` of a stage that is `--platform=$BUILDPLATFORM`, or packages that were installed in such a stage.
    Firmware and test data for other machines belong into an allowance.
    """

    code = "MA201"
    name = "foreign-machine"

    def check(self, view: PlatformView) -> Iterator[Finding]:
        """Return a finding for each file that no processor of the platform runs."""
        for one in view.elf_files:
            wrong = [misfit for misfit in one.misfits if misfit.about == "machine"]
            if wrong:
                yield self.finding(
                    platform=view.platform,
                    path=one.path,
                    expected="; ".join(misfit.expected for misfit in wrong),
                    found="; ".join(misfit.found for misfit in wrong),
                    brought=view.brought(one.path),
                )


class LaterProcessorRule(PlatformRule):
    """Find ELF files that need a later processor than the platform promises.

    arm/v7 code in an arm/v6 image; x86-64-v2, v3 or v4 in linux/amd64, which promises the first level only. What a file
    needs is read from its notes, its attributes, and for Go programs from their build settings. Libraries under
    `glibc-hwcaps`, which the loader picks by the processor, do not count.

    Why: on the older processor the program dies of an illegal instruction, perhaps only when it gets to the code in
    question. No test machine is that old.

    Seen in: navidrome/navidrome#747 and home-assistant/docker-base#6 (arm/v7 code on the first Raspberry Pi); distributions
    whose packages need more (`Fatal glibc error: CPU does not support x86-64-v2`).

    Mend: build for the platform's own level (`GOARM`, `GOAMD64`, `-march`), or publish the image as the variant that it is
    (linux/arm/v7, linux/amd64/v3).
    """

    code = "MA202"
    name = "later-processor"

    def check(self, view: PlatformView) -> Iterator[Finding]:
        """Return a finding for each file that asks for more than the platform has."""
        for one in view.elf_files:
            later = [misfit for misfit in one.misfits if misfit.about == "cpu"]
            # A file for another machine altogether is MA201's.
            if later and len(later) == len(one.misfits) and not is_chosen_at_run_time(one.path):
                yield self.finding(
                    platform=view.platform,
                    path=one.path,
                    expected="; ".join(misfit.expected for misfit in later),
                    found="; ".join(misfit.found for misfit in later),
                    brought=view.brought(one.path),
                )
