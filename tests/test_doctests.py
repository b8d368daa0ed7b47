"""Every example in a docstring runs and gives what it says."""

import doctest
import importlib
import pkgutil

import pytest

import sentire

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(sentire.__path__, prefix="sentire.")
    if not module.name.endswith(("__main__", "vllm_provider"))  # vLLM is installed where there is a GPU
)


@pytest.mark.parametrize("name", ["sentire", *MODULES])
def test_examples_in_docstrings(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(name), verbose=False)
    assert outcome.failed == 0


def test_there_are_examples_to_run() -> None:
    finder = doctest.DocTestFinder()
    found = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(found) >= 10
