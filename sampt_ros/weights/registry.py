"""Published weights by name: where from, licence, SHA-256, and the folder that they are fetched into."""

from __future__ import annotations

import importlib
import json
import os
import tempfile
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sampt_ros.errors import CheckpointError

CACHE_VARIABLE = "SAMPT_CACHE"
_TIMEOUT = 30  # A download fails after so many seconds without a byte.
_RETRIES = 2
_CHUNK = 1 << 16  # Bytes.
_SAM = "https://dl.fbaipublicfiles.com/segment_anything/"
_MOBILE_SAM = "https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/"
_HUGGING_FACE = "https://huggingface.co/"
_SAM_HQ = "https://huggingface.co/lkeab/hq-sam/resolve/main/"
_PIPS = "https://huggingface.co/aharley/pips/resolve/main/"
_TAPIR = "https://storage.googleapis.com/dm-tapnet/bootstap/"
_MAGIC_LEAP = "Magic Leap, non-commercial research only"
_CUTIE = "https://github.com/hkchengrex/Cutie/releases/download/v1.0/"
_GOOGLE_DRIVE = "https://drive.usercontent.google.com/download?export=download&confirm=t&id="
_TORCHVISION = "https://download.pytorch.org/models/"


@dataclass(frozen=True)
class Model:
    """Published weights.

    option        the parameter that takes them while it is empty, such as `sam.checkpoint`
    architecture  the value of the parameter `model` in the same section that they fit; empty if there is none
    megabytes     about
    sha256        hex digits: all 64, only the first ones if no more are published, or none
    saved_as      its file's name in the cache folder, if it is not the published one
    non_commercial  whether the licence forbids commercial use
    """

    name: str
    url: str
    licence: str
    option: str
    architecture: str
    megabytes: float
    sha256: str = ""
    saved_as: str = ""
    non_commercial: bool = False

    @property
    def file(self) -> str:
        """Its file's name in the cache folder."""
        return self.saved_as or self.url.rpartition("/")[2]

    @property
    def warning(self) -> str:
        """A sentence about a licence that forbids commercial use; empty for others."""
        return f"the licence of {self.name} forbids commercial use: {self.licence}" if self.non_commercial else ""

    @property
    def is_pinned(self) -> bool:
        """Whether files are checked against the first one that was fetched, since no whole SHA-256 is published."""
        return len(self.sha256) < 64


def _sam(architecture: str, file: str, megabytes: float, sha256: str) -> Model:
    name = f"sam_{architecture}"
    return Model(name, _SAM + file, "Apache-2.0", "sam.checkpoint", architecture, megabytes, sha256)


def _sam_hq(architecture: str, megabytes: float) -> Model:
    name = f"sam_hq_{architecture}"
    return Model(name, f"{_SAM_HQ}{name}.pth", "Apache-2.0", "sam_hq.checkpoint", architecture, megabytes)


def _transformers(
    name: str, repository: str, option: str, architecture: str, megabytes: float, licence: str = "Apache-2.0"
) -> Model:
    """A model of the transformers package, whose file has the same name for all of them."""
    url, file = f"{_HUGGING_FACE}{repository}/resolve/main/model.safetensors", f"{name}.safetensors"
    restricted = licence == _MAGIC_LEAP
    return Model(name, url, licence, option, architecture, megabytes, saved_as=file, non_commercial=restricted)


def _superglue(architecture: str) -> Model:
    name = f"superglue_{architecture}"
    return _transformers(
        name, f"magic-leap-community/{name}", "superglue.checkpoint", architecture, 53.4, licence=_MAGIC_LEAP
    )


def _sam2(architecture: str, megabytes: float) -> Model:
    name, repository = f"sam2_{architecture}", f"facebook/sam2.1-hiera-{architecture.replace('_', '-')}"
    return _transformers(name, repository, "sam2.checkpoint", architecture, megabytes)


def _dinov2(architecture: str, megabytes: float) -> Model:
    return _transformers(
        *(f"dinov2_{architecture}", f"facebook/dinov2-{architecture}", "dinov2.checkpoint"), architecture, megabytes
    )


def _deaot(architecture: str, document: str, megabytes: float) -> Model:
    """document: its id on Google Drive, the only place where these weights are published"""
    name, url = f"deaot_{architecture}", f"{_GOOGLE_DRIVE}{document}"
    return Model(name, url, "BSD-3-Clause", "deaot.checkpoint", architecture, megabytes, saved_as=f"{name}.pth")


def _raft(name: str, file: str, megabytes: float) -> Model:
    digits = file.removesuffix(".pth").rpartition("-")[2]  # The file name ends in the first 8 digits of its SHA-256.
    architecture = name.removeprefix("raft_")
    return Model(name, _TORCHVISION + file, "BSD-3-Clause", "raft.checkpoint", architecture, megabytes, digits)


MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        _sam("vit_b", "sam_vit_b_01ec64.pth", 375, "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912"),
        _sam("vit_l", "sam_vit_l_0b3195.pth", 1250, "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622"),
        _sam("vit_h", "sam_vit_h_4b8939.pth", 2565, "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e"),
        Model(
            "mobile_sam",
            f"{_MOBILE_SAM}mobile_sam.pt",
            "Apache-2.0",
            "mobile_sam.checkpoint",
            "",
            40.7,
            "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        ),
        _sam_hq("vit_b", 379),
        _sam_hq("vit_l", 1250),
        _sam_hq("vit_h", 2570),
        _sam2("tiny", 156),
        _sam2("small", 184),
        _sam2("base_plus", 323),
        _sam2("large", 898),
        _transformers("edgetam", "yonigozlan/EdgeTAM-hf", "edgetam.checkpoint", "", 56),
        _dinov2("small", 88.2),
        _dinov2("base", 346),
        _dinov2("large", 1217),
        _transformers("seggpt", "BAAI/seggpt-vit-large", "seggpt.checkpoint", "", 1483),
        Model("pips", f"{_PIPS}model-000200000.pth", "MIT", "pips.checkpoint", "", 344),
        Model("tapir", f"{_TAPIR}causal_bootstapir_checkpoint.pt", "Apache-2.0", "tapir.checkpoint", "", 219),
        _superglue("outdoor"),
        _superglue("indoor"),
        # LightGlue's own licence is Apache-2.0, but its file has the weights of SuperPoint too.
        _transformers(
            *("lightglue", "ETH-CVG/lightglue_superpoint", "lightglue.checkpoint", "", 55), licence=_MAGIC_LEAP
        ),
        Model(
            *("cotracker", f"{_HUGGING_FACE}facebook/cotracker3/resolve/main/scaled_online.pth", "CC-BY-NC-4.0"),
            *("cotracker.checkpoint", "", 102),
            non_commercial=True,
        ),
        Model("cutie_base", f"{_CUTIE}cutie-base-mega.pth", "MIT", "cutie.checkpoint", "base", 140),
        Model("cutie_small", f"{_CUTIE}cutie-small-mega.pth", "MIT", "cutie.checkpoint", "small", 115),
        _deaot("tiny", "1ThWIZQS03cYWx1EKNN8MIMnJS5eRowzr", 29),
        _deaot("small", "1YwIAV5tBtn5spSFxKLBQBEQGwPHyQlHi", 41),
        _deaot("base", "1BHxsonnvJXylqHlZ1zJHHc-ymKyq-CFf", 53),
        _deaot("large", "18elNz_wi9JyVBcIUYKhRdL08MA-FqHD5", 53),
        _deaot("r50_large", "1QoChMkTVxdYZ_eBlZhK2acq9KMQZccPJ", 80),
        _deaot("swin_b_large", "1g4E-F0RPOx9Nd6J7tU9AE1TjsouL4oZq", 281),
        _raft("raft_small", "raft_small_C_T_V2-01064c6d.pth", 4),
        _raft("raft_large", "raft_large_C_T_SKHT_V2-ff5fadd5.pth", 21),
    )
}


def named(name: str) -> Model:
    """The model of this name; raises CheckpointError with the choices if there is none."""
    if name not in MODELS:
        raise CheckpointError(f"unknown model {name!r}; expected one of {', '.join(MODELS)}")
    return MODELS[name]


def for_option(option: str, architecture: str) -> Model | None:
    """The model that the parameter `option` takes while it is empty, by architecture or name, or None."""
    fitting = (model for model in MODELS.values() if model.option == option)
    return next((model for model in fitting if architecture in (model.architecture, model.name)), None)


def cache_folder() -> Path:
    """The folder of fetched files, which may not exist: the environment variable SAMPT_CACHE, or the platform's cache.

    Raises CheckpointError if pooch is missing, which knows the platforms' folders.
    """
    given = os.environ.get(CACHE_VARIABLE, "")
    return Path(given).expanduser() if given else Path(_pooch().os_cache("sampt_ros"))


def path(model: Model) -> Path:
    """Where the model's file is once it is fetched or put there by hand."""
    return cache_folder() / model.file


def pin_path(model: Model) -> Path:
    """The JSON file that keeps the SHA-256 of the first file that was fetched."""
    return cache_folder() / f"{model.file}.sha256.json"


def check(model: Model) -> str:
    """The SHA-256 of the model's file in the cache; nothing is written.

    Raises CheckpointError if the file is missing, unreadable or not the published or pinned one.
    """
    file = path(model)
    if not file.is_file():
        raise CheckpointError(f"{file} is missing; get it with: {advice(model)}")
    return _check(model, file, str(file), f"Delete it, then: {advice(model)}")


def verify(model: Model) -> str:
    """Check the model's file in the cache, and return in words what it was checked against.

    Where not all of the SHA-256 is published, it is pinned the first time. Raises CheckpointError as `check` does, and
    if the pin cannot be written.
    """
    return _settled(model, check(model))


def fetch(model: Model) -> str:
    """Bring the model's file into the cache unless it is there, verify it, and return in words against what.

    A progress bar is drawn on a terminal. Raises CheckpointError, and leaves nothing behind, if the download fails or
    brings another file; a wrong file that was there before is left.
    """
    target = path(model)
    if target.is_file():
        return f"there already, {verify(model)}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=target.parent) as scratch:
            arrived = _download(model, Path(scratch))
            digest = _check(model, arrived, f"what came from {model.url}", "Nothing is kept; try again later.")
            arrived.chmod(0o644)  # Only its owner may read a temporary file.
            arrived.replace(target)
    except (OSError, ValueError) as error:  # The exceptions of requests are OSErrors.
        reason = getattr(error.args[0] if error.args else None, "reason", error)  # Of urllib3, for a connection error.
        raise CheckpointError(
            f"{model.name}: cannot download {model.url} into {target.parent}: {reason}. "
            f"Check network, proxy and folder, or get the file elsewhere and put it at {target}"
        ) from None
    return _settled(model, digest)


def advice(*wanted: Model) -> str:
    """The command that fetches these models."""
    return " ".join(["sampt models fetch", *(model.name for model in wanted)])


def _check(model: Model, file: Path, called: str, remedy: str) -> str:
    try:
        digest, size = str(_pooch().file_hash(str(file))), file.stat().st_size
    except OSError as error:
        raise CheckpointError(f"cannot read {called}: {error.strerror}") from None
    if not digest.startswith(model.sha256):
        raise CheckpointError(
            f"{called} is not {model.name} as published: truncated or another file. Expected about "
            f"{model.megabytes:g} MB with SHA-256 {model.sha256}, got {size} bytes with {digest}. {remedy}"
        )
    if not model.is_pinned:
        return digest
    pinned = _pinned(model)
    if pinned and digest != pinned:
        raise CheckpointError(
            f"{called} is not the {model.name} seen first: expected SHA-256 {pinned}, as pinned in {pin_path(model)}, "
            f"got {digest}. {remedy} If the new file is meant, delete the pin"
        )
    if not pinned and not _looks_like_a_checkpoint(file):
        raise CheckpointError(
            f"{called} is not {model.name}: expected a checkpoint of PyTorch or safetensors of about "
            f"{model.megabytes:g} MB, got {size} bytes of something else, or truncated. {remedy}"
        )
    return digest


def _settled(model: Model, digest: str) -> str:
    """Pin a checked SHA-256 where that is needed, and return in words what it was checked against."""
    if not model.is_pinned:
        return "SHA-256 as published"
    known = "first digits of the SHA-256 as published" if model.sha256 else "no SHA-256 is published"
    if _pinned(model):
        return f"{known}; the whole as pinned"
    _pin(model, digest)
    return f"{known}; {digest} is pinned from now on in {pin_path(model)}"


def _looks_like_a_checkpoint(file: Path) -> bool:
    """Whether it is a whole zip archive, or begins as a pickle: torch's two formats; or begins as safetensors."""
    with file.open("rb") as stream:
        start = stream.read(9)
        return zipfile.is_zipfile(file) or start[:1] == b"\x80" or start[8:] == b"{"


def _pinned(model: Model) -> str:
    """The pinned SHA-256; an empty string if there is none."""
    pin = pin_path(model)
    try:
        content = json.loads(pin.read_text())
        return str(content["sha256"])
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CheckpointError(
            f"{pin}: expected JSON with the sha256 of {model.file}, got something unreadable ({error}). "
            f"Delete it and {path(model)}, then: {advice(model)}"
        ) from None


def _pin(model: Model, digest: str) -> None:
    pin = pin_path(model)
    draft = pin.with_name(f".{pin.name}.{os.getpid()}")
    try:
        draft.write_text(json.dumps({"sha256": digest, "url": model.url}, indent=2) + "\n")
        draft.replace(pin)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise CheckpointError(f"cannot write {pin}: {error.strerror}") from None


def _download(model: Model, folder: Path) -> Path:
    """The model's file, downloaded into a folder; raises OSError or ValueError."""
    pooch = _pooch()
    pooch.get_logger().setLevel("WARNING")
    files = pooch.create(
        folder, base_url="", registry={model.file: None}, urls={model.file: model.url}, retry_if_failed=_RETRIES
    )
    return Path(files.fetch(model.file, downloader=partial(_download_whole, model)))


def _download_whole(model: Model, url: str, output_file: str, _files: Any) -> None:
    """A downloader for pooch. Raises ValueError if less arrives than the server announced: old urllib3s do not."""
    announced: list[int] = []

    def note(response: Any, *_arguments: Any, **_options: Any) -> None:
        announced[:] = [int(response.headers.get("content-length", 0))]

    about = int(1e6 * model.megabytes)  # Until the server announces it.
    with tqdm(desc=model.name, total=about, unit="B", unit_scale=True, disable=None) as progress:
        _pooch().HTTPDownloader(
            progressbar=progress,
            chunk_size=_CHUNK,
            timeout=_TIMEOUT,
            headers={"Accept-Encoding": "identity"},  # Else the announced length may be that of compressed data.
            hooks={"response": note},
        )(url, output_file, None)
    size = Path(output_file).stat().st_size
    if announced and announced[-1] and size != announced[-1]:
        raise ValueError(f"expected {announced[-1]} bytes, got {size}")


def _pooch() -> Any:
    """The pooch package, imported when needed: tracking with the weights in this package does without it."""
    try:
        return importlib.import_module("pooch")
    except ImportError as error:
        raise CheckpointError(f"the folder of published weights needs pooch ({error}): pip install pooch") from None
