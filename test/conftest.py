"""Fixtures that several test files share."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from dataclasses import replace
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """Reference numbers and data that are not part of the package: ../shared, or what SAMPT_SHARED names."""
    folder = Path(os.environ.get("SAMPT_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; SAMPT_SHARED can name another folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def no_fetched_models(tmp_path_factory):
    """Tests do not see the models that are on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMPT_CACHE", str(tmp_path_factory.mktemp("no_models")))
        yield


@pytest.fixture
def heard():
    """Ctrl-C counts, even where these tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def sam_model():
    """The small `segment_anything` Sam whose weights come from their names; not to be changed."""
    need("segment_anything", "segment-anything or torchvision is missing")
    import torch
    from named_weights import small_sam

    torch.set_num_threads(1)  # more would only wait for each other: the model is tiny
    return small_sam()


@pytest.fixture(scope="session")
def small_sam(sam_model):
    """The segmenter around `sam_model`."""
    from sampt_ros.segmenters.sam.segmenter import Sam

    return Sam(sam_model, "cpu")


@pytest.fixture(scope="session")
def small_sam_hq():
    """The segmenter around a small HQ-SAM whose weights come from their names."""
    need("segment_anything_hq", "segment-anything-hq, timm or torchvision is missing")
    import torch
    from named_weights import small_sam_hq

    from sampt_ros.segmenters.sam.hq import SamHq

    torch.set_num_threads(1)
    return SamHq(small_sam_hq(), "cpu")


@pytest.fixture(scope="session")
def small_mobile_sam():
    """The segmenter around a small MobileSAM whose weights come from their names."""
    need("mobile_sam", "mobilesam-mirror, timm or torchvision is missing")
    import torch
    from named_weights import small_mobile_sam

    from sampt_ros.segmenters.sam.mobile import MobileSam

    torch.set_num_threads(1)
    return MobileSam(small_mobile_sam(), "cpu")


@pytest.fixture(scope="session")
def small_sam2():
    """The segmenter around a small SAM 2 whose weights come from their names."""
    need("transformers", "transformers is missing")
    import torch
    from named_weights import small_sam2

    from sampt_ros.segmenters.sam2.segmenter import Sam2

    torch.set_num_threads(1)
    return Sam2(small_sam2(), "cpu")


@pytest.fixture(scope="session")
def small_edgetam():
    """The segmenter around a small EdgeTAM whose weights come from their names."""
    need("transformers", "transformers is missing")
    need("timm", "timm or torchvision is missing")
    import torch
    from named_weights import small_edgetam

    from sampt_ros.segmenters.sam2.segmenter import EdgeTam

    torch.set_num_threads(1)
    return EdgeTam(small_edgetam(), "cpu")


@pytest.fixture(scope="session")
def small_seggpt():
    """The segmenter around a small SegGPT whose weights come from their names."""
    need("transformers", "transformers is missing")
    import torch
    from named_weights import small_seggpt

    from sampt_ros.segmenters.seggpt import SegGpt

    torch.set_num_threads(1)
    return SegGpt(small_seggpt(), device="cpu")


def need(module: str, reason: str) -> None:
    """Skip the test where a module is missing; what it warns of when first imported is its own affair."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip(module, reason=reason, exc_type=ImportError)


@pytest.fixture(scope="session")
def pips_network():
    """The PIPS network whose weights come from their names; not to be changed."""
    pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)
    from named_weights import pips

    return pips()


@pytest.fixture(scope="session")
def tapir_network():
    """The TAPIR network for images of 64 pixels, whose weights come from their names; not to be changed."""
    pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)
    from named_weights import tapir

    return tapir(64)


@pytest.fixture(scope="session")
def raft_network():
    """torchvision's small RAFT whose weights come from their names; not to be changed."""
    need("torchvision", "torch or torchvision is missing")
    from named_weights import raft

    return raft("small")


@pytest.fixture(scope="session")
def cotracker_network():
    """CoTracker3 online whose weights come from their names; not to be changed."""
    need("cotracker.predictor", "cotracker, which is for non-commercial use, is missing")
    import torch
    from named_weights import cotracker

    torch.set_num_threads(1)
    return cotracker()


@pytest.fixture(scope="session")
def small_dinov2():
    """The descriptor around a small DINOv2 whose weights come from their names, for images of 70 pixels."""
    need("transformers", "transformers is missing")
    import torch
    from named_weights import small_dinov2

    from sampt_ros.descriptors.dinov2 import DinoV2

    torch.set_num_threads(1)
    return DinoV2(small_dinov2(), 70, "cpu")


@pytest.fixture(scope="session")
def cutie_network():
    """The small Cutie whose weights come from their names, and its configuration; not to be changed."""
    need("cutie.model.cutie", "rf-cutie is missing")
    import torch
    from named_weights import small_cutie

    torch.set_num_threads(1)
    return small_cutie()


@pytest.fixture(scope="session")
def deaot_network():
    """A DeAOT with a small encoder and three layers, whose weights come from their names; not to be changed."""
    need("aot.networks.models", "deaotpy is missing")
    import torch
    from named_weights import small_deaot

    torch.set_num_threads(1)
    return small_deaot()


@pytest.fixture
def model_server():
    """Serves weights under any address on this machine."""
    from model_server import Handler, Server

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def model_cache(tmp_path, monkeypatch) -> Path:
    """The cache folder, not made yet; a failed download is tried again at once."""
    pytest.importorskip("pooch", reason="pooch is missing")
    monkeypatch.setenv("SAMPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    return tmp_path / "cache"


@pytest.fixture
def list_model(model_cache, model_server, monkeypatch):
    """Puts a model of this name and SHA-256, whose file the server has, into the table."""
    from model_server import DIGEST

    from sampt_ros.weights.registry import MODELS, Model

    def listed(sha256: str = DIGEST, name: str = "sam_vit_b") -> Model:
        changed = replace(MODELS[name], url=f"{model_server.url}/weights.pth", sha256=sha256)
        monkeypatch.setitem(MODELS, name, changed)
        return changed

    return listed
