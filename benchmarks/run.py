"""`run` beside ``docker run --rm --platform``, `exec` beside the API's own exec and ``docker exec``, one after the other.

Each round times every way once, in an order of its own, so that a busy moment of the machine meets them all.
``ratio`` is ours to theirs, of the medians; the limits are 1 for `run` and 1.2 for `exec` beside the API's own.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from pytest_multiarch.engine.container import Container
    from pytest_multiarch.engine.environment import Environment
    from pytest_multiarch.image.platform_image import PlatformImage

RUN_LIMIT, EXEC_LIMIT = 1.0, 1.2
PROGRAM = ["python", "-c", "import platform; print(platform.machine())"]


def main(argv: Sequence[str]) -> tuple[dict[str, Any], bool]:
    """Measure, print a table, and return the figures and whether all limits are kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks run", description=__doc__)
    parser.add_argument("--image", default="python:3.11-slim")
    parser.add_argument("--platforms", default="linux/amd64,linux/arm64")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args(argv)
    environment = _environment()
    try:
        rows = [
            row
            for platform in options.platforms.split(",")
            for row in _measure(environment, options.image, platform, options.rounds)
        ]
    finally:
        environment.close()
    for row in rows:
        print(
            f"{row['platform']:14} {row['what']:32} {row['ours']:.4f} s, {row['than']} {row['theirs']:.4f} s: {_said(row)}"
        )
    holds = all(row["limit"] is None or row["ratio"] <= row["limit"] for row in rows)
    return {"rounds": options.rounds, "image": options.image, "rows": rows}, holds


def _said(row: dict[str, Any]) -> str:
    limit = "" if row["limit"] is None else f" (at most {row['limit']})"
    return f"ratio {row['ratio']:.2f}{limit}"


def _environment() -> Environment:
    from pytest_multiarch.engine.environment import Environment
    from pytest_multiarch.engine.options import EngineOptions
    from pytest_multiarch.engine.progress import Silent

    class Waiting(Silent):
        def wait(self, future: Future[Any], what: str = "") -> Any:
            return future.result()

    usual = EngineOptions(
        builder="docker",
        mirrors=(),
        registry_image="",
        registry_port=None,
        buildkit_image="",
        build_timeout=600,
        command_timeout=300,
    )
    return Environment(usual, Waiting(), lambda result: None)


def _measure(environment: Environment, name: str, platform_name: str, rounds: int) -> list[dict[str, Any]]:
    from pytest_multiarch.platforms import Platform

    source = environment.published(name)
    image = source.platform(Platform.parse(platform_name))
    container = source.running.warm_container(image)
    engine = environment.engine_for(image.platform)
    ways = _ways(image, container, engine.api)
    for way in ways.values():
        way()  # pulled, cached and connected
    times = interleaved(ways, rounds)
    rows = []
    for ours, theirs, limit in (
        ("run", "docker run", RUN_LIMIT),
        ("exec true", "API exec true", EXEC_LIMIT),
        ("exec true", "docker exec true", None),
        ("exec python", "API exec python", EXEC_LIMIT),
        ("exec python", "docker exec python", None),
    ):
        mine, other = statistics.median(times[ours]), statistics.median(times[theirs])
        row = {"platform": platform_name, "what": ours, "than": theirs, "ours": mine, "theirs": other}
        rows.append({**row, "ratio": mine / other, "limit": limit})
    return rows


def _ways(image: PlatformImage, container: Container, api: Any) -> dict[str, Callable[[], object]]:
    def bare_exec(args: list[str]) -> None:
        identity = api.exec_create(container.name, args)["Id"]
        api.exec_start(identity, demux=True)
        if api.exec_inspect(identity)["ExitCode"] != 0:
            raise RuntimeError(f"{args} failed")

    def client(*args: str) -> None:
        subprocess.run(["docker", *args], check=True, stdout=subprocess.DEVNULL)

    reference, platform = str(image.reference), str(image.platform)
    return {
        "run": lambda: image.run(PROGRAM),
        "docker run": lambda: client("run", "--rm", "--platform", platform, reference, *PROGRAM),
        "exec true": lambda: container.exec(["true"]),
        "API exec true": lambda: bare_exec(["true"]),
        "docker exec true": lambda: client("exec", container.name, "true"),
        "exec python": lambda: container.exec(PROGRAM),
        "API exec python": lambda: bare_exec(PROGRAM),
        "docker exec python": lambda: client("exec", container.name, *PROGRAM),
    }


def interleaved(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return each way's times in seconds: every round has them all, in an order of its own."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    order = random.Random(rounds)  # noqa: S311 - so that none comes always behind the same other, which may leave work behind
    for _ in range(rounds):
        order.shuffle(names)
        for name in names:
            began = time.perf_counter()
            ways[name]()
            times[name].append(time.perf_counter() - began)
    return times
