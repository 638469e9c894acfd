"""What HTTP is allowed to do: where it may go in the clear, and which text of a registry is shown."""

from __future__ import annotations

import pytest
import requests

from pytest_multiarch.errors import RegistryError
from pytest_multiarch.image.authentication import Challenge, parse_challenges
from pytest_multiarch.image.transport import Authorization, Transport, is_loopback, redirect_target
from pytest_multiarch.image.wording import plain, plain_url


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:5000", "127.0.0.1", "127.0.0.1:5000", "127.8.9.10:1", "[::1]", "[::1]:5000"]
)
def test_this_machine_is_known(host: str) -> None:
    assert is_loopback(host)
    assert Transport().base_url(host) == f"http://{host}"


@pytest.mark.parametrize(
    "host",
    ["", "localhost.example.com", "127.0.0.1.example.com", "128.0.0.1", "registry:5000", "[::2]:5000", "[::1", "0.0.0.0"],  # noqa: S104
)  # fmt: skip
def test_other_machines_are_spoken_to_over_https(host: str) -> None:
    assert not is_loopback(host)
    assert Transport().base_url(host) == f"https://{host}"


def test_a_host_that_is_named_is_spoken_to_in_the_clear() -> None:
    transport = Transport(plain_http=["registry.internal:5000"])
    assert transport.base_url("registry.internal:5000") == "http://registry.internal:5000"
    assert transport.base_url("registry.internal") == "https://registry.internal"


@pytest.mark.parametrize(
    ("url", "location", "expected"),
    [
        ("https://a.io/v2/x", "https://b.io/y?sig=1", "https://b.io/y?sig=1"),
        ("https://a.io/v2/x", "/y", "https://a.io/y"),
        ("https://a.io/v2/x", "//b.io/y", "https://b.io/y"),
        ("http://localhost:5000/x", "http://b.io/y", "http://b.io/y"),
        ("http://localhost:5000/x", "https://b.io/y", "https://b.io/y"),
        ("https://a.io/x", "http://127.0.0.1:9000/y", "http://127.0.0.1:9000/y"),
        ("https://a.io/x", "http://named:80/y", "http://named:80/y"),
    ],
)
def test_a_redirect_is_followed(url: str, location: str, expected: str) -> None:
    assert redirect_target("test", url, location, lambda host: is_loopback(host) or host == "named:80") == expected


@pytest.mark.parametrize(
    ("url", "location", "message"),
    [
        ("https://a.io/x", "http://a.io/x", "from HTTPS to http://a.io/x"),
        ("https://a.io/x", "http://b.io/y?X-Signature=s", "from HTTPS to http://b.io/y"),
        ("https://a.io/x", "http://user:pass@b.io/y", "from HTTPS to http://b.io/y"),
        ("https://a.io/x", "http://127.0.0.1@b.io/y", "from HTTPS to http://b.io/y"),
        ("https://a.io/x", "file:///etc/passwd", "not HTTP"),
        ("https://a.io/x", "javascript:1", "not HTTP"),
        ("http://localhost/x", "https:///y", "not HTTP"),
        ("https://a.io/x", "https://[::1/y", "no URL"),
        ("https://a.io/x", "https://b.io:99999/y", "no URL"),
        ("https://a.io/x", "https://b.io:http/y", "no URL"),
    ],
)
def test_a_redirect_is_not_followed(url: str, location: str, message: str) -> None:
    with pytest.raises(RegistryError, match=message) as caught:
        redirect_target("test", url, location, is_loopback)
    assert "X-Signature" not in str(caught.value)
    assert "pass@" not in str(caught.value)


def test_an_authorization_does_not_show_itself() -> None:
    authorization = Authorization("Bearer hidden-value")
    assert repr(authorization) == "<Authorization Bearer>"
    request = requests.Request("GET", "https://a.io/", auth=authorization).prepare()
    assert request.headers["Authorization"] == "Bearer hidden-value"


# RFC 9110, section 11.6.1; the examples of the distribution token specification.
@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ("Basic", [Challenge("basic", {})]),
        ('Basic realm="a b"', [Challenge("basic", {"realm": "a b"})]),
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        ('bearer Realm = "r" , service=s', [Challenge("bearer", {"realm": "r", "service": "s"})]),
        (
            'Negotiate, Bearer realm="r", Basic realm="x"',
            [Challenge("negotiate", {}), Challenge("bearer", {"realm": "r"}), Challenge("basic", {"realm": "x"})],
        ),
        ("Negotiate dG9rZW4=, Basic realm=r", [Challenge("negotiate", {}), Challenge("basic", {"realm": "r"})]),
        (r'Basic realm="say \"hi\""', [Challenge("basic", {"realm": 'say "hi"'})]),
        ('Bearer realm="unfinished', [Challenge("bearer", {})]),
        ("7 nonsense", []),
    ],
)
def test_challenges_are_read(header: str, expected: list[Challenge]) -> None:
    assert parse_challenges(header) == expected


def test_a_hostile_challenge_is_read_in_no_time() -> None:
    assert parse_challenges("Bearer " + 'a="\\' * 20_000) != []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("two\nlines\tand\r\nmore", "two lines and more"),
        ("\x1b[31mred\x1b[0m", "\ufffd[31mred\ufffd[0m"),
        ("\x00\x07\x7f\x9b", "\ufffd" * 4),
        ("right\u202eleft\u2066x", "right\ufffdleft\ufffdx"),
        ("Gr\u00fc\u00dfe", "Gr\u00fc\u00dfe"),
        ("x" * 301, "x" * 299 + "…"),
        ("x" * 300, "x" * 300),
    ],
)
def test_text_from_outside_is_made_plain(text: str, expected: str) -> None:
    assert plain(text) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:pass@a.io:5000/v2/x?sig=secret#f", "https://a.io:5000/v2/x"),
        ("https://[::1", "a URL that cannot be read"),
        ("https://a.io/\x1b[2J", "https://a.io/\ufffd[2J"),
    ],
)
def test_urls_are_shown_without_secrets(url: str, expected: str) -> None:
    assert plain_url(url) == expected
