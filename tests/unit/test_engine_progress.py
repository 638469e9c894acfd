"""What buildx prints while it builds: recorded builds, and lines that nobody should print."""

from __future__ import annotations

import base64
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from pytest_multiarch.engine.progress import ProgressReader, Silent, Step, decoded, printable
from pytest_multiarch.platforms import Platform

DATA = Path(__file__).parent / "data" / "buildx"


def read(name: str) -> tuple[ProgressReader, list[Step]]:
    """Feed a recorded build to a reader and return it with the steps that it said have started."""
    return fed((DATA / name).read_text(encoding="utf-8").splitlines())


def fed(lines: list[str]) -> tuple[ProgressReader, list[Step]]:
    reader = ProgressReader()
    return reader, [step for line in lines if (step := reader.feed(line)) is not None]


def document(**keys: Any) -> str:
    return json.dumps(keys)


def log(vertex: str, data: bytes) -> str:
    return document(logs=[{"vertex": vertex, "stream": 1, "data": base64.b64encode(data).decode()}])


def failed(vertex: str, name: str, error: str) -> str:
    return document(vertexes=[{"digest": vertex, "name": name, "started": "t", "completed": "t", "error": error}])


def test_the_steps_of_a_build_are_told_as_they_start() -> None:
    reader, steps = read("good-0.13.txt")
    told = list(dict.fromkeys((step.number, step.total, step.text.split("@")[0]) for step in steps))
    assert told == [
        (1, 2, "FROM docker.io/library/debian:bookworm-slim"),
        (2, 2, 'RUN echo compiling && echo "a warning" >&2 && echo binary > /binary'),
        (2, 4, "COPY --from=build /binary /usr/local/bin/binary"),
        (3, 4, "COPY app.py /app.py"),
        (4, 4, "RUN echo done"),
    ]
    assert reader.unfinished() == ""


RUN = 'for number in $(seq 1 40); do echo "line $number"; done;     echo "no such thing" >&2;     exit 7'
SOURCE = [
    "run.Dockerfile:5",
    "--------------------",
    "   4 |     WORKDIR /srv",
    '   5 | >>> RUN for number in $(seq 1 40); do echo "line $number"; done; \\',
    '   6 | >>>     echo "no such thing" >&2; \\',
    "   7 | >>>     exit 7",
    '   8 |     CMD ["true"]',
    "--------------------",
]


@pytest.mark.parametrize(
    ("recorded", "prefix", "step"),
    [
        pytest.param("failing-run-0.13.txt", "failed to solve: ", "[3/3]", id="one platform, indented documents"),
        pytest.param(
            "failing-run-two-platforms-0.29.txt",
            "failed to build: failed to solve: ",
            "[linux/amd64 3/3]",
            id="two platforms, a document a line",
        ),
    ],
)
def test_a_failing_run_shows_its_line_and_its_last_output(recorded: str, prefix: str, step: str) -> None:
    reader, _ = read(recorded)
    reason, details = reader.failure()
    quoted = RUN.replace('"', '\\"')
    assert reason == f'{prefix}process "/bin/sh -c {quoted}" did not complete successfully: exit code: 7'
    # 40 lines on one output and one on the other: the last 25, and of the sibling that was cancelled nothing.
    output = [f"  line {number}" for number in range(17, 41)]
    assert details.split("\n") == [*SOURCE, f"{step} RUN {RUN}", *output, "  no such thing"]


@pytest.mark.parametrize(
    ("recorded", "reason", "line", "source"),
    [
        (
            "missing-base-0.13.txt",
            "failed to solve: debian:no-such-tag-at-all: failed to resolve source metadata for "
            "docker.io/library/debian:no-such-tag-at-all: docker.io/library/debian:no-such-tag-at-all: not found",
            "missing.Dockerfile:3",
            "   3 | >>> FROM debian:no-such-tag-at-all",
        ),
        (
            "syntax-error-0.13.txt",
            "failed to solve: dockerfile parse error on line 3: unknown instruction: RUM (did you mean RUN?)",
            "syntax.Dockerfile:3",
            '   3 | >>> RUM echo "a typing error"',
        ),
        (
            "failing-copy-0.13.txt",
            "failed to solve: failed to compute cache key: failed to calculate checksum of ref "
            'q3pa0e6jjy3avahi2oh4po4up::01e0mupkn3nwuciypi5b1y7s2: "/requirements.txt": not found',
            "copy.Dockerfile:3",
            "   3 | >>> COPY requirements.txt /requirements.txt",
        ),
    ],
)
def test_a_failure_without_output_shows_its_reason_and_line(recorded: str, reason: str, line: str, source: str) -> None:
    reader, _ = read(recorded)
    said, details = reader.failure()
    assert said == reason
    lines = details.split("\n")
    assert lines[0] == line
    assert source in lines
    assert "{" not in details


def test_a_failed_copy_is_named_as_the_step_that_it_is() -> None:
    reader, _ = read("failing-copy-0.13.txt")
    assert reader.failure()[1].endswith("\n[3/4] COPY requirements.txt /requirements.txt")


def test_an_indented_document_says_what_it_says_on_one_line() -> None:
    whole = {"vertexes": [{"digest": "d", "name": "[1/2] RUN x", "started": "t"}], "statuses": [], "logs": None}
    assert fed([json.dumps(whole)])[1] == [Step(1, 2, "RUN x")]
    assert fed(json.dumps(whole, indent=2).split("\n"))[1] == [Step(1, 2, "RUN x")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("[2/4] RUN make", Step(2, 4, "RUN make")),
        ("[build 2/4] RUN make", Step(2, 4, "RUN make")),
        ("[linux/arm64 build 2/4] RUN make", Step(2, 4, "RUN make")),
        ("[linux/amd64->arm64 build 2/4] RUN make", Step(2, 4, "RUN make")),
        ("[1/1] RUN echo [2/2] x", Step(1, 1, "RUN echo [2/2] x")),
        ("[internal] load build definition from Dockerfile", None),
        ("exporting to image", None),
        ("[auth] library/debian:pull token for registry-1.docker.io", None),
        ("", None),
        (f"[{'9' * 5000}/1] x", None),
    ],
)
def test_steps_are_told_by_buildkits_names_for_them(name: str, expected: Step | None) -> None:
    assert ProgressReader().feed(document(vertexes=[{"digest": "d", "name": name, "started": "t"}])) == expected


def test_a_step_that_is_over_or_was_cached_has_not_started() -> None:
    done = {"digest": "d", "name": "[1/1] RUN x", "started": "t", "completed": "t"}
    assert (
        ProgressReader().feed(document(vertexes=[done, {"digest": "e", "name": "[1/1] RUN y", "cached": True}])) is None
    )


def test_what_was_running_when_the_build_was_stopped_is_told_with_its_last_lines() -> None:
    reader, _ = fed(
        [
            document(vertexes=[{"digest": "a", "name": "[1/3] FROM x", "started": "t"}]),
            document(vertexes=[{"digest": "a", "name": "[1/3] FROM x", "started": "t", "completed": "t"}]),
            document(vertexes=[{"digest": "b", "name": "[2/3] RUN slow", "started": "t"}]),
            document(vertexes=[{"digest": "c", "name": "[3/3] RUN later"}]),
            log("a", b"pulled\n"),
            log("b", b"one\ntw"),
        ]
    )
    assert reader.unfinished() == "[2/3] RUN slow\n  one\n  tw"


def test_a_build_that_gives_no_reason_has_the_steps_own() -> None:
    reader, _ = fed([failed("d", "[1/1] RUN x", "exit code: 1")])
    assert reader.failure() == ("exit code: 1", "[1/1] RUN x")


def test_a_build_that_says_nothing_at_all_still_has_a_reason() -> None:
    assert ProgressReader().failure() == ("buildx gave no reason", "")


def test_the_last_error_is_the_reason() -> None:
    reader, _ = fed(["ERROR: first", "something else", "ERROR: failed to solve: last"])
    assert reader.failure() == ("failed to solve: last", "something else")


def test_a_cancelled_sibling_is_not_what_failed() -> None:
    reader, _ = fed([failed("a", "[1/1] RUN a", "context canceled"), failed("b", "[1/1] RUN b", "exit code: 2")])
    assert reader.failure() == ("exit code: 2", "[1/1] RUN b")


@pytest.mark.parametrize(
    "line",
    [
        '{"vertexes": [',
        "{not JSON}",
        "[]",
        "null",
        '"text"',
        "",
        "   ",
        "\x00",
        '{"a":' + "[" * 100_000,
        '{"a": ' + "9" * 10_000 + "}",
    ],
    ids=lambda line: repr(line[:20]),
)
def test_a_line_that_is_no_document_is_passed_over(line: str) -> None:
    reader, steps = fed(
        [line, document(vertexes=[{"digest": "d", "name": "[1/1] RUN x", "started": "t"}]), "ERROR: why"]
    )
    assert steps == [Step(1, 1, "RUN x")]
    assert reader.failure()[0] == "why"


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"vertexes": None, "logs": None},
        {"vertexes": {}, "logs": "x"},
        {"vertexes": [None, 1, "x", []], "logs": [None, 1, "x", []]},
        {"vertexes": [{}], "logs": [{}]},
        {"vertexes": [{"digest": 1, "name": None, "error": ["x"], "started": 5}], "logs": [{"vertex": [], "data": 7}]},
        {"logs": [{"vertex": "d", "data": "***"}, {"vertex": "d", "data": "ü"}, {"vertex": "d", "data": "YQ"}]},
    ],
    ids=str,
)
def test_wrong_types_in_a_document_do_no_harm(content: dict[str, Any]) -> None:
    reader, steps = fed(
        [document(**content), *json.dumps(content, indent=2).split("\n"), failed("d", "[1/1] RUN x", "why")]
    )
    assert steps == []
    assert "[1/1] RUN x" in reader.failure()[1]


def test_a_brace_that_opens_no_document_swallows_nothing() -> None:
    reader, steps = fed(
        ["{", "ERROR: why", document(vertexes=[{"digest": "d", "name": "[1/1] RUN x", "started": "t"}])]
    )
    assert steps == [Step(1, 1, "RUN x")]
    assert reader.failure() == ("why", "{")


def test_a_document_that_breaks_off_or_is_broken_inside_is_passed_over() -> None:
    reader, steps = fed(["{", '  "vertexes": [', "}", "{", "  broken", "}", "{", '  "vertexes":'])
    assert steps == []
    assert reader.failure() == ("buildx gave no reason", "")


def test_output_that_comes_in_pieces_is_put_together_again() -> None:
    euro = "€".encode()
    pieces = [b"one", b" line\nsec", b"ond ", euro[:1], euro[1:], b"\n", b"unfinished"]
    reader, _ = fed([*(log("d", piece) for piece in pieces), failed("d", "[1/1] RUN x", "why")])
    assert reader.failure()[1] == "[1/1] RUN x\n  one line\n  second €\n  unfinished"


def test_of_a_line_that_was_written_over_the_last_state_is_kept() -> None:
    reader, _ = fed([log("d", b"10%\r50%\r100%\r\ndone\r\n"), failed("d", "[1/1] RUN x", "why")])
    assert reader.failure()[1] == "[1/1] RUN x\n  100%\n  done"


def test_the_output_of_one_step_is_not_that_of_another() -> None:
    reader, _ = fed([log("a", b"of a\n"), log("b", b"of b\n"), failed("b", "[1/1] RUN b", "why")])
    assert reader.failure()[1] == "[1/1] RUN b\n  of b"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text, ünïcödé 日本 €", "plain text, ünïcödé 日本 €"),
        ("a\tb", "a b"),
        ("two\nlines\r\n", "two lines  "),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[H\x1b[?25lgone", "gone"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;https://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b(Bx\x1b7y\x1bcz", "xyz"),
        ("bell\x07 back\x08 nul\x00 del\x7f", "bell back nul del"),
        ("\x9b31mC1", "31mC1"),
        ("\u202eright to left\u2066", "right to left"),
        ("\x1b", ""),
        ("\x1b[", "["),
    ],
)
def test_control_sequences_never_reach_the_terminal(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_control_sequences_are_taken_out_of_all_that_is_shown() -> None:
    nasty = "\x1b[31m\x07"
    reader, steps = fed(
        [
            document(vertexes=[{"digest": "d", "name": f"[1/1] RUN {nasty}x", "started": "t"}]),
            log("d", f"{nasty}out\n".encode()),
            failed("d", f"[1/1] RUN {nasty}x", f"{nasty}bad"),
            f"{nasty}said",
        ]
    )
    assert steps == [Step(1, 1, "RUN x")]
    assert reader.failure() == ("bad", "said\n[1/1] RUN x\n  out")


def test_a_long_line_is_cut_where_it_is_shown() -> None:
    reader, _ = fed([log("d", b"x" * 1_000_000 + b"\n"), failed("d", "[1/1] RUN x", "y" * 1_000_000), "z" * 1_000_000])
    reason, details = reader.failure()
    assert len(reason) == 1000
    assert reason.endswith("y…")
    assert len(details) < 3000


def test_a_line_that_never_ends_does_not_fill_the_memory() -> None:
    reader = ProgressReader()
    piece = log("d", b"x" * 100_000)
    tracemalloc.start()
    try:
        for _ in range(200):  # 20 MB
            reader.feed(piece)
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert grown < 1_000_000


def test_a_build_that_prints_without_end_does_not_fill_the_memory() -> None:
    reader = ProgressReader()
    tracemalloc.start()
    try:
        for number in range(2_000):
            reader.feed(log("d", f"line {number} {'x' * 1000}\n".encode()))
            reader.feed(f"said {number} {'x' * 1000}")
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert grown < 1_000_000
    reader.feed(failed("d", "[1/1] RUN x", "why"))
    shown = reader.failure()[1].split("\n")
    assert shown[-1].startswith("  line 1999 ")
    assert sum(line.startswith("  line ") for line in shown) == 25


def test_a_document_that_never_ends_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_multiarch.engine.progress._DOCUMENT_LENGTH", 100_000)
    reader = ProgressReader()
    reader.feed("{")
    tracemalloc.start()
    try:
        for number in range(5_000):
            reader.feed(f'  "{number}": "{"x" * 1000}",')
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert grown < 1_000_000
    assert reader.feed("}") is None
    assert reader.feed(document(vertexes=[{"digest": "d", "name": "[1/1] RUN x", "started": "t"}])) == Step(
        1, 1, "RUN x"
    )


@pytest.mark.parametrize(
    ("data", "expected"), [("aGk=", b"hi"), ("", b""), ("%", b""), ("ü", b""), (None, b""), (3, b"")]
)
def test_bytes_are_read_as_go_writes_them(data: object, expected: bytes) -> None:
    assert decoded(data) == expected


def test_a_silent_listener_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    listener, platform = Silent(), Platform.parse("linux/amd64")
    listener.build_started(platform)
    listener.build_step(platform, Step(1, 1, "RUN x"))
    listener.build_ended(platform, 1.0, failed=True)
    listener.note("something")
    assert capsys.readouterr() == ("", "")
