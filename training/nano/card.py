"""The model card: every number in it comes from the file that `measure` writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sampt_ros.segmenters.nano.interface import PROMPT_CHANNELS, PROMPT_STRIDE
from training.nano.pictures.sources import Source, used_for

# Where the clips are from, and on what terms. The other pictures are in sources.SOURCES.
CLIPS = {
    "teacher": ("example videos of EdgeTAM, labelled by the teacher", "Apache-2.0"),
    "coco128": ("COCO128, photographs of COCO train2017", "annotations CC BY 4.0, images under their Flickr terms"),
    "rendered": ("table, shelf and floor scenes, rendered with MuJoCo", "our own"),
}

_HEAD = """# Model card: nano

<!-- made by training/nano; `python -m training.nano --only card` writes it again -->

The promptable segmenter whose weights come with the package (`segmenter: nano`): points, a box or a mask in, a mask
and its predicted IoU out. It sees a square window around each object, and remembers each object's looks from frame to
frame. The encoder is EfficientNet-Lite0 up to stride 32; a memory is read at stride 16; a decoder takes the prompts at
every level. The network is `sampt_ros/segmenters/nano/network.py`; `segmenter.py` beside it is what is around it. On a
CPU, ONNX Runtime computes it from the graphs `encode.onnx`, `memorize.onnx` and `decode.onnx`, which refer to the file
of the weights; on a GPU, torch does."""

_LIMITS = """## Limits

- It has seen few real videos ({videos}), and one set of photographs labelled by people. Nobody corrected the teacher's
  masks. The other pictures are composed or rendered, which is not what a camera gives.
- A click stands for the whole thing rather than for a part of it: the true masks in training are of whole things. For a
  part, give a box, or more clicks, on it and off it.
- Thin structures (cables, stems, spokes): masks are made with at most {cells} x {cells} pixels a window, so what is
  thinner than one of these is easily lost. The smaller windows that many objects at once are given see less.
- Motion blur: that in training is at most {blur} pixels long, and frames that the teacher was unsure of were left out.
- Nothing was gathered for pictures other than ordinary colour ones (thermal, depth, X-ray, microscopes, from the air).
  Translucent cut-outs were left out, so glass, smoke and liquids are rare in the data.
- The predicted IoU was learned on these data; on others it may be too high or too low.
"""
_BLUR = 9  # pixels, the longest in warping.through_a_camera and render.Lens


def write_card(measured: Path, card: Path) -> None:
    """Write the model card from what was measured; raises FileNotFoundError where nothing was."""
    if not measured.is_file():
        raise FileNotFoundError(f"expected {measured}, which the stage evaluate writes; found none")
    card.parent.mkdir(parents=True, exist_ok=True)
    card.write_text(model_card(json.loads(measured.read_text())))


def model_card(measured: Mapping[str, Any]) -> str:
    """The card of what `measure` found, as Markdown."""
    training, data, masks = measured["training"], measured["data"], measured["masks"]
    sizes = [size for size, _ in training["recipe"]["sizes"]]
    sections = [
        _HEAD,
        _weights(measured["weights"]),
        _interface(sizes),
        _data(data),
        _teacher(),
        _training(training),
        _quality(masks),
        _LIMITS.format(videos=data["clips"]["teacher"], cells=max(sizes) // 2, blur=_BLUR),
    ]
    return "\n\n".join(sections)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *rows))


def _weights(weights: Mapping[str, Any]) -> str:
    rows = [
        ("file", f"`{weights['file']}`"),
        ("SHA-256", f"`{weights['sha256']}`"),
        ("size", f"{weights['bytes'] / 1e6:.2f} MB"),
        ("parameters", f"{weights['parameters']:,} ({', '.join(weights['precision'])})"),
    ]
    return "## Weights\n\n" + table(("", ""), rows)


def _interface(sizes: Sequence[int]) -> str:
    trained = f"RGB, 0 to 255; S is a multiple of 32, trained from {min(sizes)} to {max(sizes)}"
    rows = [
        ("window", "3 x S x S", trained),
        (
            "prompts",
            f"{PROMPT_CHANNELS} x S / {PROMPT_STRIDE} x S / {PROMPT_STRIDE}",
            "points on, points off, box, earlier mask, whether there is one, masks of other objects",
        ),
        ("memory", "of earlier windows", "their features at stride 16 and the object's mask in them; may be empty"),
        ("mask, out", "S / 2 x S / 2", "logits; above 0 is the object"),
        ("predicted IoU, out", "1", "a logit; its sigmoid is the `score`"),
    ]
    text = "An object without a mask yet is looked for in windows of several sizes about the click; the best counts."
    return f"## Interface\n\n{table(('', 'shape', 'what'), rows)}\n\n{text}"


def _data(data: Mapping[str, Any]) -> str:
    rows = []
    for kind, (what, licence) in CLIPS.items():
        count = f"{data['clips'][kind]} clips, {data['frames'][kind]} labelled frames"
        if kind in data["cut-outs"]:
            count += f"; {data['cut-outs'][kind]} cut-outs and {data['backgrounds'][kind]} backgrounds of them"
        rows.append((what, count, licence))
    for use, noun in (("cutouts", "cut-outs"), ("backgrounds", "backgrounds")):
        for source in used_for(use):
            count = data[noun].get(source.name, 0)
            rows.append((_package(source), f"{count} {noun if count != 1 else noun[:-1]}", source.licence))
    shares = ", ".join(f"{kind} {share:.0%}" for kind, (share, _) in data["mixture"].items())
    composed = "Composed shots are cut-outs that move before a background, made anew for every sample."
    videos = ", ".join(f"`{name}`" for name in data["videos"])
    return (
        f"## Data\n\n{table(('what', 'how much', 'licence'), rows)}\n\n{composed} Samples are drawn from: {shares}.\n"
        f"The videos are {videos}.\nNone of these pictures is redistributed."
    )


def _teacher() -> str:
    (teacher,), (encoder,) = used_for("teacher"), used_for("encoder")
    return (
        "## Teacher and initial weights\n\n"
        "- The videos' masks are those of ISNet (Qin et al., ECCV 2022), split into objects that optical flow follows."
        f"\n  It is a teacher only. {_package(teacher)}: {teacher.licence}.\n"
        "- The encoder starts from EfficientNet-Lite0 (Tan and Le, ICML 2019), trained on ImageNet; up to stride 8 it\n"
        f"  stays so. {_package(encoder)}: {encoder.licence}.\n"
        "- All else starts from random numbers."
    )


def _package(source: Source) -> str:
    return f"{source.registry}: `{source.name}` {source.version}"


def _training(training: Mapping[str, Any]) -> str:
    recipe = training["recipe"]
    rates = ", ".join(f"{rate:g} ({part})" for part, rate in training["rates"].items())
    rows = [
        ("steps", f"{training['step']} of {recipe['steps']}"),
        ("batch", f"{recipe['batch']} samples"),
        ("window", ", ".join(f"{size} pixels ({share:.0%} of the batches)" for size, share in recipe["sizes"])),
        ("seed", f"{recipe['seed']}"),
        ("rates", f"AdamW, {rates}; {training['warm_up']} steps of warm-up, then a cosine to 0"),
        ("weights kept", f"exponential average over the steps, {training['average']}"),
        *(("run", _run(run)) for run in training["runs"]),
    ]
    timed = set().union(*(range(run["first"], run["last"]) for run in training["runs"]))
    text = "## Training\n\n" + table(("", ""), rows)
    if untimed := training["step"] - len(timed):
        text += f"\n\nOf {untimed} steps no time was recorded."
    return f"{text}\n\n{training['note']}" if training["note"] else text


def _run(run: Mapping[str, Any]) -> str:
    hours = f"{run['seconds'] / 3600:.1f} h"
    return f"steps {run['first']} to {run['last']}: {hours} on {run['device']}, {run['machine']}"


def _quality(masks: Mapping[str, Any]) -> str:
    sections = [section for part, section in _PARTS if part in masks]
    text = "## How good the masks are\n\n"
    if not sections:
        return text + "Not measured."
    return text + "\n\n".join(dict.fromkeys(section(masks) for section in sections))


def _davis(masks: Mapping[str, Any]) -> str:
    """Both starts side by side, or the one that was measured."""
    parts = {"davis, mask": "mask", "davis, click": "one click"}
    starts = {name: masks[part] for part, name in parts.items() if part in masks}
    one = next(iter(starts.values()))
    header = ["sequence", *(f"{measure}, {name}" for name in starts for measure in ("J", "F", "J&F"))]
    rows = [[name, *_jf(start["sequences"].get(name) for start in starts.values())] for name in one["sequences"]]
    rows.append(["**mean**", *_jf(start["mean"] for start in starts.values())])
    return (
        f"### {len(one['sequences'])} videos\n\nDAVIS's measures, from the true mask of the first frame or from "
        f"one click on it; the first and the last frame are not scored.\n{_setting(one)}\n\n{table(header, rows)}"
    )


def _jf(scores: Iterable[Mapping[str, float] | None]) -> list[str]:
    return [f"{score[name]:.3f}" if score else "" for score in scores for name in ("j", "f", "jf")]


def _stills(masks: Mapping[str, Any]) -> str:
    found = masks["stills"]
    clicks = range(1, len(found["mean"]["iou"]) + 1)
    counts = (f"IoU, {count} click{'s' if count > 1 else ''}" for count in clicks)
    header = ["object", "pictures", *counts, "correlation"]
    rows = [_still(name, score) for name, score in found["objects"].items()]
    rows.append(_still("**mean**", found["mean"]))
    return (
        f"### {found['mean']['pictures']} single pictures\n\n"
        "The first click is the most interior point of the true mask, each next one the middle of the largest error.\n"
        "A refused mask counts as empty. Correlation is Pearson's, of the predicted and the true IoU; the last one is\n"
        f"of all {found['mean']['ratings']} masks. {_setting(found)}\n\n{table(header, rows)}"
    )


def _still(name: str, score: Mapping[str, Any]) -> list[str]:
    correlation = "" if score["correlation"] is None else f"{score['correlation']:.3f}"
    return [name, str(score["pictures"]), *(f"{iou:.3f}" for iou in score["iou"]), correlation]


def _setting(found: Mapping[str, Any]) -> str:
    """How it was measured."""
    preset = ", ".join(f"`{name}: {json.dumps(value)}`" for name, value in found["preset"].items()).replace('"', "")
    return f"Measured on {found['machine']}, with {preset}; all other parameters as in `SamPtConfig`."


_PARTS = (("davis, mask", _davis), ("davis, click", _davis), ("stills", _stills))
