"""docker buildx: its version, and a builder to build with: a throwaway one, the daemon's own, or one that exists."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pytest_multiarch.engine.claims import claim_image
from pytest_multiarch.engine.overlay import context_for, lent_context, user_docker_folder
from pytest_multiarch.engine.process import run
from pytest_multiarch.engine.progress import printable
from pytest_multiarch.errors import BuildError, EngineUnavailable, UsageProblem

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence

    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.ledger import Ledger
    from pytest_multiarch.engine.options import Node
    from pytest_multiarch.engine.process import Outcome

DEFAULT_BUILDKIT_IMAGE = "moby/buildkit:buildx-stable-1"
_NOWHERE = "127.0.0.1:1"  # the port of a service that was never widely used (RFC 1078)
# `--progress=rawjson` came with 0.13 (docker/buildx#2169).
MINIMUM_BUILDX = (0, 13)


@dataclass(frozen=True, slots=True)
class Builder:
    """Hold a buildx builder that is ready.

    ``driver`` is buildx's own word for how it runs; ``environ`` is what every ``docker buildx`` call gets on top of the
    process's own environment: our ``BUILDX_CONFIG``, and what leads to the daemon.
    """

    name: str
    driver: Literal["docker-container", "docker", "other"]
    environ: Mapping[str, str]

    @property
    def pushes_by_digest(self) -> bool:
        """Say whether a platform can be pushed without a tag: the daemon's own BuildKit cannot (moby/moby#44369)."""
        return self.driver != "docker"


class ImageUnavailable(BuildError):
    """Report that the BuildKit image cannot be had, so that no container builder can be made."""


def buildx_version(environ: Mapping[str, str]) -> tuple[int, ...]:
    """Return the version of the buildx plugin. Raises `EngineUnavailable` where there is none, or one that is too old."""
    outcome = run(["docker", "buildx", "version"], env=client_environ(environ), limit=30)
    match = re.search(r"v?(\d+)\.(\d+)\.(\d+)", outcome.stdout)
    if outcome.exit_code != 0 or match is None:
        raise EngineUnavailable(
            "running docker buildx version",
            printable(outcome.stderr.splitlines()[0] if outcome.stderr else f"exit code {outcome.exit_code}"),
            "Install the buildx plugin (package docker-buildx or docker-buildx-plugin; part of Docker Desktop).",
        )
    version = tuple(int(part) for part in match.groups())
    if version[:2] < MINIMUM_BUILDX:
        raise EngineUnavailable(
            "running docker buildx version",
            f"buildx {'.'.join(map(str, version))} is too old",
            f"buildx {'.'.join(map(str, MINIMUM_BUILDX))} or newer is needed.",
        )
    return version


def find_builder(name: str, environ: Mapping[str, str]) -> None:
    """Raise `UsageProblem` where the user has no builder of this name."""
    outcome = run(["docker", "buildx", "inspect", name], env=client_environ(environ), limit=30)
    if outcome.exit_code != 0:
        raise UsageProblem(
            f"looking for the builder {name!r}",
            _last_line(outcome) or f"docker buildx inspect ended with exit code {outcome.exit_code}",
            "List the builders with: docker buildx ls. Without --multiarch-builder a throwaway builder is made.",
        )


def create_builder(
    engine: Engine,
    ledger: Ledger,
    environ: Mapping[str, str],
    *,
    image: str,
    mirrors: Sequence[str],
    nodes: Sequence[tuple[Node, Engine]] = (),
    name: str = "",
    limit: float = 300,
    stopping: threading.Event | None = None,
) -> Builder:
    """Make a builder of our own with the docker-container driver, and start it.

    ``mirrors`` are those of Docker Hub, handed on because such a builder ignores the daemon's. Each of ``nodes`` builds its
    own platform on its own daemon. Setting ``stopping`` ends it early.

    Raises `ImageUnavailable` where the BuildKit image cannot be pulled, and `BuildError` where it does not start.
    """
    name = name or f"{ledger.prefix}-builder"
    ours = _own_buildx_folder(ledger, environ)
    context = context_for(environ)
    toml = ledger.folder / "buildkitd.toml"
    toml.write_text(buildkitd_toml(mirrors, engine.facts.insecure_registries), encoding="utf-8")
    create = [
        *("docker", "buildx", "create", "--name", name, "--driver-opt", "network=host"),
        # --config is the older spelling of --buildkitd-config, which 0.13 does not know.
        *("--config", str(toml), "--driver-opt"),
    ]
    there = _expect_builder(engine, ledger, f"{name}0", image)
    first = [*create, f"image={there}", "--driver", "docker-container", "--node", f"{name}0"]
    steps = [[*first, *filter(None, [context])]]
    for number, (node, daemon) in enumerate(nodes, 1):
        there = _expect_builder(daemon, ledger, f"{name}{number}", image)
        # A platform that is set by hand wins over those that the other nodes find they can emulate.
        more = ["--append", "--node", f"{name}{number}", "--platform", str(node.platform), node.endpoint]
        steps.append([*create, f"image={there}", *more])
    steps[-1].append("--bootstrap")  # all of them: what has been added is the whole builder's
    with lent_context(ledger.folder, environ) as variables:
        for step in steps:
            outcome = run(step, env=client_environ({**ours, **variables}), limit=limit, stopping=stopping)
            if outcome.exit_code != 0:
                break
    if outcome.exit_code != 0:
        kind = ImageUnavailable if _is_pull_failure(outcome) else BuildError
        raise kind(
            f"starting a builder from {image}",
            _last_line(outcome),
            "Check that the daemon can pull the image, or name another with --multiarch-buildkit-image; "
            "--multiarch-builder=docker builds with the daemon's own BuildKit.",
            outcome.stderr,
        )
    return Builder(name, "docker-container", ours)


def revive_builder(name: str, ledger: Ledger, environ: Mapping[str, str], limit: float = 300) -> Builder | None:
    """Return a builder of an earlier run, started where it had stopped; None where there is none that comes up."""
    ours = _own_buildx_folder(ledger, environ)
    instance = Path(ours["BUILDX_CONFIG"]) / "instances" / name
    if not instance.is_file():
        return None
    with lent_context(ledger.folder, environ) as variables:
        outcome = run(
            ["docker", "buildx", "inspect", name, "--bootstrap"],
            env=client_environ({**ours, **variables}),
            limit=limit,
        )
    if outcome.exit_code == 0:
        return Builder(name, "docker-container", ours)
    instance.unlink()
    return None


def _expect_builder(engine: Engine, ledger: Ledger, node: str, image: str) -> str:
    """Write down what buildx is about to make for a node, and return the name under which it finds the image.

    `docker buildx rm` gives up after 20 s and leaks the volume (docker/buildx#4067), so both are removed by name, like
    all else.
    """
    if claim_image(engine, ledger, image):
        # buildx pulls an image that is there all the same, and its tag moves to what the registry has now
        # (driver/docker-container/driver.go, create). What cannot be pulled, it takes as it is: a name where nobody answers.
        image, original = f"{_NOWHERE}/buildkit:{node}", image
        ledger.add("image", image, engine.endpoint)
        engine.tag(original, image)
    ledger.add("volume", f"buildx_buildkit_{node}_state", engine.endpoint)
    ledger.add("container", f"buildx_buildkit_{node}", engine.endpoint)
    return image


def daemon_builder(ledger: Ledger, environ: Mapping[str, str]) -> Builder:
    """Return the builder that is the daemon's own BuildKit: buildx names it after the docker context."""
    given = client_environ(environ)
    name = "default" if given.get("DOCKER_HOST") else given.get("DOCKER_CONTEXT") or _current_context(environ)
    return Builder(name, "docker", _own_buildx_folder(ledger, environ))


def existing_builder(name: str, ledger: Ledger, environ: Mapping[str, str]) -> Builder:
    """Return a builder of the user's, used through a copy of its description so that nothing of the user's is written."""
    find_builder(name, environ)
    ours = _own_buildx_folder(ledger, environ)
    theirs = Path(os.environ.get("BUILDX_CONFIG") or user_docker_folder() / "buildx") / "instances" / name
    if theirs.is_file():
        instances = Path(ours["BUILDX_CONFIG"]) / "instances"
        instances.mkdir(exist_ok=True)
        shutil.copy(theirs, instances / name)
    outcome = run(["docker", "buildx", "inspect", name], env=client_environ(ours), limit=30)
    driver = re.search(r"^Driver:\s*(\S+)", outcome.stdout, re.MULTILINE)
    kind = driver[1] if driver else ""
    return Builder(
        name, "docker" if kind == "docker" else "docker-container" if kind == "docker-container" else "other", ours
    )


def buildkitd_toml(mirrors: Sequence[str], insecure_registries: Sequence[str]) -> str:
    """Return a buildkitd configuration that hands the daemon's registry settings on.

    A docker-container builder ignores them (docker/buildx#2226). ``http`` alone, without ``insecure``, is what makes
    BuildKit speak plain HTTP to a host (docker/buildx#163).
    """
    lines = []
    hosts = [re.sub(r"^https?://", "", mirror).rstrip("/") for mirror in mirrors]
    if hosts:
        lines += ['[registry."docker.io"]', f"  mirrors = {json.dumps(hosts)}"]
    # A mirror may have a path, the host's settings have none.
    plain = [
        host.partition("/")[0] for host, mirror in zip(hosts, mirrors, strict=True) if mirror.startswith("http://")
    ]
    for host in dict.fromkeys([*plain, *insecure_registries]):
        lines += [f"[registry.{json.dumps(host)}]", "  http = true"]
    return "\n".join(lines) + "\n"


def _own_buildx_folder(ledger: Ledger, environ: Mapping[str, str]) -> dict[str, str]:
    folder = ledger.folder / "buildx"
    folder.mkdir(mode=0o700, exist_ok=True)
    return {**environ, "BUILDX_CONFIG": str(folder)}


def _current_context(environ: Mapping[str, str]) -> str:
    outcome = run(["docker", "context", "show"], env=client_environ(environ), limit=30)
    return outcome.stdout.strip() or "default"


def _is_pull_failure(outcome: Outcome) -> bool:
    """Say whether it ended while it pulled: buildx names its steps, and does not make the container without the image."""
    return "pulling image" in outcome.stderr and "creating container" not in outcome.stderr


def _last_line(outcome: Outcome) -> str:
    lines = [printable(line) for line in outcome.stderr.splitlines() if line.strip()]
    return lines[-1].removeprefix("ERROR: ") if lines else ""


def client_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of a docker client call: the process's own as it is now, ours on top, no hints.

    Read anew at each call: build arguments and secrets are taken from it.
    """
    return {**os.environ, **environ, "DOCKER_CLI_HINTS": "false"}
