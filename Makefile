# sampt_ros: `make demo` and `make test` each do everything from a fresh clone; see docs/install.md.

PYTHON ?= python3
TORCH ?=
ROS_DISTRO ?=

SHELL := /bin/bash
IN_ENVIRONMENT := . .venv/bin/activate && . install/setup.bash
# A ROS install's pytest plugins are for an older pytest, and the tests use none of them but xdist: a process on each
# core runs the tests of one file after the other, so that fixtures are made once a file.
PYTEST := PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 pytest -p xdist.plugin -n auto --dist loadfile
LINT := ruff check . && ruff format --check . && mypy

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' Makefile

setup:  ## make .venv/ and install/ (options: TORCH="torch==2.13.0" PYTHON=python3.12 ROS_DISTRO=jazzy)
	@command -v $(PYTHON) >/dev/null || { echo "make setup: $(PYTHON) not found. Install: sudo apt install python3-venv"; exit 1; }
	@$(PYTHON) tools/setup_env.py --torch "$(TORCH)" --ros-distro "$(ROS_DISTRO)"

demo: setup  ## set up, then track two objects in a rendered scene through the ROS node
	@$(IN_ENVIRONMENT) && python examples/demo/run.py

test: setup  ## set up, then run ruff, mypy and pytest
	@$(IN_ENVIRONMENT) && $(LINT) && $(PYTEST)

lint: setup  ## set up, then run ruff and mypy
	@$(IN_ENVIRONMENT) && $(LINT)

clean:  ## delete everything that set-up made
	rm -rf .venv build demo_out install log *.egg-info
