"""Reads Prometheus text from standard input with Prometheus' own parser; prints it as JSON."""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families

families = text_string_to_metric_families(sys.stdin.read())
samples = [
    {"family": family.name, "type": family.type, "name": s.name, "labels": s.labels, "value": s.value}
    for family in families
    for s in family.samples
]
json.dump(samples, sys.stdout)
