import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.pipelines.problems import key_lines, line_of

DOCUMENT = '''\
# a comment with key = 1 in it

schema = 1
"quoted key" = 2
text = """
run = 3
[none]
"""
long = [
  "a",   # ]
  "[run]",
  { x = 1 },
]
dotted . key = 5

[run]
fps = 2.0 # [x]
"num_frames" = 4

[[rules]]
name = "one"
[rules.zone]
x = 1
[[rules]]
name = "two"
[rules.zone]
x = 2
[[rules.boxes]]
left = 1
'''


def test_every_key_has_its_line():
    lines = key_lines(DOCUMENT)
    assert lines[("schema",)] == 3
    assert lines[("quoted key",)] == 4
    assert lines[("text",)] == 5
    assert lines[("long",)] == lines[("long", 2, "x")] == 9
    assert lines[("dotted", "key")] == 14
    assert lines[("run",)] == 16
    assert lines[("run", "fps")] == 17
    assert lines[("run", "num_frames")] == 18
    assert lines[("rules", 0, "name")] == 21
    assert lines[("rules", 0, "zone", "x")] == 23
    assert lines[("rules", 1)] == 24
    assert lines[("rules", 1, "zone", "x")] == 27
    assert lines[("rules", 1, "boxes", 0, "left")] == 29
    assert ("none",) not in lines


def test_missing_keys_have_the_line_of_their_table():
    lines = key_lines("[run]\nfps = 1\n")
    assert line_of(("run", "seed"), lines) == 1
    assert line_of(("inputs",), lines) is None
    assert line_of((), lines) is None


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_of_either_kind(end):
    assert key_lines(f"a = 1{end}{end}b = [{end}1]{end}c = 2{end}") == {
        ("a",): 1,
        ("b",): 3,
        ("b", 0): 3,
        ("c",): 5,
    }


def test_a_slow_text_is_given_up():
    text = "a = [\n" + '"]",\n' * 40_000 + "]\nb = 1\n"
    tomllib.loads(text)
    assert ("b",) not in key_lines(text)


_VALUES = ("1", '"x = 1"', "[\n1,\n# ]\n2]", '"""\na = 1\n"""', "{ y = [1] }", "'''\n]\n'''")
_FILLING = st.lists(st.sampled_from(["", "# k = 1", "   ", "# [t]"]), max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_FILLING, st.sampled_from(_VALUES), st.booleans()), max_size=8))
def test_lines_match_the_reference(statements):
    """Reference implementation: count while the text is built."""
    lines, wanted, table = [], {}, ()
    for number, (filling, value, opens) in enumerate(statements):
        lines += filling
        if opens:
            table = (f"t{number}",)
            lines.append(f"[t{number}]")
            wanted[table] = len(lines)
        wanted[(*table, f"k{number}")] = len(lines) + 1
        lines += f"k{number} = {value}".split("\n")
    result = key_lines("\n".join(lines))
    assert {path: result.get(path) for path in wanted} == wanted
