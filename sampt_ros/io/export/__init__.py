"""Exporters of tracked recordings as labelled datasets: each is a file here, and a line in the table EXPORTERS."""

from __future__ import annotations

from sampt_ros.io.export.coco import CocoDataset

EXPORTERS = {"coco": CocoDataset}
