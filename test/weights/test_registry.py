"""Published weights, fetched from a server on this machine."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from model_server import CONTENT, DIGEST, OTHER, names

from sampt_ros.cli import main as cli
from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import walk
from sampt_ros.errors import CheckpointError
from sampt_ros.weights import registry as models
from sampt_ros.weights.registry import MODELS

# The table


def test_every_model_has_name_address_licence_and_a_well_formed_hash():
    assert set(MODELS) == {model.name for model in MODELS.values()}
    assert len({model.file for model in MODELS.values()}) == len(MODELS)
    for model in MODELS.values():
        assert model.url.startswith("https://")
        assert model.non_commercial == (model.licence not in ("Apache-2.0", "MIT", "BSD-3-Clause"))
        assert len(model.sha256) in (0, 8, 64)
        assert set(model.sha256) <= set("0123456789abcdef")
        assert model.megabytes > 1


def test_every_model_is_for_a_parameter_that_there_is():
    parameters = {name: option for name, _, option in walk(SamPtConfig())}
    for model in MODELS.values():
        assert model.option in parameters
        beside = parameters.get(model.option.replace("checkpoint", "model"))
        assert model.architecture in (beside.choices if beside else ("",))


def test_weights_that_may_not_be_used_commercially_say_so():
    restricted = [model for model in MODELS.values() if model.non_commercial]
    assert {model.name for model in restricted} == {"superglue_outdoor", "superglue_indoor", "lightglue", "cotracker"}
    for model in restricted:
        assert model.warning.startswith(f"the licence of {model.name} forbids commercial use: ")


@pytest.mark.parametrize(
    ("option", "architecture", "name"),
    [
        ("sam.checkpoint", "vit_b", "sam_vit_b"),
        ("sam.checkpoint", "vit_h", "sam_vit_h"),
        ("sam_hq.checkpoint", "vit_h", "sam_hq_vit_h"),
        ("raft.checkpoint", "small", "raft_small"),
        ("raft.checkpoint", "raft_small", "raft_small"),
        ("pips.checkpoint", "pips", "pips"),
        ("tapir.checkpoint", "tapir", "tapir"),
        ("sam2.checkpoint", "base_plus", "sam2_base_plus"),
        ("edgetam.checkpoint", "edgetam", "edgetam"),
        ("dinov2.checkpoint", "base", "dinov2_base"),
        # none is published for it
        ("sam.checkpoint", "vit_tiny", None),
        ("nano.checkpoint", "the nano segmenter", None),
    ],
)
def test_a_parameter_finds_its_model(option, architecture, name):
    found = models.for_option(option, architecture)
    assert (found and found.name) == name


def test_an_unknown_name_is_refused_with_the_choices():
    with pytest.raises(CheckpointError, match=r"unknown model 'sam'; expected one of sam_vit_b, .*raft_large"):
        models.named("sam")


def test_the_folder_is_named_by_the_environment(monkeypatch):
    monkeypatch.setenv("SAMPT_CACHE", "~/weights")
    assert models.cache_folder() == Path("~/weights").expanduser()
    monkeypatch.delenv("SAMPT_CACHE")
    assert models.cache_folder().name == "sampt_ros"


# Fetching


def test_a_fetched_file_is_whole_verified_and_readable_by_all(list_model, model_cache):
    published = list_model()
    assert models.fetch(published) == "SHA-256 as published"
    assert names(model_cache) == ["weights.pth"]
    assert models.path(published).read_bytes() == CONTENT
    assert models.path(published).stat().st_mode & 0o777 == 0o644


def test_a_file_that_is_there_is_not_fetched_again(list_model, model_cache, model_server):
    published = list_model()
    model_cache.mkdir()
    models.path(published).write_bytes(CONTENT)  # by hand
    assert models.fetch(published) == "there already, SHA-256 as published"
    assert model_server.requests == 0


@pytest.mark.parametrize("sha256", [DIGEST, DIGEST[:8], ""], ids=["published", "first digits", "none published"])
@pytest.mark.parametrize("sent", [0, 100, len(CONTENT) - 1])
def test_a_truncated_download_leaves_nothing(list_model, model_cache, model_server, sha256, sent):
    model_server.sent = sent
    with pytest.raises(CheckpointError, match=r"sam_vit_b: cannot download .*put it at .*weights.pth"):
        models.fetch(list_model(sha256))
    assert names(model_cache) == []
    assert model_server.requests == 3


def test_a_short_download_is_noticed_where_urllib3_does_not(list_model, model_cache, monkeypatch):
    def short(downloader, url, output_file, pooch):
        Path(output_file).write_bytes(CONTENT[:100])
        response = type("Response", (), {"headers": {"content-length": str(len(CONTENT))}})
        downloader.kwargs["hooks"]["response"](response)

    monkeypatch.setattr("pooch.HTTPDownloader.__call__", short)
    with pytest.raises(CheckpointError, match=f"expected {len(CONTENT)} bytes, got 100"):
        models.fetch(list_model(""))
    assert names(model_cache) == []


@pytest.mark.parametrize("sha256", [64 * "0", 8 * "0"])
def test_another_file_than_the_published_one_leaves_nothing(list_model, model_cache, sha256):
    with pytest.raises(CheckpointError, match=f"not sam_vit_b as published.*{sha256}, got {len(CONTENT)} .*{DIGEST}"):
        models.fetch(list_model(sha256))
    assert names(model_cache) == []


def test_a_page_instead_of_a_checkpoint_leaves_nothing(list_model, model_cache, model_server):
    model_server.content = b"<html>Please log in</html>"
    with pytest.raises(CheckpointError, match=r"expected a checkpoint of .*got 26 bytes of something else"):
        models.fetch(list_model(""))
    assert names(model_cache) == []


def test_a_server_that_has_no_such_file(list_model, model_cache, model_server):
    model_server.status = 404
    with pytest.raises(CheckpointError, match="404"):
        models.fetch(list_model())
    assert names(model_cache) == []


def test_without_a_network(list_model, model_cache, model_server):
    published = replace(list_model(), url="http://no-such-host.invalid/weights.pth")
    with pytest.raises(CheckpointError, match=r"cannot download .*no-such-host.invalid.*Check network, proxy"):
        models.fetch(published)
    assert names(model_cache) == []


def test_a_folder_that_cannot_be_made(list_model, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(CheckpointError, match=f"cannot download .* into {tmp_path / 'cache'}: .*File exists"):
        models.fetch(list_model())


def test_an_interrupted_download_leaves_nothing(list_model, model_cache, monkeypatch):
    def interrupted(downloader, url, output_file, pooch):
        Path(output_file).write_bytes(CONTENT[:100])
        raise KeyboardInterrupt

    monkeypatch.setattr("pooch.HTTPDownloader.__call__", interrupted)
    assert (list_model(), cli.main(["models", "fetch", "sam_vit_b"]))[1] == 130
    assert names(model_cache) == []


def test_a_wrong_file_put_there_by_hand_is_named_and_left(list_model, model_cache, model_server):
    published = list_model()
    model_cache.mkdir()
    models.path(published).write_bytes(OTHER)
    with pytest.raises(CheckpointError, match=r"weights.pth is not sam_vit_b.*Delete it, then: sampt models fetch"):
        models.fetch(published)
    assert models.path(published).read_bytes() == OTHER
    assert model_server.requests == 0


def test_without_pooch_it_says_what_to_install(list_model, monkeypatch):
    published = list_model()
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(CheckpointError, match="pip install pooch"):
        models.fetch(published)


# Pins


@pytest.mark.parametrize("sha256", [DIGEST[:8], ""])
def test_the_first_download_is_pinned(list_model, model_cache, sha256):
    published = list_model(sha256)
    assert f"{DIGEST} is pinned from now on" in models.fetch(published)
    assert names(model_cache) == ["weights.pth", "weights.pth.sha256.json"]
    assert json.loads(models.pin_path(published).read_text()) == {"sha256": DIGEST, "url": published.url}
    assert models.verify(published).endswith("the whole as pinned")


def test_a_later_mismatch_names_the_pin(list_model, model_cache, model_server):
    published = list_model("")
    models.fetch(published)
    models.path(published).write_bytes(OTHER)
    with pytest.raises(CheckpointError, match=r"as pinned in .*weights.pth.sha256.json.*delete the pin"):
        models.verify(published)
    models.path(published).unlink()
    model_server.content = OTHER  # the publisher has changed it
    with pytest.raises(CheckpointError, match=r"what came from http.*as pinned in .*weights.pth.sha256.json"):
        models.fetch(published)
    assert names(model_cache) == ["weights.pth.sha256.json"]
    models.pin_path(published).unlink()
    assert "pinned from now on" in models.fetch(published)


@pytest.mark.parametrize("content", ["", "[]", "{}", "3", "\0"])
def test_an_unreadable_pin_is_named(list_model, content):
    published = list_model("")
    models.fetch(published)
    models.pin_path(published).write_text(content)
    with pytest.raises(CheckpointError, match=r"weights.pth.sha256.json: expected JSON with the sha256"):
        models.verify(published)


def test_a_check_writes_nothing(list_model, model_cache):
    published = list_model("")
    model_cache.mkdir()
    models.path(published).write_bytes(CONTENT)
    assert models.check(published) == DIGEST
    assert names(model_cache) == ["weights.pth"]
