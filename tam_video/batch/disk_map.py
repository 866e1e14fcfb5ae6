"""A dictionary on disk, which keeps the memory of a batch constant for any number of items."""

from __future__ import annotations

import hashlib
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from tam_video.errors import ExportError


class DiskMap:
    """A dictionary with strings as keys and bytes as values, stored in a temporary file.

    SQLite caches half a MiB of it in memory. Nothing is synced: the next start reads the content
    from the log and the folders again. A key is stored as 16 bytes of its SHA-256.
    """

    def __init__(self) -> None:
        # An empty name creates an unnamed file. A generator may be resumed in another thread.
        connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA cache_size = -512")  # KiB
        connection.execute("CREATE TABLE kept (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
        weakref.finalize(self, connection.close)
        self._connection = connection

    def get(self, key: str) -> bytes | None:
        """Return the value of a key, or None if the key is missing."""
        with _errors():
            rows = self._connection.execute("SELECT value FROM kept WHERE key = ?", _digest(key))
            row = rows.fetchone()
        return None if row is None else bytes(row[0])

    def put(self, key: str, value: bytes = b"") -> None:
        """Store the value of a key, replacing any earlier value."""
        with _errors():
            self._connection.execute(
                "INSERT OR REPLACE INTO kept VALUES (?, ?)", (*_digest(key), value)
            )

    def discard(self, key: str) -> None:
        """Remove a key and its value if the key is present."""
        with _errors():
            self._connection.execute("DELETE FROM kept WHERE key = ?", _digest(key))


def _digest(key: str) -> tuple[bytes]:
    return (hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:16],)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        raise ExportError(
            f"can't store the list of items: {exc}",
            hint="free space in the temporary folder, or set TMPDIR to another folder",
        ) from exc
