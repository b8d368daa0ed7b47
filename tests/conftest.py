"""What all tests share: where the corpora are, if anywhere, and how hypothesis chooses its examples."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run, and no verdict from the speed of the machine. To look for new ones:
# HYPOTHESIS_PROFILE=explore make test
settings.register_profile("seeded", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "seeded"))


LONGEST_FILES = (
    "training/test_kill.py",
    "annotation/test_annotation_browser.py",
    "synthesis/test_synthesis_kill.py",
    "synthesis/test_synthesis_run.py",
    "cli/test_cli_synthesize.py",
    "cli/test_cli_process.py",
    "classifiers/test_goemotions_models.py",
    "data/test_checks.py",
    "storage/test_rows.py",
    "metrics/test_metric_bootstrap.py",
    "training/test_tune.py",
    "evaluate/test_run.py",
)
"""Files that keep a worker busy for long: first, lest one worker begins such a file when the others are done."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: places.get("/".join(item.path.parts[-2:]), len(places)))


@pytest.fixture(scope="session")
def corpus_root() -> Path:
    """The folder of public corpora that SENTIRE_DATA names; tests that need it skip without it."""
    root = os.environ.get("SENTIRE_DATA")
    if not root:
        pytest.skip("SENTIRE_DATA is not set: the public corpora are not at hand")
    return Path(root)
