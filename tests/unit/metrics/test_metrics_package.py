import subprocess
import sys

import tam_video.metrics as metrics


def test_public_names_exist_and_are_sorted():
    assert metrics.__all__ == sorted(set(metrics.__all__))
    for name in metrics.__all__:
        assert getattr(metrics, name).__doc__


def test_no_model_library_is_loaded():
    code = "import sys, tam_video.metrics; print({'torch', 'transformers', 'cv2'} & {*sys.modules})"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
