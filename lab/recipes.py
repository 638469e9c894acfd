"""The stand-ins: under which names, from which packages, with which settings. Data only."""

from __future__ import annotations

from dataclasses import dataclass

RELEASE = "bookworm"

# Part of each image's key: raise it when the way in which roots are made changes.
REVISION = 2

# OCI's names and Debian's. The variants are what the official images' indexes say.
ARCHITECTURES = {
    "linux/amd64": "amd64",
    "linux/arm64": "arm64",
    "linux/arm/v7": "armhf",
    "linux/386": "i386",
    "linux/ppc64le": "ppc64el",
    "linux/s390x": "s390x",
}

# Not quite Debian's own slim image: certificates come along, and apt's and dpkg's tools bring the rest.
_DEBIAN_WORDS = """
    adduser apt base-files base-passwd bash bsdutils ca-certificates coreutils dash debian-archive-keyring debianutils
    diffutils dpkg findutils grep gzip hostname init-system-helpers libc-bin login mawk mount ncurses-base ncurses-bin
    passwd perl-base sed sysvinit-utils tar tzdata usr-is-merged util-linux
"""
_DEBIAN = tuple(_DEBIAN_WORDS.split())

_BUSYBOX_WORDS = """
    [ ash awk base64 basename cat chgrp chmod chown clear cp cut date dd df dirname du echo env expr false find free
    grep gunzip gzip head hostname id install kill ln ls md5sum mkdir mktemp more mv nc nslookup od ping printf ps pwd
    readlink realpath rm rmdir sed seq sh sha256sum sleep sort stat sync tail tar tee test time timeout top touch tr
    true tty uname uniq unzip vi wc wget which whoami xargs yes
"""
_BUSYBOX_LINKS = tuple((f"usr/bin/{name}", "busybox") for name in _BUSYBOX_WORDS.split())


@dataclass(frozen=True, slots=True)
class Recipe:
    """One stand-in: the repository and tag it is found under, what is in it, how it is run."""

    repository: str
    tag: str
    packages: tuple[str, ...]
    below: tuple[str, ...] = ()  # the packages of the layer below it, if it stands on another stand-in
    only: tuple[str, ...] = ()  # of all that the packages depend on, keep these: empty keeps everything
    env: tuple[tuple[str, str], ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    files: tuple[tuple[str, str, int], ...] = ()  # path, text, mode
    links: tuple[tuple[str, str], ...] = ()
    own_platform_only: bool = False
    version_of: tuple[str, str] | None = None  # environment variable, and the package whose version it tells

    @property
    def name(self) -> str:
        """Return the name that users write: `python:3.11-slim`."""
        return f"{self.repository.removeprefix('library/')}:{self.tag}"


_PATH = ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")

DEBIAN = Recipe(
    repository="library/debian",
    tag="bookworm-slim",
    packages=_DEBIAN,
    env=(_PATH,),
    command=("bash",),
)

PYTHON = Recipe(
    repository="library/python",
    tag="3.11-slim",
    packages=("python3", "python3-distutils", "python3-pip", "python3-venv"),
    below=_DEBIAN,
    env=(
        ("PATH", f"/usr/local/bin:{_PATH[1]}"),
        ("LANG", "C.UTF-8"),
        # Debian's pip asks for it outside of a virtual environment; the official image's pip has no such brake.
        ("PIP_BREAK_SYSTEM_PACKAGES", "1"),
    ),
    command=("python3",),
    links=(
        ("usr/local/bin/python", "/usr/bin/python3"),
        ("usr/local/bin/python3", "/usr/bin/python3"),
        ("usr/local/bin/pip", "/usr/bin/pip3"),
        ("usr/local/bin/pip3", "/usr/bin/pip3"),
    ),
    version_of=("PYTHON_VERSION", "python3.11-minimal"),
)

# As in the official image: a file alone, or a subcommand alone, is handed to the registry.
_REGISTRY_ENTRYPOINT = """\
#!/bin/sh
set -e
case "$1" in
    *.yaml|*.yml) set -- registry serve "$@" ;;
    serve|garbage-collect|help|-*) set -- registry "$@" ;;
esac
exec "$@"
"""

_REGISTRY_CONFIG = """\
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
"""

REGISTRY = Recipe(
    repository="library/registry",
    tag="2",
    packages=("base-files", "busybox-static", "docker-registry"),
    # Its package depends on tools that make a user and an init script's functions; a container has use for neither.
    only=("base-files", "busybox-static", "docker-registry", "gcc-12-base", "libc6", "libgcc-s1"),
    env=(_PATH,),
    entrypoint=("/entrypoint.sh",),
    command=("/etc/docker/registry/config.yml",),
    ports=("5000/tcp",),
    volumes=("/var/lib/registry",),
    files=(
        ("entrypoint.sh", _REGISTRY_ENTRYPOINT, 0o755),
        ("etc/docker/registry/config.yml", _REGISTRY_CONFIG, 0o644),
    ),
    links=(("usr/bin/registry", "docker-registry"), *_BUSYBOX_LINKS),
)

BUILDKIT = Recipe(
    repository="moby/buildkit",
    tag="buildx-stable-1",
    # pigz, as in the official image: where it is, BuildKit unpacks layers with it.
    packages=("base-files", "busybox-static", "pigz", "runc"),
    only=("base-files", "busybox-static", "gcc-12-base", "libc6", "libgcc-s1", "libseccomp2", "pigz", "runc", "zlib1g"),
    env=(_PATH,),
    entrypoint=("buildkitd",),
    volumes=("/var/lib/buildkit",),
    links=(("usr/bin/buildkit-runc", "/usr/sbin/runc"), *_BUSYBOX_LINKS),
    own_platform_only=True,
)
