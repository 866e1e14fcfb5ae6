import json
from contextlib import ExitStack

import pytest

from tam_video.errors import ConfigError, ExportError, OutputExistsError, RunFolderError
from tam_video.evaluation.ledger import ClipRow, open_clip_log
from tam_video.workspace.files import atomic_write

SETTINGS = {"seed": 0, "methods": ["tam"]}


def a_row(number=0):
    values = {"tam": {"auc": 0.5, "tiou": None}}
    return ClipRow("base", number, number, "A ring.", values, {"tam": {"passes": 0}})


@pytest.fixture
def opened():
    """Open logs that stay open until the test ends, or until they are closed by hand."""
    with ExitStack() as stack:

        def open_log(folder, identity=SETTINGS, **options):
            stack.close()
            return stack.enter_context(open_clip_log(folder, identity, **options))

        yield open_log


def test_finished_clips_are_found_again(tmp_path, opened):
    log = opened(tmp_path / "new" / "run")
    log.append(a_row(0))
    log.append(a_row(1))
    again = opened(tmp_path / "new" / "run")
    assert again.rows == log.rows == {("base", k): a_row(k) for k in (0, 1)}


def test_line_that_was_cut_off_is_dropped(tmp_path, opened):
    opened(tmp_path).append(a_row(0))
    with (tmp_path / "clips.jsonl").open("a") as file:
        file.write('{"settings": "ab')
    again = opened(tmp_path)
    assert list(again.rows) == [("base", 0)]
    again.append(a_row(1))
    assert len(opened(tmp_path).rows) == 2


def test_other_settings_are_refused_by_name_and_forced(tmp_path, opened):
    opened(tmp_path).append(a_row())
    (tmp_path / "results.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="seed"):
        opened(tmp_path, {**SETTINGS, "seed": 1})
    assert not opened(tmp_path, {**SETTINGS, "seed": 1}, force=True).rows
    assert not (tmp_path / "results.json").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_setting_that_an_older_release_did_not_record_has_its_default(tmp_path, opened):
    opened(tmp_path).append(a_row())
    newer = {**SETTINGS, "depth": 2}
    assert list(opened(tmp_path, newer, defaults={"depth": 2, "clips": 9}).rows) == [("base", 0)]
    with pytest.raises(OutputExistsError, match="depth"):
        opened(tmp_path, newer, defaults={"depth": 3})


def test_a_second_process_is_refused_and_so_is_force(tmp_path, opened):
    opened(tmp_path).append(a_row())
    for force in (False, True):
        with (
            pytest.raises(ConfigError, match="another process"),
            open_clip_log(tmp_path, SETTINGS, force=force),
        ):
            pass
    assert list(opened(tmp_path).rows) == [("base", 0)]


def test_lines_of_other_settings_are_refused(tmp_path, opened):
    opened(tmp_path).append(a_row())
    (tmp_path / "settings.json").write_text(json.dumps({"seed": 1}))
    with pytest.raises(OutputExistsError, match="other settings"):
        opened(tmp_path, {"seed": 1})


@pytest.mark.parametrize("force", [False, True])
def test_foreign_folder_is_never_touched(tmp_path, opened, force):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputExistsError):
        opened(tmp_path, force=force)
    with pytest.raises(OutputExistsError):
        opened(tmp_path / "thesis.txt", force=force)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("line", ["nonsense", "[]", "{}", '{"settings": 1}'])
def test_damaged_log_is_reported(tmp_path, opened, line):
    opened(tmp_path)
    (tmp_path / "clips.jsonl").write_text(line + "\n")
    with pytest.raises(RunFolderError):
        opened(tmp_path)


def test_failed_write_leaves_nothing(tmp_path):
    (tmp_path / "results.json").mkdir()
    with pytest.raises(ExportError):
        atomic_write(tmp_path / "results.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
