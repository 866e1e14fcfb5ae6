"""The medical pipeline on files with inserted patient data: none of it may be written anywhere."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import warnings
import zipfile

import av
import numpy as np
import pyarrow.parquet
import pydicom
import pytest
from damage import change_a_byte
from dicom_files import as_jpeg, dataset_of, pictures, region, save
from PIL import Image, ImageDraw
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, keyword_dict

from tam_video.config import RunConfig
from tam_video.errors import OutputExistsError
from tam_video.pipeline import load_model_from_config
from tam_video.pipelines.medical import Medical, MedicalOptions
from tam_video.pipelines.medical.identity import SALT_VARIABLE, Salt
from tam_video.pipelines.medical.intake import import_clip
from tam_video.sampling import read_frames
from tam_video.video.reader import open_video

MARKER = "QZXJANEVW"
NUMBERS = ("7719283746", "19281217")
TEXT_KINDS = {
    "AE": MARKER,
    "AS": "071Y",
    "CS": MARKER,
    "LO": MARKER,
    "LT": MARKER,
    "PN": f"{MARKER}^{MARKER}",
    "SH": MARKER,
    "ST": MARKER,
    "UC": MARKER,
    "UT": MARKER,
    "UR": f"http://{MARKER}",
    "DA": NUMBERS[1],
    "IS": NUMBERS[0],
    "DS": NUMBERS[0],
    "UI": f"1.2.{NUMBERS[0]}",
    "DT": f"{NUMBERS[1]}1200",
}
BANNER, MARGIN, SIDE = 16, 8, 112
VECTOR = ["0", "40", "33.3", "80.25", "41", "40"]


def insert_tags(dataset):
    """Insert a value into twenty tags of each text type, also nested and private ones."""
    count: dict[str, int] = {}
    for keyword in sorted(keyword_dict):
        kind = dictionary_VR(keyword)
        if kind not in TEXT_KINDS or keyword in dataset or count.get(kind, 0) >= 20:
            continue
        group = keyword_dict[keyword] >> 16
        if group in (0x0000, 0x0002, 0x0004, 0x0028, 0x0018) or group >= 0x5000:
            continue
        count[kind] = count.get(kind, 0) + 1
        setattr(dataset, keyword, TEXT_KINDS[kind])
    dataset.SpecificCharacterSet = f"ISO_IR {MARKER}"
    dataset.PatientName, dataset.PatientID = f"{MARKER}^A", NUMBERS[0]
    inner = Dataset()
    inner.PatientName = MARKER
    inner.ReferencedPatientSequence = [Dataset()]
    inner.ReferencedPatientSequence[0].PatientComments = MARKER
    dataset.RequestAttributesSequence = [inner]
    block = dataset.private_block(0x0011, MARKER, create=True)
    block.add_new(0x01, "LO", MARKER)
    block.add_new(0x02, "UN", MARKER.encode())
    dataset.add_new(0x60003000, "OW", b"\xff\xff" * 8)
    return dataset


def screens(text):
    """Frames with a picture in a region and, above and beside it, a text."""
    made = []
    for number, inner in enumerate(pictures(len(VECTOR), seed=3)):
        size = (MARGIN + SIDE + 30, BANNER + SIDE + MARGIN)
        screen = Image.new("RGB", size, (9, 9, 40))
        ImageDraw.Draw(screen).text((2, 2), f"{text} {number}", fill="white")
        ImageDraw.Draw(screen).text((MARGIN + SIDE + 2, 60), text, fill="yellow")
        screen.paste(Image.fromarray(inner).resize((SIDE, SIDE)), (MARGIN, BANNER))
        made.append(np.asarray(screen))
    return np.stack(made)


def cine(path, text=MARKER):
    box = region(MARGIN, BANNER, MARGIN + SIDE, BANNER + SIDE)
    dataset = dataset_of(
        screens(text),
        SequenceOfUltrasoundRegions=[box],
        BurnedInAnnotation="YES",
        FrameTimeVector=VECTOR,
        FrameIncrementPointer=0x00181065,
        FrameTime=None,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no character set of the standard is inserted too
        return save(insert_tags(dataset), path)


def plain_video(path):
    """A video whose container names a patient."""
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as output:
        output.metadata.update({"title": MARKER, "artist": MARKER, "comment": MARKER})
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 36, "yuv420p"
        stream.metadata["handler_name"] = MARKER
        for picture in pictures(6):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    return path


def forms(text):
    """How a text may stand in a file, in small letters where case is lost."""
    plain = text.encode()
    yield plain.lower()
    for coding in ("utf-16-le", "utf-16-be"):
        yield text.encode(coding).lower()
    yield plain.hex().encode()
    for skipped in range(3):  # base64 of a text that begins anywhere in a group of three
        coded = base64.b64encode(b"\0" * skipped + plain).rstrip(b"=")
        yield coded[4 if skipped else 0 : -1].lower()


def unpacked(path):
    """A file's bytes, and those of what is compressed in it."""
    data = path.read_bytes()
    yield data
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    if path.suffix == ".parquet":
        yield repr(pyarrow.parquet.read_table(path).to_pylist()).encode()


def leaks(folders, texts):
    needles = [form for text in texts for form in forms(text)]
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            link = str(path.readlink()) if path.is_symlink() else ""
            blobs = [str(path.relative_to(folder)).encode(), link.encode()]
            if path.is_file():
                blobs += list(unpacked(path))
            for blob in blobs:
                small = blob.lower()
                yield from ((path, needle) for needle in needles if needle in small)


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    folder = tmp_path_factory.mktemp("patients") / MARKER
    path = cine(folder / f"{MARKER}_{NUMBERS[0]}.dcm")
    plain_video(folder / f"{MARKER}.mp4")
    (folder / f"{MARKER}_cut.dcm").write_bytes(path.read_bytes()[:-9000])
    (folder / f"{MARKER}_no.avi").write_bytes(b"no video")
    save(dataset_of(pictures(1), Rows=None, PixelData=None, PatientName=MARKER), folder / "report")
    return folder


@pytest.fixture(scope="module")
def run(patients, tmp_path_factory):
    """The command, with all places it could write to, on good and bad files."""
    place = tmp_path_factory.mktemp("run")
    for name in ("home", "tmp", "work"):
        (place / name).mkdir()
    preset = place / "preset.toml"
    preset.write_text(
        f"""
pipeline = "medical"
inputs = ["{patients}"]
output = "out"
mask = "outside-regions"
mask_boxes = [[0.0, 0.0, 0.1, 0.1]]
secondary_capture = true
[[questions]]
id = "first"
text = "Describe the video."
[[questions]]
id = "only-us"
text = "What moves?"
modality = ["US"]
[run]
num_frames = 4
max_new_tokens = 6
"""
    )
    kept = {name: value for name, value in os.environ.items() if name != SALT_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-m", "tam_video", "run", str(preset), "--json", "-vv"],
        capture_output=True,
        timeout=500,
        cwd=place / "work",
        env={
            **kept,
            "HOME": str(place / "home"),
            "TMPDIR": str(place / "tmp"),
            "HF_HUB_OFFLINE": "1",
            "PYTHONWARNINGS": "default",
        },
    )
    (place / "tmp" / "stdout").write_bytes(done.stdout)
    (place / "tmp" / "stderr").write_bytes(done.stderr)
    return place, done


def studies_of(place):
    return json.loads((place / "work" / "out" / "studies.json").read_text())


def test_valid_files_are_explained_and_damaged_ones_fail_alone(run):
    place, done = run
    assert done.returncode == 3, done.stderr.decode()
    summary = json.loads(done.stdout)
    assert (summary["studies"], summary["clips"], summary["answers"]) == (2, 2, 3)
    assert (summary["failed_inputs"], summary["skipped"]) == (2, 1)
    failed = studies_of(place)["failed_inputs"]
    assert all(each["input"].startswith("input-") and each["hint"] for each in failed)


def test_no_written_byte_names_a_patient(run):
    place, done = run
    written = [path for path in (place / "work").rglob("*") if path.is_file()]
    assert len(written) > 25
    assert b"input-" in done.stderr + done.stdout
    places = [place / name for name in ("work", "home", "tmp")]
    assert not list(leaks(places, [MARKER, *NUMBERS]))


def test_the_search_finds_inserted_data(patients, tmp_path):
    assert len(list(leaks([patients], [MARKER]))) > 3
    (tmp_path / "a").write_bytes(b"xy" + base64.b64encode(b"ab" + MARKER.encode() + b"cd"))
    assert list(leaks([tmp_path], [MARKER]))


def test_a_salt_is_created_outside_the_output(run):
    place, _ = run
    salt = place / "home" / ".config" / "tam-video" / "salt"
    assert salt.stat().st_mode & 0o077 == 0
    secret = salt.read_text().strip()
    assert not list(leaks([place / "work", place / "tmp"], [secret]))


def test_every_page_and_run_contains_the_notice(run):
    place, _ = run
    pages = [p for p in (place / "work" / "out").rglob("*.html") if p.parent.name != "batch"]
    assert len(pages) == 6
    for page in pages:
        assert "Not a medical device" in page.read_text()
    for document in (place / "work" / "out").rglob("explanation.json"):
        assert json.loads(document.read_text())["warnings"][0].startswith("Not a medical device")


def us_clip(place):
    return next(
        clip
        for study in studies_of(place)["studies"]
        for clip in study["clips"]
        if clip["facts"]["modality"] == "US"
    )


def test_times_are_those_of_the_frame_time_vector(run):
    place, _ = run
    clip = us_clip(place)
    seconds = np.cumsum([float(each) for each in VECTOR]) / 1000
    out = place / "work" / "out"
    assert clip["facts"]["timing"] == "FrameTimeVector"
    with open_video(out / "clips" / clip["facts"]["file"]) as reader:
        assert reader.timeline.pts_seconds == pytest.approx(seconds, abs=1e-9)
    annotated = (out / "studies" / clip["answers"][0]["report"]).resolve().parent / "annotated.mp4"
    with open_video(annotated) as reader:
        assert reader.timeline.pts_seconds == pytest.approx(seconds, abs=1 / 90000)


def outside():
    black = np.ones((BANNER + SIDE + MARGIN, MARGIN + SIDE + 30), bool)
    black[BANNER : BANNER + SIDE, MARGIN : MARGIN + SIDE] = False
    return black


def test_burned_in_text_is_black_for_the_model_and_in_every_video(run):
    place, _ = run
    out, clip = place / "work" / "out", us_clip(place)
    settings = RunConfig(num_frames=4)
    source = out / "clips" / clip["facts"]["file"]
    frames = read_frames(source, model=load_model_from_config(settings), settings=settings)
    assert not frames.batches[0].frames[:, outside()].any()
    assert frames.batches[0].frames[:, ~outside()].any()
    run_dir = (out / "studies" / clip["answers"][0]["report"]).resolve().parent
    with open_video(run_dir / "clip.mp4") as reader:
        shown = np.stack([frame.rgb for frame in reader.frames()])[:, : BANNER + SIDE + MARGIN]
    safe = outside()
    safe[BANNER - 4 : BANNER + SIDE + 4, MARGIN - 4 : MARGIN + SIDE + 4] = False  # coding blurs
    assert shown[:, :, : safe.shape[1]][:, safe].max() <= 6


def test_masked_pixels_leave_no_trace(tmp_path):
    """Two files that differ in masked pixels and tags alone become the very same clip."""
    options = MedicalOptions(
        pipeline="medical",
        inputs=("x",),
        output=tmp_path,
        mask="outside-regions",
        questions=[{"id": "q", "text": "What?"}],
    )
    made = []
    for number, text in enumerate(("JANE", "another text")):
        path = cine(tmp_path / f"{number}.dcm", text)
        clip = import_clip(
            path, tmp_path / "clips", name="input-1", options=options, salt=Salt(b"x" * 16)
        )
        made.append((tmp_path / "clips" / clip.file).read_bytes())
    assert made[0] == made[1]


def test_the_dicom_export_has_pseudonyms_and_the_annotated_frames(run):
    place, _ = run
    out, clip = place / "work" / "out", us_clip(place)
    answer = clip["answers"][0]
    dataset = pydicom.dcmread((out / "studies" / answer["dicom"]).resolve())
    assert str(dataset.PatientName) == dataset.PatientID == clip["facts"]["patient"]
    assert dataset.PatientIdentityRemoved == "YES"
    assert dataset.BurnedInAnnotation == "NO"
    run_dir = (out / "studies" / answer["report"]).resolve().parent
    drawn, exported = run_dir / "annotated.mp4", (out / "studies" / answer["dicom"]).resolve()
    with open_video(drawn) as one, open_video(exported) as two:
        for first, second in zip(one.frames(), two.frames(), strict=True):
            assert np.abs(first.rgb.astype(int) - second.rgb).mean() < 4
        seconds = np.cumsum([float(each) for each in VECTOR]) / 1000
        assert two.timeline.pts_seconds == pytest.approx(seconds, abs=1e-9)


@pytest.fixture
def resumed(run, patients, monkeypatch):
    """Run the same preset again, in this process."""
    place, _ = run
    monkeypatch.setenv("HOME", str(place / "home"))
    monkeypatch.delenv(SALT_VARIABLE, raising=False)
    same = {
        "pipeline": "medical",
        "inputs": (str(patients),),
        "output": place / "work" / "out",
        "mask": "outside-regions",
        "secondary_capture": True,
        "mask_boxes": [[0.0, 0.0, 0.1, 0.1]],
        "questions": [
            {"id": "first", "text": "Describe the video."},
            {"id": "only-us", "text": "What moves?", "modality": ["US"]},
        ],
        "run": RunConfig(num_frames=4, max_new_tokens=6),
    }
    return lambda **given: Medical.from_options(MedicalOptions(**{**same, **given})).run()


def test_the_same_command_resumes_and_another_mask_is_refused(resumed, run):
    clips = run[0] / "work" / "out" / "clips"
    before = {path: path.stat().st_mtime_ns for path in clips.iterdir()}
    assert resumed().summary["answers"] == 3
    assert before == {path: path.stat().st_mtime_ns for path in clips.iterdir()}
    with pytest.raises(OutputExistsError):
        resumed(mask="none")


def test_changed_files_are_noticed_with_verify(resumed, run, tmp_path):
    out = shutil.copytree(run[0] / "work" / "out", tmp_path / "out")
    names = ("clips/*.mp4", "batch/runs/*/annotated.mp4", "dicom/*.dcm")
    before = {path: change_a_byte(path) for path in (next(out.glob(name)) for name in names)}
    resumed(output=out)
    assert all(path.read_bytes() != content for path, content in before.items())
    assert resumed(output=out, verify=True).summary["answers"] == 3
    assert {path: path.read_bytes() for path in before} == before


def test_a_foreign_folder_is_not_changed(patients, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    options = MedicalOptions(
        pipeline="medical",
        inputs=(str(patients),),
        output=tmp_path,
        salt_file=tmp_path.parent / "salt-for-nothing",
        questions=[{"id": "q", "text": "What?"}],
    )
    with pytest.raises(OutputExistsError):
        Medical.from_options(options).run(force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_explain_reads_dicom(tmp_path):
    from tam_video.runs import explain_to_folder

    dataset = as_jpeg(dataset_of(pictures(4), FrameTime="50"))
    path = save(dataset, tmp_path / "a.dcm")
    files = explain_to_folder(
        path, tmp_path / "out", "What?", config=RunConfig(num_frames=2, max_new_tokens=3)
    )
    with open_video(files.videos[0]) as reader:
        assert reader.timeline.pts_seconds == pytest.approx([0, 0.05, 0.1, 0.15], abs=1 / 90000)
