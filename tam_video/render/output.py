"""Output files that appear only when they are complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tam_video.errors import ExportError
from tam_video.video.muxing import replacing


@contextmanager
def replacing_output(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` on success.

    Raises:
        ExportError: the file can't be written.
    """
    try:
        with replacing(path) as partial:
            yield partial
    except OSError as error:
        raise ExportError(
            f"cannot write {path.name}: {error}", hint="check that the folder is writable"
        ) from error
