"""What all tests share: where the corpora are, if anywhere."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def corpus_root() -> Path:
    """The folder of public corpora that SENTIRE_DATA names; tests that need it skip without it."""
    root = os.environ.get("SENTIRE_DATA")
    if not root:
        pytest.skip("SENTIRE_DATA is not set: the public corpora are not at hand")
    return Path(root)
