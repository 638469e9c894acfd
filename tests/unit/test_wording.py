"""Text from elsewhere in a report: nothing that a terminal obeys, nothing that is somebody's secret."""

from __future__ import annotations

import base64
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.errors import MultiArchError
from pytest_multiarch.wording import neutral, shown, without, without_credentials

SECRET = "s3cr3t-w0rd"
BASIC = base64.b64encode(f"somebody:{SECRET}".encode()).decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[2J\x1b[31mred", r"\x1b[2J\x1b[31mred"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("100 %\rgone", r"100 %\rgone"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\x9b31m", r"\x9b31m"),
        ("a\x00b\x08", r"a\x00b\x08"),
        ("one\r\ntwo\n\tthree", "one\ntwo\n\tthree"),
        ("grüße\u00a0日本語 …", "grüße\u00a0日本語 …"),
        ("half \udc80", r"half \udc80"),
    ],
)
def test_what_a_terminal_obeys_becomes_visible(text: str, expected: str) -> None:
    assert neutral(text) == expected


@given(st.text())
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    plain = neutral(text)
    assert all(c in "\n\t" or c.isprintable() or c.isspace() for c in plain)
    assert "\x1b" not in plain
    assert neutral(plain) == plain
    plain.encode()


@pytest.mark.parametrize(
    "text",
    [
        f"Get https://somebody:{SECRET}@registry.example/v2/: refused",
        f"fetching https://{SECRET}@github.com/team/app.git",
        f"proxyconnect http://user:{SECRET}@proxy:3128",
        f"git clone ssh://git:{SECRET}@host/repo",
        f"Authorization: Bearer {SECRET}",
        f"{{'Authorization': 'Basic {BASIC}'}}",
        f"map[Authorization:[Bearer {SECRET}] Accept:[*/*]]",
        f"header was Basic {BASIC}",
        f"X-Registry-Auth: {BASIC}",
        f"https://bucket.example/blob?X-Amz-Credential={SECRET}&X-Amz-Signature={SECRET}&X-Amz-Security-Token={SECRET}",
        f"https://store.example/blob?sv=1&sig={SECRET}&se=2",
        f"https://auth.example/token?service=x&access_token={SECRET}",
        f'{{"auths": {{"r.example": {{"auth": "{SECRET}"}}}}}}',
        f'{{"identitytoken": "{SECRET}"}}',
    ],
)
def test_credentials_are_left_out_by_their_form(text: str) -> None:
    hidden = without_credentials(text)
    assert SECRET not in hidden
    assert BASIC not in hidden
    assert "***" in hidden
    assert without_credentials(hidden) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "ssh://git@github.com/team/app.git",
        "pulling localhost:5001/app@sha256:0123: unexpected status 500",
        "GET https://registry.example/v2/a/manifests/1?ns=docker.io",
        "basic authentication is needed",
        "the token service's answer holds no token",
        'RUN echo "key: value" # a@b',
        "10:20:30 mail to me@example.com, see http://example.com/a?b=c",
    ],
)
def test_what_is_no_credential_stays(text: str) -> None:
    assert shown(text) == text


def test_known_secrets_are_left_out_whole_and_what_is_too_short_stays() -> None:
    assert without("a hunter2 and hunter22", ["hunter2", "hunter22"]) == "a *** and ***"
    assert without("a to z", ["a", "to", ""]) == "a to z"


def test_an_error_shows_neither_and_keeps_what_it_was_given() -> None:
    error = MultiArchError("read it", f"\x1b[2Jhttps://me:{SECRET}@host/", "try \x1b[0m", f"Bearer {'x' * 20}\nnext")
    for text in (str(error), error.headline):
        assert SECRET not in text
        assert "\x1b" not in text
    assert str(error).splitlines()[-2:] == ["Bearer ***", "next"]
    assert error.found.startswith("\x1b")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - our own bytes


@pytest.mark.timeout(20)
def test_a_long_word_is_looked_through_once() -> None:
    word = "a" * 300_000
    assert without_credentials(word) == word
    assert without_credentials(f"{word}://user:{SECRET}@host") == f"{word}://***@host"
