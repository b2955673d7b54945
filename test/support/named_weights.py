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
            values = 0.02 * rng.standard_normal(shape) + (1 if name.endswith(("weight", "running_var")) else 0)
        else:
            values = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        state[name] = torch.from_numpy(np.asarray(values, np.float32))
    model.load_state_dict(state)
    return model


def small_sam() -> torch.nn.Module:
    """A SAM with a 256-pixel input, small enough for a test."""
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    decoder = MaskDecoder(transformer=TwoWayTransformer(**_TRANSFORMER), **_DECODER)
    return _filled(Sam(ImageEncoderViT(**_ENCODER), PromptEncoder(64, (16, 16), (256, 256), 16), decoder))


def small_sam_hq() -> torch.nn.Module:
    """A HQ-SAM of the same size."""
    from segment_anything_hq.modeling import ImageEncoderViT, MaskDecoderHQ, PromptEncoder, Sam, TwoWayTransformer

    decoder = MaskDecoderHQ(transformer=TwoWayTransformer(**_TRANSFORMER), vit_dim=_ENCODER["embed_dim"], **_DECODER)
    return _filled(Sam(ImageEncoderViT(**_ENCODER), PromptEncoder(64, (16, 16), (256, 256), 16), decoder))


def small_mobile_sam() -> torch.nn.Module:
    """A MobileSAM with fewer layers and channels; the sizes of its input and of its embedding are in its code."""
    from mobile_sam.modeling import MaskDecoder, PromptEncoder, Sam, TinyViT, TwoWayTransformer

    encoder = TinyViT(
        img_size=1024, embed_dims=[8, 16, 16, 320], depths=[1, 1, 2, 1], num_heads=[1, 2, 2, 10],
        window_sizes=[7, 7, 14, 7], drop_path_rate=0.0, layer_lr_decay=0.8,
    )  # fmt: skip
    transformer = TwoWayTransformer(**{**_TRANSFORMER, "embedding_dim": 256})
    decoder = MaskDecoder(transformer=transformer, **{**_DECODER, "transformer_dim": 256})
    return _filled(Sam(encoder, PromptEncoder(256, (64, 64), (1024, 1024), 16), decoder))


_ENCODER = {
    "img_size": 256, "patch_size": 16, "embed_dim": 48, "depth": 2, "num_heads": 3, "mlp_ratio": 4, "out_chans": 64,
    "qkv_bias": True, "norm_layer": partial(torch.nn.LayerNorm, eps=1e-6), "use_rel_pos": True, "window_size": 7,
    "global_attn_indexes": (1,),
}  # fmt: skip
_TRANSFORMER = {"depth": 2, "embedding_dim": 64, "mlp_dim": 128, "num_heads": 4}
_DECODER = {"num_multimask_outputs": 3, "transformer_dim": 64, "iou_head_depth": 3, "iou_head_hidden_dim": 64}


def _filled(sam: torch.nn.Module) -> torch.nn.Module:
    return fill(sam, keep=("pixel_mean", "pixel_std")).eval()


def pips() -> torch.nn.Module:
    """The PIPS network; its steps are small, since such weights know no way."""
    from sampt_ros.point_trackers.pips.network import Pips

    network = fill(Pips())
    with torch.no_grad():
        for tensor in network.delta_block["to_delta"][15].parameters():
            tensor *= 0.02
    return network.eval()


def raft(model: str) -> torch.nn.Module:
    """torchvision's RAFT, small or large; its steps are small, since such weights know no way."""
    from torchvision.models import optical_flow

    network = fill({"small": optical_flow.raft_small, "large": optical_flow.raft_large}[model]())
    with torch.no_grad():
        for tensor in network.update_block.flow_head.conv2.parameters():
            tensor *= 0.02
    return network.eval()
