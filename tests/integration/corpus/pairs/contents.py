"""Images with packages of another architecture, and with entrypoints that do not start."""

from __future__ import annotations

from tests.integration.corpus.faults import SIX, TWO, Pair, image, on

_FOREIGN_DPKG = dict(zip(SIX, ("arm64", "amd64", "i386", "armhf", "s390x", "ppc64el"), strict=True))
_FOREIGN_APK = dict(zip(SIX, ("aarch64", "x86_64", "x86", "armv7", "s390x", "ppc64le"), strict=True))
_FOREIGN_TRIPLET = dict(
    zip(
        SIX,
        (
            *("aarch64-linux-gnu", "x86_64-linux-gnu", "i386-linux-gnu"),
            *("arm-linux-gnueabihf", "s390x-linux-gnu", "powerpc64le-linux-gnu"),
        ),
        strict=True,
    )
)
_SITE = "/usr/lib/python3/dist-packages"


def _extension(platform: str) -> str:
    return f"{_SITE}/sample/_native.cpython-311-{_FOREIGN_TRIPLET[platform]}.so"


PACKAGES = (
    Pair(
        code="MA301",
        name="dpkg-package",
        faulty=image(
            "FROM static\nCOPY --from=packages /foreign /\n",
            wrong=[
                wrong
                for platform, other in _FOREIGN_DPKG.items()
                for wrong in on([platform], "MA301", "/var/lib/dpkg/status", "COPY /foreign /", item=f"sample:{other}")
            ],
        ),
        good=image("FROM static\nCOPY --from=packages /own /\n"),
    ),
    Pair(
        code="MA301",
        name="apk-package",
        faulty=image(
            "FROM static\nARG TARGETARCH\nCOPY apk/foreign/$TARGETARCH /lib/apk/db/installed\n",
            wrong=[
                wrong
                for platform, other in _FOREIGN_APK.items()
                for step in [f"COPY apk/foreign/{platform.split('/')[1]} /lib/apk/db/installed"]
                for wrong in on([platform], "MA301", "/lib/apk/db/installed", step, item=f"sample:{other}")
            ],
        ),
        good=image("FROM static\nARG TARGETARCH\nCOPY apk/own/$TARGETARCH /lib/apk/db/installed\n"),
    ),
    Pair(
        code="MA302",
        name="wheel-for-another-platform",
        faulty=image(
            f"FROM static\nCOPY --from=wheels /foreign {_SITE}\n",
            wrong=[
                *on(SIX, "MA302", f"{_SITE}/sample-1.0.dist-info/WHEEL", f"COPY /foreign {_SITE}", item="sample"),
                *(
                    wrong
                    for platform in SIX
                    for wrong in on([platform], "MA201", _extension(platform), f"COPY /foreign {_SITE}")
                ),
            ],
        ),
        good=image(f"FROM static\nCOPY --from=wheels /own {_SITE}\n"),
    ),
)

_SCRIPT = 'ENTRYPOINT ["/start"]\n'

COMMANDS = (
    Pair(
        code="MA401",
        name="entrypoint-that-is-not-there",
        faulty=image(
            'FROM static\nENTRYPOINT ["/usr/bin/absent"]\n',
            wrong=on(SIX, "MA401", "/usr/bin/absent", item="/usr/bin/absent"),
        ),
        good=image('FROM static\nENTRYPOINT ["tool"]\n'),
    ),
    Pair(
        code="MA401",
        name="script-with-carriage-returns",
        faulty=image(
            f"FROM shell\nCOPY --chmod=755 start-crlf /start\n{_SCRIPT}",
            TWO,
            wrong=on(TWO, "MA401", "/bin/sh\r", item="/bin/sh\r"),
        ),
        good=image(f"FROM shell\nCOPY --chmod=755 start /start\n{_SCRIPT}", TWO),
    ),
    Pair(
        code="MA402",
        name="script-without-the-bit",
        faulty=image(
            f"FROM shell\nCOPY --chmod=644 start /start\n{_SCRIPT}",
            TWO,
            wrong=on(TWO, "MA402", "/start", "COPY --chmod=644 start /start", item="/start", says="mode 0644"),
        ),
        good=image(f"FROM shell\nCOPY --chmod=755 start /start\n{_SCRIPT}", TWO),
    ),
    Pair(
        code="MA402",
        name="script-for-root-only",
        faulty=image(
            f"FROM shell\nCOPY --chmod=700 start /start\nUSER 1000\n{_SCRIPT}",
            TWO,
            wrong=on(TWO, "MA402", "/start", "COPY --chmod=700 start /start", item="/start", says="owner 0:0"),
        ),
        good=image(f"FROM shell\nCOPY --chmod=700 --chown=1000 start /start\nUSER 1000\n{_SCRIPT}", TWO),
    ),
    Pair(
        code="MA403",
        name="entrypoint-for-another-machine",
        faulty=image(
            'FROM foreign\nENTRYPOINT ["/usr/bin/tool"]\n',
            wrong=[
                *on(SIX, "MA201", "/usr/bin/tool", "COPY /sbin/ldconfig /usr/bin/tool"),
                *on(SIX, "MA403", "/usr/bin/tool", "COPY /sbin/ldconfig /usr/bin/tool", item="/usr/bin/tool"),
            ],
        ),
        # An image of nothing but static programs.
        good=image('FROM static\nENTRYPOINT ["/usr/bin/tool"]\n'),
    ),
)

PAIRS = (*PACKAGES, *COMMANDS)
