"""Commands that the agent runs in a container, held against the same commands by `docker exec`."""

from __future__ import annotations

import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.spec import BuildSpec
from pytest_multiarch.errors import CommandTimeout
from pytest_multiarch.platforms import Platform
from tests.integration.support import AMD64, docker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_multiarch.engine.container import Container
    from pytest_multiarch.engine.environment import Environment
    from pytest_multiarch.engine.sources import ImageSource

PLATFORMS = ["linux/amd64", "linux/arm64"]
# All that a process has by being the container's. Not whose child it is, nor its numbers.
SURROUNDINGS = """
id; pwd; umask; env | sort
for fd in 0 1 2; do readlink /proc/self/fd/$fd | sed 's/\\[.*//'; done; ls /proc/self/fd
grep -E '^(Umask|Uid|Gid|Groups|Sig(Pnd|Blk|Ign|Cgt)|Cap.*|NoNewPrivs|Seccomp.*|Cpus_allowed):' /proc/self/status
cat /proc/self/limits /proc/self/cgroup /proc/self/oom_score_adj /proc/self/timerslack_ns /proc/self/personality
cat /proc/self/attr/current 2>&1; for ns in /proc/self/ns/*; do readlink $ns; done
"""


def by_docker(container: Container, args: Sequence[str], *options: str) -> subprocess.CompletedProcess[str]:
    command = ["docker", "exec", *options, container.name, *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="session")
def user(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> ImageSource:
    """Return an image with a user, groups, a folder and variables of its own."""
    folder: Path = tmp_path_factory.mktemp("user")
    (folder / "Dockerfile").write_text(
        "FROM python:3.11-slim\n"
        "RUN echo app:x:4321:4321::/home/app:/bin/sh >>/etc/passwd && echo more:x:55:app >>/etc/group\n"
        "WORKDIR /srv/app\nENV GREETING='hello there' PATH=/srv/app/bin:$PATH\nUSER app\n",
        encoding="utf-8",
    )
    return environment.build(BuildSpec(context=folder), [Platform.parse(name) for name in PLATFORMS])


@pytest.mark.parametrize("name", PLATFORMS)
@pytest.mark.parametrize("kind", ["root", "user", "privileged"])
def test_a_command_has_the_surroundings_that_docker_exec_gives_it(
    environment: Environment, user: ImageSource, name: str, kind: str
) -> None:
    source = user if kind == "user" else environment.published("python:3.11-slim")
    image = source.platform(Platform.parse(name))
    with source.running.fresh_container(image, privileged=kind == "privileged") as container:
        ours = container.exec(["sh", "-c", SURROUNDINGS])
        theirs = by_docker(container, ["sh", "-c", SURROUNDINGS])
        assert ours.stdout.splitlines() == theirs.stdout.splitlines()
        assert ("GREETING=hello there" in ours.stdout) == (kind == "user")
        given = {"HOME": "/elsewhere", "MORE": "a=b c"}
        shown = container.exec(["env"], env=given).stdout
        more = [word for key, value in given.items() for word in ("--env", f"{key}={value}")]
        assert sorted(shown.splitlines()) == sorted(by_docker(container, ["env"], *more).stdout.splitlines())


def test_commands_run_through_the_first_process(warm: Container) -> None:
    # So that the tests here do not compare docker exec with itself.
    assert warm.exec(["sh", "-c", "echo $PPID"]).stdout == "1\n"
    assert by_docker(warm, ["sh", "-c", "echo $PPID"]).stdout == "0\n"


ODD = {
    "status": ["sh", "-c", "exit 3"],
    "signal": ["sh", "-c", "kill -TERM $$"],
    "emulator's signal": ["python3", "-c", "import os; os.abort()"],
    "missing": ["no-such-program"],
    "missing with a path": ["/no/such/program"],
    "no program": ["/etc/passwd"],
    "a folder": ["/etc"],
    "empty": [""],
    "no interpreter": ["/srv/no-interpreter"],
    "not executable at all": ["/srv/garbage"],
}


@pytest.mark.parametrize("name", PLATFORMS)
@pytest.mark.parametrize("case", ODD)
def test_a_command_ends_as_it_does_by_docker_exec(python: ImageSource, name: str, case: str) -> None:
    container = python.running.warm_container(python.platform(Platform.parse(name)))
    container.put("/srv/no-interpreter", "#!/no/such/interpreter\n", mode=0o755)
    container.put("/srv/garbage", b"\0\1\2\3", mode=0o755)
    ours = container.exec(ODD[case], emulator_crash="return")
    theirs = by_docker(container, ODD[case])
    # Where it cannot be executed, docker's client has an exit code of its own for some reasons (docker/cli#2402).
    said = (ours.stdout + ours.stderr).strip()
    assert ours.exit_code == theirs.returncode or "unable to start" in said
    assert [line for line in said.splitlines() if line not in theirs.stdout + theirs.stderr] == []


@pytest.fixture(scope="session")
def python(environment: Environment) -> ImageSource:
    return environment.published("python:3.11-slim")


@pytest.fixture
def warm(python: ImageSource) -> Container:
    return python.running.warm_container(python.platform(AMD64))


def test_a_large_output_comes_whole_and_both_outputs_stay_apart(warm: Container) -> None:
    program = "import sys\nfor n in range(300): print(f'{n:09}' * 3000); print(f'{n:09}' * 3000, file=sys.stderr)"
    result = warm.exec(["python3", "-c", program])
    expected = "".join(f"{number:09}" * 3000 + "\n" for number in range(300))
    assert (result.stdout == expected, result.stderr == expected, result.exit_code) == (True, True, 0)


def test_two_commands_at_once_both_run(warm: Container) -> None:
    meeting = "mkdir /tmp/$0; while [ ! -e /tmp/$1 ]; do :; done; echo met"
    said: list[str] = []

    def meet(one: str, other: str) -> None:
        said.append(warm.exec(["sh", "-c", meeting, one, other], timeout=60).stdout)

    threads = [threading.Thread(target=meet, args=names) for names in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == ["met\n", "met\n"]


def test_what_a_command_starts_lives_on_and_keeps_it_no_longer_than_docker_does(warm: Container) -> None:
    command = ["sh", "-c", "(sleep 0.3; echo later; sleep 600) & echo $!"]
    took: list[float] = []
    runs: list[Callable[[], str]] = [lambda: warm.exec(command).stdout, lambda: by_docker(warm, command).stdout]
    for run in runs:
        started = time.monotonic()
        pid, word = run().split()
        took.append(time.monotonic() - started)
        assert word == "later"
        assert warm.exec(["sh", "-c", f"kill -9 {pid}"]).exit_code == 0
    assert min(took) >= 2


def test_the_container_has_no_log_and_nobody_in_it_sees_what_the_agent_says(warm: Container) -> None:
    secret = warm.exec(["echo", "something that is nobody else's business"])
    assert secret.exit_code == 0
    assert docker("inspect", "--format", "{{.HostConfig.LogConfig.Type}}", warm.name).strip() == "none"
    assert warm.exec(["sh", "-c", "exec 3<&0; readlink /proc/$$/fd/3"]).stdout == "/dev/null\n"
    for number in ("0", "1"):
        assert warm.exec(["readlink", f"/proc/1/fd/{number}"]).exit_code != 0
    written = warm.exec(["sh", "-c", "echo x >/proc/1/fd/1"])
    assert "Permission denied" in written.stderr


def test_a_new_line_is_made_after_a_restart(python: ImageSource) -> None:
    with python.running.fresh_container(python.platform(AMD64)) as container:
        parent = ["sh", "-c", "echo $PPID"]
        assert container.exec(parent).stdout == "1\n"
        with pytest.raises(CommandTimeout):
            container.exec(["sleep", "60"], timeout=1)
        assert container.exec(parent).stdout == "1\n"
        docker("restart", "--time=0", container.name)
        assert container.exec(parent).stdout == "1\n"
        with pytest.raises(CommandTimeout):
            container.exec(["cat"], tty=True, timeout=1)  # which the daemon runs
        assert container.exec(parent).stdout == "1\n"


def test_what_ends_with_its_container_was_killed(python: ImageSource) -> None:
    with python.running.fresh_container(python.platform(AMD64)) as container:

        def end() -> None:
            container.exec(["sh", "-c", "while [ ! -e /tmp/up ]; do :; done"], timeout=60)
            docker("kill", container.name)

        ending = threading.Thread(target=end)
        ending.start()
        result = container.exec(["sh", "-c", "echo so far; touch /tmp/up; sleep 600"], timeout=120)
        ending.join()
    assert (result.stdout, result.exit_code) == ("so far\n", 137)
