"""Append-only log files in JSON lines.

A line counts once its end is on the disk. A last line without an end, which a killed process left
behind, is cut off when the file is opened again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tam_video.workspace.files import NEVER_FOLLOW_LINKS, sync, wrap_os_errors

Record = TypeVar("Record")


class AppendLog:
    """A JSON lines file that is synced after each append. Symbolic links are refused.

    Attributes:
        path: the file; created by the first append.
        num_damaged: lines that the last call of `records` could not parse.
    """

    def __init__(self, path: Path, *, repair: bool = False) -> None:
        """Store the path without opening the file.

        Args:
            path: the file.
            repair: cut off a torn last line while reading; only for the one writer of the file.
        """
        self.path, self._repair = path, repair
        self.num_damaged = 0

    def append(self, lines: Sequence[bytes]) -> int:
        """Append lines (without line endings), and wait until they are on the disk.

        Returns:
            Byte offset of the first of them.

        Raises:
            ExportError: they cannot be written; the file is unchanged.
        """
        data = memoryview(b"".join(line + b"\n" for line in lines))
        with wrap_os_errors(self.path):
            is_new = not self.path.exists()
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | NEVER_FOLLOW_LINKS, 0o644)
            try:
                start = os.lseek(handle, 0, os.SEEK_END)
                try:
                    while data:
                        data = data[os.write(handle, data) :]
                    os.fsync(handle)
                except OSError:
                    os.ftruncate(handle, start)
                    raise
            finally:
                os.close(handle)
            if is_new:
                sync(self.path.parent)
        return start

    def scan(self) -> Iterator[tuple[int, bytes]]:
        """Yield (byte offset, line) for each complete line. A missing file has no lines.

        Raises:
            ExportError: the file cannot be read or repaired.
        """
        with wrap_os_errors(self.path):
            if not os.path.lexists(self.path):
                return
            flags = (os.O_RDWR if self._repair else os.O_RDONLY) | NEVER_FOLLOW_LINKS
            handle, start = os.open(self.path, flags), 0
            with os.fdopen(handle, "r+b" if self._repair else "rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    yield start, line[:-1]
                    start += len(line)
                if self._repair:
                    file.truncate(start)

    def records(self, parse: Callable[[Any], Record]) -> Iterator[tuple[int, Record]]:
        """Yield (byte offset, record) for each valid line, and count the damaged lines.

        Args:
            parse: called with the value of a line; raises ValueError, KeyError or TypeError for a
                damaged one.
        """
        self.num_damaged = 0
        for start, line in self.scan():
            try:
                record = parse(json.loads(line))
            except (ValueError, KeyError, TypeError):
                self.num_damaged += 1
                continue
            yield start, record

    def read(self, start: int) -> bytes:
        """Return the line that starts at a byte offset."""
        with wrap_os_errors(self.path), self.path.open("rb") as file:
            file.seek(start)
            return file.readline().rstrip(b"\n")


def json_line(record: Mapping[str, Any]) -> bytes:
    """Return a record as a JSON line. Lone surrogates from undecodable file names are escaped."""
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace")
