"""Images with machine code that does not belong there: for another machine, for a later processor, or without what it loads."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Any

from tests.integration.corpus.faults import AMD64, ARM64, SIX, TWO, Pair, Wrong, image, on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.integration.corpus.shelf import Shelf

_PACKAGES = "/usr/lib/python3/dist-packages"
_HIDDEN = "FROM static\nCOPY --from=foreign /usr/bin/tool /opt/tool\n"
#: What musl calls the machines, in the names of its loader and its library.
_MUSL = ("x86_64", "aarch64", "armhf", "i386", "powerpc64le", "s390x")


def _whiteout() -> tarfile.TarInfo:
    return tarfile.TarInfo("opt/.wh.tool")


def _link() -> tarfile.TarInfo:
    member = tarfile.TarInfo("usr/bin/again")
    member.type, member.linkname = tarfile.LNKTYPE, "opt/tool"
    return member


def _with_layer(members: Sequence[tarfile.TarInfo], step: str) -> Any:
    def edit(shelf: Shelf, built: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, str]]:
        (index,) = built
        return {**index, "manifests": [shelf.with_layer(one, members, step) for one in index["manifests"]]}, {}

    return edit


MACHINE = (
    Pair(
        code="MA201",
        name="program-of-another-machine",
        faulty=image(
            "FROM static\nCOPY --from=foreign /usr/bin/tool /opt/tool\n",
            wrong=on(SIX, "MA201", "/opt/tool", "COPY /usr/bin/tool /opt/tool"),
        ),
        good=image("FROM static\nCOPY --from=static /usr/bin/tool /opt/tool\n"),
    ),
    Pair(
        code="MA201",
        name="one-library-in-a-wheel",
        faulty=image(
            f"FROM static\nCOPY --from=wheels /mixed {_PACKAGES}\n",
            wrong=on(
                [ARM64],
                "MA201",
                f"{_PACKAGES}/sample/_native.cpython-311-aarch64-linux-gnu.so",
                f"COPY /mixed {_PACKAGES}",
                says="it is for x86-64",
            ),
        ),
        good=image(f"FROM static\nCOPY --from=wheels /own {_PACKAGES}\n"),
    ),
    Pair(
        code="MA201",
        name="deleted-later-but-for-a-link",
        faulty=image(
            "FROM shell\nCOPY --from=foreign /usr/bin/tool /opt/tool\nRUN ln /opt/tool /usr/bin/again\nRUN rm /opt/tool\n",
            wrong=on(SIX, "MA201", "/usr/bin/again", "RUN ln /opt/tool /usr/bin/again", layer=2),
        ),
        good=image("FROM shell\nCOPY --from=foreign /usr/bin/tool /opt/tool\nRUN rm /opt/tool\n"),
    ),
    Pair(
        code="MA201",
        name="hidden-by-the-layer-that-links-to-it",
        faulty=image(
            _HIDDEN,
            edit=_with_layer([_link(), _whiteout()], "link and hide"),
            wrong=on(SIX, "MA201", "/usr/bin/again", "link and hide"),
        ),
        good=image(_HIDDEN, edit=_with_layer([_whiteout()], "hide")),
    ),
    Pair(
        code="MA201",
        name="float-abi",
        faulty=image(
            "FROM static\nCOPY soft-float /usr/lib/libsample.so\n",
            ["linux/arm/v7"],
            wrong=on(
                ["linux/arm/v7"],
                "MA201",
                "/usr/lib/libsample.so",
                "COPY soft-float /usr/lib/libsample.so",
                says="soft-float",
            ),
        ),
        good=image("FROM static\nCOPY hard-float /usr/lib/libsample.so\n", ["linux/arm/v7"]),
    ),
    Pair(
        code="MA202",
        name="arm-v7-code-in-arm-v6",
        faulty=image(
            "FROM --platform=linux/arm/v7 static AS later\nFROM scratch\nCOPY --from=later /usr/bin/tool /opt/tool\n",
            ["linux/arm/v6"],
            wrong=on(["linux/arm/v6"], "MA202", "/opt/tool", "COPY /usr/bin/tool /opt/tool", says="arm v7"),
        ),
        good=image("FROM scratch\nCOPY arm-v6 /opt/tool\n", ["linux/arm/v6"]),
    ),
    Pair(
        code="MA202",
        name="x86-64-v3-in-amd64",
        faulty=image(
            "FROM static\nCOPY x86-64-v3 /usr/lib/libfast.so\n",
            [AMD64],
            wrong=on([AMD64], "MA202", "/usr/lib/libfast.so", "COPY x86-64-v3 /usr/lib/libfast.so", says="x86-64-v3"),
        ),
        good=image("FROM static\nCOPY x86-64-v3 /usr/lib/glibc-hwcaps/x86-64-v3/libfast.so\n", [AMD64]),
    ),
    Pair(
        code="MA202",
        name="x86-64-v3-in-amd64-v2",
        faulty=image(
            "FROM scratch\nCOPY x86-64-v3 /usr/lib/libfast.so\n",
            ["linux/amd64/v2"],
            wrong=on(["linux/amd64/v2"], "MA202", "/usr/lib/libfast.so", "COPY x86-64-v3 /usr/lib/libfast.so"),
        ),
        good=image("FROM scratch\nCOPY x86-64-v3 /usr/lib/libfast.so\n", ["linux/amd64/v3"]),
    ),
)

_LOADERS = {
    "linux/amd64": "/lib64/ld-linux-x86-64.so.2",
    "linux/arm64": "/lib/ld-linux-aarch64.so.1",
    "linux/arm/v7": "/lib/ld-linux-armhf.so.3",
    "linux/386": "/lib/ld-linux.so.2",
    "linux/ppc64le": "/lib64/ld64.so.2",
    "linux/s390x": "/lib/ld64.so.1",
}
_SH = "COPY /bin/sh /bin/sh"
_LS = "FROM shell\nCOPY --from=debian:bookworm-slim /usr/lib/*-linux-*/libselinux.so.1 /lib/\n"

LINKING = (
    Pair(
        code="MA203",
        name="dynamic-program-in-a-static-image",
        faulty=image(
            "FROM static\nCOPY --from=shell /bin/sh /bin/sh\n",
            wrong=[
                wrong
                for platform in SIX
                for wrong in (
                    *on([platform], "MA203", "/bin/sh", _SH, item=_LOADERS[platform]),
                    *on([platform], "MA204", "/bin/sh", _SH, item="libc.so.6"),
                )
            ],
        ),
        good=image("FROM static\nCOPY --from=shell / /\n"),
    ),
    Pair(
        code="MA203",
        name="musl-program-in-a-glibc-image",
        faulty=image(
            "FROM shell\nARG TARGETARCH\nCOPY musl/$TARGETARCH /usr/bin/app\n",
            wrong=[
                wrong
                for platform, musl in zip(SIX, _MUSL, strict=True)
                for step in [f"COPY musl/{platform.split('/')[1]} /usr/bin/app"]
                # Not MA204 for libc.musl as well: with its loader the program would have that.
                for wrong in on([platform], "MA203", "/usr/bin/app", step, item=f"/lib/ld-musl-{musl}.so.1")
            ],
        ),
        good=image("FROM shell\nARG TARGETARCH\nCOPY glibc/$TARGETARCH /usr/bin/app\n"),
    ),
    Pair(
        code="MA204",
        name="library-of-a-library",
        faulty=image(
            f"{_LS}COPY --from=debian:bookworm-slim /bin/ls /bin/ls\n",
            wrong=on(
                SIX,
                "MA204",
                "/bin/ls",
                "COPY /bin/ls /bin/ls",
                item="libpcre2-8.so.0",
                says="/lib/libselinux.so.1 needs it",
            ),
        ),
        good=image(
            f"{_LS}COPY --from=debian:bookworm-slim /usr/lib/*-linux-*/libpcre2-8.so.0 /lib/\n"
            "COPY --from=debian:bookworm-slim /bin/ls /bin/ls\n"
        ),
    ),
)

_ONE = "FROM --platform=linux/amd64 static AS one\n"
_OTHERS = [platform for platform in SIX if platform != AMD64]

SHARING = (
    Pair(
        code="MA210",
        name="one-layer-for-all",
        faulty=image(
            f"{_ONE}FROM static\nCOPY --link --from=one /usr/bin/tool /opt/tool\n",
            wrong=[
                Wrong(code="MA210", path="/opt/tool", step="COPY /usr/bin/tool /opt/tool", layer=1),
                *on(_OTHERS, "MA201", "/opt/tool", "COPY /usr/bin/tool /opt/tool"),
            ],
        ),
        good=image(
            "FROM static\nCOPY --link data.txt /opt/data.txt\nCOPY --link --from=static /usr/bin/tool /opt/tool\n",
        ),
    ),
    Pair(
        code="MA211",
        name="the-same-throughout",
        faulty=image(
            f"{_ONE}FROM scratch\nCOPY --link --from=one /usr/bin/tool /opt/tool\n",
            TWO,
            wrong=[
                Wrong(code="MA211", path="/opt/tool", step="COPY /usr/bin/tool /opt/tool", layer=1),
                *on([ARM64], "MA201", "/opt/tool", "COPY /usr/bin/tool /opt/tool"),
            ],
        ),
        good=image("FROM scratch\nCOPY --link data.txt /opt/data.txt\n"),
    ),
)

PAIRS = (*MACHINE, *LINKING, *SHARING)
