"""Points in memory to filter, and the generators of random filters as a fixture."""

import json
import uuid
from types import SimpleNamespace

import numpy as np
import pytest
from joined import joined
from neutral import Call, build
from random_filters import random_id, random_path, random_payload, random_some

from edgeshard.filter.columns import PayloadColumns


class Points:
    """Points in memory: a `FilterContext`, a `PayloadSource`, and a `PointView` for each point."""

    def __init__(self, points):
        self.ids, self.payloads, self.vectors = [], [], []
        self.raw = []
        self.columns = PayloadColumns(self)
        self.reads = 0
        for point in points:
            self.add(*point)

    def add(self, id, payload, vectors=()):
        self.ids.append(id)
        self.vectors.append(vectors)
        self.payloads.append(payload)
        self.raw.append(self.encode(payload))

    def change(self, offset, payload):
        self.payloads[offset] = payload
        self.raw[offset] = self.encode(payload)
        self.columns.invalidate(np.array([offset], np.uint32))

    @staticmethod
    def encode(payload):
        """Compact JSON, escaped or not; no bytes at all for an empty payload."""
        text = json.dumps(payload, ensure_ascii=len(payload) % 2 == 1, separators=(",", ":"))
        return text.encode() if payload else b""

    @property
    def count(self):
        return len(self.ids)

    origin = "payload_storage"

    def read_batch(self, offsets):
        rows = self.raw if offsets is None else [self.raw[offset] for offset in offsets]
        self.reads += len(rows)
        return joined(rows)

    def offsets_of(self, ids):
        return np.array([self.ids.index(id) for id in ids if id in self.ids], np.uint32)

    def ids_arrays(self):
        numbers = [id if isinstance(id, int) else id.int for id in self.ids]
        low = np.array([number & (2**64 - 1) for number in numbers], np.uint64)
        high = np.array([number >> 64 for number in numbers], np.uint64)
        return low, high, np.array([isinstance(id, uuid.UUID) for id in self.ids], np.bool_)

    def has_vector_mask(self, name):
        if name not in ("v", "s"):
            return None
        return np.array([name in vectors for vectors in self.vectors], np.bool_)

    def index(self, path):
        return None

    def element_owners(self, array):
        return None

    def payload(self, offset):
        return self.payloads[offset]

    def views(self):
        return [
            SimpleNamespace(id=id, payload=payload, has_vector=vectors.__contains__)
            for id, payload, vectors in zip(self.ids, self.payloads, self.vectors, strict=True)
        ]


def random_points(rng, count):
    ids = list(dict.fromkeys(random_id(rng) for _ in range(count)))
    return [(id, random_payload(rng), {name for name in ("v", "s") if rng.random() < 0.7}) for id in ids]


@pytest.fixture(scope="session")
def neutral():
    """The generators above, each taking a `random.Random`, and `build`."""
    return SimpleNamespace(
        Call=Call,
        Points=Points,
        build=build,
        path=random_path,
        payload=random_payload,
        points=random_points,
        some=random_some,
    )
