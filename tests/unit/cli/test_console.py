import gc
import json

import pytest

from tam_video.cli.console import Console, one_line, rare_collections


def test_names_that_are_not_utf8_are_escaped_as_in_json(capsys):
    Console(as_json=True).result({"path": "a\udcff.mp4"}, "")
    printed = capsys.readouterr().out
    printed.encode()
    assert json.loads(printed) == {"path": "a\udcff.mp4"}


def test_notes_are_one_line_without_control_characters():
    assert one_line("a\n\x1b[31m\udcffb") == "a  [31m b"


def test_the_garbage_collector_is_restored_after_a_command():
    before = gc.get_threshold()
    with rare_collections():
        assert gc.isenabled()
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before
    with pytest.raises(KeyboardInterrupt), rare_collections():
        raise KeyboardInterrupt
    assert gc.get_threshold() == before
