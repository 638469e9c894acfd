"""How a build is followed: plain lines in a log, live lines on a terminal, nothing with -q."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import ALWAYS, BOTH

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

COLUMNS = 70
TEST = "def test_it(platform_image): pass"


def step(number: int, text: str) -> str:
    """Return a line in which buildx says that a step has started."""
    vertex = {"digest": f"sha256:{number}", "name": f"[{number}/4] {text}", "started": "2024-01-01T00:00:00Z"}
    return json.dumps({"vertexes": [vertex]})


def told(lines: list[str]) -> list[str]:
    """Return what the plugin says while tests run, seconds left out."""
    return [re.sub(r"\d+\.\d", "N", line) for line in lines if re.match(r"multiarch: linux/\w+: ", line)]


def test_a_log_gets_a_line_when_a_build_starts_and_one_when_it_ends(project: Project) -> None:
    project.fake_engine(f"progress=({step(1, 'RUN make')!r},), build_seconds=0.2")
    project.write(test_it=TEST)
    result = project.run(BOTH)
    assert sorted(told(result.stdout.lines)) == [
        "multiarch: linux/amd64: building",
        "multiarch: linux/amd64: built in N s",
        "multiarch: linux/arm64: building",
        "multiarch: linux/arm64: built in N s",
    ]
    assert "\x1b" not in result.stdout.str()
    assert "RUN make" not in result.stdout.str()


def test_a_log_says_which_build_has_failed(project: Project) -> None:
    project.fake_engine("failing_builds=('linux/arm64',)")
    project.write(test_it=TEST)
    assert set(told(project.run(BOTH).stdout.lines)) == {
        "multiarch: linux/amd64: building",
        "multiarch: linux/amd64: built in N s",
        "multiarch: linux/arm64: building",
        "multiarch: linux/arm64: failed after N s",
    }


def test_the_progress_lines_are_not_part_of_a_tests_output(project: Project) -> None:
    project.fake_engine()
    project.write(test_it="def test_it(platform_image, capsys): assert False")
    result = project.run(BOTH)
    result.assert_outcomes(failed=2)
    result.stdout.no_fnmatch_line("*Captured std*")


@pytest.mark.parametrize("option", ["-q", "-qq"])
def test_a_quiet_run_says_nothing(project: Project, option: str) -> None:
    project.fake_engine()
    project.write(test_it=TEST)
    result = project.run(BOTH, option)
    assert result.ret == pytest.ExitCode.OK
    assert "multiarch" not in result.stdout.str()


def test_colours_without_a_terminal_do_not_make_lines_live(project: Project) -> None:
    project.fake_engine("build_seconds=0.3")
    project.write(test_it=TEST)
    text = project.run(BOTH, "--color=yes").stdout.str()
    assert "\x1b[J" not in text
    assert "multiarch: linux/amd64: building" in text


class Screen:
    """A terminal that knows what the progress uses: new lines, carriage returns, cursor up, clear to the end, colours."""

    def __init__(self) -> None:
        self.lines = [""]
        self.row = self.column = 0
        self.seen: list[str] = []

    def feed(self, text: str) -> None:
        for piece in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|[^\x1b]", text):
            if len(piece) == 1:
                self._put(piece)
            elif piece[-1] == "A":
                self.row -= int(piece[2:-1])
            elif piece == "\x1b[J":
                self.lines[self.row] = self.lines[self.row][: self.column]
                del self.lines[self.row + 1 :]
            else:
                assert piece[-1] in "mK", f"{piece!r} moves the cursor or paints"

    def _put(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.seen.append(self.lines[self.row])
            self.row += 1
            self.lines += [""] * (self.row + 1 - len(self.lines))
        else:
            assert character.isprintable(), f"{character!r} on the terminal"
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
            self.column += 1


def run_on_a_terminal(project: Project, *args: str) -> tuple[int, Screen]:
    """Run pytest on a pseudo-terminal and return the exit code and what was on the screen."""
    outside, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *ALWAYS, *args],
        cwd=project.path,
        stdin=inside,
        stdout=inside,
        stderr=inside,
        # Not the C library's environment, into which readline has put this process's own width.
        env=dict(os.environ),
    )
    os.close(inside)
    received = b""
    try:
        while chunk := os.read(outside, 65536):
            received += chunk
    except OSError:
        pass  # Linux's way of saying that the other end is closed
    finally:
        os.close(outside)
    screen = Screen()
    screen.feed(received.decode())
    return process.wait(timeout=60), screen


class TestOnATerminal:
    def test_live_lines_follow_the_steps_and_are_gone_when_all_is_built(self, project: Project) -> None:
        lines = (step(1, "FROM debian"), step(2, "RUN make"), step(4, "COPY . ."))
        project.fake_engine(f"progress={lines!r}, build_seconds=1.2")
        project.write(test_it=TEST)
        exit_code, screen = run_on_a_terminal(project, BOTH)
        assert exit_code == pytest.ExitCode.OK
        for platform in ("linux/amd64", "linux/arm64"):
            for shown in ("step 1/4 FROM debian", "step 2/4 RUN make", "step 4/4 COPY . ."):
                assert [line for line in screen.seen if re.fullmatch(rf"multiarch: {platform}: +\d s  {shown}", line)]
        assert sorted(told(screen.lines)) == [
            "multiarch: linux/amd64: built in N s",
            "multiarch: linux/arm64: built in N s",
        ]
        assert not [line for line in screen.lines if re.search(r"step \d", line)]

    def test_a_build_that_has_not_named_a_step_is_starting(self, project: Project) -> None:
        project.fake_engine("build_seconds=0.5")
        project.write(test_it=TEST)
        _, screen = run_on_a_terminal(project, "--multiarch-platforms=linux/arm64")
        assert "multiarch: linux/arm64:    0 s  starting" in screen.seen

    def test_control_characters_in_a_step_neither_move_the_cursor_nor_paint(self, project: Project) -> None:
        nasty = "RUN \x1b[2J\x1b[10A\x1b]0;title\x07\x9b1m\r\nevil\x08\u202e \x1b[31mred"
        project.fake_engine(f"progress=({step(2, nasty)!r},), build_seconds=0.5")
        project.write(test_it=TEST)
        exit_code, screen = run_on_a_terminal(project, BOTH)
        assert exit_code == pytest.ExitCode.OK
        shown = [line for line in screen.seen if "step 2/4 RUN" in line]
        assert shown
        assert all("evil" in line and "red" in line for line in shown)

    def test_a_line_is_never_wider_than_the_terminal(self, project: Project) -> None:
        project.fake_engine(f"progress=({step(2, 'RUN ' + 'x' * 500)!r},), build_seconds=0.5")
        project.write(test_it=TEST)
        _, screen = run_on_a_terminal(project, BOTH)
        widths = {len(line) for line in screen.seen if "step 2/4 RUN xxx" in line}
        assert widths == {COLUMNS - 1}

    def test_a_failed_build_is_named(self, project: Project) -> None:
        project.fake_engine("failing_builds=('linux/arm64',), build_seconds=0.3")
        project.write(test_it=TEST)
        exit_code, screen = run_on_a_terminal(project, BOTH)
        assert exit_code == pytest.ExitCode.TESTS_FAILED
        assert "multiarch: linux/arm64: failed after N s" in told(screen.lines)

    @pytest.mark.parametrize("option", ["-q", "-pno:terminal"])
    def test_a_quiet_run_draws_nothing(self, project: Project, option: str) -> None:
        project.fake_engine("build_seconds=0.3")
        project.write(test_it=TEST)
        exit_code, screen = run_on_a_terminal(project, BOTH, option)
        assert exit_code == pytest.ExitCode.OK
        assert not [line for line in screen.seen if "multiarch:" in line]

    def test_live_lines_are_shown_while_output_is_not_captured(self, project: Project) -> None:
        project.fake_engine("build_seconds=0.3")
        project.write(test_it="def test_it(platform_image): print('said by the test')")
        exit_code, screen = run_on_a_terminal(project, BOTH, "-s")
        assert exit_code == pytest.ExitCode.OK
        assert "said by the test" in "\n".join(screen.lines)
        assert [line for line in screen.seen if line.endswith("starting")]
