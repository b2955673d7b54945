"""Measures the speed of tracking, alone and under load, and compares measurements."""
