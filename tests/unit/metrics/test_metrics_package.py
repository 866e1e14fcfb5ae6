import subprocess
import sys

MODULES = ["answers", "faithfulness", "segmentation", "spans", "statistics"]


def test_no_model_library_is_loaded():
    modules = ", ".join(f"tam_video.metrics.{name}" for name in MODULES)
    code = f"import sys, {modules}; print({{'torch', 'transformers', 'cv2'}} & {{*sys.modules}})"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
