"""Compute attention, gradients and scores of an answer, also for masked videos or random weights.

A `Probe` holds one generation with its frames, encodes the prompt once, and passes the same answer
through by teacher forcing. Results are numpy arrays.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from tam_video.errors import ConfigError, ModelError
from tam_video.models.attention import AttentionRows, Rollout, Visit, watch_attention
from tam_video.models.base import DEFAULT_OPTIONS, GenerationOptions
from tam_video.models.boundary import library_errors
from tam_video.models.capture import (
    find_decoder,
    frozen_weights,
    leaf_states,
    record_states,
    resolve_layer,
)
from tam_video.models.forcing import ForcedInputs
from tam_video.models.head_rows import Head, HeadRows, LayerMeans, watch_rows
from tam_video.models.masked_scoring import MaskedScoring
from tam_video.models.randomising import randomised_layers
from tam_video.models.scores import token_odds
from tam_video.models.sinks import record_norms
from tam_video.types import FloatArray, Generation, IntArray, Message

if TYPE_CHECKING:
    from torch import Tensor

Target: TypeAlias = Literal["logit", "log_probability"]
RowsOf: TypeAlias = Literal["answer", "question"]
StateOf: TypeAlias = Literal["token", "prediction"]


@dataclass(frozen=True, slots=True, eq=False)
class Attentions:
    """Attention weights at the positions that predict the answer.

    Attributes:
        layers: numbers of the layers with softmax attention, ascending.
        rows: for each of them float32 [H, J, S] in [0, 1]; [1, J, S] if heads were averaged.
        visual_positions: int64 [V], the position of each cell among the S.
    """

    layers: tuple[int, ...]
    rows: tuple[FloatArray, ...]
    visual_positions: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class StateGradients:
    """A layer's states at the visual tokens, and the gradients with respect to these states.

    Attributes:
        layer: number of the layer, 0..L-1.
        states: float32 [V, d], the layer's output at each cell.
        gradients: for each of the J answer tokens float32 [V, d], one after the other; the graph
            is freed with the last.
    """

    layer: int
    states: FloatArray
    gradients: Iterator[FloatArray]


class Probe(MaskedScoring):
    """Compute attention, gradients and scores of a finished answer. Not thread-safe."""

    def attentions(
        self,
        *,
        average_heads: bool = False,
        conversation: Sequence[Message] | None = None,
    ) -> Attentions:
        """Compute every layer's attention weights at the positions that predict the answer tokens.

        One pass of the "eager" kernel: a layer's weights [H, S, S] exist while it runs, only the
        J rows are kept. Layers without softmax attention are left out.

        Args:
            average_heads: keep the mean over the heads.
            conversation: another prompt with the same frames and the same answer.
        """
        with self._running():
            forced = self._inputs_for(conversation)
            visitor = AttentionRows(forced.positions, average_heads=average_heads)
            self._watch(forced, visitor)
        if not visitor.layers:
            raise _no_attention(self.model.name)
        rows = tuple(part.numpy() for part in visitor.rows)
        return Attentions(tuple(visitor.layers), rows, forced.visual_positions)

    def attention_rollout(self, *, conversation: Sequence[Message] | None = None) -> FloatArray:
        """Compute attention rollout over all layers, from each answer token to each visual cell.

        Source: Abnar & Zuidema, ACL 2020, arXiv:2005.00928; see `attention.Rollout`. Layers without
        softmax attention count as identity.

        Returns:
            float32 [J, V] in [0, 1].
        """
        with self._running():
            forced = self._inputs_for(conversation)
            visitor = Rollout(forced.positions, forced.visual_positions.tolist())
            self._watch(forced, visitor)
            if visitor.product is None:
                raise _no_attention(self.model.name)
            rows: FloatArray = visitor.product[forced.positions].cpu().numpy()
        return rows

    def head_rows(self, heads: Sequence[Head], *, of: RowsOf = "answer") -> FloatArray:
        """Compute the attention of chosen heads to the visual cells.

        One pass of the model's own kernel; see `head_rows.query_rows`.

        Args:
            heads: N pairs of a layer, maybe from the end, and a head.
            of: "answer": the positions that predict the J answer tokens; "question": the Q text
                tokens of the prompt after all cells, or the last position if there are none.

        Returns:
            float32 [N, J or Q, V] in [0, 1]; a row sums to at most 1.

        Raises:
            ConfigError: there is no such head, or its layer has no softmax attention, or does not
                call it through the interface of transformers.
            ModelError: the kernel cannot be watched, or the model fails.
        """
        count = self.model.num_layers
        numbered = [(resolve_layer(layer, num_layers=count), head) for layer, head in heads]
        if not numbered:
            raise ConfigError("no heads are given", hint="pass pairs of a layer and a head")
        visitor = HeadRows(numbered)
        self._watch_rows(visitor, of)
        missing = [layer for layer, head in numbered if (layer, head) not in visitor.rows]
        if missing:
            raise ConfigError(
                f"layer {missing[0]} of {self.model.name} has no softmax attention, or does not "
                "call it through the attention interface of transformers",
                hint="choose heads of other layers, or use the method 'attention'",
            )
        return np.stack([visitor.rows[head].numpy() for head in numbered])

    def middle_attention(self, *, of: RowsOf = "answer") -> FloatArray:
        """Average the attention to each cell over all heads in the middle third of the layers.

        One pass of the model's own kernel. Layers without softmax attention do not count.

        Args:
            of: see `head_rows`.

        Returns:
            float32 [J or Q, V] in [0, 1].

        Raises:
            ModelError: no layer's attention can be read, or the model fails.
        """
        visitor = LayerMeans(self.model.num_layers)
        self._watch_rows(visitor, of)
        if not visitor.rows:
            raise ModelError(
                f"no layer of {self.model.name} calls softmax attention through the attention "
                "interface of transformers",
                hint="use the method 'attention', or a method without attention such as 'tam'",
            )
        rows: FloatArray = visitor.middle_third().numpy()
        return rows

    def cell_states(
        self, layer: int | float = 0.5, *, of: StateOf = "token"
    ) -> tuple[FloatArray, FloatArray]:
        """Compute the output of a decoder layer at the answer's tokens and at the visual cells.

        Args:
            layer: number or fraction of the depth, see `GenerationOptions.layer`.
            of: "token": the position of each answer token; "prediction": the position before,
                which predicts it.

        Returns:
            float32 [J, d] and float32 [V, d].

        Raises:
            ValueError: `of` is unknown.
            ConfigError: no such layer.
        """
        if of not in ("token", "prediction"):
            raise ValueError(f"'of' must be 'token' or 'prediction', not {of!r}")
        number = resolve_layer(layer, num_layers=self.model.num_layers)
        with self._running():
            with record_states(find_decoder(self._network).layers[number]) as states:
                self._pass(self._forced.inputs)
            self._forward += 1
            offset = 1 if of == "token" else 0
            own = [position + offset for position in self._forced.positions]
            answer: FloatArray = states[0][own].float().cpu().numpy()
        return answer, self._visual(states[0][None])

    def gradients(self, layer: int | float = 0.5, *, target: Target = "logit") -> StateGradients:
        """Compute gradients of the answer tokens' scores with respect to a layer's visual states.

        One pass forward, and one backward through the layers above for each token. Weights get no
        gradients; hooks are removed when this returns.

        Args:
            layer: number or fraction of the depth, see `GenerationOptions.layer`; not the last one.
            target: the token's logit, or its log-probability.

        Raises:
            ValueError: `target` is unknown.
            ConfigError: no such layer, or the last one, above which positions do not interact.
            ModelError: the model fails.
        """
        import torch

        if target not in ("logit", "log_probability"):
            raise ValueError(f"'target' must be 'logit' or 'log_probability', not {target!r}")
        number = resolve_layer(layer, num_layers=self.model.num_layers)
        if number == self.model.num_layers - 1:
            raise ConfigError(
                "the answer's scores do not depend on the visual states of the last layer",
                hint="choose a lower layer, or a fraction of the depth such as 0.5",
            )
        decoder = find_decoder(self._network)
        with self._running(), torch.enable_grad(), frozen_weights(self._network):
            with (
                leaf_states(decoder.layers[number]) as leaves,
                record_states(decoder, with_graph=True) as last,
            ):
                self._pass(self._forced.inputs)
            self._forward += 1
            rows = self._logits(last[0][0, self._forced.positions])
            if target == "log_probability":
                rows = rows.log_softmax(dim=-1)
            values = rows.gather(-1, self._targets(rows)[:, None])[:, 0]
        states = self._visual(leaves[0])
        return StateGradients(number, states, self._backwards(values, leaves[0]))

    def read_again(self, options: GenerationOptions = DEFAULT_OPTIONS) -> Generation:
        """Compute the scores of the same tokens again with the current weights of the model.

        Args:
            options: `layer`, `mixed_layers` and `logits` say which scores; tokens are scored for
                their own id.

        Returns:
            The generation with new scores and probabilities, without candidates.
        """
        generation, network = self.generation, self._network
        with self._running():
            decoder = find_decoder(network)
            with (
                self.model.record_layers(options) as recorded,
                record_norms(decoder, generation.visual_positions) as norms,
            ):
                self._pass(self._forced.inputs)
            self._forward += 1
            last, layers = recorded.states()
            odds = token_odds(
                last.at(self._forced.positions),
                network.get_output_embeddings(),
                ids=[token.id for token in self._answer],
                num_candidates=0,
                transform=self.model.adapter.logit_transform(network.config),
            )
            scores, *layer_scores = self.model.layer_scores(
                layers,
                np.array([token.id for token in generation.tokens], dtype=np.int64),
                num_positions=len(generation.scores),
                options=options,
            )
        answer = [
            replace(token, probability=chance.probability, candidates=())
            for token, chance in zip(self._answer, odds, strict=True)
        ]
        tokens = (*generation.tokens[: generation.num_prompt_tokens], *answer)
        return replace(
            generation,
            tokens=tokens,
            scores=scores,
            layer_scores=tuple(layer_scores),
            sinks=norms.sinks(),
        )

    @contextmanager
    def randomised(
        self,
        num_layers_from_top: int | None,
        *,
        seed: int = 0,
        options: GenerationOptions = DEFAULT_OPTIONS,
    ) -> Iterator[Probe]:
        """Replace the weights of the top decoder layers by noise while the block runs.

        Args:
            num_layers_from_top: number of layers; None for the whole model, including vision tower
                and embeddings.
            seed: of the noise.
            options: which scores the yielded probe's generation has.

        Yields:
            A probe with the same frames and tokens, and the scores of the random model. Valid only
            inside the block: afterwards the weights are restored bit for bit.
        """
        with randomised_layers(self._network, num_layers_from_top, seed=seed):
            other = copy.copy(self)
            other._forward = other._backward = 0
            other.generation = other.read_again(options)
            other._answer = other.generation.tokens[other.generation.num_prompt_tokens :]
            yield other

    def _watch_rows(self, visitor: HeadRows | LayerMeans, of: RowsOf) -> None:
        """Run the model, and let a visitor read rows of the attention weights."""
        if of not in ("answer", "question"):
            raise ValueError(f"'of' must be 'answer' or 'question', not {of!r}")
        forced = self._forced
        positions = forced.positions if of == "answer" else self._question_positions()
        wanted = visitor.wanted(positions, forced.visual_positions.tolist())
        with self._running():
            with watch_rows(find_decoder(self._network), wanted, visitor):
                self._pass(forced.inputs)
            self._forward += 1

    def _question_positions(self) -> list[int]:
        prompt = self.generation.tokens[: self.generation.num_prompt_tokens]
        last = int(self._forced.visual_positions.max())
        after = [token.position for token in prompt if token.position > last]
        return after or self._forced.positions[:1]

    def _watch(self, forced: ForcedInputs, visit: Visit) -> None:
        with watch_attention(find_decoder(self._network), visit):
            self._pass(forced.inputs)
        self._forward += 1

    def _backwards(self, values: Tensor, leaf: Tensor) -> Iterator[FloatArray]:
        """Yield the gradient of each of J `values` at the visual tokens: float32 [V, d]."""
        import torch

        for number in range(len(values)):
            with library_errors("run", name=self.model.name):
                is_last = number == len(values) - 1
                (gradient,) = torch.autograd.grad(values[number], leaf, retain_graph=not is_last)
            self._backward += 1
            yield self._visual(gradient)


def _no_attention(name: str) -> ModelError:
    return ModelError(
        f"no layer of {name} has softmax attention",
        hint="use a method that needs none, such as tam or grad-cam",
    )
