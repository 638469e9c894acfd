"""Indexes that lack something, have something too much, or say what is not so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.integration.corpus.faults import AMD64, ARM, ARM64, I386, SIX, TWO, Build, Image, Pair, Wrong, image, on
from tests.integration.corpus.shelf import attestation_of, entry_for, joined, without

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.integration.corpus.shelf import Shelf

_STATIC = "FROM static\n"
_COPIED = "COPY /sbin/ldconfig /usr/bin/tool"
Edited = tuple[dict[str, Any], dict[str, str]]


def _renamed(shelf: Shelf, built: Sequence[dict[str, Any]]) -> Edited:
    """Offer arm/v7's image as arm/v6, as an annotation by hand does."""
    (index,) = built
    entry = entry_for(index, ARM)
    renamed = {**entry, "platform": {**entry["platform"], "variant": "v6"}}
    return {**without(index, entry["digest"]), "manifests": [*without(index, entry["digest"])["manifests"], renamed]}, {
        "image": entry["digest"]
    }


def _left_over(shelf: Shelf, built: Sequence[dict[str, Any]]) -> Edited:
    """Take arm64's image away and leave its attestation."""
    (index,) = built
    about = entry_for(index, ARM64)["digest"]
    return without(index, about), {"attestation": attestation_of(index, about)["digest"], "image": about}


def _taken_away(shelf: Shelf, built: Sequence[dict[str, Any]]) -> Edited:
    """Take arm64's image away, and its attestation with it."""
    (index,) = built
    about = entry_for(index, ARM64)["digest"]
    return without(index, about, attestation_of(index, about)["digest"]), {}


def _unattested(shelf: Shelf, built: Sequence[dict[str, Any]]) -> Edited:
    """Leave arm64's image and take its attestation away."""
    (index,) = built
    return without(index, attestation_of(index, entry_for(index, ARM64)["digest"])["digest"]), {}


PAIRS = (
    Pair(
        code="MA101",
        name="platforms-that-are-missing",
        faulty=image(
            _STATIC,
            [AMD64, ARM],
            asked=[AMD64, ARM64, ARM, I386],
            wrong=[
                # An engine takes an older variant on arm64, and nothing in place of 386.
                *on([ARM64], "MA101", says="Docker would take linux/arm/v7 instead"),
                *on([I386], "MA101", says="docker pull --platform linux/386 would fail"),
            ],
        ),
        good=image(_STATIC, asked=[AMD64, ARM64, ARM, I386]),
    ),
    Pair(
        code="MA102",
        name="a-platform-that-nobody-asked-for",
        faulty=image(_STATIC, [*TWO, I386], asked=TWO, select=["MA102"], wrong=on([I386], "MA102")),
        good=image(_STATIC, TWO, select=["MA102"]),
    ),
    Pair(
        code="MA103",
        name="an-entry-annotated-by-hand",
        faulty=image(
            _STATIC,
            [AMD64, ARM],
            edit=_renamed,
            asked=[AMD64, "linux/arm/v6"],
            wrong=[
                *on(["linux/arm/v6"], "MA103", item="{image}", says="linux/arm/v7"),
                *on(["linux/arm/v6"], "MA202", "/usr/bin/tool", _COPIED),
                *on(["linux/arm/v6"], "MA403", "/usr/bin/tool", _COPIED, item="/usr/bin/tool"),
            ],
        ),
        good=image(_STATIC, [AMD64, ARM]),
    ),
    Pair(
        code="MA103",
        name="a-platform-twice",
        faulty=Image(
            builds=[
                Build(dockerfile=_STATIC, platforms=TWO),
                Build(dockerfile="FROM static\nENV LATER=yes\n", platforms=[ARM64]),
            ],
            edit=joined,
            wrong=[Wrong(code="MA103", platform=ARM64, says="2 of them")],
        ),
        good=Image(
            builds=[Build(dockerfile=_STATIC, platforms=[AMD64]), Build(dockerfile=_STATIC, platforms=[ARM64])],
            edit=joined,
        ),
    ),
    Pair(
        code="MA111",
        name="an-attestation-that-was-left-over",
        faulty=image(
            _STATIC,
            TWO,
            attested=True,
            edit=_left_over,
            asked=[AMD64],
            wrong=[Wrong(code="MA111", item="{attestation}", says="{image}")],
        ),
        good=image(_STATIC, TWO, attested=True, edit=_taken_away, asked=[AMD64]),
    ),
    Pair(
        code="MA112",
        name="a-platform-without-attestation",
        faulty=image(_STATIC, TWO, attested=True, edit=_unattested, select=["MA112"], wrong=on([ARM64], "MA112")),
        good=image(_STATIC, SIX, attested=True, select=["MA112"]),
    ),
)
