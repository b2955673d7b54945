"""SuperPoint's keypoints, and the networks of the transformers package that match those of two images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sampt_ros.errors import CheckpointError
from sampt_ros.weights.packages import TESTED, transformers


@dataclass(frozen=True, eq=False)
class Keypoints:
    """N keypoints of one image.

    xy           (N, 2) float32 pixels of the network's input
    scores       (N,) float32, how much of a keypoint each is
    descriptors  (N, 256) float32, unit vectors
    """

    xy: Tensor
    scores: Tensor
    descriptors: Tensor

    def __len__(self) -> int:
        return len(self.xy)


class Matcher:
    """A SuperGlue or LightGlue whose keypoints are detected once an image, not once a pair."""

    def __init__(self, network: Any) -> None:
        """network: a `transformers` SuperGlueForKeypointMatching or LightGlueForKeypointMatching.

        Raises CheckpointError if it has not the parts of the transformers that this was tested with.
        """
        try:
            self._detector = network.keypoint_detector
            self._encoder, self._keypoints = self._detector.encoder, self._detector.keypoint_decoder
            self._describe = self._detector.descriptor_decoder
        except AttributeError as error:
            raise CheckpointError(
                f"expected a model as in transformers {TESTED}, got {type(network).__name__}: {error}"
            ) from None
        self._given = _Given()
        network.keypoint_detector = self._given
        self._network = network

    @property
    def parts(self) -> nn.ModuleList:
        """All networks, so that they can be moved to a device."""
        return nn.ModuleList([self._detector, self._network])

    def detect(self, image: Tensor) -> Keypoints:
        """The keypoints of an image (H, W) float32 0..1, whose sides are multiples of 8."""
        keypoints, _ = self.reference(image, image.new_zeros(0, 2))
        return keypoints

    def reference(self, image: Tensor, queries: Tensor) -> tuple[Keypoints, Tensor]:
        """The keypoints of an image, and for Q queried points xy (Q, 2) which of the keypoints stand for them (Q,).

        A detected keypoint beside a queried point stands for it: of two so near, only one could be matched. Other
        queried points become keypoints that score as the detected ones do in the median.
        """
        encoded = self._encoder(image[None, None])[0]
        found, scores = self._keypoints(encoded)
        far = torch.cdist(queries, torch.cat([found, queries.new_full((1, 2), torch.inf)])).nan_to_num(torch.inf)
        distance, nearest = far.min(1)
        is_new = distance > self._keypoints.nms_radius
        rows = torch.where(is_new, len(found) + is_new.cumsum(0) - 1, nearest)
        xy = torch.cat([found, queries[is_new]])
        usual = scores.median() if len(scores) else scores.new_ones(())
        scores = torch.cat([scores, usual.expand(len(xy) - len(found))])
        descriptors = self._describe(encoded, xy[None]) if len(xy) else xy.new_zeros(0, 256)
        return Keypoints(xy, scores, descriptors), rows

    def match(self, first: Keypoints, second: Keypoints, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """For each keypoint of the first image the index of its match in the second (N,) or -1, and its score (N,).

        size: (height, width) of both images in the network's input
        """
        if not len(first) or not len(second):
            return torch.full((len(first),), -1, device=first.xy.device), torch.zeros_like(first.scores)
        self._given.keypoints = _pair(first, second, size)
        found = self._network(first.xy.new_zeros(1, 2, 1, *size))
        return found.matches[0, 0, : len(first)], found.matching_scores[0, 0, : len(first)]


class _Given(nn.Module):
    """Takes the place of the network's detector: its keypoints are known already."""

    keypoints: tuple[Tensor, ...] = ()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return self.keypoints


def _pair(first: Keypoints, second: Keypoints, size: tuple[int, int]) -> tuple[Tensor, ...]:
    """Keypoints of two images as a detector gives them: xy as shares, scores, descriptors, and which are no padding."""
    longest = max(len(first), len(second))
    share = first.xy.new_tensor([size[1], size[0]])

    def padded(a: Tensor, b: Tensor) -> Tensor:
        both = a.new_zeros(2, longest, *a.shape[1:])
        both[0, : len(a)], both[1, : len(b)] = a, b
        return both

    ones = (torch.ones_like(each.scores, dtype=torch.int) for each in (first, second))
    return (
        padded(first.xy, second.xy) / share,
        padded(first.scores, second.scores),
        padded(first.descriptors, second.descriptors),
        padded(*ones),
    )


def superglue(max_keypoints: int) -> Any:
    """A `transformers.SuperGlueForKeypointMatching`; raises CheckpointError without transformers, or with another."""
    library = transformers("tracker superglue", "superglue")
    detector = library.SuperPointConfig(max_keypoints=max_keypoints)
    return library.SuperGlueForKeypointMatching(library.SuperGlueConfig(keypoint_detector_config=detector))


def lightglue(max_keypoints: int) -> Any:
    """A `transformers.LightGlueForKeypointMatching`; raises CheckpointError without transformers, or with another."""
    library = transformers("tracker lightglue", "lightglue")
    detector = library.SuperPointConfig(max_keypoints=max_keypoints)
    return library.LightGlueForKeypointMatching(library.LightGlueConfig(keypoint_detector_config=detector))
