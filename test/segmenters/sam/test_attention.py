"""Compares the attention of the image encoder with that of SAM's own package."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)


@pytest.mark.parametrize("size", [(7, 7), (16, 16), (5, 9)], ids=str)
def test_it_equals_the_published_attention(sam_model, size):
    from segment_anything.modeling.image_encoder import Attention

    from sampt_ros.segmenters.sam.attention import FusedAttention

    torch.manual_seed(0)
    published = Attention(48, 3, use_rel_pos=True, input_size=size).eval()
    for table in (published.rel_pos_h, published.rel_pos_w):
        torch.nn.init.normal_(table)
    tokens = torch.randn(2, *size, 48)
    with torch.inference_mode():
        expected, found = published(tokens), FusedAttention(copy.deepcopy(published))(tokens)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_its_tensors_have_the_published_names(sam_model):
    from named_weights import small_sam

    from sampt_ros.segmenters.sam.attention import fuse_attention

    model = small_sam()
    names = list(model.state_dict())
    fuse_attention(model.image_encoder)
    assert sorted(model.state_dict()) == sorted(names)
