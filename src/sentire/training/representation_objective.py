"""What a representation's recipe minimises: the weighted sum of its terms, over one batch at a time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import ConfigError, MissingExtraError, TrainingError, UsageError
from sentire.encoders.embed import embed_batch, run_encoder
from sentire.encoders.token_batches import TokenAssembler, TokenBatch
from sentire.losses.bce import bce_loss
from sentire.losses.space_preservation import preservation_loss
from sentire.losses.supervised_contrastive import supcon_loss
from sentire.losses.token_detection import (
    choose_perturbed,
    measure_saliency,
    perturb_chosen,
    token_detection_loss,
)
from sentire.losses.weighted_contrastive import affect_weights, weighted_contrastive_loss
from sentire.pairing.positives import jaccard_at_least, near_affect, same_group, same_label, share_any
from sentire.pairing.samplers import per_class_batches, plain_batches, stratified_batches
from sentire.representations.sentence_encoder import SentenceEncoder
from sentire.training.gradient_cache import backward_through_cache
from sentire.training.objective import Step
from sentire.training.representation_dev import RepresentationDev, measure_representation
from sentire.training.representation_material import RepresentationMaterial
from sentire.training.representation_network import RepresentationNetwork
from sentire.training.representation_recipe import RepresentationRecipe

try:
    import torch
    from torch import Tensor
    from torch.nn.functional import cross_entropy
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training an encoder") from error


def check_one_process(n_processes: int) -> None:
    """Make sure that the whole batch is here.

    Raises:
        UsageError: There are several processes.
    """
    if n_processes > 1:
        raise UsageError(
            expected="one process, since a contrast needs the whole batch",
            got=str(n_processes),
            hint="larger batches fit into one device with optimisation.is_cached = true",
        )


def open_batches(recipe: RepresentationRecipe, classes: NDArray[np.int64], epoch: int) -> Sequence[NDArray[np.int64]]:
    """Return the batches of an epoch, made as the recipe's sampler says.

    Args:
        recipe: All settings.
        classes: Of all texts, shape (N,); only their number matters where no sampler asks for them.
        epoch: From 0.

    Returns:
        Row numbers of each batch.

    Raises:
        DataError: A sampler by class has one class alone, or texts without a class.
        UsageError: A batch is larger than the data, or should hold more classes than there are.
    """
    contrast, size = recipe.contrast, recipe.optimisation.batch_size
    if contrast.weight and contrast.sampler == "per-class":
        return per_class_batches(classes, batch_size=size, per_class=contrast.per_class, seed=recipe.seed, epoch=epoch)
    if contrast.weight and contrast.sampler == "stratified":
        return stratified_batches(classes, batch_size=size, seed=recipe.seed, epoch=epoch)
    return plain_batches(len(classes), batch_size=size, seed=recipe.seed, epoch=epoch)


def check_batches(recipe: RepresentationRecipe, classes: NDArray[np.int64]) -> None:
    """Make sure that batches can be made as the recipe says; arguments as of ``open_batches``.

    Raises:
        ConfigError: A batch is larger than the data, or should hold more classes than there are.
        DataError: As ``open_batches``.
    """
    try:
        open_batches(recipe, classes, 0)
    except UsageError as error:
        raise ConfigError(
            expected=error.expected,
            got=error.got,
            where=f"optimisation.{error.where} of {recipe.name}",
            hint=error.hint,
        ) from error


class RepresentationObjective:
    """The terms of a representation's recipe.

    Args:
        network: With pre-trained weights and new heads.
        assembler: Makes batches of token numbers.
        material: What is learned.
        fixed: The encoder's vectors of all texts before training, shape (N, D); None without preservation.
        groups: The Ekman group of each label, shape (C,), -1 for none; needed for ``positives = "ekman"``.
        encoder: The network's encoder as it gives vectors.
        dev: Where the best weights are chosen.
        special_ids: Token numbers that are never perturbed.
        recipe: All settings.
    """

    def __init__(
        self,
        network: RepresentationNetwork,
        assembler: TokenAssembler,
        material: RepresentationMaterial,
        *,
        fixed: NDArray[np.float32] | None,
        groups: NDArray[np.int64] | None,
        encoder: SentenceEncoder,
        dev: RepresentationDev,
        special_ids: Sequence[int],
        recipe: RepresentationRecipe,
    ) -> None:
        self.network = network
        self._assembler, self._material, self._fixed, self._groups = assembler, material, fixed, groups
        self._encoder, self._dev, self._recipe = encoder, dev, recipe
        self._special_ids = torch.tensor(sorted(special_ids))
        self._lengths = np.array([assembler.count(tokens, ()) for tokens in material.tokens])
        self._new_keys: tuple[Tensor, Tensor] | None = None
        self.steps_per_epoch = len(self.open_epoch(0))

    def open_epoch(self, epoch: int) -> Sequence[NDArray[np.int64]]:
        """Return the batches of an epoch, made as the sampler says."""
        return open_batches(self._recipe, self._material.classes, epoch)

    def add_gradients(self, step: Step) -> Tensor:
        """Go through the batch in parts of alike lengths; the loss is that of the whole.

        Vectors that are no finite numbers any more, and gradients by which tokens should be moved, give a loss that is
        none, which ``fit_network`` refuses.

        Raises:
            UsageError: There are several processes.
        """
        check_one_process(step.accelerator.num_processes)
        rows = step.rows[np.argsort(self._lengths[step.rows], kind="stable")]
        size = self._recipe.optimisation.texts_per_part
        parts = [self._assemble(rows[start : start + size], step.device) for start in range(0, len(rows), size)]
        with torch.autocast(step.device.type, torch.bfloat16, enabled=step.is_half):
            keys = self._make_keys(parts)
        if self._recipe.token_detection.weight:
            return self._add_with_detection(step, rows, parts, keys)

        def encode(part: TokenBatch) -> Tensor:
            with torch.autocast(step.device.type, torch.bfloat16, enabled=step.is_half):
                return self.network(part).float()  # type: ignore[no-any-return]

        def measure(vectors: Tensor) -> Tensor:
            return self._measure_loss(vectors, rows, keys)

        if self._recipe.optimisation.is_cached:
            return backward_through_cache(encode, parts, measure)
        loss = measure(torch.cat([encode(part) for part in parts]))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def finish_step(self) -> None:
        """Let the target encoder follow, and its queue take the keys of the batch."""
        self.network.update_target(self._recipe.momentum.momentum)
        if self.network.queue is not None and self._new_keys is not None:
            keys, labels = self._new_keys
            self.network.queue.push(keys, labels)
        self._new_keys = None

    def measure(self, device: torch.device) -> dict[str, float]:  # noqa: ARG002  the encoder knows where it is
        """Measure the vectors of dev; see ``measure_representation``.

        Raises:
            TrainingError: A vector is not finite or has length 0, or no text had a positive since the last look.
        """
        n_anchors, n_alone = self.network.anchors.tolist()
        if 0 < n_anchors == n_alone:
            is_contrast = self._recipe.contrast.weight > 0
            raise TrainingError(
                expected="texts with a positive " + ("in their batch" if is_contrast else "among the keys"),
                got=f"none among {n_anchors:,} since the last look at dev",
                where=f"{'contrast' if is_contrast else 'momentum'} of {self._recipe.name}",
                hint="take larger batches, the sampler per-class, or positives that are met more often"
                if is_contrast
                else "take larger batches, a longer queue, a larger bandwidth, or other targets",
            )
        measured = measure_representation(self._encoder, self.network.label_head, self._dev)
        if n_anchors:
            measured["share_without_positive"] = n_alone / n_anchors
        self.network.anchors.zero_()
        return measured

    def _assemble(self, rows: NDArray[np.int64], device: torch.device) -> TokenBatch:
        tokens = [self._material.tokens[row] for row in rows]
        return self._assembler.assemble(tokens, [()] * len(tokens)).to(device)

    def _make_keys(self, parts: Sequence[TokenBatch]) -> Tensor | None:
        """Return the target encoder's vectors of the batch, without dropout, shape (B, P)."""
        target = self.network.target
        if target is None:
            return None
        target.eval()
        keys: Tensor = torch.cat([target(part) for part in parts])
        return keys

    def _measure_loss(self, vectors: Tensor, rows: NDArray[np.int64], keys: Tensor | None) -> Tensor:
        """Return the weighted sum of all terms but token detection, for the pooled vectors of a batch."""
        if not bool(torch.isfinite(vectors).all()):
            return vectors.sum()
        recipe = self._recipe
        terms = [
            (recipe.contrast.weight, self._contrast),
            (recipe.preservation.weight, self._preserve),
            (recipe.classification.weight, self._classify),
            (recipe.classification.further_weight, self._classify_further),
            (recipe.affect_head.weight, self._rate),
        ]
        loss = 0.0 * vectors.sum()  # a batch in which no term finds a text still has a gradient, which is nothing
        for weight, term in terms:
            if weight:
                loss = loss + weight * term(vectors, rows)
        if recipe.momentum.weight and keys is not None:
            loss = loss + recipe.momentum.weight * self._contrast_with_keys(vectors, rows, keys)
        return loss

    def _contrast(self, vectors: Tensor, rows: NDArray[np.int64]) -> Tensor:
        section, material = self._recipe.contrast, self._material
        is_asked = material.has_affect[rows] if section.positives == "affect" else material.has_labels[rows]
        places = np.flatnonzero(is_asked)
        if len(places) < 2:
            self._count(len(places), 0)
            return 0.0 * vectors.sum()
        asked = rows[places]
        if section.positives == "same-label":
            positives = same_label(material.classes[asked])
        elif section.positives == "share-any":
            positives = share_any(material.targets[asked] > 0)
        elif section.positives == "jaccard":
            positives = jaccard_at_least(material.targets[asked] > 0, section.least_jaccard)
        elif section.positives == "ekman" and self._groups is not None:
            positives = same_group(material.targets[asked] > 0, self._groups)
        else:
            positives = near_affect(material.affect[asked], section.affect_radius)
        projected = self.network.project(vectors[torch.from_numpy(places)])
        values = supcon_loss(projected, torch.from_numpy(positives).to(vectors.device), temperature=section.temperature)
        self._count(len(places), len(values))
        return values.mean() if len(values) else 0.0 * vectors.sum()

    def _preserve(self, vectors: Tensor, rows: NDArray[np.int64]) -> Tensor:
        assert self._fixed is not None  # noqa: S101  the caller makes them where the weight is not 0
        return preservation_loss(vectors, torch.from_numpy(self._fixed[rows]).to(vectors.device)).mean()

    def _classify(self, vectors: Tensor, rows: NDArray[np.int64]) -> Tensor:
        head, material = self.network.label_head, self._material
        places = np.flatnonzero(material.has_labels[rows])
        if head is None or not len(places):
            return 0.0 * vectors.sum()
        logits = head(vectors[torch.from_numpy(places)])
        if self._recipe.data.rows == "single-label":
            return cross_entropy(logits, torch.from_numpy(material.classes[rows[places]]).to(vectors.device))
        return bce_loss(logits, torch.from_numpy(material.targets[rows[places]]).to(vectors.device)).mean()

    def _classify_further(self, vectors: Tensor, rows: NDArray[np.int64]) -> Tensor:
        head, classes = self.network.further_head, self._material.further_classes[rows]
        places = np.flatnonzero(classes >= 0)
        if head is None or not len(places):
            return 0.0 * vectors.sum()
        logits = head(vectors[torch.from_numpy(places)])
        return cross_entropy(logits, torch.from_numpy(classes[places]).to(vectors.device))

    def _rate(self, vectors: Tensor, rows: NDArray[np.int64]) -> Tensor:
        head = self.network.affect_head
        places = np.flatnonzero(self._material.has_affect[rows])
        if head is None or not len(places):
            return 0.0 * vectors.sum()
        true = torch.from_numpy(self._material.affect[rows[places]]).to(vectors.device)
        errors: Tensor = (head(vectors[torch.from_numpy(places)]) - true).square().mean()
        return errors

    def _contrast_with_keys(self, vectors: Tensor, rows: NDArray[np.int64], keys: Tensor) -> Tensor:
        """Return the mean of the momentum contrast; remember the batch's keys for the queue."""
        section, material = self._recipe.momentum, self._material
        is_asked = material.has_labels[rows] if section.targets == "labels" else material.has_affect[rows]
        places = np.flatnonzero(is_asked)
        if not len(places):
            return 0.0 * vectors.sum()
        chosen = torch.from_numpy(places).to(vectors.device)
        said = material.degrees if section.targets == "labels" else material.affect
        own = torch.from_numpy(said[rows[places]]).to(vectors.device)
        new_keys = keys[chosen].float()
        self._new_keys = (new_keys, own)
        all_keys, all_labels = new_keys, own
        if self.network.queue is not None:
            past_keys, past_labels = self.network.queue.read()
            all_keys, all_labels = torch.cat([new_keys, past_keys]), torch.cat([own, past_labels])
        if len(all_keys) < 2:  # a text and its own key alone: there is nothing to tell it from
            self._count(len(places), 0)
            return 0.0 * vectors.sum()
        weights = _weigh_pairs(section.targets, own, all_labels, section.bandwidth)
        queries = self.network.project(vectors[chosen])
        values = weighted_contrastive_loss(queries, all_keys, weights, temperature=section.temperature)
        # The batch's keys come first: on the diagonal stands a text's own, which always attracts it. It is in the loss,
        # as in the formula, and no positive.
        n_others = (weights > 0).sum(dim=1) - (weights.diagonal() > 0).long()
        self._count(len(places), int((n_others > 0).sum()))
        return values.mean() if len(values) else 0.0 * vectors.sum()

    def _add_with_detection(
        self, step: Step, rows: NDArray[np.int64], parts: Sequence[TokenBatch], keys: Tensor | None
    ) -> Tensor:
        """Add the gradients of all terms, then perturb tokens by that gradient and detect them.

        Where the momentum contrast has no weight of its own, its gradient alone perturbs the tokens. Texts that the
        gradient does not reach have no token to detect: they are left out.
        """
        assert keys is not None  # noqa: S101  check_representation_recipe and has_momentum
        section = self._recipe.token_detection
        embeddings = [self.network.look_up_tokens(part) for part in parts]
        with torch.autocast(step.device.type, torch.bfloat16, enabled=step.is_half):
            vectors = torch.cat(
                [
                    embed_batch(self.network.encoder, part, embeddings=one)
                    for part, one in zip(parts, embeddings, strict=True)
                ]
            ).float()
        if not bool(torch.isfinite(vectors).all()):
            return vectors.detach().sum()
        if self._recipe.momentum.weight:
            loss = self._measure_loss(vectors, rows, keys)
            for one in embeddings:
                one.retain_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            gradients = [one.grad for one in embeddings]
            total = loss.detach()
        else:
            # Detection alone: the contrast says where the tokens matter, and teaches nothing.
            others = self._measure_loss(vectors, rows, keys)
            gradients = list(
                torch.autograd.grad(self._contrast_with_keys(vectors, rows, keys), embeddings, retain_graph=True)
            )
            others.backward()  # type: ignore[no-untyped-call]
            total = others.detach()
        asked: list[tuple[TokenBatch, Tensor, Tensor]] = []
        for part, gradient in zip(parts, gradients, strict=True):
            assert gradient is not None  # noqa: S101  every part's vectors are in the loss
            saliency = measure_saliency(gradient)
            if not bool(torch.isfinite(saliency).all()):
                return torch.full_like(total, torch.nan)
            eligible = self._find_eligible(part)
            is_reached = (eligible & (saliency > 0)).any(dim=1, keepdim=True)
            asked.append((part, eligible & is_reached, gradient.detach()))
        n_texts = max(sum(int(eligible.any(dim=1).sum()) for _, eligible, _ in asked), 1)
        for part, eligible, gradient in asked:
            detected = section.weight * self._detect(step, part, eligible, gradient) / n_texts
            detected.backward()  # type: ignore[no-untyped-call]
            total = total + detected.detach()
        return total

    def _find_eligible(self, part: TokenBatch) -> Tensor:
        """Return the real tokens that are not special ones, shape (B, T)."""
        special = torch.isin(part.input_ids, self._special_ids.to(part.input_ids.device))
        return part.attention_mask.bool() & ~special

    def _detect(self, step: Step, part: TokenBatch, eligible: Tensor, gradient: Tensor) -> Tensor:
        """Return the sum over a part's texts of the token detection loss."""
        section, head = self._recipe.token_detection, self.network.token_head
        assert head is not None  # noqa: S101  made where the weight is not 0
        fresh = self.network.look_up_tokens(part)
        chosen = choose_perturbed(
            measure_saliency(gradient), eligible, torch.rand(eligible.shape, device=fresh.device), share=section.share
        )
        moved = perturb_chosen(fresh, gradient, torch.randn_like(fresh), chosen, step=section.step)
        with torch.autocast(step.device.type, torch.bfloat16, enabled=step.is_half):
            logits = head(run_encoder(self.network.encoder, part, embeddings=moved)).squeeze(2)
        return token_detection_loss(logits.float(), chosen.perturbed.float(), eligible).sum()

    def _count(self, n_anchors: int, n_kept: int) -> None:
        self.network.anchors += torch.tensor([n_anchors, n_anchors - n_kept], device=self.network.anchors.device)


def _weigh_pairs(targets: str, queries: Tensor, keys: Tensor, bandwidth: float) -> Tensor:
    """Return how near each key should be to each query, 0 or more, shape (B, K).

    Of labels it is the overlap of their degrees, ``Σ min(a, b) / Σ max(a, b)``, which is Jaccard's of hard labels.
    """
    if targets == "affect":
        return affect_weights(queries, keys, bandwidth=bandwidth)
    if targets == "quadrants":
        same: Tensor = ((queries.unsqueeze(1) > 0) == (keys.unsqueeze(0) > 0)).all(dim=2)
        return same.float()
    both, either = queries.new_zeros(len(queries), len(keys)), queries.new_zeros(len(queries), len(keys))
    for own, others in zip(
        queries.unbind(dim=1), keys.unbind(dim=1), strict=True
    ):  # label by label: never B x K x C numbers at once
        both += torch.minimum(own[:, None], others)
        either += torch.maximum(own[:, None], others)
    return both / either.where(either > 0, 1.0)
