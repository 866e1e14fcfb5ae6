"""An encoding is made once for a clip, let go for the next, and never where a graph is wanted."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from tam_video.models.sharing import shared_vision


class Tower(torch.nn.Module):
    """Counts how often it is run."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))
        self.calls = 0

    def get_video_features(self, pixel_values_videos, grid=None, **_options):
        self.calls += 1
        return SimpleNamespace(pooler_output=pixel_values_videos * self.weight)


@pytest.fixture
def tower():
    return Tower()


def clip(value=1.0):
    return torch.full((2, 3), value)


@torch.no_grad()
def test_the_same_pictures_are_encoded_once_and_others_again(tower):
    with shared_vision(tower):
        first = tower.get_video_features(clip(), grid=[torch.tensor(2)], return_dict=True)
        assert tower.get_video_features(clip(), grid=[torch.tensor(2)], return_dict=True) is first
        assert tower.calls == 1
        tower.get_video_features(clip(2.0), grid=[torch.tensor(2)], return_dict=True)
        tower.get_video_features(clip(2.0), grid=[torch.tensor(3)], return_dict=True)
        tower.get_video_features(clip(2.0), grid=[torch.tensor(3)])
        tower.get_video_features(clip(2.0).double(), grid=[torch.tensor(3)])
        tower.get_video_features(clip(2.0)[:1].double(), grid=[torch.tensor(3)])
        tower.get_video_features(clip())
    assert tower.calls == 7


@torch.no_grad()
def test_what_is_kept_is_let_go_and_the_model_left_as_it_was(tower):
    with shared_vision(tower) as forget:
        tower.get_video_features(clip())
        forget()
        tower.get_video_features(clip())
    assert tower.calls == 2
    tower.get_video_features(clip())
    assert tower.calls == 3
    assert "get_video_features" not in vars(tower)


@torch.no_grad()
def test_an_error_is_not_kept(tower):
    with shared_vision(tower):
        with pytest.raises(TypeError):
            tower.get_video_features(None)
        with pytest.raises(TypeError):
            tower.get_video_features(None)
    assert tower.calls == 2


def test_a_graph_reaches_the_weights(tower):
    with shared_vision(tower):
        with torch.no_grad():
            tower.get_video_features(clip())
        tower.get_video_features(clip()).pooler_output.sum().backward()
    assert tower.weight.grad.tolist() == [2.0, 2.0, 2.0]
