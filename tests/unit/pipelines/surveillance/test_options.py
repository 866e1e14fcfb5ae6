"""Preset options of the surveillance pipeline."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tam_video.errors import ConfigError
from tam_video.pipelines.surveillance import Surveillance, SurveillanceOptions

QUESTION = {"name": "any", "ask": "What happens?", "always": True}


def options(**given):
    base = {"pipeline": "surveillance", "inputs": ("a.mp4",), "output": Path("out")}
    return SurveillanceOptions(**{**base, "questions": [QUESTION], **given})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"questions": []}, "at least 1"),
        ({"questions": [{"name": "a", "ask": "What?"}]}, "no alert rule"),
        ({"questions": [{**QUESTION, "pattern": "("}]}, "not a valid regular expression"),
        ({"questions": [{**QUESTION, "name": "../x"}]}, "pattern"),
        ({"questions": [QUESTION, QUESTION]}, "same name"),
        ({"questions": [{**QUESTION, "yes_probability": 1.5}]}, "less than or equal to 1"),
        ({"redact": {"boxes": [[0.5, 0, 0.2, 1]]}}, "left < right"),
        ({"redact": {"motion": True}, "keep": "all"}, "but redact is set"),
        ({"record": {"nonsense": 1}}, "Extra inputs"),
        ({"window_seconds": 0}, "greater than 0"),
    ],
)
def test_contradicting_options_are_refused(given, message):
    with pytest.raises(ValidationError, match=message):
        options(**given)


def test_contradicting_gate_options_are_refused_before_the_run():
    with pytest.raises(ConfigError, match="off_share"):
        Surveillance.from_options(options(motion={"on_share": 0.1, "off_share": 0.2}))


def test_redaction_of_motion_raises_the_looks_per_second():
    assert options().gate().looks_per_second == 2
    assert options(redact={"motion": True}).gate().looks_per_second == 8
