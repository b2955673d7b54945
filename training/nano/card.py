"""Writes the model card; every number in it comes from the file that `measure` writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from sampt_ros.segmenters.nano.interface import PROMPT_CHANNELS, PROMPT_STRIDE
from training.nano.pictures.sources import Source, used_for

# Contents and licences of the given folders; those of all other sources are in sources.SOURCES.
VIDEOS = ("example videos of EdgeTAM", "Apache-2.0")
OBJECTS = ("scanned objects of the YCB object set", "CC BY 4.0")
OUTLINES = "CC BY 4.0"  # Licence of the outlines in COCO, whatever the licence of the pictures.

_HEAD = """# Model card: nano

<!-- made by training/nano; `python -m training.nano --only card` writes it again -->

The promptable segmenter whose weights come with the package (`segmenter: nano`): points, a box or a mask in, a mask
and its predicted IoU out. It sees a square window around each object, and remembers each object's looks from frame to
frame. The encoder is EfficientNet-Lite0 up to stride 32; a memory is read at stride 16; a decoder takes the prompts at
every level. Where nothing is known of an object yet, a second network finds it at the clicks or in the box: the click
network, which is the same without a memory, but for the prompts, which its encoder sees too. It costs nothing once an
object is followed. The networks are in `network.py` and `click_network.py` of `sampt_ros/segmenters/nano/`, and
`segmenter.py` beside them uses them. On a CPU, ONNX Runtime runs them from the graphs `encode.onnx`, `memorize.onnx`,
`decode.onnx` and `clicks.onnx`, which refer to the files of the weights; on a GPU, torch does. `encode_int8.onnx`,
`decode_int8.onnx` and `clicks_int8.onnx` replace three of them on a CPU with instructions for 8-bit numbers
(`nano.precision`); they contain their weights, rounded from those of the files."""

_LIMITS = """## Limits

- It has seen few real videos ({videos}), labelled by the teacher; nobody corrected its masks. All other
  motion in its training is that of animated photographs and of rendered scenes, which differ from a camera's images.
- A click selects a whole object rather than a part of it, because the true masks in training are of whole objects. For
  a part, give a box, or more clicks, on it and off it.
- From one click, objects of several colours or materials are often taken in part: a toy plane's wing, the back of
  a chair without its legs. A thin or small thing before a larger one of more contrast may be taken for that one. A
  second click on what is missing, or a box, often mends it.
- What turns over and then looks altogether different (a toy plane from below) is lost, and a twin that comes close
  may be taken for the object.
- A mask sometimes takes in a person or an animal beside the object: the teacher labels as one whatever stands out
  together.
- Thin structures (cables, stems, spokes): masks have at most {cells} x {cells} pixels per window, so what is
  thinner than one of these is easily lost. With many objects at once, windows are smaller and show less detail.
- Frames of videos that the teacher was unsure of were left out, and with them much of the fastest motion.
- There are only ordinary colour pictures in the data (no thermal, depth, X-ray, microscope or aerial images).
  Translucent cut-outs were left out, so glass, smoke and liquids are rare in the data.
- The predicted IoU was learned on these data; on others it may be too high or too low.
"""


def write_card(measured: Path, card: Path) -> None:
    """Write the model card from the file of measurements; raises FileNotFoundError if there is none."""
    if not measured.is_file():
        raise FileNotFoundError(f"expected {measured}, which the stage evaluate writes; there is none")
    card.parent.mkdir(parents=True, exist_ok=True)
    card.write_text(model_card(json.loads(measured.read_text())))


def model_card(measured: Mapping[str, Any]) -> str:
    """The model card as Markdown; measured: what `measure` wrote."""
    training, data, masks = measured["training"], measured["data"], measured["masks"]
    sizes = [[size for size, _ in training[network]["recipe"]["sizes"]] for network in _NETWORKS]
    sections = [
        _HEAD,
        _weights(measured["weights"]),
        _interface(sizes),
        _data(data),
        _teacher(),
        _training(training),
        _quality(masks),
        _LIMITS.format(videos=len(data["clips"]), cells=max(sizes[0]) // 2),
    ]
    return "\n\n".join(sections)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *rows))


def _weights(weights: Mapping[str, Mapping[str, Any]]) -> str:
    files = weights.values()
    rows = [
        ("file", *(f"`{file['file']}`" for file in files)),
        ("SHA-256", *(f"`{file['sha256']}`" for file in files)),
        ("size", *(f"{file['bytes'] / 1e6:.2f} MB" for file in files)),
        ("parameters", *(f"{file['parameters']:,} ({', '.join(file['precision'])})" for file in files)),
    ]
    return "## Weights\n\n" + table(("", *_NETWORKS.values()), rows)


def _interface(sizes: Sequence[Sequence[int]]) -> str:
    trained, clicked = (f"{min(each)} to {max(each)}" for each in sizes)
    trained = f"RGB, 0 to 255; S is a multiple of 32, trained from {trained}, the click network from {clicked}"
    rows = [
        ("window", "3 x S x S", trained),
        (
            "prompts",
            f"{PROMPT_CHANNELS} x S / {PROMPT_STRIDE} x S / {PROMPT_STRIDE}",
            "points on, points off, box, earlier mask, whether there is one, masks of other objects",
        ),
        ("memory", "of earlier windows", "their features at stride 16 and the object's mask in them; may be empty"),
        ("mask, out", "S / 2 x S / 2", "logits; above 0 is the object"),
        (
            "predicted IoU, out",
            "1",
            "a logit; its sigmoid, less where the mask is in several parts, counts in the `score`",
        ),
    ]
    text = (
        "The click network has no memory. An object without a mask yet is searched for in windows of several sizes "
        "around the click;\nthe best counts."
    )
    return f"## Interface\n\n{table(('', 'shape', 'what'), rows)}\n\n{text}"


def _data(data: Mapping[str, Any]) -> str:
    rows = [_photographs(entry) for entry in data["stills"]]
    frames = f"{len(data['clips'])} clips, {data['teacher frames']} frames labelled by the teacher"
    rows.append((VIDEOS[0], frames, VIDEOS[1]))
    rows.append((OBJECTS[0], f"{len(data['objects'])} objects", OBJECTS[1]))
    for use, noun in (("cutouts", "cut-outs"), ("backgrounds", "backgrounds")):
        for source in used_for(use):
            count = data["packages"].get(source.name, 0)
            rows.append((_package(source), f"{count} {noun if count != 1 else noun[:-1]}", source.licence))
    rows += [(_package(source), "models of arms and grippers", source.licence) for source in used_for("arms")]
    counts = data["sequences"]
    sequences = [(kind, what, str(counts[kind])) for kind, what in _KINDS.items() if counts.get(kind)]
    out = data["held out"]
    return (
        f"## Data\n\n{table(('what', 'how much', 'licence'), rows)}\n\n"
        f"None of these pictures is redistributed. Of the same sources {out['stills']} photographs, "
        f"{_listed(out['clips'])} and {_listed(out['objects'])}\nare held out: the validation sequences below are made "
        "of them.\n"
        f"The videos are {_listed(data['clips'])}.\n\nTraining draws from sequences of frames:\n\n"
        + table(("kind", "what", "sequences"), sequences)
    )


_KINDS = {
    "photograph": "photographs as they are: one frame, for the click network",
    "animated": "photographs whose camera and objects move, with moving objects from other pictures",
    "rendered": "tables, shelves and floors with scanned and procedural objects, grippers, pushes, drops (MuJoCo)",
    "simulated": "likewise, often in other colours; objects rest, fall and push each other as bodies do: two frames",
    "teacher": "runs of the videos",
}


def _photographs(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    """The row of the photographs that have the same source and licence."""
    licence = entry["licence"]
    if entry["source"].startswith("COCO"):
        licence = f"images {licence}, outlines {OUTLINES}"
    return f"photographs of {entry['source']}", f"{entry['pictures']}, {entry['objects']} objects outlined", licence


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _teacher() -> str:
    (teacher,), (encoder,) = used_for("teacher"), used_for("encoder")
    return (
        "## Teacher and initial weights\n\n"
        "- The videos' masks are those of ISNet (Qin et al., ECCV 2022), split into objects that optical flow follows."
        f"\n  It is a teacher only. {_package(teacher)}: {teacher.licence}.\n"
        "- The encoder starts from EfficientNet-Lite0 (Tan and Le, ICML 2019), trained on ImageNet; up to stride 8 it\n"
        f"  stays so. {_package(encoder)}: {encoder.licence}.\n"
        "- The click network starts from the other one's weights; all others start from random numbers."
    )


def _package(source: Source) -> str:
    return f"{source.registry}: `{source.name}` {source.version}"


_NETWORKS = {"following": "that follows objects", "clicks": "click network"}


def _training(training: Mapping[str, Any]) -> str:
    runs = [training[network] for network in _NETWORKS]
    recipes = [run["recipe"] for run in runs]
    rates = ", ".join(f"{rate:g} ({part})" for part, rate in training["rates"].items())
    places = dict.fromkeys(where for run in runs for where in run["seconds"])
    rows = [
        ("steps", *(f"{run['step']} of {recipe['steps']}" for run, recipe in zip(runs, recipes))),
        ("batch", *(f"{recipe['batch']} samples" for recipe in recipes)),
        ("window, pixels: share of the batches", *(_shares(recipe["sizes"]) for recipe in recipes)),
        ("seed", *(str(recipe["seed"]) for recipe in recipes)),
        ("encoder as in 8 bits, from step", *(str(run["rounded"][0]) for run in runs)),
        ("decoder as in 8 bits, from step", *(str(run["rounded"][1]) for run in runs)),
        *((f"time on {where}", *(_time(run["seconds"].get(where, 0)) for run in runs)) for where in places),
    ]
    if any(recipe["again"] for recipe in recipes):
        begins = (_BEGINS[recipe["again"]] for recipe in recipes)
        rows.insert(0, ("begins with", *begins))
    common = (
        f"AdamW, {rates}; {training['warm_up']} steps of warm-up, then a cosine to 0. The exponential average of the "
        f"weights over the\nsteps is kept ({training['average']}). What computes as in 8 bits from some step on is the "
        "encoder from stride 8 on, and the decoder's 3x3\nblocks."
    )
    header = ("", *_NETWORKS.values())
    text = f"## Training\n\n{table(header, rows)}\n\n{common}\n\n{_FOLLOWED}\n\n{_practice(runs)}"
    return f"{text}\n\n{training['note']}" if training["note"] else text


_BEGINS = {False: "see above", True: "the weights of an earlier training"}


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min" if seconds else ""


def _shares(sizes: Sequence[tuple[int, float]]) -> str:
    return ", ".join(f"{size}: {share:.0%}" for size, share in sizes)


_FOLLOWED = """Objects are followed from frame to frame as the stream does it: by the network's own masks, moved by
optical flow, with what it remembers of its own masks. Some, and all at first, are led by true masks that were damaged.
Now and then the mask lands on something else, or little of it is left. The training has parts that practise different
things; in each, the rates are warmed up and fall to 0. The last column is the click network's training:"""


def _practice(runs: Sequence[Mapping[str, Any]]) -> str:
    """The table of the trainings' parts: from which step to which, and what is practised."""
    header, parts = [""], []
    for run in runs:
        ends = [0, *(part["end"] for part in run["parts"])]
        header += [f"steps {first} to {end}" for first, end in pairwise(ends)]
        parts += run["parts"]
    habits = [part["habits"] for part in parts]
    rows = {
        "highest rates, of those above": [part["rate"] for part in parts],
        **{f"samples from {kind} sequences": [part["mixture"].get(kind, 0) for part in parts] for kind in _KINDS},
        "objects that begin with a click": [each["starts"][0] for each in habits],
        "objects that are seen in one frame only": [each["brief"] for each in habits],
        "objects that are led by true masks": [each["guided"] for each in habits],
        "masks at first clicks that are looked at once more": [each["refined"] for each in habits],
        "masks at clicks that get another click, if they are not good": [each["corrected"] for each in habits],
        "frames whose mask lands on something else": [each["accident"] for each in habits],
    }
    used = {name: shares for name, shares in rows.items() if any(shares)}
    return table(header, [[name, *(f"{share:.0%}" for share in shares)] for name, shares in used.items()])


def _quality(masks: Mapping[str, Any]) -> str:
    sections = [section for part, section in _PARTS if part in masks]
    text = "## How good the masks are\n\n"
    if not sections:
        return text + "Not measured."
    # The measurements from a mask and from a click share one section.
    return text + "\n\n".join(dict.fromkeys(section(masks) for section in sections))


def _videos(masks: Mapping[str, Any], name: str) -> str:
    """The scores from a mask and from a click side by side, or those that were measured."""
    title, text = _TITLES[name]
    parts = {f"{name}, mask": "mask", f"{name}, click": "one click"}
    starts = {start: masks[part] for part, start in parts.items() if part in masks}
    one = next(iter(starts.values()))
    header = ["sequence", *(f"{measure}, {start}" for start in starts for measure in _MEASURES)]
    rows = [[each, *_jf(start["sequences"].get(each) for start in starts.values())] for each in one["sequences"]]
    rows.append(["**mean**", *_jf(start["mean"] for start in starts.values())])
    if name == "validation":
        kinds = [_by_kind(start["sequences"]) for start in starts.values()]
        rows += [[f"**{kind}**", *_jf(start[kind] for start in kinds)] for kind in kinds[0]]
    return (
        f"### {len(one['sequences'])} {title}\n\n{text}\nDAVIS's measures, from the true mask of the first frame or "
        "from one click on it; the first and the last\nframe are not scored. `false`: the share of frames with a mask "
        "on something else (J < 0.1). `r`: the correlation of\npredicted and true IoU over the frames with a mask.\n"
        f"{_setting(one)}\n\n{table(header, rows)}"
    )


def _by_kind(sequences: Mapping[str, Mapping[str, float | None]]) -> dict[str, dict[str, float | None]]:
    """The mean scores of each kind of validation sequences, and the mean of the kinds; without correlations."""
    grouped: dict[str, list[Mapping[str, float | None]]] = {}
    for name, score in sequences.items():
        grouped.setdefault(name.partition("_")[0], []).append(score)
    means = {kind: _mean(scores) for kind, scores in sorted(grouped.items())}
    return {**means, "mean of the kinds": _mean(list(means.values()))}


def _mean(scores: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    means: dict[str, float | None] = {"r": None}  # Few frames do not tell it.
    for name in (name for name in _MEASURES if name not in means):
        means[name] = float(np.mean([value for score in scores if (value := score[name]) is not None]))
    return means


_MEASURES = {"j": "J", "f": "F", "jf": "J&F", "false": "false", "r": "r"}
_TITLES = {
    "validation": (
        "validation sequences",
        "Made of held-out pictures, objects and clips. Parameters are chosen on these, weights by the kinds' mean.",
    ),
    "davis": ("videos of DAVIS-2016", "Nothing is chosen on these."),
}


def _jf(scores: Iterable[Mapping[str, float | None] | None]) -> list[str]:
    return ["" if not score or score[name] is None else f"{score[name]:.3f}" for score in scores for name in _MEASURES]


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
    """The machine and the parameters of a measurement, in words."""
    preset = ", ".join(f"`{name}: {json.dumps(value)}`" for name, value in found["preset"].items()).replace('"', "")
    return f"Measured on {found['machine']}, with {preset}; all other parameters as in `SamPtConfig`."


_PARTS: tuple[tuple[str, Callable[[Mapping[str, Any]], str]], ...] = (
    *((f"{name}, {start}", partial(_videos, name=name)) for name in _TITLES for start in ("mask", "click")),
    ("stills", _stills),
)
