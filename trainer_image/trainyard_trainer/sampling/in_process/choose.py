"""Which engine samples a model: the fastest one that does it right.

Place in the data's way: station 4. Candidates are tried in their order, each by the self-check; a model that none of
them samples right isn't trained.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import torch

from trainyard_api.progress import ReportedSampler
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.memory import OutOfMemoryError, pass_edge
from trainyard_trainer.sampling.in_process import self_check
from trainyard_trainer.sampling.in_process.reading import CachedModel, SampledPolicy, UnknownCacheError
from trainyard_trainer.sampling.in_process.sampler import Decoder, InProcessEngine
from trainyard_trainer.sampling.in_process.slot_count import SLOTS, settle_slots, too_little_memory
from trainyard_trainer.sampling.in_process.slot_decoder import SlotDecoder
from trainyard_trainer.sampling.in_process.whole_batch import WholeBatchDecoder
from trainyard_trainer.stop import NeverStopped, StopRequest

MAX_MESSAGE = 1024
"""Most characters of a report, as the contract has it."""
MAX_SAID = 200
"""Most characters that are kept of what a model's code raised."""
log = logging.getLogger(__name__)


def choose_engine(
    policy: SampledPolicy, stop: StopRequest, *, longest_row: int, slots: int = SLOTS
) -> tuple[InProcessEngine, ReportedSampler]:
    """Chooses an engine for a policy's model; returns it with what is to be reported of it.

    Args:
        policy: its model samples; it is told how many conversations are decoded at a time.
        stop: the engine asks it before every pass.
        longest_row: tokens of the longest conversation to be expected.
        slots: most conversations that are decoded at a time, where memory allows.

    Raises:
        RefusedError: MODEL_UNSUITABLE, no engine samples from this model's own distribution; INVALID_MANIFEST, memory
            is too small for one conversation, or for the check.
    """
    name = type(policy.model).__name__
    problems: list[str] = []
    try:
        model = CachedModel(policy)
    except UnknownCacheError as error:
        problems.append(f"slots: {error}")
    else:
        for chunks, what in ((True, "slots"), (False, "slots, replies token by token")):
            make = partial(SlotDecoder, model, chunks=chunks)
            agreement = _check(policy, partial(make, self_check.SLOTS), problems, what)
            if agreement:
                policy.slots = settle_slots(model, longest_row, slots)
                message = f"{what}: {agreement}"
                return InProcessEngine(policy, stop, make(None)), ReportedSampler(kind="Slots", message=message)
    for cached in (True, False):
        what = "whole batches" if cached else "whole batches without a cache"
        agreement = _check(policy, partial(WholeBatchDecoder, policy, cached=cached), problems, what)
        if agreement:
            message = f"{what}, slower than slots: {agreement}; {'; '.join(problems)}"
            log.warning("sampler: %s falls back to %s", name, message)
            engine = InProcessEngine(policy, stop, WholeBatchDecoder(policy, cached=cached))
            return engine, ReportedSampler(kind="WholeBatch", message=message[:MAX_MESSAGE])
    raise RefusedError(
        TerminationReason.MODEL_UNSUITABLE,
        f"what is sampled must come from the model's own distribution; {'; '.join(problems)}",
        field_path="spec.model",
        value=name,
    )


def _check(policy: SampledPolicy, make: Callable[[], Decoder], problems: list[str], what: str) -> str | None:
    """Returns what a check measured if it is good; else None, with the problem added to `problems`.

    Raises:
        RefusedError: INVALID_MANIFEST; memory is too small for the check, which says nothing of the model.
    """
    try:
        with pass_edge():
            agreement = self_check.check(policy, lambda: InProcessEngine(policy, NeverStopped(), make()))
    except OutOfMemoryError as error:
        raise too_little_memory(policy, f"the check at load ran out of it ({str(error)[:MAX_SAID]})") from error
    except torch.AcceleratorError:
        # A device that fails says nothing of the model; another attempt may get another one.
        raise
    except (RuntimeError, ValueError, TypeError, AttributeError, LookupError) as error:
        # A model that can't be run in this way fails in its own code, with whatever error that comes to.
        problems.append(f"{what}: {type(error).__name__}: {str(error)[:MAX_SAID]}")
        return None
    if not agreement.good:
        problems.append(f"{what}: {agreement}")
        return None
    return str(agreement)
