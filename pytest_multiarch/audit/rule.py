"""What a rule is: a code, a name, an explanation, and a check over one of four things.

A rule's docstring is its documentation: the command line, the reports and the page of all rules take their words from it.
After the summary it has the sections ``Why``, ``Seen in`` and ``Mend``, each a paragraph that begins with that word and a
colon; whatever stands before the first of them tells what is found.
"""

from __future__ import annotations

import inspect
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

from pytest_multiarch.audit.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_multiarch.audit.context import BuildContext
    from pytest_multiarch.audit.history import Brought
    from pytest_multiarch.audit.views import ImageView, PlatformView
    from pytest_multiarch.platforms import Platform

CODE: Final = re.compile(r"[A-Z]{2,8}[0-9]{3}", re.ASCII)
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", re.ASCII)
_SECTION: Final = re.compile(r"(?:\A|\n\n)(Why|Seen in|Mend): ")


@dataclass(frozen=True, slots=True)
class Explanation:
    """Hold what a rule's docstring says, each part on one line."""

    summary: str
    what: str = ""
    why: str = ""
    seen_in: str = ""
    mend: str = ""


class Rule(ABC):
    """Be the base of all rules; derive from one of `PlatformRule`, `IndexRule`, `ImageRule` and `ContextRule`.

    ``code`` is two or more capitals and three digits, and never changes its meaning; ``name`` is lower-case words with
    dashes. An ``opt_in`` rule runs only where it is selected by its code or name.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    opt_in: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Refuse a rule whose code or name has not the right form, where it is written."""
        super().__init_subclass__(**kwargs)
        if inspect.isabstract(cls) or not hasattr(cls, "code"):
            return
        if not CODE.fullmatch(cls.code) or not _NAME.fullmatch(getattr(cls, "name", "")):
            raise TypeError(f"{cls.__name__} needs a code such as 'AB123' and a name such as 'no-such-file'")

    @property
    def explanation(self) -> Explanation:
        """Return what the docstring says."""
        return explain(type(self).__doc__ or "")

    def finding(
        self,
        *,
        expected: str,
        found: str,
        platform: Platform | None = None,
        path: str = "",
        item: str = "",
        brought: Brought | None = None,
    ) -> Finding:
        """Make a finding of this rule; the arguments are the fields of `Finding`."""
        return Finding(
            code=self.code,
            rule=self.name,
            expected=expected,
            found=found,
            platform=platform,
            path=path,
            item=item,
            layer=brought.layer if brought is not None else "",
            step=brought.step if brought is not None else "",
        )


class PlatformRule(Rule):
    """Look at one platform's image; runs once for each platform."""

    @abstractmethod
    def check(self, view: PlatformView) -> Iterable[Finding]:
        """Return what is wrong with this platform's image."""


class IndexRule(Rule):
    """Look at what the index says of one platform; runs once for each platform, also for one that is not offered."""

    @abstractmethod
    def check(self, view: ImageView, platform: Platform) -> Iterable[Finding]:
        """Return what is wrong with what the index says of this platform."""


class ImageRule(Rule):
    """Look at all platforms side by side; runs once."""

    @abstractmethod
    def check(self, view: ImageView) -> Iterable[Finding]:
        """Return what is wrong with the image as a whole."""


class ContextRule(Rule):
    """Look at what the image is built from; runs once, and only where there is a Dockerfile."""

    @abstractmethod
    def check(self, context: BuildContext) -> Iterable[Finding]:
        """Return what is wrong with the Dockerfile."""


AnyRule: TypeAlias = "PlatformRule | IndexRule | ImageRule | ContextRule"


def is_per_platform(rule: Rule) -> bool:
    """Tell whether a rule runs once for each platform."""
    return isinstance(rule, PlatformRule | IndexRule)


def explain(docstring: str) -> Explanation:
    """Split a docstring into its parts; a docstring without sections is summary and text only."""
    text = inspect.cleandoc(docstring)
    summary, _, rest = text.partition("\n\n")
    first, *pieces = _SECTION.split(f"\n\n{rest}")
    sections = dict(zip(pieces[::2], pieces[1::2], strict=True))

    def one_line(part: str) -> str:
        return " ".join(part.split())

    return Explanation(
        summary=one_line(summary),
        what=one_line(first),
        why=one_line(sections.get("Why", "")),
        seen_in=one_line(sections.get("Seen in", "")),
        mend=one_line(sections.get("Mend", "")),
    )
