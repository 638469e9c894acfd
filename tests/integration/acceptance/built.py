"""An image that is built for the comparison: with a user, a folder, variables, and files of every mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.integration.acceptance.generated import Pool

if TYPE_CHECKING:
    from tests.integration.acceptance.generated import Outcomes

DOCKERFILE: Final = """\
FROM python:3.11-slim
ENV APP=app GREETING="hello world" EMPTY= DIR=/opt/app
LABEL org.example.name=sample empty=
EXPOSE 80 53/udp
VOLUME /data
RUN mkdir -p /opt/app /work && cd /opt/app \\
 && echo "hello there" > plain && cp plain secret && chmod 600 secret && cp plain run && chmod 755 run \\
 && cp plain suid && chmod 4755 suid && ln -s plain link && ln -s nowhere dangling && ln run hard \\
 && chown 1000:42 run && chmod 2750 /work && chown nobody /work
WORKDIR /work
USER nobody
ENTRYPOINT ["echo", "the entrypoint"]
CMD ["run", "it"]
"""
POOL: Final = Pool(
    paths=(
        *("/opt/app/plain", "/opt/$APP/secret", "${DIR}/run", "/opt/app/suid", "/opt/app/link", "/opt/app/dangling"),
        *("/opt/app/hard", "/opt/app", "/opt/app/", "/opt/app/plain/", "/work", "/tmp", "/bin", "/bin/", "/bin/sh"),  # noqa: S108
        *("/etc/passwd", "/nowhere", "/$GLOBAL/app/plain", "/", "/etc/../opt/app/run"),
    ),
    files=("/opt/app/plain", "/opt/app/run", "/opt/app", "/etc/os-release", "/nowhere", "/etc/passwd"),
    permissions=(
        *("-rw-r--r--", "-rw-------", "-rwxr-xr-x", "urwxr-xr-x", "drwxr-xr-x", "dgrwxr-x---", "dtrwxrwxrwx"),
        "Lrwxrwxrwx",
    ),
    patterns=(
        *("hello", "^hello world\n$", "^hello", "there$", "^$", "nobody", "^/work\n$", "given", "x86_64|aarch64"),
        *("app", r"^\$HOME", "(?m)^ID=debian$", "No such file", "^GIVEN=given$", "(?m)^GLOBAL=", "entrypoint", r"\d+"),
    ),
    env=(("APP", "app"), ("GREETING", "hello world"), ("EMPTY", ""), ("MISSING", "x")),
    labels=(("org.example.name", "sample"), ("org.example.name", "other"), ("empty", ""), ("missing", "")),
    entrypoints=((), ("echo", "the entrypoint"), ("run", "it"), ("it",)),
    commands=(
        ("echo", "$GREETING"),
        ("echo", "${GREETING}", "$NOT_SET", "$GLOBAL"),
        ("echo", "$GIVEN"),
        ("sh", "-c", "echo $$GIVEN; exit 3"),
        ("env",),
        ("id", "-un"),
        ("pwd",),
        ("uname", "-m"),
        ("cat", "/opt/$APP/plain"),
        ("cat", "/nowhere"),
        ("cat", "/opt/app/secret"),
        ("cat", "/tmp/prepared"),  # noqa: S108
        ("sh", "-c", "printf hello >&2; exit 2"),
        ("no-such-command", "hello"),
        ("/etc/passwd",),
        ("true",),
    ),
    has_owners=True,
)
OUTCOMES: Final[Outcomes] = (
    (("cat", "/bound/word"), "^said\n$"),
    (("sh", "-c", "echo x > /bound/new && echo hello"), "^hello\n$"),
    (("sh", "-c", "echo hello > /proc/sys/kernel/domainname && echo hello"), "hello"),
    (("nice", "-n", "-1", "nice"), "^-1\n$"),
    (("id", "-un"), "^root\n$"),
    (("cat", "/tmp/prepared"), "^said\nroot\n$"),  # noqa: S108
    (("cat", "/tmp/prepared"), "nobody"),  # noqa: S108
)
"""What is another with run options than without."""
