"""What a stand-in takes over from this machine, so that `pip install` and `apt-get install` work in it as they do here.

Apt's sources, the CA certificates (a machine behind a proxy that opens TLS has its own) and pip's index. No secrets:
an address with a password in it stays where it is.
"""

from __future__ import annotations

import configparser
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lab import sources
from lab.console import LabError
from lab.process import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")

_PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "cert")
_APT_KEYS = re.compile(r'Acquire::(?:Check-Valid-Until|Check-Date|Retries|https?::Proxy) "[^"]+";')


@dataclass(frozen=True, slots=True)
class Carried:
    """The machine's own settings; part of every cache key, since an image made with others is another image."""

    sources: tuple[sources.Source, ...]
    ca_bundle: bytes
    pip: tuple[tuple[str, str], ...]
    apt: tuple[str, ...]


def of_this_machine(release: str) -> Carried:
    """Read the machine's settings. Raises `LabError` when its apt knows no Debian archive."""
    bundle = Path(os.environ.get("SSL_CERT_FILE") or CA_BUNDLE)
    if not bundle.is_file():
        raise LabError(
            "reading this machine's CA certificates",
            f"{bundle} is not there",
            "Install them (apt-get install ca-certificates): images without them cannot reach any package index.",
        )
    homes = (Path("/etc/pip.conf"), Path("~/.pip/pip.conf").expanduser(), Path("~/.config/pip/pip.conf").expanduser())
    return Carried(
        sources=sources.same_everywhere(sources.for_release(sources.of_this_machine(), release)),
        ca_bundle=bundle.read_bytes(),
        pip=pip_settings(homes, os.environ),
        apt=apt_settings(run(["apt-config", "dump"], timeout=30)),
    )


def pip_settings(files: Iterable[Path], environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return pip's settings that decide where it downloads from, as pip would merge files and environment.

    A certificate file becomes the image's own bundle, which holds the machine's.
    """
    merged: dict[str, str] = {}
    for path in (*files, *filter(None, [_path(environment.get("PIP_CONFIG_FILE"))])):
        parser = configparser.RawConfigParser()
        if path.is_file():
            parser.read_string(path.read_text())
        for section in ("global", "install"):
            if parser.has_section(section):
                merged.update(parser.items(section))
    merged.update({key: value for key in _PIP_KEYS if (value := environment.get(f"PIP_{_variable(key)}"))})
    if merged.get("cert"):
        merged["cert"] = str(CA_BUNDLE)
    return tuple((key, merged[key]) for key in _PIP_KEYS if merged.get(key) and not has_password(merged[key]))


def apt_settings(dump: str) -> tuple[str, ...]:
    """Return the lines of ``apt-config dump`` that say how to reach the archive."""
    return tuple(line for line in dump.splitlines() if _APT_KEYS.fullmatch(line) and not has_password(line))


def has_password(text: str) -> bool:
    """Tell whether any address in the text names a user."""
    return any(urlsplit(word.strip('";')).username for word in text.split() if "://" in word)


def _path(value: str | None) -> Path | None:
    return Path(value) if value else None


def _variable(key: str) -> str:
    return key.upper().replace("-", "_")
