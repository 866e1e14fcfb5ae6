"""Who a file belongs to, only as pseudonyms: keyed hashes that tell nothing without the salt.

A pseudonym is HMAC-SHA256 (RFC 2104) of an identifier under a salt that the user keeps. The same
patient under the same salt has the same pseudonym; without the salt nobody can try names or numbers
against it.
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
_LENGTH = 20  # hex digits, 80 bits: no two of a million are alike
_IDENTIFIERS = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate")


class Salt:
    """The key of all pseudonyms; never shown."""

    def __init__(self, value: bytes) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Salt(...)"

    def pseudonym(self, kind: str, *parts: str) -> str:
        """The pseudonym of an identifier.

        Args:
            kind: what it is of ("patient"), so that equal identifiers of two kinds differ.
            parts: the identifier.
        """
        return self.digest(kind, *parts).hex()[:_LENGTH]

    def uid(self, kind: str, *parts: str) -> str:
        """A new DICOM UID of 128 bits under 2.25 (PS3.5, B.2), the same for the same identifier."""
        return f"2.25.{int.from_bytes(self.digest(kind, *parts)[:16])}"

    def digest(self, kind: str, *parts: str) -> bytes:
        """The whole keyed hash, 32 bytes."""
        text = "\0".join((kind, *parts)).encode("utf-8", "surrogateescape")
        return hmac.new(self._value, text, hashlib.sha256).digest()


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """What a file is called by.

    Attributes:
        patient: of the patient; empty where the file names none.
        study: of the study; a file without one is a study of its own.
        clip: of the file's bytes.
    """

    patient: str
    study: str
    clip: str


def pseudonyms_of(path: Path, salt: Salt, *, is_dicom: bool) -> Pseudonyms:
    """Read whose a file is, and keep the pseudonyms alone.

    Args:
        path: the file.
        salt: the key.
        is_dicom: whether tags can be asked.

    Raises:
        VideoOpenError: it can't be read.
        MissingDependencyError: pydicom is not installed.
    """
    with dicom_errors(path.name, opening=True), path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    clip = salt.pseudonym("clip", content)
    if not is_dicom:
        return Pseudonyms("", salt.pseudonym("study of clip", content), clip)
    patient, study = _identifiers(path)
    return Pseudonyms(
        patient=salt.pseudonym("patient", *patient) if patient else "",
        study=salt.pseudonym("study", study) if study else salt.pseudonym("study of clip", content),
        clip=clip,
    )


def _identifiers(path: Path) -> tuple[tuple[str, ...], str]:
    """The patient's number and its issuer, or name and birth date; and the study's UID."""
    require_pydicom()
    from pydicom import dcmread

    wanted: list[int | str] = [*_IDENTIFIERS, "StudyInstanceUID", "SpecificCharacterSet"]
    with dicom_errors(path.name, opening=True):
        dataset = dcmread(path, specific_tags=wanted, stop_before_pixels=True)  # type: ignore[arg-type]
        told = {name: str(dataset.get(name) or "").strip() for name in _IDENTIFIERS}
        study = str(dataset.get("StudyInstanceUID") or "").strip()
    number, issuer, name, born = (told[each] for each in _IDENTIFIERS)
    if number:
        return (("id", number, issuer) if issuer else ("id", number)), study
    return (("name", name, born) if name else ()), study


def read_salt(path: Path, *, outside: Path) -> tuple[Salt, bool]:
    """The salt of the environment, of a file, or a new one that is written there.

    Args:
        path: the file; made for the user's eyes alone where it is missing.
        outside: the folder that must not hold it: who gets the results must not get the salt.

    Returns:
        The salt, and whether it is new.

    Raises:
        ConfigError: it lies in the output, is too short, or can't be read.
        ExportError: it can't be written.
    """
    told = os.environ.get(SALT_VARIABLE)
    if told is not None:
        return Salt(_long_enough(told.encode(), SALT_VARIABLE)), False
    place = path.expanduser()
    if place.resolve().is_relative_to(outside.resolve()):
        raise ConfigError(
            "the salt would lie in the output", hint="keep it apart: whoever has both can look back"
        )
    if not place.exists():
        value = secrets.token_hex(_SALT_BYTES).encode()
        with wrap_os_errors(Path("the salt file")):
            place.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NEVER_FOLLOW_LINKS
            with os.fdopen(os.open(place, flags, 0o600), "wb") as file:
                file.write(value + b"\n")
        return Salt(value), True
    try:
        with place.open("rb") as file:
            value = file.read(4096)
    except OSError as exc:
        raise ConfigError(f"the salt file can't be read: {exc.strerror}") from None
    return Salt(_long_enough(value, "the salt file")), False


def _long_enough(value: bytes, name: str) -> bytes:
    kept = value.strip()
    if len(kept) < _MIN_SALT_BYTES:
        raise ConfigError(
            f"{name} holds less than {_MIN_SALT_BYTES} characters",
            hint="let one be made: name a file that is not there yet",
        )
    return kept
