import subprocess
import sys

import pytest

HEAVY = "{'torch', 'transformers', 'av', 'cv2', 'decord', 'moviepy', 'scipy', 'pydantic'}"


@pytest.mark.parametrize(
    "code",
    [
        "import tam_video",
        "import tam_video.cli",
        "from click.testing import CliRunner; from tam_video.cli import cli;"
        "assert CliRunner().invoke(cli, ['explain', '--help']).exit_code == 0",
    ],
)
def test_import_and_help_load_no_heavy_package(code):
    check = f"{code}\nimport sys; found = {HEAVY} & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", check], check=True, timeout=60)


def test_the_command_line_starts_without_numpy_either():
    check = "import tam_video.cli, sys; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True, timeout=60)


def test_every_public_name_is_there():
    import tam_video

    for name in tam_video.__all__:
        assert getattr(tam_video, name) is not None
