"""The network of the nano segmenter that finds the object at clicks, or in a box, where nothing is known of it yet.

It is NanoNetwork without a memory, and learns nothing but this. Its encoder sees the prompts too, as in RITM (Sofiiuk
et al., "Reviving Iterative Training with Mask Guidance for Interactive Segmentation", ICIP 2022): what is at the click
decides what the rest of the window means. So a window has to be encoded for each prompt, which one can afford where
somebody clicks, and not in every frame.
"""

from __future__ import annotations

from torch import Tensor, nn

from sampt_ros.segmenters.nano.interface import PROMPT_CHANNELS, Features
from sampt_ros.segmenters.nano.network import CHANNELS, Decoder, Encoder, normalised


class ClickNetwork(nn.Module):
    """Masks of B objects from windows and prompts."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        # Added to the encoder's map of stride 8.
        self.prompt = nn.Sequential(
            nn.Conv2d(PROMPT_CHANNELS, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, CHANNELS[2], 3, padding=1)
        )
        self.decoder = Decoder(remembered=0)
        for weight in self.prompt[-1].parameters():  # The prompts begin with no influence on the encoder.
            nn.init.zeros_(weight)

    def forward(self, windows: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, S / 2, S / 2) of the masks, and logits (B,) of their IoU.

        windows  (B, 3, S, S) RGB 0..255, S a multiple of 32
        prompts  (B, 6, S / 4, S / 4), as NanoNetwork.decode takes them
        """
        shallow = self.encoder.shallow(normalised(windows))
        features = Features((*shallow, *self.encoder.deep(shallow[-1] + self.prompt(prompts))))
        logits, iou_logits = self.decoder(features, prompts, None)
        return logits, iou_logits
