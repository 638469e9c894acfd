"""The one family of exceptions, each saying what was tried, what came back and what to do next.

Nothing here knows how an error is shown: `plugin/` turns `UsageProblem` into pytest's usage error and everything else
into the failure of the tests that needed what is missing.
"""

from __future__ import annotations

from pytest_multiarch.wording import shown


class MultiArchError(Exception):
    """Say what was tried, what came back, and what to do next.

    The three parts are kept apart so that a report can show the first line only and an assertion can look at one part.
    All of them are plain text without a trailing full stop for ``tried``; ``detail`` may have several lines (a log's end).
    They are kept as they came; as text they move no terminal's cursor and hold no credentials. Instances can be pickled: what
    is given to the constructor is what ``args`` holds.
    """

    def __init__(self, tried: str, found: str = "", hint: str = "", detail: str = "") -> None:
        super().__init__(tried, found, hint, detail)
        self.tried = tried
        self.found = found
        self.hint = hint
        self.detail = detail

    @property
    def headline(self) -> str:
        """Return the first line: what was tried and what came back."""
        return shown(f"{self.tried}: {self.found}" if self.found else self.tried)

    def __str__(self) -> str:
        """Return the whole message: headline, hint, then the detail's lines."""
        return "\n".join(part for part in (self.headline, shown(self.hint), shown(self.detail)) if part)


class UsageProblem(MultiArchError):
    """Report what the person who started the run can mend: an option, a file, the machine. Ends the run with exit code 4."""


class InvalidPlatform(UsageProblem, ValueError):
    """Refuse a text that names no platform."""


class InvalidReference(UsageProblem, ValueError):
    """Refuse a text that is no image reference."""


class EngineUnavailable(UsageProblem):
    """Report that no usable Docker daemon, or no usable buildx, answers."""


class DocumentError(MultiArchError, ValueError):
    """Refuse bytes that are not the OCI or Docker document they should be."""


class RegistryError(MultiArchError):
    """Report a registry's refusal or failure, with the HTTP status (0: no answer) and the registry's own error code."""

    def __init__(
        self, tried: str, found: str = "", hint: str = "", detail: str = "", *, status: int = 0, code: str = ""
    ) -> None:
        super().__init__(tried, found, hint, detail)
        self.status = status
        self.code = code

    def __reduce__(self) -> tuple[object, ...]:
        """Keep ``status`` and ``code`` when pickled."""
        return (_registry_error, (type(self), self.args, self.status, self.code))


def _registry_error(kind: type[RegistryError], args: tuple[str, ...], status: int, code: str) -> RegistryError:
    return kind(*args, status=status, code=code)


class NotInRegistry(RegistryError):
    """Report a manifest, blob or repository that the registry does not have."""


class AccessDenied(RegistryError):
    """Report credentials that are missing, wrong, or not enough."""


class IntegrityError(MultiArchError):
    """Report bytes whose digest or size is not what their descriptor says."""


class PlatformMissing(MultiArchError):
    """Report that an index does not offer a platform."""


class LayerError(MultiArchError):
    """Report a layer that cannot be unpacked: broken, of a kind that no engine unpacks, or larger than the limits."""


class FileProblem(MultiArchError):
    """Report a path of an image that cannot be read as asked: it is a directory, no text, or larger than wanted."""


class NotInImage(FileProblem):
    """Report a path that the image does not have, or that a link leads to and the image does not have."""


class LinkLoop(FileProblem):
    """Report symbolic links of an image that lead in a circle, or through more links than the kernel follows."""


class EngineError(MultiArchError):
    """Report that the Docker daemon refused or failed, with the HTTP status of its answer (0: none, or it was no refusal)."""

    def __init__(self, tried: str, found: str = "", hint: str = "", detail: str = "", *, status: int = 0) -> None:
        super().__init__(tried, found, hint, detail)
        self.status = status

    def __reduce__(self) -> tuple[object, ...]:
        """Keep ``status`` when pickled."""
        return (_engine_error, (type(self), self.args, self.status))


def _engine_error(kind: type[EngineError], args: tuple[str, ...], status: int) -> EngineError:
    return kind(*args, status=status)


class BuildError(MultiArchError):
    """Report that building one platform failed, with the Dockerfile line and the end of that build's log."""


class CommandTimeout(MultiArchError):
    """Report that something outlived its time limit; ``detail`` holds its output so far."""


class PlatformUnavailable(MultiArchError):
    """Report a platform that the daemon's machine can neither run nor emulate."""


class RunningDisabled(MultiArchError):
    """Report that something was to be run in a run that only reads."""


class EmulatorCrash(MultiArchError):
    """Report that the emulator crashed, twice: what was tested has not been found wrong. ``detail`` is the last attempt."""


class CpuLevelMissing(MultiArchError):
    """Report a program whose C library asks for later processors than the one that ran it."""


class EmulatorsMissing(UsageProblem):
    """Report that the emulators that the user asked for could not be registered."""


class OutputTooLarge(MultiArchError):
    """Report a command that was stopped because it wrote more than is kept; ``detail`` shows its output in short."""
