import inspect
import re

from tam_video import errors


def test_the_drawn_tree_names_every_error_with_its_parent_and_exit_code():
    drawn = dict(re.findall(r"(\w+Error)(?: \((\d)\))?", errors.__doc__ or ""))
    classes = {
        name: value
        for name, value in inspect.getmembers(errors, inspect.isclass)
        if issubclass(value, errors.TamVideoError)
    }
    assert set(classes) <= set(drawn)
    for name, code in drawn.items():
        if code and name in classes:
            assert classes[name].exit_code == int(code)


def test_missing_dependency_is_an_import_error():
    assert issubclass(errors.MissingDependencyError, ImportError)


def test_decode_error_says_which_frame():
    assert errors.VideoDecodeError("broken", frame_index=7).frame_index == 7
