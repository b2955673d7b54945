"""The middleware's settings for images."""

import os
import sys

import pytest

from sampt_ros.ros.fastdds import enlarge_shared_memory

NAMES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_BUILTIN_TRANSPORTS")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in NAMES:
        monkeypatch.setenv(name, "")


@pytest.mark.parametrize(("distribution", "name"), [("humble", NAMES[1]), ("jazzy", NAMES[1]), ("kilted", NAMES[0])])
def test_our_profile_is_the_default(monkeypatch, distribution, name):
    monkeypatch.setenv("ROS_DISTRO", distribution)
    enlarge_shared_memory()
    assert os.environ[name].endswith("config/fastdds.xml")
    assert sum(os.environ[other] != "" for other in NAMES) == 1


@pytest.mark.parametrize(("library", "name"), [("libfastrtps.so.2.14", NAMES[1]), ("libfastdds.so.3.2", NAMES[0])])
def test_wheels_are_known_by_their_library(monkeypatch, tmp_path, library, name):
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / library).touch()
    enlarge_shared_memory()
    assert [os.environ[other] != "" for other in NAMES] == [other == name for other in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_the_users_own_choice_stays(monkeypatch, name):
    monkeypatch.setenv(name, "mine")
    enlarge_shared_memory()
    assert [os.environ[other] for other in NAMES] == ["mine" if other == name else "" for other in NAMES]
