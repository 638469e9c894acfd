"""Images whose platforms differ: in configuration, packages, files, modes, age or size."""

from __future__ import annotations

from tests.integration.corpus.faults import AMD64, ARM, ARM64, Build, Image, Pair, Wrong, image, on
from tests.integration.corpus.shelf import joined

_THREE = (AMD64, ARM64, ARM)


def _each(amd64: str, arm64: str, arm: str | None = None) -> str:
    """Return a Dockerfile that ends in steps of their own for each platform; arm's are amd64's unless given."""
    ends = {"amd64": amd64, "arm64": arm64, "arm": amd64 if arm is None else arm}
    stages = "".join(f"FROM static AS end-{name}\n{steps}\n" for name, steps in ends.items())
    return f"{stages}FROM end-$TARGETARCH\n"


def _config(**values: str) -> str:
    return (
        f"ENV MODE={values['mode']}\nWORKDIR {values['folder']}\nUSER {values['user']}\nEXPOSE {values['port']}\n"
        f'LABEL team={values["team"]}\nENTRYPOINT ["/usr/bin/tool", "{values["option"]}"]\nCMD ["{values["option"]}"]'
    )


_FIRST = _config(mode="quick", folder="/usr", user="1000", port="80", team="blue", option="-p")
_SECOND = _config(mode="slow", folder="/usr/bin", user="2000", port="8080", team="red", option="-v")
_FIELDS = ("Env.MODE", "WorkingDir", "User", "ExposedPorts", "Labels.team", "Entrypoint", "Cmd")


def _dated(amd64: int, arm64: int, arm: int) -> Image:
    """Return an image whose platforms were built at times of their own, in seconds since the epoch."""
    times = dict(zip(_THREE, (amd64, arm64, arm), strict=True))
    return Image(
        builds=[
            Build(
                dockerfile="FROM static\nLABEL dated=yes\n", platforms=[platform], args={"SOURCE_DATE_EPOCH": str(time)}
            )
            for platform, time in times.items()
        ],
        edit=joined,
    )


_DAY = 24 * 60 * 60
_SUMMER = 1_719_792_000  # 1 July 2024

PAIRS = (
    Pair(
        code="MA501",
        name="configuration",
        faulty=image(_each(_FIRST, _SECOND), _THREE, wrong=[Wrong(code="MA501", item=field) for field in _FIELDS]),
        good=image(
            # What differs is the platform's name, and when it was built.
            _each(
                "ENV LIBRARIES=/usr/lib/x86_64-linux-gnu\nLABEL org.opencontainers.image.created=2024-07-01",
                "ENV LIBRARIES=/usr/lib/aarch64-linux-gnu\nLABEL org.opencontainers.image.created=2024-07-02",
                "ENV LIBRARIES=/usr/lib/arm-linux-gnueabihf\nLABEL org.opencontainers.image.created=2024-07-03",
            ),
            _THREE,
        ),
    ),
    Pair(
        code="MA502",
        name="versions-of-dpkg-packages",
        faulty=image(
            _each("COPY --from=packages /own /", "COPY --from=packages /newer /"),
            _THREE,
            wrong=[Wrong(code="MA502", path="/var/lib/dpkg/status", item="sample", says="'1.1-1' on linux/arm64")],
        ),
        good=image(_each("COPY --from=packages /own /", "COPY --from=packages /rebuilt /"), _THREE),
    ),
    Pair(
        code="MA502",
        name="python-package-on-one-platform",
        faulty=image(
            _each("", "COPY --from=wheels /own /usr/lib/python3/dist-packages"),
            _THREE,
            wrong=[
                Wrong(
                    code="MA502",
                    path="/usr/lib/python3/dist-packages/sample-1.0.dist-info",
                    item="sample",
                    says="none on linux/amd64, linux/arm/v7",
                ),
                Wrong(
                    code="MA503",
                    path="/usr/lib",
                    step="COPY /own /usr/lib/python3/dist-packages",
                    layer=1,
                ),
            ],
        ),
        good=image("FROM static\nCOPY --from=wheels /own /usr/lib/python3/dist-packages\n", _THREE),
    ),
    Pair(
        code="MA503",
        name="plugin-on-one-platform",
        faulty=image(
            _each("", "COPY data.txt /opt/plugin/data.txt"),
            _THREE,
            wrong=[Wrong(code="MA503", path="/opt", step="COPY data.txt /opt/plugin/data.txt", layer=1)],
        ),
        good=image(
            _each(
                "COPY data.txt /usr/lib/x86_64-linux-gnu/plugin/data.txt",
                "COPY data.txt /usr/lib/aarch64-linux-gnu/plugin/data.txt",
                "COPY data.txt /usr/lib/arm-linux-gnueabihf/plugin/data.txt",
            ),
            _THREE,
        ),
    ),
    Pair(
        code="MA504",
        name="mode-and-owner",
        faulty=image(
            _each(
                "COPY --chmod=755 data.txt /usr/bin/mode\nCOPY data.txt /usr/bin/owner",
                "COPY --chmod=644 data.txt /usr/bin/mode\nCOPY --chown=33:33 data.txt /usr/bin/owner",
            ),
            _THREE,
            wrong=[
                Wrong(
                    code="MA504",
                    path="/usr/bin/mode",
                    step="COPY --chmod=644 data.txt /usr/bin/mode",
                    layer=2,
                    says="0644",
                ),
                Wrong(
                    code="MA504",
                    path="/usr/bin/owner",
                    step="COPY --chown=33:33 data.txt /usr/bin/owner",
                    layer=1,
                    says="33:33",
                ),
            ],
        ),
        good=image(
            "FROM static\nCOPY --chmod=755 data.txt /usr/bin/mode\nCOPY --chown=33:33 data.txt /usr/bin/owner\n", _THREE
        ),
    ),
    Pair(
        code="MA505",
        name="last-releases-image",
        faulty=Image(
            builds=_dated(_SUMMER, _SUMMER - 40 * _DAY, _SUMMER - _DAY).builds,
            edit=joined,
            wrong=on([ARM64], "MA505", item="created", says="40 days before it"),
        ),
        good=_dated(_SUMMER, _SUMMER - 20 * _DAY, _SUMMER - _DAY),
    ),
    Pair(
        code="MA506",
        name="what-does-not-belong-there",
        faulty=image(
            _each("COPY small /opt/bulk", "COPY large /opt/bulk"),
            _THREE,
            wrong=on([ARM64], "MA506", item="size", says="larger"),
        ),
        good=image("FROM static\nCOPY large /opt/bulk\n", _THREE),
    ),
)
