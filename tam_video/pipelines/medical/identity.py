"""Compute pseudonyms for patients, studies and clips as keyed hashes of their identifiers.

A pseudonym is HMAC-SHA256 (RFC 2104) of an identifier with a secret salt. The same patient and salt
give the same pseudonym; without the salt, a pseudonym can't be tested against names or numbers.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from tam_video.dicom.header import dicom_errors, require_pydicom
from tam_video.errors import ConfigError
from tam_video.workspace.files import NEVER_FOLLOW_LINKS, wrap_os_errors

SALT_VARIABLE = "TAM_VIDEO_SALT"
_SALT_BYTES = 32
_MIN_SALT_BYTES = 16
_LENGTH = 20  # hex digits, 80 bits: no collision among a million
_IDENTIFIERS = (
    "PatientID",
    "IssuerOfPatientID",
    "PatientName",
    "PatientBirthDate",
    "StudyInstanceUID",
)


class Salt:
    """Secret key for all pseudonyms. Its `repr` does not contain the key."""

    def __init__(self, value: bytes) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Salt(...)"

    def pseudonym(self, kind: str, *parts: str) -> str:
        """Return the pseudonym of an identifier. Its `kind`, such as "patient", is hashed too."""
        return self._digest(kind, *parts).hex()[:_LENGTH]

    def uid(self, kind: str, *parts: str) -> str:
        """Derive a DICOM UID from an identifier: 2.25 and a 128-bit number (PS3.5, B.2)."""
        return f"2.25.{int.from_bytes(self._digest(kind, *parts)[:16])}"

    def _digest(self, kind: str, *parts: str) -> bytes:
        text = "\0".join((kind, *parts)).encode("utf-8", "surrogateescape")
        return hmac.new(self._value, text, hashlib.sha256).digest()


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Pseudonyms for the patient, study and content of a file.

    Attributes:
        patient: pseudonym of the patient; empty if the file names none.
        study: pseudonym of the study; a file without a study UID is its own study.
        clip: pseudonym of the file's bytes.
    """

    patient: str
    study: str
    clip: str


def pseudonyms_of(path: Path, salt: Salt, *, is_dicom: bool) -> Pseudonyms:
    """Compute the pseudonyms for a file, from DICOM tags if the file has them.

    Raises:
        VideoOpenError: it can't be read.
        MissingDependencyError: pydicom is not installed.
    """
    with dicom_errors(path.name, opening=True), path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    patient, study = _identifiers(path) if is_dicom else ((), "")
    return Pseudonyms(
        patient=salt.pseudonym("patient", *patient) if patient else "",
        study=salt.pseudonym("study", study) if study else salt.pseudonym("study of clip", content),
        clip=salt.pseudonym("clip", content),
    )


def _identifiers(path: Path) -> tuple[tuple[str, ...], str]:
    """Return the patient identity (ID and issuer, else name and birth date) and the study UID."""
    require_pydicom()
    from pydicom import dcmread

    wanted: list[int | str] = [*_IDENTIFIERS, "SpecificCharacterSet"]
    with dicom_errors(path.name, opening=True):
        dataset = dcmread(path, specific_tags=wanted, stop_before_pixels=True)  # type: ignore[arg-type]
        values = [str(dataset.get(name) or "").strip() for name in _IDENTIFIERS]
    patient_id, issuer, name, birth_date, study = values
    if patient_id:
        return (("id", patient_id, issuer) if issuer else ("id", patient_id)), study
    return (("name", name, birth_date) if name else ()), study


def read_salt(path: Path, *, outside: Path) -> tuple[Salt, bool]:
    """Read the salt from the environment or from a file. If the file is missing, create a new salt.

    Args:
        path: salt file; created with access for the user only if it is missing.
        outside: output folder, which must not contain the salt file.

    Returns:
        The salt, and whether it is new.

    Raises:
        ConfigError: the file is in the output, is too short, or can't be read.
        ExportError: the file can't be written.
    """
    variable = os.environ.get(SALT_VARIABLE)
    if variable is not None:
        return Salt(_checked_length(variable.encode(), SALT_VARIABLE)), False
    path = path.expanduser()
    if path.resolve().is_relative_to(outside.resolve()):
        raise ConfigError(
            "the salt file must not be inside the output folder",
            hint="choose another folder: whoever has both salt and output can identify patients",
        )
    if not path.exists():
        value = secrets.token_hex(_SALT_BYTES).encode()
        with wrap_os_errors(Path("the salt file")):
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NEVER_FOLLOW_LINKS
            with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
                file.write(value + b"\n")
        return Salt(value), True
    try:
        with path.open("rb") as file:
            value = file.read(4096)
    except OSError as exc:
        raise ConfigError(f"the salt file can't be read: {exc.strerror}") from None
    return Salt(_checked_length(value, "the salt file")), False


def _checked_length(value: bytes, name: str) -> bytes:
    stripped = value.strip()
    if len(stripped) < _MIN_SALT_BYTES:
        raise ConfigError(
            f"{name} contains fewer than {_MIN_SALT_BYTES} characters",
            hint="to create a new salt, give the path of a file that does not exist",
        )
    return stripped
