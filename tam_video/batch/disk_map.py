"""What has to be known of every item of a batch, however many: kept on the disk, not in memory."""

from __future__ import annotations

import hashlib
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from tam_video.errors import ExportError


class DiskMap:
    """Texts -> some bytes each, in a private temporary file that no kill leaves behind.

    SQLite holds half a MiB of it in memory. Nothing is synced: what is in it is read again from the
    ledger and the folders by the next start. A key is known by 16 bytes of its SHA-256.
    """

    def __init__(self) -> None:
        # An empty name asks for such a file. The one user may be a generator, in any thread.
        connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA cache_size = -512")  # KiB
        connection.execute("CREATE TABLE kept (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
        weakref.finalize(self, connection.close)
        self._connection = connection

    def get(self, key: str) -> bytes | None:
        """The value; None if there is none."""
        with _errors():
            found = self._connection.execute("SELECT value FROM kept WHERE key = ?", _known_by(key))
            row = found.fetchone()
        return None if row is None else bytes(row[0])

    def put(self, key: str, value: bytes = b"") -> None:
        """Keep a value, in place of an earlier one.

        Raises:
            ExportError: the temporary folder is full.
        """
        with _errors():
            self._connection.execute(
                "INSERT OR REPLACE INTO kept VALUES (?, ?)", (*_known_by(key), value)
            )

    def discard(self, key: str) -> None:
        """Forget a value, if there is one."""
        with _errors():
            self._connection.execute("DELETE FROM kept WHERE key = ?", _known_by(key))


def _known_by(key: str) -> tuple[bytes]:
    return (hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:16],)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        raise ExportError(
            f"can't keep the list of items: {exc}",
            hint="make space in the folder for temporary files, or name another: TMPDIR=DIR",
        ) from exc
