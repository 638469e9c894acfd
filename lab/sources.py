"""Read the machine's apt sources, and write the Debian archive's share of them for another release.

Third-party sources (an editor, a cloud's tools) are left out: they would not serve every architecture, and nothing of
theirs belongs into a Debian image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lab.console import LabError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

APT = Path("/etc/apt")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# A codename and the pockets that the archive and the security archive have; `sid` and the aliases have none of them.
_SUITE = re.compile(r"(?P<release>[a-z]+)(?P<pocket>-updates|-security|/updates)?/?$")


@dataclass(frozen=True, slots=True)
class Source:
    """One source of binary packages: where, which suites, which components, whose signature."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""

    @property
    def is_debian(self) -> bool:
        """Tell whether this is Debian's archive, whatever mirror serves it."""
        # Others use Debian's codenames, and even a folder named debian, but not its keyring beside both.
        named = all(urlsplit(uri).path.rstrip("/").rpartition("/")[2].startswith("debian") for uri in self.uris)
        return named and "main" in self.components and (not self.signed_by or "debian-archive" in self.signed_by)


def parse_list(text: str) -> Iterator[Source]:
    """Yield the `deb` lines of a one-line-style file (``sources.list(5)``)."""
    for line in text.splitlines():
        found = re.match(r"deb\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<rest>\S.*)", line.partition("#")[0].strip())
        words = found["rest"].split() if found else []
        if found is None or len(words) < 2:
            continue
        options = dict(option.split("=", 1) for option in (found["options"] or "").split() if "=" in option)
        yield Source((words[0],), (words[1],), tuple(words[2:]), options.get("signed-by", ""))


def parse_deb822(text: str) -> Iterator[Source]:
    """Yield the enabled `deb` stanzas of a deb822-style file (``sources.list(5)``)."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = fields.get(name, "") + "\n" + line.strip()
            else:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() not in {"no", "false"}:
            words = [tuple(fields.get(key, "").split()) for key in ("uris", "suites", "components")]
            yield Source(words[0], words[1], words[2], fields.get("signed-by", ""))


def of_this_machine(apt: Path = APT) -> tuple[Source, ...]:
    """Return every source that apt reads on this machine, in its order."""
    found: list[Source] = []
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]:
        if path.is_file() and path.suffix in {".list", ".sources"}:
            parse = parse_list if path.suffix == ".list" else parse_deb822
            found.extend(parse(path.read_text()))
    return tuple(found)


def for_release(sources: Iterable[Source], release: str) -> tuple[Source, ...]:
    """Return the Debian archive's sources with their suites turned into those of ``release``, each place once.

    Sources that already name the release come alone: a second release beside it, pinned low, says nothing new.
    Raises `LabError` when the machine has no source of Debian's archive.
    """
    debian = [source for source in sources if source.is_debian]
    own = [source for source in debian if any(_release_of(suite) == release for suite in source.suites)]
    turned: dict[tuple[str, str], Source] = {}
    for source in own or debian:
        for uri in _expand_mirror_lists(source.uris):
            for suite in source.suites:
                found = _SUITE.match(suite)
                if found is None or (own and found["release"] != release):
                    continue
                pocket = "-security" if found["pocket"] == "/updates" else found["pocket"] or ""
                key = (uri.rstrip("/"), release + pocket)
                turned.setdefault(key, Source((uri,), (release + pocket,), ("main",), source.signed_by))
    if not any(source.suites == (release,) for source in turned.values()):
        raise LabError(
            "looking for Debian's archive in this machine's apt sources",
            f"none of the {len(tuple(sources))} sources in {APT} is Debian's main archive",
            "The lab makes its images from Debian packages: run it on Debian, or add Debian's archive to apt's sources.",
        )
    return tuple(turned.values())


def same_everywhere(sources: Iterable[Source]) -> tuple[Source, ...]:
    """Return the sources that have the same versions for all architectures: those without the security archive.

    Late in a release's life it serves some architectures only, and the platforms of one tag would differ by its updates.
    """
    return tuple(one for one in sources if not any(suite.endswith("-security") for suite in one.suites))


def render(sources: Iterable[Source], keyring: str = KEYRING) -> str:
    """Return a deb822-style file of the sources, signed by ``keyring``; without one, by what apt trusts anyway."""
    stanzas = (
        f"Types: deb\nURIs: {' '.join(source.uris)}\nSuites: {' '.join(source.suites)}\n"
        f"Components: {' '.join(source.components)}\n" + (f"Signed-By: {keyring}\n" if keyring else "")
        for source in sources
    )
    return "\n".join(stanzas)


def _release_of(suite: str) -> str:
    found = _SUITE.match(suite)
    return found["release"] if found else ""


def _expand_mirror_lists(uris: Iterable[str]) -> Iterator[str]:
    """Replace `mirror+file:` (a cloud's way to name its mirror) by what that file lists: an image lacks the file."""
    for uri in uris:
        if not uri.startswith("mirror+file:"):
            yield uri
            continue
        path = Path(urlsplit(uri).path)
        if path.is_file():
            lines = (line.partition("#")[0].split() for line in path.read_text().splitlines())
            yield from (words[0] for words in lines if words)
