"""Where a build's cache comes from and goes to, in the words of ``docker buildx build``: one place per platform."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_multiarch.platforms import Platform

PLACEHOLDER = "{platform}"


def cache_arguments(cache_from: Sequence[str], cache_to: Sequence[str], platform: Platform) -> list[str]:
    """Return buildx's arguments for one platform; its name takes the place of ``{platform}``, a dash for each slash."""
    name = str(platform).replace("/", "-")
    given = [*(("--cache-from", text) for text in cache_from), *(("--cache-to", text) for text in cache_to)]
    return [word for option, text in given for word in (option, text.replace(PLACEHOLDER, name))]


def parse_cache(text: str, option: str, root: Path, platforms: int) -> str:
    """Return a value with its local paths made absolute, from ``root``.

    Raises `UsageProblem`: it is no list of fields, or several platforms would write one over the other.
    """
    tried = f"reading {text!r} of {option}"
    try:
        (fields,) = csv.reader([text], strict=True)
    except (ValueError, csv.Error) as error:
        raise UsageProblem(tried, str(error), "Write it as docker buildx build takes it: type=local,dest=DIR") from None
    pairs = [(name.strip().lower(), value) for name, _, value in (field.partition("=") for field in fields)]
    kind = dict(pairs).get("type", "" if len(fields) > 1 else "registry")
    if option.endswith("-to") and platforms > 1 and kind != "inline" and PLACEHOLDER not in text:
        raise UsageProblem(
            tried,
            f"the run's {platforms} platforms would write their caches over one another",
            f"Write {PLACEHOLDER} where their names are to differ: type=local,dest=cache/{PLACEHOLDER}",
        )
    if kind != "local":
        return text
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow(
        f"{name}={(root / Path(value).expanduser()).absolute()}" if name in ("src", "dest") else f"{name}={value}"
        for name, value in pairs
    )
    return written.getvalue()
