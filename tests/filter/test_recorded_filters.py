"""Filters with answers recorded from qdrant-edge-py 0.9.0, JSON lines that lie beside the specification."""

import importlib.util
import json
import os
import uuid
from pathlib import Path

import numpy as np
import pytest

import edgeshard
from edgeshard.filter.evaluate import evaluate

DIRECTORY = Path(os.environ.get("EDGESHARD_GOLDEN", Path(__file__).resolve().parents[3] / "shared" / "spec" / "golden"))
pytestmark = pytest.mark.skipif(not DIRECTORY.is_dir(), reason="the recorded cases are not here")


@pytest.fixture(scope="module")
def recorded():
    """(the module that reads the recorded form, data sets by name, cases)."""
    spec = importlib.util.spec_from_file_location("run_golden", DIRECTORY / "run_golden.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    datasets = json.loads((DIRECTORY / "datasets.json").read_text())
    lines = (DIRECTORY / "filters.jsonl").read_text(encoding="utf-8").splitlines()
    return module, datasets, [json.loads(line) for line in lines]


def points_of(module, datasets, name, neutral):
    while "points" not in datasets[name]:
        name = datasets[name]["like"]
    points = neutral.Points([])
    for node in datasets[name]["points"]:
        id, _, *payload = module.build(edgeshard, node["a"])
        points.add(id, payload[0] if payload else {}, {""})
    points.has_vector_mask = lambda name: np.ones(points.count, np.bool_) if name == "" else None
    return points


def matching_ids(points, request):
    """The ids of the points that pass, in order."""
    found = [points.ids[offset] for offset in np.flatnonzero(evaluate(request.filter, points))]
    return sorted(found, key=lambda id: (isinstance(id, uuid.UUID), id if isinstance(id, int) else id.int))


def test_same_points_as_recorded(recorded, neutral):
    module, datasets, cases = recorded
    sets, checked = {}, 0
    for case in cases:
        step = case["steps"][0]
        if step["call"] not in ("scroll", "count") or "quirk" in case or step["expect"]["type"] == "error":
            continue
        request = module.build(edgeshard, step["args"][0])
        if step["call"] == "scroll" and (request.order_by is not None or request.offset is not None):
            continue
        name = case["dataset"]
        if name not in sets:
            sets[name] = points_of(module, datasets, name, neutral)
        found = matching_ids(sets[name], request)
        if step["call"] == "count":
            assert not request.exact or len(found) == step["expect"]["value"], case["id"]
        else:
            expected = [module.build(edgeshard, record["id"]) for record in step["expect"]["records"]]
            assert found[: request.limit] == expected, case["id"]
        checked += 1
    assert checked > 150
