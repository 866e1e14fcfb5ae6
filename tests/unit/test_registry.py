import pytest

from tam_video.errors import UnknownNameError
from tam_video.registry import Registry

NAMES = Registry("thing", {"path": "pathlib:Path", "fraction": "fractions:Fraction"}, "tam_video.x")


def test_load_imports_the_named_attribute():
    from pathlib import Path

    assert NAMES.load("path") is Path


def test_names_are_sorted():
    assert NAMES.names() == ["fraction", "path"]


def test_unknown_name_lists_close_matches():
    with pytest.raises(UnknownNameError, match="unknown thing 'pth'") as caught:
        NAMES.load("pth")
    assert caught.value.hint == "did you mean path?"
    assert caught.value.exit_code == 2


def test_unknown_name_without_close_match_lists_all():
    with pytest.raises(UnknownNameError) as caught:
        NAMES.load("zzz")
    assert caught.value.hint == "known: fraction, path"
