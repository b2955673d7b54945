"""Processes of this machine as workers."""

from __future__ import annotations

import os
import re
import time
from contextlib import closing
from pathlib import Path

import fleet_tasks
import pytest

from sampt_ros.fleet.local_workers import LocalWorkers
from sampt_ros.fleet.workers import Attempt, ThisProcess


@pytest.fixture
def two():
    return LocalWorkers([{"WORKER": "a"}, {"WORKER": "b"}])


def test_every_task_is_carried_out_once(two):
    done = list(two.run(fleet_tasks.double, {str(number): number for number in range(5)}))
    assert sorted((name, attempt.result()) for name, attempt in done) == [(str(k), 2 * k) for k in range(5)]


def test_workers_have_environments_of_their_own(two):
    done = [attempt.result() for _, attempt in two.run(fleet_tasks.environment, dict.fromkeys("xyz", "WORKER"))]
    assert {name for _, name in done} == {"a", "b"}
    assert len({process for process, _ in done}) == 2
    assert os.getpid() not in {process for process, _ in done}


def test_an_error_fails_its_task_alone_and_says_why():
    done = dict(LocalWorkers([{}]).run(fleet_tasks.fail, {"known": "expected", "bug": "other"}))
    assert done["known"].error == "expected"
    assert re.fullmatch(r"KeyError: 'other' \(.*fleet_tasks\.py, line \d+\)", done["bug"].error)


def test_a_task_whose_worker_dies_is_tried_again_and_the_others_are_done(tmp_path):
    done = dict(LocalWorkers([{}]).run(fleet_tasks.die, {"once": tmp_path / "once", "always": None}))
    assert done["once"].value == "survived"
    assert done["always"].error == "its worker died, as did 2 before it"


def test_closing_ends_what_is_running(tmp_path):
    begun = tmp_path / "begun"
    with closing(LocalWorkers([{}, {}]).run(fleet_tasks.wait_if_asked, {"quick": None, "long": begun})) as attempts:
        next(attempts)
        process = _pid(begun)
    assert not begun.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def _pid(file: Path) -> int:
    end = time.monotonic() + 30
    while not (file.exists() and file.read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    return int(file.read_text())


def test_gpus_and_cores_are_shared_out(monkeypatch):
    monkeypatch.setattr("sampt_ros.fleet.local_workers.usable_cores", lambda: 8)
    assert LocalWorkers.for_device("cpu")._environments == [{"OMP_NUM_THREADS": "1"}] * 8
    monkeypatch.setattr("sampt_ros.fleet.local_workers.network_device", lambda device: "cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-7")
    shared = LocalWorkers.for_device("auto", 3)._environments
    assert [each["CUDA_VISIBLE_DEVICES"] for each in shared] == ["2", "GPU-7", "2"]
    assert [each["OMP_NUM_THREADS"] for each in shared] == ["2"] * 3
    assert len(LocalWorkers.for_device("auto")._environments) == 2


def test_this_process_goes_on_after_a_task_that_fails():
    bug, told = ThisProcess().run(fleet_tasks.fail, {"bug": "other", "file": "expected"})
    assert bug[0] == "bug"
    assert "KeyError: 'other'" in bug[1].error
    assert told == ("file", Attempt(error="expected"))


def test_closing_between_two_tasks_leaves_no_process(two):
    attempts = two.run(fleet_tasks.environment, dict.fromkeys("xyz", "WORKER"))
    process, _ = next(attempts)[1].result()
    attempts.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
