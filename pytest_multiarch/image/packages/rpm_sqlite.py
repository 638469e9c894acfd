"""rpm's SQLite database, read by SQLite from a copy in a temporary folder.

The file comes out of an image and may be made to do harm: what SQLite's "Defense Against The Dark Arts" advises for
such files is switched on, only a plain table is asked, and a time limit ends a query that takes long.

Sources: rpm's ``lib/backend/sqlite.cc``; https://www.sqlite.org/security.html.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_multiarch.image.packages.tree import refuse
from pytest_multiarch.image.wording import plain

if TYPE_CHECKING:
    from collections.abc import Generator

_HEADER_BYTES: Final = 32 * 1024 * 1024
_SECONDS: Final = 30.0
_STEPS: Final = 10_000


def sqlite_headers(path: str, database: bytes, log: bytes = b"") -> Generator[tuple[int, bytes], None, None]:
    """Yield the headers with their numbers.

    Args:
        path: the database's in the image, for errors.
        database: its content.
        log: the content of its write-ahead log (``-wal``), where changes are until SQLite closes it properly.

    Raises DocumentError: it is not an SQLite database with rpm's table, or it is broken.

    """
    with tempfile.TemporaryDirectory(prefix="multiarch-rpm-") as folder:
        copy = Path(folder, "rpmdb.sqlite")
        copy.write_bytes(database)
        if log:
            copy.with_name("rpmdb.sqlite-wal").write_bytes(log)
        try:
            with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
                _harden(connection)
                _check_table(path, connection)
                for number, header in connection.execute("SELECT hnum, blob FROM Packages"):
                    if not isinstance(number, int) or not isinstance(header, bytes) or len(header) > _HEADER_BYTES:
                        refuse(path, "table Packages", "a row that is no header")
                    yield number, header
        # SQLite's message may quote the file, and Python decodes it before it makes an error of it.
        except (sqlite3.Error, UnicodeDecodeError) as error:
            refuse(path, "", f"SQLite says: {plain(str(error))}")


def _harden(connection: sqlite3.Connection) -> None:
    """Set what SQLite advises; already this reads the file, and fails where it is broken."""
    connection.text_factory = bytes
    end = time.monotonic() + _SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0", "query_only = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _check_table(path: str, connection: sqlite3.Connection) -> None:
    """Refuse a view, a virtual table and computed columns: they would make SQLite work for whoever wrote the file."""
    kinds = connection.execute("SELECT type, sql FROM sqlite_master WHERE name = 'Packages'").fetchall()
    plain_table = len(kinds) == 1 and kinds[0][0] == b"table" and bytes(kinds[0][1]).upper().startswith(b"CREATE TABLE")
    columns = connection.execute("PRAGMA table_xinfo(Packages)").fetchall() if plain_table else []
    stored = {bytes(column[1]) for column in columns if column[6] == 0}
    if not {b"hnum", b"blob"} <= stored:
        refuse(path, "", "it has no table Packages as rpm makes it")
