"""What a user asks to be built, as values. Nothing here builds."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSpec:
    """Describe one image to build, in the words of ``docker buildx build``.

    ``args`` holds build arguments (a value of ``None`` is taken from the environment, as docker does), ``contexts`` the
    named build contexts, ``secrets`` what ``--secret`` takes (``id=…,src=…`` or ``id=…,env=…``). ``base_images`` are
    copied into the throwaway registry beside those that the Dockerfile names.
    """

    context: Path
    dockerfile: Path | None = None
    target: str | None = None
    args: Mapping[str, str | None] = field(default_factory=dict)
    contexts: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    base_images: tuple[str, ...] = ()

    @property
    def dockerfile_path(self) -> Path:
        """Return where the Dockerfile is: beside the context unless said otherwise."""
        return self.dockerfile if self.dockerfile is not None else self.context / "Dockerfile"

    @property
    def name(self) -> str:
        """Return a repository name made from the context's folder: lower-case letters, digits and single dashes."""
        words = "".join(c if c.isascii() and c.isalnum() else " " for c in self.context.resolve().name.lower())
        return "-".join(words.split()) or "image"

    @property
    def key(self) -> tuple[object, ...]:
        """Return what tells this specification from another: two with equal keys are built once."""
        return (
            self.context,
            self.dockerfile,
            self.target,
            tuple(sorted((name, value or "", value is None) for name, value in self.args.items())),
            tuple(sorted(self.contexts.items())),
            self.secrets,
            self.base_images,
        )

    def check(self) -> None:
        """Raise `UsageProblem` where the context or the Dockerfile is not there to be read."""
        if not self.context.is_dir():
            found = "it is no folder" if self.context.exists() else "there is no such folder"
            raise UsageProblem(
                f"looking for the build context {self.context}",
                found,
                "Name the folder to build with --multiarch-context (or multiarch_context in the configuration).",
            )
        if not self.dockerfile_path.is_file():
            raise UsageProblem(
                f"looking for the Dockerfile {self.dockerfile_path}",
                "there is no such file",
                "Name it with --multiarch-dockerfile, name its folder with --multiarch-context, "
                "or test a published image with --multiarch-image.",
            )

    def resolved_args(self) -> dict[str, str]:
        """Return the build arguments with those without a value taken from the environment, where it has them."""
        given = {name: os.environ.get(name) if value is None else value for name, value in self.args.items()}
        return {name: value for name, value in given.items() if value is not None}

    def secret_texts(self) -> frozenset[str]:
        """Return what the secrets hold, whole and line by line, read anew: so that no report shows it.

        Only text can be shown, so a secret that is none, or is not there, gives nothing; buildx says the latter itself.
        """
        found: set[str] = set()
        for secret in self.secrets:
            fields = dict(part.partition("=")[::2] for part in secret.split(","))
            name, source = fields.get("id", ""), fields.get("src") or fields.get("source") or ""
            # As buildx reads it (util/buildflags/secrets.go): an id alone is a variable if there is one, else a file.
            variable = fields.get("env") or (source if fields.get("type") == "env" else "")
            if not variable and not source and name in os.environ:
                variable = name
            try:
                text = os.environ.get(variable, "") if variable else Path(source or name).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            found |= {text.strip(), *(line.strip() for line in text.splitlines())}
        return frozenset(found - {""})


def parse_build_args(texts: Sequence[str]) -> dict[str, str | None]:
    """Read ``NAME=VALUE`` and ``NAME`` (value from the environment); the last of a name wins, as docker does.

    Raises `UsageProblem` where the name is missing.
    """
    return dict(_pair(text, "build argument", "--multiarch-build-arg") for text in texts)


def parse_build_contexts(texts: Sequence[str]) -> dict[str, str]:
    """Read ``NAME=SOURCE``. Raises `UsageProblem` where either is missing."""
    contexts = {}
    for text in texts:
        name, value = _pair(text, "build context", "--multiarch-build-context")
        if not value:
            raise UsageProblem(
                f"reading the build context {text!r}",
                "it has no source",
                "Write it as NAME=PATH, NAME=docker-image://REFERENCE, or another source that buildx takes.",
            )
        contexts[name] = value
    return contexts


def _pair(text: str, what: str, option: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not name.strip() or any(c.isspace() for c in name):
        raise UsageProblem(f"reading the {what} {text!r}", "it has no name", f"Write {option}=NAME=VALUE.")
    return name, value if equals else None
