"""QoS profiles of the topics. Copy one for each use, because an override is written into the profile itself."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

# The policies that parameters qos_overrides.TOPIC.publisher.POLICY and qos_overrides.TOPIC.subscription.POLICY change.
OVERRIDABLE = QoSOverridingOptions(
    (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)
)
# Compatible with reliable and best-effort subscribers.
RELIABLE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
# Deep, because a detector may send a burst of queries, none of which may be lost.
QUERIES = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
# Like QUERIES, and includes messages that were published before the node started.
LATCHED = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)  # a late image is dropped, never queued
# Compatible with reliable and best-effort subscribers; deep enough for the burst after a delay.
PLAYED = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE)
