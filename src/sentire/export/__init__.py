"""Level 3: from trained arrays to a model folder that the runtime reads: ONNX, quantised, compared with its origin."""
