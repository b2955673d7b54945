"""Exporters of tracked recordings as labelled datasets: each is a file here, and a line in the table EXPORTERS.

An exporter writes to a folder of its own; its class lists the files and folders that it replaces there in WRITTEN.
"""

from __future__ import annotations

from sampt_ros.io.export.coco import CocoDataset

EXPORTERS = {"coco": CocoDataset}
