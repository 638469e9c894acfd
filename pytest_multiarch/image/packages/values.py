"""What is known of an installed package, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Manager = Literal["dpkg", "apk", "rpm"]


@dataclass(frozen=True, slots=True)
class Package:
    """A package of the distribution.

    ``version`` is whole, as the manager writes it: with epoch and release. ``architecture`` is the manager's own word,
    empty where its database has none. ``source`` is the name of the source package it was built from, empty where it
    has the package's own name or is not known. ``database`` is the path of the file that says all this; one package in two
    databases is one package.
    """

    name: str
    version: str
    architecture: str
    manager: Manager
    source: str = ""
    database: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Distribution:
    """A Python package, as its metadata describes it.

    ``name`` is normalised (PEP 503). ``path`` is the folder, or for old distutils the file, that holds the metadata.
    ``tags`` are the wheel's, empty where it was not installed from a wheel. Without ``has_record`` no installer can
    remove it, which is how distributions ship what is theirs.
    """

    name: str
    version: str
    path: str
    tags: tuple[str, ...] = ()
    has_record: bool = False
