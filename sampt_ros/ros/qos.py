"""How our topics are sent and received; to be copied for each, since an override is written into the profile itself."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

# What the parameters qos_overrides.TOPIC.publisher.POLICY and qos_overrides.TOPIC.subscription.POLICY may change.
OVERRIDABLE = QoSOverridingOptions(
    (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)
)
RELIABLE = QoSProfile(
    depth=5, reliability=ReliabilityPolicy.RELIABLE
)  # works with reliable and with best-effort subscribers
# A detector may send a burst of queries, and none is to be lost.
QUERIES = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
# The same for what was published before the node started.
LATCHED = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)  # a late image is dropped, never queued
# Reliable, so that reliable and best-effort subscribers both match; deep enough for the burst after a hiccup.
PLAYED = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE)
