"""Tiny encoders of several kinds."""

import pytest

from tiny_training import write_tiny_encoder

KINDS = ("bert", "roberta", "distilbert")


@pytest.fixture(scope="session", params=KINDS)
def tiny_folder(request, tmp_path_factory):
    pytest.importorskip("torch")
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder") / request.param, request.param)


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory):
    pytest.importorskip("torch")
    return write_tiny_encoder(tmp_path_factory.mktemp("bert") / "bert")
