"""Settings are declared once: everything else is made from the declarations."""

import ast
import importlib.util
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import click
import pytest

import tam_video
from tam_video.cli import cli
from tam_video.config import RunConfig
from tam_video.errors import ConfigError, UnknownNameError
from tam_video.render.options import RenderOptions
from tam_video.settings.declare import check_values, declared
from tam_video.settings.groups import GROUPS, EncoderName, LookSettings, run_fields
from tam_video.settings.keywords import SettingKeywords
from tam_video.video.encoders import ENCODER_NAMES

CHECKOUT = Path(__file__).parents[2]
FLAGS = json.loads((Path(__file__).parent / "flags.json").read_text())


def load_generator():
    spec = importlib.util.spec_from_file_location("generate", CHECKOUT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def flags_of(command, path):
    """Return the flags and arguments of a command and of those in it, former ones included."""
    flags = {
        " ".join(path): " ".join(
            sorted(
                flag
                for each in command.params
                for flag in (*each.opts, *each.secondary_opts, *getattr(each, "former", ()))
            )
        )
    }
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            flags |= flags_of(command.get_command(context, name), [*path, name])
    return flags


def test_each_command_has_its_flags():
    """A flag is removed only on purpose: then, and for new ones, edit `flags.json`."""
    assert flags_of(cli, ["tam-video"]) == FLAGS


def test_the_config_has_the_declared_fields_and_defaults():
    fields = list(run_fields())
    assert sorted(RunConfig.model_fields) == sorted(field.name for field in fields)
    config = RunConfig()
    assert all(getattr(config, field.name) == field.default for field in fields)


def test_a_look_without_settings_is_that_of_the_default_config():
    assert RenderOptions.of_run(RunConfig()) == RenderOptions()


def test_keyword_arguments_are_the_declared_settings_with_their_defaults():
    names = {field.name: field.default for field in run_fields()}
    assert {*SettingKeywords.__annotations__, "model"} == names.keys()
    for function in (tam_video.explain, tam_video.explain_to_folder):
        parameters = inspect.signature(function).parameters
        assert "settings" not in parameters
        del names["model"]
        assert {name: parameters[name].default for name in names} == names
        names["model"] = None


def test_generated_files_are_up_to_date():
    stale = [str(path) for path, text in load_generator().outputs() if path.read_text() != text]
    assert stale == [], "run: python docs/generate.py"


def test_choices_are_those_of_the_code_that_uses_them():
    assert get_args(EncoderName) == ENCODER_NAMES


@pytest.mark.parametrize("field", list(run_fields()), ids=lambda field: field.name)
def test_each_setting_has_a_help_and_an_unset_text(field):
    assert field.setting.help.endswith((".", "..."))
    assert "  " not in field.setting.help
    assert field.default is not None or (field.setting.unset and field.setting.example is not None)


def test_groups_share_no_field():
    names = [field.name for group in GROUPS.values() for field in declared(group)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("values", "error"),
    [({"opacity": float("nan")}, ConfigError), ({"tiles": "slots"}, UnknownNameError)],
)
def test_values_are_checked_against_their_declaration(values, error):
    with pytest.raises(error):
        check_values(LookSettings(**values))


ADD_A_FIELD = """
import importlib.util, inspect, sys
from dataclasses import dataclass
import tam_video.settings.groups as groups
from tam_video.settings.declare import setting

@dataclass(frozen=True)
class Extended(groups.LookSettings):
    glow: float = setting(0.25, "Glow around the heat.", ge=0, le=1)

groups.LookSettings = groups.GROUPS["look"] = Extended

from click.testing import CliRunner
from tam_video.cli import cli
import tam_video
from tam_video.pipelines.new import preset_text
from tam_video.render.options import RenderOptions

spec = importlib.util.spec_from_file_location("generate", sys.argv[1])
generate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate)

for command in ("explain", "render", "batch"):
    help_text = CliRunner().invoke(cli, [command, "--help"]).output
    assert "--glow FLOAT" in help_text and "Glow around the heat.  [default: 0.25]" in help_text
assert "# glow = 0.25                     # Glow around the heat." in preset_text("video-qa")
page = generate.fill("<!-- settings: look -->\\n<!-- end of settings -->")
assert "| `glow` | `--glow` | `0.25` | Glow around the heat. |" in page, page
assert "    glow: float\\n" in generate.keywords(groups.run_fields())
for function in (tam_video.explain, tam_video.explain_to_folder):
    assert inspect.signature(function).parameters["glow"].default == 0.25
config = tam_video.RunConfig(glow=0.5)
assert RenderOptions.of_run(config).glow == 0.5
try:
    tam_video.RunConfig(glow=2)
except ValueError:
    print("done")
"""


def test_a_field_added_to_the_look_appears_everywhere():
    command = [sys.executable, "-c", ADD_A_FIELD, str(CHECKOUT / "docs" / "generate.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "done\n", done.stderr


def test_settings_load_no_other_package():
    for path in (CHECKOUT / "tam_video" / "settings").glob("*.py"):
        tree = ast.parse(path.read_text())
        top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {getattr(node, "module", None) or node.names[0].name for node in top}
        assert {
            name for name in names if name.partition(".")[0] not in sys.stdlib_module_names
        } <= {
            "tam_video.errors",
            "tam_video.settings.declare",
            "tam_video.settings.groups",
            "tam_video.settings.parse",
        }
