import json

import pytest

from tam_video.errors import ExportError, OutputExistsError, RunFolderError
from tam_video.evaluation.ledger import ClipRow, open_ledger
from tam_video.workspace.files import atomic_write

SETTINGS = {"seed": 0, "methods": ["tam"]}


def a_row(number=0):
    values = {"tam": {"auc": 0.5, "tiou": None}}
    return ClipRow("base", number, number, "A ring.", values, {"tam": {"passes": 0}})


def test_finished_clips_are_found_again(tmp_path):
    ledger = open_ledger(tmp_path / "new" / "run", SETTINGS)
    ledger.append(a_row(0))
    ledger.append(a_row(1))
    again = open_ledger(tmp_path / "new" / "run", SETTINGS)
    assert again.rows == ledger.rows == {("base", k): a_row(k) for k in (0, 1)}


def test_line_that_was_cut_off_is_dropped(tmp_path):
    ledger = open_ledger(tmp_path, SETTINGS)
    ledger.append(a_row(0))
    with (tmp_path / "clips.jsonl").open("a") as file:
        file.write('{"settings": "ab')
    again = open_ledger(tmp_path, SETTINGS)
    assert list(again.rows) == [("base", 0)]
    again.append(a_row(1))
    assert len(open_ledger(tmp_path, SETTINGS).rows) == 2


def test_other_settings_are_refused_by_name_and_forced(tmp_path):
    open_ledger(tmp_path, SETTINGS).append(a_row())
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(OutputExistsError, match="seed"):
        open_ledger(tmp_path, {**SETTINGS, "seed": 1})
    assert not open_ledger(tmp_path, {**SETTINGS, "seed": 1}, force=True).rows
    assert not (tmp_path / "results.json").exists()


def test_lines_of_other_settings_are_refused(tmp_path):
    open_ledger(tmp_path, SETTINGS).append(a_row())
    (tmp_path / "settings.json").write_text(json.dumps({"seed": 1}))
    with pytest.raises(OutputExistsError, match="other settings"):
        open_ledger(tmp_path, {"seed": 1})


@pytest.mark.parametrize("force", [False, True])
def test_foreign_folder_is_never_touched(tmp_path, force):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputExistsError):
        open_ledger(tmp_path, SETTINGS, force=force)
    with pytest.raises(OutputExistsError):
        open_ledger(tmp_path / "thesis.txt", SETTINGS, force=force)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("line", ["nonsense", "[]", "{}", '{"settings": 1}'])
def test_damaged_ledger_is_told(tmp_path, line):
    open_ledger(tmp_path, SETTINGS)
    (tmp_path / "clips.jsonl").write_text(line + "\n")
    with pytest.raises(RunFolderError):
        open_ledger(tmp_path, SETTINGS)


def test_failed_write_leaves_nothing(tmp_path):
    (tmp_path / "results.json").mkdir()
    with pytest.raises(ExportError):
        atomic_write(tmp_path / "results.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
