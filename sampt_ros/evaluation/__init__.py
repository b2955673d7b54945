"""Measures the quality of masks and points against ground truth, and speed."""
