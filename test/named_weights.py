"""Model weights made from tensor names, so that architectures can be checked without a download."""

from __future__ import annotations

import zlib
from functools import partial

import numpy as np
import torch


def fill(model: torch.nn.Module, keep: tuple[str, ...] = ()) -> torch.nn.Module:
    """Fill every tensor of the state dict from its own name (in place); names in `keep` stay as they are."""
    state = model.state_dict()
    for name, tensor in state.items():
        if name in keep:
            continue
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        shape = tuple(tensor.shape)
        if len(shape) <= 1:
            values = 0.02 * rng.standard_normal(shape) + (1 if name.endswith("weight") else 0)
        else:
            values = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        state[name] = torch.from_numpy(np.asarray(values, np.float32))
    model.load_state_dict(state)
    return model


def small_sam() -> torch.nn.Module:
    """A SAM with a 256-pixel input, small enough for a test."""
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    encoder = ImageEncoderViT(
        img_size=256, patch_size=16, embed_dim=48, depth=2, num_heads=3, mlp_ratio=4, out_chans=64, qkv_bias=True,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), use_rel_pos=True, window_size=7, global_attn_indexes=(1,),
    )  # fmt: skip
    transformer = TwoWayTransformer(depth=2, embedding_dim=64, mlp_dim=128, num_heads=4)
    decoder = MaskDecoder(
        num_multimask_outputs=3, transformer=transformer, transformer_dim=64, iou_head_depth=3, iou_head_hidden_dim=64
    )
    sam = Sam(encoder, PromptEncoder(64, (16, 16), (256, 256), 16), decoder)
    return fill(sam, keep=("pixel_mean", "pixel_std")).eval()


def pips() -> torch.nn.Module:
    """The PIPS network; its steps are small, since such weights know no way."""
    from sampt_ros.point_trackers.pips_network import Pips

    network = fill(Pips())
    with torch.no_grad():
        for tensor in network.delta_block["to_delta"][15].parameters():
            tensor *= 0.02
    return network.eval()
