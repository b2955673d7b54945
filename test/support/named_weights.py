"""Model weights made from tensor names, so that architectures can be checked without a download."""

from __future__ import annotations

import zlib

import numpy as np
import tiny_models
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
    return _filled(tiny_models.sam())


def small_sam_hq() -> torch.nn.Module:
    """A HQ-SAM of the same size."""
    return _filled(tiny_models.sam_hq())


def small_mobile_sam() -> torch.nn.Module:
    """A MobileSAM with fewer layers and channels; the sizes of its input and of its embedding are in its code."""
    return _filled(tiny_models.mobile_sam())


def small_sam2() -> torch.nn.Module:
    """A `transformers` SAM 2 with a 256-pixel input."""
    return fill(tiny_models.sam2()).eval()


def small_edgetam() -> torch.nn.Module:
    """A `transformers` EdgeTAM with a 256-pixel input."""
    return _calmed(fill(tiny_models.edgetam())).eval()


def small_sam2_video() -> torch.nn.Module:
    """A `transformers` SAM 2 with its memory."""
    return _seeing_its_object(fill(tiny_models.sam2_video())).eval()


def small_edgetam_video() -> torch.nn.Module:
    """A `transformers` EdgeTAM with its memory."""
    return _seeing_its_object(_calmed(fill(tiny_models.edgetam_video()))).eval()


def _calmed(edgetam: torch.nn.Module) -> torch.nn.Module:
    """An EdgeTAM whose features stay small from block to block.

    With weights from names alone they grow to hundred thousands, beside which neither prompts nor memory count, and the
    last digit of a pixel changes them.
    """
    with torch.no_grad():
        for name, tensor in edgetam.vision_encoder.backbone.named_parameters():
            if "_mixer." in name and name.endswith("bn.weight"):
                tensor *= 0.2
    return edgetam


def _seeing_its_object(video: torch.nn.Module) -> torch.nn.Module:
    """A model that takes its object to be in every frame; with weights from names alone it is gone after the first."""
    with torch.no_grad():
        video.mask_decoder.pred_obj_score_head.proj_out.bias += 20
    return video


def small_seggpt() -> torch.nn.Module:
    """A `transformers` SegGPT for images of 64 pixels a side."""
    return fill(tiny_models.seggpt()).eval()


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


def tapir(size: int = 256) -> torch.nn.Module:
    """The TAPIR network, for images of fewer pixels where only equal numbers count."""
    from sampt_ros.point_trackers.tapir.network import Tapir

    return fill(Tapir(size)).eval()


def cotracker() -> torch.nn.Module:
    """CoTracker3 online for small images; its steps are small, since such weights know no way."""
    from sampt_ros.point_trackers.cotracker.tracker import cotracker

    network = fill(cotracker(), keep=("time_emb",))
    network.model_resolution = (64, 96)
    with torch.no_grad():
        for tensor in network.updateformer.flow_head.parameters():
            tensor *= 0.02
    return network.eval()


def superglue() -> torch.nn.Module:
    """A `transformers` SuperGlue of few layers."""
    return fill(tiny_models.superglue()).eval()


def lightglue() -> torch.nn.Module:
    """A `transformers` LightGlue of few layers."""
    return fill(tiny_models.lightglue()).eval()


def small_dinov2() -> torch.nn.Module:
    """A `transformers` DINOv2 of few layers."""
    return fill(tiny_models.dinov2()).eval()


def small_cutie() -> tuple[torch.nn.Module, object]:
    """The small Cutie, and its configuration."""
    from sampt_ros.mask_propagators.cutie.architectures import cutie

    network, settings = cutie("small")
    return fill(network).eval(), settings


def small_deaot() -> torch.nn.Module:
    """DeAOT-L, whose encoder is small; it remembers one more frame every fifth."""
    from sampt_ros.mask_propagators.deaot.architectures import deaot

    return fill(deaot("large")).eval()


def raft(model: str) -> torch.nn.Module:
    """torchvision's RAFT, small or large; its steps are small, since such weights know no way."""
    from torchvision.models import optical_flow

    network = fill({"small": optical_flow.raft_small, "large": optical_flow.raft_large}[model]())
    with torch.no_grad():
        for tensor in network.update_block.flow_head.conv2.parameters():
            tensor *= 0.02
    return network.eval()
