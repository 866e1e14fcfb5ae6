"""Work on the next item while the present one is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items, each made in a thread while the one before it is used.

    Pays where making an item leaves the interpreter to others, as decoding does. At most one item
    waits. What making one raises is raised where it would have been; when the result is closed, an
    item on its way is waited for and the source is closed.

    Args:
        items: may make each item in another thread than the last, never two at once.
    """
    source, end = iter(items), object()
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        try:
            coming = thread.submit(next, source, end)
            while (item := coming.result()) is not end:
                coming = thread.submit(next, source, end)
                yield item  # type: ignore[misc]
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                thread.submit(close).result()
