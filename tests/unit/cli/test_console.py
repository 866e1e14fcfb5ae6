import gc
import json

import pytest

from tam_video.cli.console import Console, one_line, rare_collections


def test_a_name_that_is_no_utf8_is_printed_as_json_can_say_it(capsys):
    Console(as_json=True).result({"path": "a\udcff.mp4"}, "")
    printed = capsys.readouterr().out
    printed.encode()
    assert json.loads(printed) == {"path": "a\udcff.mp4"}


def test_notes_have_one_line_and_no_control_characters():
    assert one_line("a\n\x1b[31m\udcffb") == "a  [31m b"


def test_garbage_is_looked_for_as_before_once_a_command_has_ended():
    before = gc.get_threshold()
    with rare_collections():
        assert gc.isenabled()
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before
    with pytest.raises(KeyboardInterrupt), rare_collections():
        raise KeyboardInterrupt
    assert gc.get_threshold() == before
