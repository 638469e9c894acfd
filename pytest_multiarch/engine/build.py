"""Build one platform with buildx and push it: by digest, or under a tag of its own where the driver cannot."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.engine.builder import client_environ
from pytest_multiarch.engine.mending import advice, went_away
from pytest_multiarch.engine.process import run
from pytest_multiarch.engine.progress import ProgressReader, Silent, decoded, printable
from pytest_multiarch.errors import BuildError, CommandTimeout
from pytest_multiarch.wording import without

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_multiarch.engine.builder import Builder
    from pytest_multiarch.engine.process import Outcome
    from pytest_multiarch.engine.progress import BuildListener
    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.platforms import Platform

_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class BuiltPlatform:
    """Hold what one platform's build pushed: its digest, how long it took, and BuildKit's warnings."""

    platform: Platform
    digest: str
    seconds: float
    warnings: tuple[str, ...] = ()


def build_platform(
    builder: Builder,
    spec: BuildSpec,
    platform: Platform,
    *,
    name: str,
    folder: Path,
    docker_config: Path,
    contexts: Mapping[str, str],
    limit: float,
    caches: Sequence[str] = (),
    listener: BuildListener | None = None,
    stopping: threading.Event | None = None,
) -> BuiltPlatform:
    """Build one platform and push it: by digest, or under a tag of its own where the driver cannot.

    ``name`` is the repository as the builder sees it (``localhost:PORT/…``), ``folder`` takes the metadata file,
    ``docker_config`` is the overlay with the registry's credentials, ``contexts`` are build contexts beside the
    specification's own, ``caches`` buildx's arguments about them. ``limit`` is in seconds.

    Raises `BuildError`, and `CommandTimeout` with the steps that it was at.
    """
    listener = listener or Silent()
    tagged = platform_tag(name, platform)
    metadata = folder / f"metadata-{tagged.rpartition('/')[2]}.json"
    output = (
        f"type=image,name={name},push-by-digest=true,name-canonical=true,push=true"
        if builder.pushes_by_digest
        else f"type=image,name={tagged},push=true"
    )
    command: list[str | Path] = [
        *("docker", "buildx", "build", "--builder", builder.name, "--platform", str(platform)),
        *("--progress", "rawjson", "--metadata-file", metadata, "--output", output),
        *_spec_arguments(spec, contexts),
        *caches,
        str(spec.context),
    ]
    environ = client_environ({**builder.environ, "DOCKER_CONFIG": str(docker_config), "BUILDX_METADATA_WARNINGS": "1"})
    tried = f"building {spec.dockerfile_path} for {platform}"
    started = time.monotonic()
    listener.build_started(platform)
    failed = True
    try:
        for attempt in range(1, _ATTEMPTS + 1):
            reader = ProgressReader()
            outcome = _run(command, environ, started + limit, reader, platform, listener, stopping)
            failed = outcome.exit_code != 0
            reason, details = reader.failure()
            # buildx starts a builder that has ended, and what was built before is in its volume.
            if not (failed and went_away(reason)) or attempt == _ATTEMPTS:
                break
            listener.note(f"{platform}: BuildKit ended while it built ({reason}); building again")
    except CommandTimeout as error:
        # What buildx printed is for machines; the steps that it was at are for people.
        log = without(reader.unfinished(), spec.secret_texts())
        found = error.found if stopping is not None and stopping.is_set() else f"no end within {limit:.0f} s"
        raise CommandTimeout(tried, found, error.hint, log) from None
    finally:
        listener.build_ended(platform, time.monotonic() - started, failed=failed)
    if failed:
        # A step may well print a secret that it was given; this report is where it would be kept.
        secrets = spec.secret_texts()
        hints = (
            advice(reason, builder.name, name.partition("/")[0]),
            "The end of that build's log:" if details else "",
        )
        raise BuildError(
            tried, without(reason, secrets), "\n".join(hint for hint in hints if hint), without(details, secrets)
        )
    return _built(platform, metadata, outcome.seconds)


def _run(
    command: Sequence[str | Path],
    environ: Mapping[str, str],
    deadline: float,
    reader: ProgressReader,
    platform: Platform,
    listener: BuildListener,
    stopping: threading.Event | None,
) -> Outcome:
    def hear(line: str) -> None:
        step = reader.feed(line)
        if step is not None:
            listener.build_step(platform, step)

    limit = max(0.0, deadline - time.monotonic())
    return run(command, env=environ, limit=limit, on_stderr_line=hear, stopping=stopping)


def platform_tag(name: str, platform: Platform) -> str:
    """Return the tag under which a driver that cannot push by digest pushes one platform, and keeps it in the daemon."""
    return f"{name}:{str(platform).replace('/', '-')}"


def _spec_arguments(spec: BuildSpec, contexts: Mapping[str, str]) -> list[str]:
    arguments = ["--file", str(spec.dockerfile_path)]
    if spec.target:
        arguments += ["--target", spec.target]
    for name, value in spec.args.items():
        # Without a value docker takes it from the environment, and so it never stands in a process list.
        arguments += ["--build-arg", name if value is None else f"{name}={value}"]
    for name, source in {**contexts, **spec.contexts}.items():
        arguments += ["--build-context", f"{name}={source}"]
    for secret in spec.secrets:
        arguments += ["--secret", secret]
    return arguments


def _built(platform: Platform, metadata: Path, seconds: float) -> BuiltPlatform:
    try:
        document = json.loads(metadata.read_text(encoding="utf-8"))
        digest = document["containerimage.digest"]
        # Their texts are bytes to BuildKit (client/graph.go), so they come as base64.
        warnings = [
            printable(decoded(warning.get("short")).decode(errors="replace"))
            for warning in document.get("buildx.build.warnings") or ()
        ]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise BuildError(
            f"reading what buildx says of the build for {platform}",
            f"no digest in its metadata ({error})",
            "Upgrade buildx.",
        ) from None
    return BuiltPlatform(platform, str(digest), seconds, tuple(warnings))
