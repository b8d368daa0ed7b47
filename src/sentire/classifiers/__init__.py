"""Level 3: trainable classifiers with scikit-learn's estimator contract, their calibration and cut-offs."""
