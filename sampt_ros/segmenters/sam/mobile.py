"""MobileSAM (Zhang et al., arXiv 2306.14289): SAM's decoder on a tiny image encoder, from the mobile_sam package."""

from __future__ import annotations

from sampt_ros.config.segmenters import MobileSamConfig
from sampt_ros.segmenters.sam.segmenter import Sam, architectures
from sampt_ros.weights.loading import read_weights

_PACKAGE = ("mobile_sam", "mobilesam-mirror timm torchvision")


class MobileSam(Sam):
    """A MobileSAM model (`mobile_sam.modeling.Sam`): all that it does otherwise than SAM is inside its encoder."""

    @classmethod
    def from_checkpoint(cls, config: MobileSamConfig, device: str = "auto") -> MobileSam:  # type: ignore[override]
        """The model with the weights of `config.checkpoint`, as published (mobile_sam.pt); raises CheckpointError."""
        model = architectures("mobile_sam", *_PACKAGE)["vit_t"]()
        model.load_state_dict(
            read_weights("mobile_sam.checkpoint", config.checkpoint, "mobile_sam", model.state_dict())
        )
        return cls(model, device, config.precision, config.compile)
