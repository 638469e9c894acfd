"""Dockerfiles that pin every platform to one, with what becomes of the images; and allowances that nothing needs."""

from __future__ import annotations

from tests.integration.corpus.faults import ARM64, HOST, SIX, TWO, Pair, Wrong, image, on

_COPIED = "COPY /sbin/ldconfig /usr/bin/tool"
_OTHERS = [platform for platform in SIX if platform != HOST]
_FIRMWARE = "FROM static\nCOPY --from=foreign /usr/bin/tool /usr/lib/firmware/modem.bin\n"
_ALLOWED = "MA201 /usr/lib/firmware/** because the modem has a processor of its own"

PAIRS = (
    Pair(
        code="MA601",
        name="digest-of-one-platform",
        faulty=image(
            "# The digest of amd64's manifest.\nFROM {amd64}\n",
            TWO,
            wrong=[
                Wrong(code="MA601", path="{dockerfile}:2", item="{amd64}"),
                *on([ARM64], "MA201", "/usr/bin/tool", _COPIED),
                *on([ARM64], "MA403", "/usr/bin/tool", _COPIED, item="/usr/bin/tool"),
                Wrong(code="MA211", path="/usr/bin/tool", step=_COPIED, layer=1),
            ],
        ),
        good=image("# The index's digest.\nFROM {index}\n", TWO),
    ),
    Pair(
        code="MA602",
        name="last-stage-on-the-build-platform",
        faulty=image(
            "FROM static AS tools\n\nFROM --platform=$BUILDPLATFORM static\nCOPY data.txt /opt/data.txt\n",
            wrong=[
                Wrong(code="MA602", path="{dockerfile}:3", item="--platform=$BUILDPLATFORM"),
                *on(_OTHERS, "MA201", "/usr/bin/tool", _COPIED, layer=2),
                *on(_OTHERS, "MA403", "/usr/bin/tool", _COPIED, layer=2, item="/usr/bin/tool"),
                Wrong(code="MA211", path="/usr/bin/tool", step=_COPIED, layer=2),
            ],
        ),
        good=image(
            "FROM --platform=$BUILDPLATFORM static AS tools\nCOPY data.txt /data.txt\n\n"
            "FROM static\nCOPY --from=tools /data.txt /opt/data.txt\n"
        ),
    ),
    Pair(
        code="MA603",
        name="default-for-the-target",
        faulty=image(
            "FROM static\nARG TARGETARCH=amd64\nCOPY --link --from=all /$TARGETARCH/tool /opt/tool\n",
            TWO,
            wrong=[
                Wrong(code="MA603", path="{dockerfile}:2", item="TARGETARCH"),
                *on([ARM64], "MA201", "/opt/tool", "COPY /amd64/tool /opt/tool"),
                Wrong(code="MA210", path="/opt/tool", step="COPY /amd64/tool /opt/tool", layer=1),
            ],
        ),
        good=image("FROM static\nARG TARGETARCH\nCOPY --link --from=all /$TARGETARCH/tool /opt/tool\n", TWO),
    ),
    Pair(
        code="MA901",
        name="firmware-that-is-gone",
        faulty=image("FROM static\n", allow=[_ALLOWED], wrong=[Wrong(code="MA901", item=_ALLOWED)]),
        good=image(_FIRMWARE, allow=[_ALLOWED]),
    ),
)
