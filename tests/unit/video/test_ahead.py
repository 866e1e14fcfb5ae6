"""One item ahead, in a thread, without losing an error or leaving a source open."""

from __future__ import annotations

import threading

import pytest

from tam_video.video.ahead import ahead


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_items_are_the_same_in_order(count):
    assert list(ahead(range(count))) == list(range(count))


def test_at_most_one_item_is_made_in_advance():
    made = []

    def source():
        for number in range(10):
            made.append(number)
            yield number

    taken = ahead(source())
    for number in range(10):
        assert next(taken) == number
        assert len(made) <= number + 2


def test_an_error_comes_after_the_items_before_it():
    def source():
        yield 1
        raise OSError("gone")

    taken = ahead(source())
    assert next(taken) == 1
    with pytest.raises(OSError, match="gone"):
        next(taken)


def test_closing_closes_the_source_and_ends_the_thread():
    closed = []

    def source():
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    before = threading.active_count()
    taken = ahead(source())
    assert next(taken) == 1
    taken.close()
    assert closed == [True]
    assert threading.active_count() == before


def test_closing_waits_for_the_item_that_is_being_made():
    closed, may_go_on = [], threading.Event()

    def source():
        try:
            yield 1
            may_go_on.wait()
            yield 2
        finally:
            closed.append(True)

    taken = ahead(source())
    assert next(taken) == 1
    threading.Timer(0.05, may_go_on.set).start()
    taken.close()
    assert closed == [True]


def test_items_are_made_elsewhere():
    made_by = list(ahead(threading.get_ident() for _ in range(3)))
    assert threading.get_ident() not in made_by
