"""The rules that come with the project, in the order of their codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.audit.allowance_rule import StaleAllowanceRule
from pytest_multiarch.audit.command_rules import CommandForeignRule, CommandMissingRule, CommandNotExecutableRule
from pytest_multiarch.audit.dockerfile_rules import DefaultedTargetRule, PinnedLastStageRule, SinglePlatformPinRule
from pytest_multiarch.audit.elf_rules import ForeignMachineRule, LaterProcessorRule
from pytest_multiarch.audit.file_parity_rules import FileModesDifferRule, FilesDifferRule
from pytest_multiarch.audit.index_rules import (
    AttestationDanglingRule,
    AttestationMissingRule,
    PlatformDisagreesRule,
    PlatformMissingRule,
    PlatformNotAskedForRule,
)
from pytest_multiarch.audit.linking_rules import InterpreterMissingRule, LibraryMissingRule
from pytest_multiarch.audit.package_rules import ForeignPackageRule, ForeignWheelRule
from pytest_multiarch.audit.parity_rules import (
    ConfigDiffersRule,
    PackagesDifferRule,
    SizeDiffersRule,
    StalePlatformRule,
)
from pytest_multiarch.audit.sharing_rules import SameBytesRule, SharedMachineCodeRule

if TYPE_CHECKING:
    from pytest_multiarch.audit.rule import Rule


def builtin_rules() -> tuple[Rule, ...]:
    """Return one of each rule."""
    return (
        PlatformMissingRule(),
        PlatformNotAskedForRule(),
        PlatformDisagreesRule(),
        AttestationDanglingRule(),
        AttestationMissingRule(),
        ForeignMachineRule(),
        LaterProcessorRule(),
        InterpreterMissingRule(),
        LibraryMissingRule(),
        SharedMachineCodeRule(),
        SameBytesRule(),
        ForeignPackageRule(),
        ForeignWheelRule(),
        CommandMissingRule(),
        CommandNotExecutableRule(),
        CommandForeignRule(),
        ConfigDiffersRule(),
        PackagesDifferRule(),
        FilesDifferRule(),
        FileModesDifferRule(),
        StalePlatformRule(),
        SizeDiffersRule(),
        SinglePlatformPinRule(),
        PinnedLastStageRule(),
        DefaultedTargetRule(),
        StaleAllowanceRule(),
    )
