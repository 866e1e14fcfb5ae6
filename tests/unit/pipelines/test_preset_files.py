"""Shipped presets: they are the generated ones, with every key and its real default."""

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from pydantic_core import to_jsonable_python

from tam_video.pipelines.base import PIPELINES, PipelineOptions
from tam_video.pipelines.new import preset_text
from tam_video.pipelines.preset import SCHEMA, load_pipeline, read_preset
from tam_video.pipelines.problems import known_keys, table_model
from tam_video.settings.declare import setting

CHECKOUT = Path(__file__).parents[3]
NAMES = [
    name
    for name, target in PIPELINES.targets.items()
    if find_spec(target.partition(":")[0]) is not None
]
_HEADER = re.compile(r"(?:# )?\[+([\w.]+)\]+\s*(?:#.*)?$")
_COMMENTED = re.compile(r"# (?P<key>[a-z_]+) = (?P<value>.+?)(?P<note>\s+# .*)?$")


def preset_path(name):
    return CHECKOUT / "pipelines" / f"{name.replace('-', '_')}.toml"


def commented(text):
    """Dotted key -> its value in a comment, and whether that is an example of an unset key."""
    table, result = "", {}
    for line in text.splitlines():
        if header := _HEADER.match(line):
            table = f"{header[1]}."
        match = _COMMENTED.match(line)
        if match and match["value"] != "value":
            value = tomllib.loads(line.removeprefix("# "))[match["key"]]
            is_unset = (match["note"] or "").strip().startswith("# unset")
            result[f"{table}{match['key']}"] = (value, is_unset)
    return result


def dotted_keys(document, prefix=""):
    """Every key, of a list of tables those of all its tables."""
    result = {}
    for key, value in document.items():
        result[f"{prefix}{key}"] = None
        for table in value if isinstance(value, list) else [value]:
            if isinstance(table, dict):
                result |= dotted_keys(table, f"{prefix}{key}.")
    return result


def default_of(model, key):
    """A field's default as TOML writes it."""
    first, _, rest = key.partition(".")
    field = model.model_fields[first]
    if rest:
        return default_of(table_model(field.annotation), rest)
    return to_jsonable_python(field.get_default(call_default_factory=True))


def override(text, key, value):
    """What sets a key; in a list of tables, that of the first one."""
    table, _, name = key.rpartition(".")
    tables = tomllib.loads(text).get(table)
    if isinstance(tables, list):
        return {table: [{**tables[0], name: value}, *tables[1:]]}
    return {key: value}


@pytest.mark.parametrize("name", NAMES)
def test_it_names_its_pipeline_and_is_read(name):
    options = read_preset(preset_path(name))
    assert options.pipeline == name
    load_pipeline(name).from_options(options)
    assert preset_text(name) == preset_path(name).read_text()
    assert tomllib.loads(preset_text(name))["schema"] == SCHEMA


@pytest.mark.parametrize("name", NAMES)
def test_every_key_is_in_it_and_no_other(name):
    model = load_pipeline(name).options_type
    text = preset_path(name).read_text()
    written = dotted_keys(tomllib.loads(text)).keys() - {"schema"}
    in_comments = commented(text).keys()
    wanted = {".".join(map(str, path)) for path in known_keys(model)}
    assert (written | in_comments) - wanted == set()
    assert wanted - written - in_comments == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_commented_key_shows_its_default_or_an_example(name):
    model = load_pipeline(name).options_type
    text = preset_path(name).read_text()
    for key, (value, is_unset) in commented(text).items():
        default = default_of(model, key)
        assert default is None if is_unset else default == value, key
        read_preset(preset_path(name), overrides=override(text, key, value))


@pytest.mark.parametrize("name", NAMES)
def test_every_key_has_a_comment(name):
    """On its own line, or in the lines above it."""
    above = ""
    for line in preset_path(name).read_text().splitlines():
        is_key = re.match(r"(# )?[a-z_]+ = ", line) and "# key = value" not in line
        if is_key and " # " not in line.removeprefix("# "):
            assert above.startswith("#") or line.startswith("pipeline ="), line
        above = line


def test_a_pipeline_of_another_package_has_a_preset_too(monkeypatch):
    """Its text is written from the declared options, as those of this package are."""

    class Options(PipelineOptions):
        glow: float = setting(0.25, "Glow around the heat.", ge=0)
        hue: float | None = setting(None, "Hue.", unset="by the map", example=0.5)

    class Glowing:
        """Clips that glow."""

        options_type = Options

    monkeypatch.setattr("tam_video.pipelines.new.load_pipeline", lambda name: Glowing)
    text = preset_text("glowing")
    assert text.startswith("# Clips that glow.")
    assert commented(text)["glow"] == (0.25, False)
    assert commented(text)["hue"] == (0.5, True)
