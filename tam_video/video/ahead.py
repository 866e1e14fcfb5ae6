"""Compute the next item of an iterable in a thread while the current item is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield `items`. While the caller uses an item, a thread computes the next item.

    Useful if computing an item releases the GIL, as decoding does. At most one item waits.
    Exceptions are raised at their item. Closing the generator waits for the running item and closes
    the source.

    Args:
        items: computed in another thread, one at a time.
    """
    source, end = iter(items), object()
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        try:
            pending = thread.submit(next, source, end)
            while (item := pending.result()) is not end:
                pending = thread.submit(next, source, end)
                yield item  # type: ignore[misc]
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                thread.submit(close).result()
