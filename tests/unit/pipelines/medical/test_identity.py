import hashlib
import hmac
import stat

import pytest
from dicom_files import dataset_of, pictures, save

from tam_video.errors import ConfigError
from tam_video.pipelines.medical.identity import (
    SALT_VARIABLE,
    Salt,
    pseudonyms_of,
    read_salt,
)

SALT = Salt(b"0123456789abcdef")


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch):
    monkeypatch.delenv(SALT_VARIABLE, raising=False)


@pytest.fixture
def named(tmp_path):
    def make(name="a.dcm", **tags):
        path = save(dataset_of(pictures(1), **tags), tmp_path / name)
        return pseudonyms_of(path, SALT, is_dicom=True)

    return make


def test_a_pseudonym_is_the_keyed_hash():
    wanted = hmac.new(b"0123456789abcdef", b"patient\0id\x007", hashlib.sha256).hexdigest()
    assert SALT.pseudonym("patient", "id", "7") == wanted[:20]
    assert SALT.uid("study", "x").startswith("2.25.")
    assert len(SALT.uid("study", "x")) <= 64
    assert "0123" not in repr(SALT)


def test_a_patient_has_one_pseudonym_whatever_else_differs(named):
    one = named("a.dcm", PatientID="7", PatientName="A", StudyInstanceUID="1.2")
    two = named("b.dcm", PatientID="7 ", PatientName="B", StudyInstanceUID="1.3", SeriesNumber=4)
    other = named("c.dcm", PatientID="8", PatientName="A", StudyInstanceUID="1.2")
    assert one.patient == two.patient != other.patient
    assert one.study == other.study != two.study
    assert len({one.clip, two.clip, other.clip}) == 3


def test_the_same_number_of_two_issuers_is_two_patients(named):
    ward = named("a.dcm", PatientID="7", IssuerOfPatientID="ward")
    assert ward.patient != named("b.dcm", PatientID="7").patient


def test_name_and_birth_date_identify_a_patient_without_a_number(named):
    one = named("a.dcm", PatientName="A^B", PatientBirthDate="19610401")
    assert one.patient
    assert named("b.dcm", PatientName="A^B", PatientBirthDate="19610402").patient != one.patient
    assert named("c.dcm").patient == ""


def test_pseudonyms_depend_on_the_salt_and_the_content(tmp_path):
    path = save(dataset_of(pictures(1), PatientID="7"), tmp_path / "a.dcm")
    copy = tmp_path / "named otherwise.mp4"
    copy.write_bytes(path.read_bytes())
    one = pseudonyms_of(path, SALT, is_dicom=True)
    assert one == pseudonyms_of(copy, SALT, is_dicom=True)
    other = pseudonyms_of(path, Salt(b"another salt, long"), is_dicom=True)
    assert not {one.patient, one.study, one.clip} & {other.patient, other.study, other.clip}


def test_a_plain_video_is_its_own_study_and_has_no_patient(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"x")
    pseudonyms = pseudonyms_of(tmp_path / "a.mp4", SALT, is_dicom=False)
    assert pseudonyms.patient == ""
    assert len({pseudonyms.study, pseudonyms.clip}) == 2


def test_a_missing_salt_is_created_with_access_for_the_user_only(tmp_path):
    place = tmp_path / "keys" / "salt"
    made, is_new = read_salt(place, outside=tmp_path / "out")
    again, is_new_again = read_salt(place, outside=tmp_path / "out")
    assert (is_new, is_new_again) == (True, False)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert made.pseudonym("a", "b") == again.pseudonym("a", "b")
    assert len(place.read_text().strip()) == 64


def test_the_variable_takes_precedence_over_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv(SALT_VARIABLE, "0123456789abcdef")
    salt, is_new = read_salt(tmp_path / "salt", outside=tmp_path / "out")
    assert not is_new
    assert salt.pseudonym("a", "b") == SALT.pseudonym("a", "b")
    assert not (tmp_path / "salt").exists()


def test_a_salt_in_the_output_or_too_short_is_refused(tmp_path, monkeypatch):
    (tmp_path / "short").write_text("abc\n")
    with pytest.raises(ConfigError, match="output"):
        read_salt(tmp_path / "out" / "salt", outside=tmp_path / "out")
    with pytest.raises(ConfigError, match="16"):
        read_salt(tmp_path / "short", outside=tmp_path / "out")
    monkeypatch.setenv(SALT_VARIABLE, "abc")
    with pytest.raises(ConfigError, match=SALT_VARIABLE):
        read_salt(tmp_path / "salt", outside=tmp_path / "out")
