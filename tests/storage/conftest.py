"""What tests of single storages share: a flush without a shard."""

import pytest

from edgeshard.storage.flush import FlushPlan


def execute(plan):
    """Put a plan's writes into the files; a shard does the same after writing its journal."""
    for path, data in plan.replacements.items():
        path.write_bytes(data)
    for path, offset, data in plan.fresh + plan.changes:
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(data)
    for path in plan.removals:
        path.unlink()
    plan.done()
    return plan


@pytest.fixture
def flush():
    """``flush(storage)`` collects, executes and returns the plan."""

    def collect_and_execute(storage):
        plan = FlushPlan()
        storage.collect(plan)
        return execute(plan)

    return collect_and_execute
