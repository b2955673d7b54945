"""Tracks many recordings at once, in processes of this machine or on a Ray cluster; each recording is one task.

A task whose worker dies is tried again, an interrupted run can be resumed, and a report lists all results.
"""
