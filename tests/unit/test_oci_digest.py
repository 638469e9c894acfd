"""Digests: their grammar and the check of bytes as they come."""

from __future__ import annotations

import pytest

from pytest_multiarch.errors import DocumentError, IntegrityError
from pytest_multiarch.oci import DigestChecker, check_digest, digest_of

# FIPS 180-2, appendices B.1 and C.1: the digests of "abc".
ABC = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
ABC_512 = (
    "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
)


def test_a_digest_is_computed() -> None:
    assert digest_of(b"abc") == ABC
    assert digest_of(b"abc", "sha512") == ABC_512


@pytest.mark.parametrize("digest", [ABC, ABC_512])
def test_content_in_pieces_is_accepted(digest: str) -> None:
    checker = DigestChecker("abc", check_digest(digest), 3)
    for piece in (b"a", b"", b"bc"):
        checker.update(piece)
    checker.finish()
    assert checker.seen == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        ABC[:-1],
        ABC + "0",
        ABC + "\n",
        ABC.upper(),
        "SHA256:" + ABC[7:],
        "sha512:" + ABC[7:],
        "md5:900150983cd24fb0d6963f7d28e17f72",
        "sha256:" + "g" * 64,
        "sha256:../../etc/passwd",
        "sha256+b64:" + "a" * 64,
    ],
)
def test_what_cannot_be_verified_is_refused(text: str) -> None:
    with pytest.raises(DocumentError, match="expected sha256: and 64"):
        check_digest(text)


def test_other_content_is_refused() -> None:
    checker = DigestChecker("the layer", ABC, 3)
    checker.update(b"abd")
    with pytest.raises(IntegrityError, match=f"expected {ABC}") as caught:
        checker.finish()
    assert caught.value.tried == "read the layer"


def test_too_many_bytes_are_refused_at_once() -> None:
    checker = DigestChecker("the layer", ABC, 3)
    with pytest.raises(IntegrityError, match="more than the 3 bytes"):
        checker.update(b"abcd")


def test_too_few_bytes_are_refused_at_the_end() -> None:
    checker = DigestChecker("the layer", ABC, 3)
    checker.update(b"ab")
    with pytest.raises(IntegrityError, match="2 bytes where its descriptor says 3"):
        checker.finish()
