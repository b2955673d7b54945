"""When the effort is lowered, and when it is raised again: with invented times."""

from __future__ import annotations

import pytest

from sampt_ros.streaming.live.load import LoadControl

PERIOD = 0.033
COSTS = (1.0, 0.7, 0.4)  # what a frame costs at each step, as a share of one at full effort


class Camera:
    """Sends images to a load control, of whose frames one takes `full` seconds at full effort."""

    def __init__(self, full: float, period: float = PERIOD) -> None:
        self.load = LoadControl()
        self.full, self.period = full, period
        self.time = 0.0
        self.steps: list[int] = []

    def send(self, frames: int, spent: float | None = None) -> int:
        """The step after so many frames, which take `spent` seconds, or what their step costs."""
        for _ in range(frames):
            took = self.full * COSTS[self.load.step] if spent is None else spent
            for _ in range(max(1, round(took / self.period))):  # The newest frame wins: others come meanwhile.
                self.load.image_arrived(self.time)
                self.time += self.period
            self.steps.append(self.load.frame_done(took, len(COSTS)))
        return self.load.step


def test_frames_that_fit_have_the_full_effort():
    assert Camera(full=0.9 * PERIOD).send(500) == 0


def test_frames_that_take_too_long_have_less_effort_until_they_fit():
    camera = Camera(full=1.3 * PERIOD)
    assert camera.send(11) == 0  # not before enough frames were seen
    assert camera.send(1) == 1
    assert camera.send(500) == 1  # 0.91 of the period: it fits
    slower = Camera(full=2 * PERIOD)
    assert slower.send(24) == 2


def test_where_nothing_suffices_the_last_step_stays():
    assert Camera(full=10 * PERIOD).send(500) == 2


def test_the_effort_rises_step_by_step_when_there_is_time_again():
    camera = Camera(full=2 * PERIOD)
    camera.send(200)
    camera.full = 0.5 * PERIOD
    assert camera.send(60) == 2
    assert camera.send(60) == 1
    assert camera.send(80) == 0


def test_a_machine_that_becomes_free_while_a_step_is_judged_does_not_keep_the_effort_low():
    camera = Camera(full=1.3 * PERIOD)
    assert camera.send(12) == 1
    camera.full = 0.1 * PERIOD
    assert camera.send(200) == 0


@pytest.mark.parametrize("full", [1.05, 1.2, 1.4, 1.7, 2.2, 3.0])
def test_a_steady_load_does_not_let_the_effort_oscillate(full):
    camera = Camera(full * PERIOD)
    camera.send(2000)
    changes = sum(before != after for before, after in zip(camera.steps, camera.steps[1:]))
    assert changes == camera.steps[-1]


def test_a_load_that_grew_while_the_effort_was_lowered_costs_one_mistaken_rise_at_most():
    camera = Camera(full=1.01 * PERIOD)
    camera.send(12)
    camera.full = 1.4 * PERIOD  # so that lowering the effort seems to have gained little
    camera.send(24)
    camera.full = 1.15 * PERIOD
    camera.send(2000)
    rises = sum(after < before for before, after in zip(camera.steps, camera.steps[1:]))
    assert rises <= 2 and camera.steps[-1000:] == [camera.steps[-1]] * 1000


def test_a_single_long_frame_changes_nothing():
    camera = Camera(full=0.5 * PERIOD)
    camera.send(20)
    camera.send(1, spent=1.0)
    assert camera.send(100) == 0


def test_frames_of_which_every_second_is_short_count_by_their_mean():
    camera = Camera(full=PERIOD)
    for _ in range(200):
        camera.send(1, spent=1.5 * PERIOD)
        camera.send(1, spent=0.1 * PERIOD)
    assert set(camera.steps) == {0}


def test_frames_of_which_every_third_is_short_count_by_their_mean():
    camera = Camera(full=PERIOD)
    for _ in range(200):
        for share in (1.4, 1.4, 0.1):  # 0.97 of the period
            camera.send(1, spent=share * PERIOD)
    assert set(camera.steps) == {0}
    for _ in range(10):
        for share in (1.5, 1.5, 0.1):  # 1.03 of it
            camera.send(1, spent=share * PERIOD)
    assert camera.load.step > 0


def test_a_pause_of_the_camera_is_not_its_period():
    camera = Camera(full=1.3 * PERIOD)
    camera.send(10)
    camera.time += 60
    camera.send(10)
    assert camera.load.period == pytest.approx(PERIOD)
    assert camera.load.step == 1


def test_without_times_of_arrival_nothing_is_chosen():
    load = LoadControl()
    for _ in range(100):
        load.image_arrived(0.0)  # An image without a time.
        assert load.frame_done(1.0, 3) == 0
    assert load.load is None


def test_with_fewer_steps_than_before_the_last_one_is_taken():
    camera = Camera(full=2 * PERIOD)
    camera.send(24)
    assert camera.load.frame_done(0.01, 1) == 0


def test_both_times_are_told():
    camera = Camera(full=0.02)
    assert str(camera.load) == "not measured yet"
    camera.send(12)
    assert str(camera.load) == "frames take 20.0 ms, and the camera sends one every 33.0 ms"
    assert camera.load.load == pytest.approx(0.02 / PERIOD)
