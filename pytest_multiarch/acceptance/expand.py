"""Expand ``$NAME`` and ``${NAME}`` as Go's ``os.Expand`` does: what is not set becomes nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# In this order: a special name in braces, any name in braces, braces that name nothing, a special name, a name.
_VARIABLE: Final = re.compile(
    r"\$(?:\{([*#$@!?\-0-9])\}|\{([^}]+)\}|(\{\}|\{)|([*#$@!?\-0-9])|([A-Za-z_][A-Za-z0-9_]*))"
)


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Return a text with its variables replaced; a ``$`` without a name stays."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2] or found[4] or found[5]
        return environment.get(name, "") if name else ""

    return _VARIABLE.sub(value, text)
