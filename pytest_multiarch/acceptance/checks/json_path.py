"""JSON paths that lead to one value at most: the singular queries of RFC 9535, ``$.a['b'][0]``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

_STEP: Final = re.compile(
    r"\.(?P<name>[^\W\d][\w-]*)|\[(?P<index>-?\d{1,9})\]"
    r"|\['(?P<single>(?:[^'\\]|\\.)*)'\]|\[\"(?P<double>(?:[^\"\\]|\\.)*)\"\]"
)


@dataclass(frozen=True, slots=True)
class JsonPath:
    """Lead from a document to one of its values: by member names and by places in lists."""

    steps: tuple[str | int, ...]

    @classmethod
    def parse(cls, text: str) -> JsonPath:
        """Read a path. Raises ValueError."""
        at = 1 if text.startswith("$") else -1
        steps: list[str | int] = []
        while 0 <= at < len(text):
            found = _STEP.match(text, at)
            if found is None:
                break
            quoted = found["single"] if found["single"] is not None else found["double"]
            if found["index"] is not None:
                steps.append(int(found["index"]))
            else:
                steps.append(found["name"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
            at = found.end()
        if at != len(text):
            raise ValueError(f"{text!r} is no JSON path to one value: write it as $.name, $.list[0], $['a name']")
        return cls(tuple(steps))

    def find(self, document: Any, missing: Any) -> Any:
        """Return the value, or ``missing`` where there is none."""
        for step in self.steps:
            if isinstance(step, str):
                if not isinstance(document, dict) or step not in document:
                    return missing
                document = document[step]
            else:
                if not isinstance(document, list) or not -len(document) <= step < len(document):
                    return missing
                document = document[step]
        return document
