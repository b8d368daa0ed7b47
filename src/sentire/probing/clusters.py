"""Whether k-means finds the emotions: adjusted mutual information, adjusted Rand index, Fowlkes-Mallows score.

**Source** Vinh, Epps and Bailey 2010, Information Theoretic Measures for Clusterings Comparison (AMI, arithmetic mean);
Hubert and Arabie 1985, Comparing partitions (ARI); Fowlkes and Mallows 1983, A Method for Comparing Two Hierarchical
Clusterings. All three as scikit-learn computes them.
**Departures** k-means is run several times from different starts, and each run is scored by itself: the interval says
how far the figure depends on the start, not on the texts.
"""

from dataclasses import dataclass

from numpy.typing import ArrayLike

from sentire.core.errors import DataError, MissingExtraError, UsageError
from sentire.core.seeding import make_generator
from sentire.metrics.inputs import Float32Array, check_classes, check_embeddings, check_unit_rows
from sentire.probing.seeds import SeedSummary, summarise_seeds

try:
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, fowlkes_mallows_score
except ImportError as error:
    raise MissingExtraError(extra="classical", needed_for="clustering embeddings") from error

N_RESTARTS = 10
LARGEST_ITERATIONS = 300


@dataclass(frozen=True, kw_only=True)
class Clustering:
    """How well k-means with k = classes agrees with the labels.

    Attributes:
        ami: Adjusted mutual information, 0 for chance and 1 for the same partition.
        ari: Adjusted Rand index, 0 for chance and 1 for the same partition.
        fms: Fowlkes-Mallows score, from 0 to 1; chance is not taken off.
        n_clusters: k, the number of classes.
        n_texts: N.
        n_restarts: Runs of k-means.
        max_iterations: That any run took; at ``LARGEST_ITERATIONS`` it did not come to rest.
    """

    ami: SeedSummary
    ari: SeedSummary
    fms: SeedSummary
    n_clusters: int
    n_texts: int
    n_restarts: int
    max_iterations: int


def cluster(
    embeddings: ArrayLike,
    labels: ArrayLike,
    *,
    n_restarts: int = N_RESTARTS,
    is_unit: bool = True,
    seed: int = 0,
    confidence: float = 0.95,
) -> Clustering:
    """Cluster embeddings by k-means, k = the number of classes, and score the clusters against the classes.

    Args:
        embeddings: Shape (N, D).
        labels: One class a text, shape (N,), whole numbers or names.
        n_restarts: Runs from different starts, each chosen by k-means++; at least 1.
        is_unit: Scale the embeddings to length 1 first, so that clusters go by the cosine as retrieval does.
        seed: Of the starts.
        confidence: Of the t-interval over the runs.

    Raises:
        ShapeError: The labels do not fit the embeddings.
        DataError: A vector is not finite (or all zeros where it is scaled), one class only, or fewer different
            embeddings than classes.
        UsageError: Fewer than one run.
    """
    if n_restarts < 1:
        raise UsageError(expected="at least 1 run of k-means", got=str(n_restarts), where="n_restarts")
    vectors = (check_unit_rows if is_unit else check_embeddings)(embeddings, n_at_least=2)
    classes = check_classes(labels, n_texts=len(vectors))
    n_clusters = int(classes.max()) + 1
    if n_clusters < 2:
        raise DataError(expected="texts of at least 2 classes", got="1", where="labels")
    n_different = _count_different(vectors, up_to=n_clusters)
    if n_different < n_clusters:
        raise DataError(
            expected=f"at least {n_clusters} different embeddings, one a class",
            got=str(n_different),
            where="embeddings",
        )
    starts = make_generator(seed, "starts of k-means").integers(0, 2**31, size=n_restarts)
    scores: dict[str, list[float]] = {"ami": [], "ari": [], "fms": []}
    most = 0
    for start in starts:
        fitted = KMeans(n_clusters=n_clusters, n_init=1, max_iter=LARGEST_ITERATIONS, random_state=int(start)).fit(
            vectors
        )
        found = fitted.labels_
        most = max(most, int(fitted.n_iter_))
        scores["ami"].append(float(adjusted_mutual_info_score(classes, found)))
        scores["ari"].append(float(adjusted_rand_score(classes, found)))
        scores["fms"].append(float(fowlkes_mallows_score(classes, found)))
    summaries = {name: summarise_seeds(values, confidence=confidence) for name, values in scores.items()}
    return Clustering(
        **summaries,
        n_clusters=n_clusters,
        n_texts=len(vectors),
        n_restarts=n_restarts,
        max_iterations=most,
    )


def _count_different(vectors: Float32Array, *, up_to: int) -> int:
    found: set[bytes] = set()
    for row in vectors:
        found.add(row.tobytes())
        if len(found) == up_to:
            break
    return len(found)
