"""Make a root file system's layer from packages, for any architecture and without running any of its programs.

The packages' files go in as they are; what their installation scripts would have made is written here instead.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lab import debs, dpkg_database, sources
from lab.carried import CA_BUNDLE
from lab.dpkg_database import Installed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lab.carried import Carried
    from lab.foreign_apt import Deb
    from lab.layers import LayerWriter

# What the scripts of base-files and base-passwd copy.
_COPIES = {
    "etc/profile": "usr/share/base-files/profile",
    "etc/motd": "usr/share/base-files/motd",
    "root/.bashrc": "usr/share/base-files/dot.bashrc",
    "root/.profile": "usr/share/base-files/dot.profile",
    "etc/passwd": "usr/share/base-passwd/passwd.master",
    "etc/group": "usr/share/base-passwd/group.master",
}

_FOLDERS = (
    *(["boot", "dev", "etc", "home", "media", "mnt", "opt", "proc", "run", "srv", "sys", "usr", "var"]),
    *(["etc/alternatives", "usr/bin", "usr/lib", "usr/sbin", "usr/share", "usr/share/man", "var/log"]),
    *(f"usr/local/{name}" for name in ("", "bin", "etc", "games", "include", "lib", "sbin", "share", "src")),
    *(f"var/lib/dpkg/{name}" for name in ("", "alternatives", "info", "parts", "triggers", "updates")),
    *(f"var/{name}" for name in ("cache", "lib", "local", "mail", "opt", "spool")),
)

_LINKS = {"var/run": "/run", "var/lock": "/run/lock"}

# The alternatives without which scripts fail: the name, its program and priority, and the names that go along with it.
_ALTERNATIVES = (("awk", "mawk", 5, ("nawk",)), ("pager", "more", 50, ()), ("which", "which.debianutils", 0, ()))

# pam-auth-update's, without its comments: `su`, `chpasswd` and `useradd` end with an error where they are missing.
_PAM = {
    "auth": "auth [success=1 default=ignore] pam_unix.so nullok\nauth requisite pam_deny.so\nauth required pam_permit.so",
    "account": "account required pam_unix.so",
    "password": "password required pam_unix.so obscure yescrypt",
    "session": "session required pam_permit.so\nsession required pam_unix.so",
    "session-noninteractive": "session required pam_permit.so\nsession required pam_unix.so",
}

# As in Debian's own images: no packages left in layers, no translations. Unlike there, apt's lists stay unpacked and its
# cache is kept: under emulation an installation takes half the time.
_APT_CONF = """\
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb || true"; };
APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb || true"; };
Acquire::Languages "none";
APT::AutoRemove::SuggestsImportant "false";
"""


@dataclass(slots=True)
class Root:
    """What the packages of one layer bring, gathered while they are written."""

    installed: Installed = field(default_factory=Installed)
    captured: dict[str, bytes] = field(default_factory=dict)  # files that others are made from
    merged: set[str] = field(default_factory=lambda: {"bin", "lib", "sbin"})  # top folders that are links into /usr


def add_packages(layer: LayerWriter, closure: Iterable[Deb]) -> Root:
    """Write the packages' files, and what dpkg's database has of each; `add_database` writes the rest of it."""
    root = Root()
    for deb in sorted(closure):
        control = debs.control(deb)
        wanted = set(control.conffiles)
        sums: dict[str, str] = {}
        paths: list[str] = []
        for member, data in debs.members(deb):
            path = debs.plain(member.name)
            paths.append(path)
            root.merged.update({path.partition("/")[0]} & debs.MERGED)
            if f"/{path}" in wanted:
                sums[f"/{path}"] = hashlib.md5(data, usedforsecurity=False).hexdigest()  # dpkg's own check
            if path in _COPIES.values():
                root.captured[path] = data
            # Folders that are links once a system is installed are written as such, by `add_base`.
            if not path or path in debs.MERGED or path in _LINKS or (not member.isdir() and debs.is_left_out(path)):
                continue
            member.name = debs.merge_usr(path)
            if member.islnk():
                member.linkname = debs.merge_usr(debs.plain(member.linkname))
            layer.add(member, data)
        for name, data in dpkg_database.info_files(control, paths).items():
            mode = 0o755 if name.endswith((".preinst", ".postinst", ".prerm", ".postrm", ".config")) else 0o644
            layer.file(name, data, mode)
        root.installed.add(control, sums)
    return root


def add_base(layer: LayerWriter, root: Root) -> None:
    """Write what makes a root of the packages: folders, the merged /usr's links, users, alternatives.

    Where the packages have no user table (a root of a few packages), there are root and nobody.
    """
    for path in _FOLDERS:
        layer.folder(path.rstrip("/"))
    for path, mode in (("tmp", 0o1777), ("var/tmp", 0o1777), ("root", 0o700)):
        layer.folder(path, mode)
    for name in sorted(root.merged):
        layer.folder(f"usr/{name}")
        layer.link(name, f"usr/{name}")
    for path, target in _LINKS.items():
        layer.link(path, target)
    layer.folder("run/lock", 0o1777)
    for path, source in _COPIES.items():
        if source in root.captured:
            layer.file(path, _table(path, root.captured[source]))
    users = _table("etc/passwd", root.captured.get(_COPIES["etc/passwd"], _FEW_USERS))
    layer.file("etc/passwd", users)
    layer.file("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    layer.file("etc/shadow", re.sub(rb"(?m)^([^:]+):.*$", rb"\1:*:20089:0:99999:7:::", users), 0o640)
    layer.file("etc/nsswitch.conf", b"passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n")
    for kind, rules in _PAM.items():
        layer.file(f"etc/pam.d/common-{kind}", f"{rules}\n".encode())
    _add_alternatives(layer)
    if "usr/bin/dash" in layer:
        layer.link("usr/bin/sh", "dash")


def _add_alternatives(layer: LayerWriter) -> None:
    for name, program, priority, others in _ALTERNATIVES:
        if f"usr/bin/{program}" not in layer or f"usr/bin/{name}" in layer:
            continue
        for each in (name, *others):
            layer.link(f"usr/bin/{each}", f"/etc/alternatives/{each}")
            layer.link(f"etc/alternatives/{each}", f"/usr/bin/{program}")
        # Mode, link, each other name with its link; then each choice: program, priority, the others' programs.
        lines = ["auto", f"/usr/bin/{name}", *(line for each in others for line in (each, f"/usr/bin/{each}")), ""]
        lines += [f"/usr/bin/{program}", str(priority), *(f"/usr/bin/{program}" for _ in others), "", ""]
        layer.file(f"var/lib/dpkg/alternatives/{name}", "\n".join(lines).encode())


def add_database(layer: LayerWriter, installed: Installed) -> None:
    """Write dpkg's files about all packages; a later layer's replace them, so ``installed`` has the layers below."""
    for path, data in installed.files().items():
        layer.file(path, data)


def add_certificates(layer: LayerWriter, machine: Carried) -> None:
    """Write the machine's CA certificates where programs look, and where update-ca-certificates starts from."""
    layer.file(str(CA_BUNDLE).lstrip("/"), machine.ca_bundle)
    # The package's trigger makes the bundle anew from the two below: the machine's holds the usual ones already.
    layer.file("usr/local/share/ca-certificates/host.crt", machine.ca_bundle)
    layer.file("etc/ca-certificates.conf", b"# None of its own: host.crt holds this machine's certificates.\n")
    layer.link("usr/lib/ssl/cert.pem", str(CA_BUNDLE))


def add_settings(layer: LayerWriter, machine: Carried) -> None:
    """Write the settings of apt, dpkg and pip that make them reach what the machine's own reach."""
    layer.file("etc/apt/sources.list.d/debian.sources", sources.render(machine.sources).encode())
    layer.file("etc/apt/apt.conf.d/docker-slim", "\n".join([*machine.apt, _APT_CONF]).encode())
    excluded = "".join(f"path-exclude /{path}*\n" for path in debs.LEFT_OUT)
    layer.file(
        "etc/dpkg/dpkg.cfg.d/docker-slim",
        f"force-unsafe-io\n{excluded}path-include /usr/share/doc/*/copyright\n".encode(),
    )
    if machine.pip:
        lines = (f"{key} = " + "\n    ".join(value.split()) for key, value in machine.pip)
        layer.file("etc/pip.conf", "\n".join(["[global]", *lines, ""]).encode())


_FEW_USERS = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"


def _table(path: str, data: bytes) -> bytes:
    """Return a copied file; of the user tables, with their passwords in `shadow` and apt's own user."""
    if path not in {"etc/passwd", "etc/group"}:
        return data
    table = data.replace(b":*:", b":x:")
    if path == "etc/passwd" and b"_apt:" not in table:
        table += b"_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\n"
    return table
