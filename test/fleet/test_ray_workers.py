"""Workers of a Ray cluster of two nodes on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import fleet_recordings as fleet
import fleet_tasks
import pytest

from sampt_ros.cli import main as cli
from sampt_ros.errors import SamPtError
from sampt_ros.fleet.ray_workers import RayWorkers

pytest.importorskip("ray", reason="ray is missing")
pytest.importorskip("onnxruntime", reason="onnxruntime is missing, which the default preset needs")

NAMES = [f"take_{number:02d}" for number in range(12)]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cluster():
    """The address of a cluster of two nodes with a core each."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # Workers find what this process does: the package, and the tests' tasks.
        path = os.pathsep.join([str(ROOT), str(ROOT / "test/support"), os.environ.get("PYTHONPATH", "")])
        patch.setenv("PYTHONPATH", path)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        node = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 80 * 2**20}
        made = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        try:
            made.add_node(**node)
            yield made.address
        finally:
            made.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return fleet.write(tmp_path_factory.mktemp("fleet"), NAMES)


def test_an_error_fails_its_task_alone_and_a_dead_worker_is_replaced(cluster, tmp_path):
    items = {"once": tmp_path / "once", "always": None}
    assert dict(RayWorkers(cluster, "cpu").run(fleet_tasks.fail, {"known": "expected"}))["known"].error == "expected"
    done = dict(RayWorkers(cluster, "cpu").run(fleet_tasks.die, items))
    assert done["once"].value == "survived"
    assert done["always"].error.startswith("its worker died 3 times: ")


def test_twelve_recordings_are_tracked_as_one_by_one_though_a_worker_is_killed(cluster, folder, capsys):
    killer = fleet.Killer(folder / "out")
    assert cli.main(fleet.arguments(folder, folder / "out", "--ray", cluster)) == 0
    assert killer.killed
    report = fleet.report(folder / "out")
    assert list(report["recordings"]) == NAMES
    assert (report["done"], report["failed"], report["frames"]) == (12, 0, 12 * fleet.FRAMES)
    fleet.one_by_one(folder, folder / "single", NAMES)
    for name in NAMES:
        assert fleet.compared(folder / "out", name) == fleet.compared(folder / "single", name)
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["report.json", *NAMES]

    before = {path: path.stat().st_mtime_ns for path in (folder / "out").glob("*/**/*")}
    assert cli.main(fleet.arguments(folder, folder / "out", "--ray", cluster)) == 0
    assert {path: path.stat().st_mtime_ns for path in (folder / "out").glob("*/**/*")} == before
    assert fleet.report(folder / "out")["of which earlier"] == 12


def test_a_cluster_without_gpus_is_told(cluster):
    with pytest.raises(SamPtError, match=r"expected GPUs in the Ray cluster at .* for device cuda; it has none"):
        RayWorkers(cluster, "cuda")


def test_no_cluster_is_told(monkeypatch):
    def refuse(**options):
        raise ConnectionError("nobody answers")

    monkeypatch.setattr("ray.init", refuse)
    with pytest.raises(SamPtError, match=r"a Ray cluster at 'auto' \(`ray start --head` starts one\): nobody answers"):
        RayWorkers("auto", "cpu")


def test_evaluate_shares_its_sequences_out(cluster, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    (folder / "davis/JPEGImages").mkdir(parents=True)
    (folder / "davis/Annotations").mkdir()
    (folder / "davis/JPEGImages/480p").symlink_to(folder / "recordings")
    (folder / "davis/Annotations/480p").symlink_to(folder / "masks")
    for more in ((), ("--ray", cluster)):
        assert cli.main(["evaluate", "davis", "--sequences", "take_00,take_01", *fleet.OPTIONS, *more]) == 0
    tables = capsys.readouterr().out.splitlines()
    without_speed = [sorted(line.split()[:4] for line in rows) for rows in (tables[:4], tables[4:])]
    assert without_speed[0] == without_speed[1]
