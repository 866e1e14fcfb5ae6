"""A calibrated profile for tests."""

from tam_video.profiles.identity import CheckpointIdentity
from tam_video.profiles.profile import CalibratedProfile
from tam_video.tam.options import DEFAULT

IDENTITY = CheckpointIdentity("qwen3_vl", "ab", "", "float32", "cd")
PROFILE = CalibratedProfile(
    model="org/some model",
    revision=None,
    identity=IDENTITY,
    num_layers=4,
    layers=(1, 3),
    options=DEFAULT,
    is_built_in=False,
    verdict="trust",
    sentence="Maps find the object.",
    worlds={"shapes": 0.9},
    used_worlds=("shapes",),
    seed=0,
    num_clips=(36, 24),
    held_out={"viou": {"mean": 0.5, "low": None}},
)
