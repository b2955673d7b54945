"""What makes SAM's image encoder faster: fewer bits, and compiling it."""

from __future__ import annotations

import copy
import shutil

import pytest
from fakes import blank

from sampt_ros.data_types import Frame
from sampt_ros.errors import ConfigError

torch = pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)


class Patches(torch.nn.Module):
    """An encoder that is quickly compiled."""

    img_size = 256

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 32, 16, 16)

    def forward(self, image):
        return torch.tanh(self.layer(image))


@pytest.fixture
def model(small_sam):
    model = copy.deepcopy(small_sam.model)
    model.image_encoder = Patches()
    return model


def features(model, **options):
    from sampt_ros.segmenters.sam.segmenter import Sam

    return Sam(copy.deepcopy(model), "cpu", **options).encode(Frame(0, blank(96, 128) + 40)).features


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_an_encoder_in_half_precision_says_nearly_the_same(model, precision):
    expected, found = features(model), features(model, precision=precision)
    assert expected.dtype == found.dtype == torch.float32
    assert 0 < float((found - expected).abs().max()) < 0.02


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is missing, which torch.compile needs on a CPU")
def test_a_compiled_encoder_says_the_same(model):
    torch.testing.assert_close(features(model, compiled=True), features(model), atol=1e-4, rtol=1e-4)


def test_where_it_cannot_be_compiled_the_reason_is_told(model, monkeypatch):
    def refuse(*arguments):
        raise RuntimeError("InvalidCxxCompiler: no C++ compiler found\nmore lines")

    monkeypatch.setattr(torch, "compile", lambda *arguments, **options: refuse)
    with pytest.raises(ConfigError, match=r"compile: expected what torch\.compile needs on cpu: InvalidCxx.* found$"):
        features(model, compiled=True)
