"""Dates and times in documents, as RFC 3339 writes them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_multiarch.oci.reading import Node

_RFC3339: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)


def time_at(node: Node, key: str) -> datetime | None:
    """Return a member that is a date and time with its zone, None where it is absent or empty.

    Raises DocumentError: it is no text, or no time of RFC 3339.
    """
    child = node.child(key)
    if child is None or child.text() == "":
        return None
    match = _RFC3339.fullmatch(child.text())
    if match is None:
        child.expected("a date and time as in RFC 3339")
    *numbers, fraction, sign, hours, minutes = match.groups()
    shift = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        zone = timezone(-shift if sign == "-" else shift)
        year, month, day, hour, minute, second = (int(number) for number in numbers)
        return datetime(year, month, day, hour, minute, second, int((fraction or "0").ljust(6, "0")[:6]), zone)
    except ValueError:
        child.expected("a date and time as in RFC 3339")
