"""Open videos and manifests from local files and from allowed object stores.

A manifest may be hostile. By default only local files are opened, and with a `root` only those
below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tam_video.errors import ConfigError, MissingDependencyError, VideoOpenError
from tam_video.video.reader import checked_path
from tam_video.video.source import file_fingerprint, fingerprint_of

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_EXTRAS = {"s3": "s3", "gs": "gcs", "gcs": "gcs"}


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """Rules for the local files and object stores that may be opened.

    Attributes:
        protocols: protocols of allowed stores, such as "s3"; local files are always allowed.
        root: folder that must contain all files, after symbolic links are resolved; None for any.
    """

    protocols: frozenset[str] = frozenset()
    root: Path | None = None

    def checked(self, source: str) -> str:
        """Return `source` as an address or an absolute path. Raise an error if it is not allowed.

        Raises:
            VideoOpenError: its store is not allowed, or the file is outside `root`.
        """
        if "\0" in source:
            raise VideoOpenError("a file name can't contain a NUL character", hint="check the path")
        scheme = protocol(source)
        if scheme == "file":
            source, scheme = source.removeprefix("file://"), None
        if scheme is None:
            path = Path(source).absolute()
            if self.root is not None and not path.resolve().is_relative_to(self.root.resolve()):
                raise VideoOpenError(
                    f"{path} is not below the root folder",
                    hint=f"only files in {self.root} are opened",
                )
            return str(path)
        if scheme not in self.protocols or "::" in source:
            raise VideoOpenError(
                f"can't open {source}: only local files are allowed",
                hint=f"pass --allow-protocol {scheme} if you trust the list of items",
            )
        return source


FILES_ONLY = SourcePolicy()


def protocol(source: str) -> str | None:
    """Return the scheme of an address in lower case, or None for a path."""
    match = _SCHEME.match(source)
    return match[1].lower() if match else None


def is_remote(source: str) -> bool:
    """Return whether a source is in an object store."""
    return protocol(source) not in (None, "file")


def file_system(address: str) -> tuple[Any, str]:
    """Return the fsspec file system for an address, and the path in this file system.

    Raises:
        MissingDependencyError: the package of the store is not installed.
        ConfigError: an unknown scheme, or an address that the store refuses.
    """
    import fsspec

    scheme = protocol(address) or "file"
    try:
        system, path = fsspec.core.url_to_fs(address)
    except ImportError as exc:
        extra = _EXTRAS.get(scheme)
        package = f"'tam-video[{extra}]'" if extra else exc.name or scheme
        raise MissingDependencyError(
            f"a package for {scheme}:// is not installed: {exc}", hint=f"pip install {package}"
        ) from exc
    except ValueError as exc:
        raise ConfigError(f"{address}: {exc}", hint="use a path, s3:// or gs://") from exc
    return system, path


@contextmanager
def store_errors(address: str) -> Iterator[None]:
    """Convert read errors of an object store to `VideoOpenError`."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
        raise VideoOpenError(
            f"{address} can't be read: {reason}", hint="check the address and your access"
        ) from exc


def fingerprint(source: str) -> str:
    """Return a hex digest over the size, the first MiB and the last MiB of a local or remote video.

    Args:
        source: as returned by `SourcePolicy.checked`.

    Raises:
        VideoOpenError: it is missing, empty or unreadable.
    """
    if not is_remote(source):
        local = checked_path(source)
        with store_errors(source):
            return file_fingerprint(local)
    system, path = file_system(source)
    with store_errors(source):
        return fingerprint_of(
            int(system.size(path)),
            lambda start, end: bytes(system.cat_file(path, start=start, end=end)),
        )


def fetch(source: str, folder: Path) -> Path:
    """Return the local path of a video; a video in an object store is first copied to `folder`.

    Args:
        source: as returned by `SourcePolicy.checked`.
        folder: for the copy; created if needed.

    Raises:
        VideoOpenError: it cannot be copied.
    """
    if not is_remote(source):
        return Path(source)
    system, path = file_system(source)
    target = folder / (PurePosixPath(path).name or "video")
    with store_errors(source):
        folder.mkdir(exist_ok=True)
        system.get_file(path, str(target))
    return target
