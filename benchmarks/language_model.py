"""The language model of the engine step-audio-2 against transformers, same weights, same run.

    python benchmarks/language_model.py [--device cuda] [--threads N] [--repeats N]

Prints JSON. Rates are medians of runs that take turns with those of transformers, so that other
work on the machine weighs on both; beside them the processor time of a token, which other work
hardly touches (with one thread: more of them also count the time they wait for each other). On a
GPU the full-size model is measured, with random weights in bfloat16; without one a model of a size
for CPUs, in float32.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import transformers

from assistant.config import Sampling
from assistant.engines.step_audio_2.audio_pieces import patch_count
from assistant.engines.step_audio_2.model import StepAudio2Model
from assistant.engines.step_audio_2.prompt import AudioPiece, Prompt
from assistant.engines.step_audio_2.sampling import Sampler
from assistant.engines.step_audio_2.scheduler import Scheduler
from assistant.engines.step_audio_2.sequence import CachedPrefix, End, Generation
from assistant.engines.step_audio_2.sizes import AudioSizes, ModelSizes, TextSizes

CPU_SIZES = ModelSizes(
    TextSizes(8192, 1024, 3072, 8, 8, 2, max_position_embeddings=4096),
    AudioSizes(128, 1500, 256, 4, 4, 1024),
)
GPU_SIZES = ModelSizes(
    TextSizes(158720, 3584, 18944, 28, 28, 4), AudioSizes(128, 1500, 1280, 20, 32, 3584)
)
GREEDY = Sampling(temperature=0.0, repetition_penalty=1.0)
PROMPT, SAID = 256, 96
TURNS = 20


def random_model(sizes: ModelSizes, device: torch.device, dtype: torch.dtype) -> StepAudio2Model:
    model = StepAudio2Model(sizes, device=device, dtype=dtype)
    generator = torch.Generator(device).manual_seed(0)
    for name, place in model.checkpoint_views():
        fan_in = 1 if "embed" in name or place.ndim == 1 else place[0].numel()
        place.normal_(0.0, fan_in**-0.5, generator=generator)
        if "norm" in name or "_ln" in name:
            place.mul_(0.0 if name.endswith("bias") else 0.02).add_(not name.endswith("bias"))
    return model


def as_transformers(model: StepAudio2Model) -> Any:
    """The same weights in transformers' Qwen2."""
    text = model.sizes.text
    config = transformers.Qwen2Config(
        vocab_size=text.vocab_size,
        hidden_size=text.hidden_size,
        intermediate_size=text.intermediate_size,
        num_hidden_layers=text.num_hidden_layers,
        num_attention_heads=text.num_attention_heads,
        num_key_value_heads=text.num_key_value_heads,
        max_position_embeddings=text.max_position_embeddings,
        rms_norm_eps=text.rms_norm_eps,
        rope_theta=text.rope_theta,
        rope_parameters={"rope_type": "default", "rope_theta": text.rope_theta},
        tie_word_embeddings=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    reference = transformers.Qwen2ForCausalLM(config).to(model.device, model.dtype).eval()
    reference.load_state_dict(dict(model.language.checkpoint_views()), strict=False)
    return reference


def prompt_of(length: int, vocab_size: int, seed: int = 0) -> Prompt:
    ids = np.random.default_rng(seed).integers(0, vocab_size, length).tolist()
    return Prompt(list(ids), list(ids))


def generation(prompt: Prompt, tokens: int, conversation: CachedPrefix | None = None) -> Generation:
    return Generation(
        conversation or CachedPrefix(),
        prompt,
        Sampler(GREEDY),
        ends=frozenset(),
        max_tokens=tokens,
        one_off=conversation is None,
    )


def run(scheduler: Scheduler, *jobs: Generation) -> tuple[float, float]:
    """Seconds to the first token of the first job, and from there to the end of all."""
    start = time.perf_counter()
    for job in jobs:
        scheduler.submit(job)
    jobs[0].out.get()
    first = time.perf_counter()
    for job in jobs:
        while not isinstance(item := job.out.get(), End):
            if isinstance(item, Exception):
                raise item
    return first - start, time.perf_counter() - first


def timed(work: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    work()
    return clock() - start


def processor_ms(say: Callable[[int], Any]) -> float:
    """Processor time of one token more, in all threads of the process."""

    def middle(count: int) -> float:
        return statistics.median(timed(lambda: say(count), time.process_time) for _ in range(3))

    return round(1000 * (middle(SAID) - middle(1)) / (SAID - 1), 2)


def median(values: list[float]) -> float:
    return round(statistics.median(values), 6)


@torch.inference_mode()
def against_transformers(
    model: StepAudio2Model, scheduler: Scheduler, reference: Any, repeats: int
) -> dict[str, Any]:
    """Prefill and decode rates of all three ways, which are checked to say the same."""
    prompt = prompt_of(PROMPT, model.sizes.text.vocab_size)
    ids = torch.tensor([prompt.ids], device=model.device)
    mask = torch.ones_like(ids)

    def generate(count: int) -> Any:
        return reference.generate(
            ids, attention_mask=mask, max_new_tokens=count, do_sample=False, use_cache=True
        )

    def recompute(count: int) -> list[int]:
        sequence = ids
        for _ in range(count):
            logits = reference(sequence, use_cache=False, logits_to_keep=1).logits
            sequence = torch.cat([sequence, logits[:, -1:].argmax(-1)], 1)
        return sequence[0, PROMPT:].tolist()

    few = 8
    times: dict[str, list[float]] = {name: [] for name in ("ours", "first", "hf", "hf1", "again")}
    for _ in range(repeats + 1):
        job = generation(prompt, SAID)
        first, rest = run(scheduler, job)
        times["first"].append(first)
        times["ours"].append(rest)
        times["hf1"].append(timed(lambda: generate(1)))
        times["hf"].append(timed(lambda: generate(SAID)))
        times["again"].append(timed(lambda: recompute(few)))
    middle = {name: median(values[1:]) for name, values in times.items()}  # the first warms up
    same = generate(SAID)[0, PROMPT:].tolist() == job.generated
    decode, hf_decode = SAID / middle["ours"], SAID / (middle["hf"] - middle["hf1"])
    return {
        "same_tokens": same and recompute(few) == job.generated[:few],
        "prefill_tokens_per_s": round(PROMPT / middle["first"], 1),
        "prefill_tokens_per_s_transformers": round(PROMPT / middle["hf1"], 1),
        "decode_tokens_per_s": round(decode, 1),
        "decode_tokens_per_s_transformers_cache": round(hf_decode, 1),
        "decode_tokens_per_s_recomputed": round(few / middle["again"], 1),
        "decode_processor_ms_per_token": processor_ms(
            lambda count: run(scheduler, generation(prompt, count))
        ),
        "decode_processor_ms_per_token_transformers_cache": processor_ms(generate),
        "decode_speedup_over_transformers_cache": round(decode / hf_decode, 2),
        "decode_speedup_over_recomputing": round(decode * middle["again"] / few, 2),
    }


def batches(model: StepAudio2Model, sizes: tuple[int, ...], repeats: int) -> dict[str, float]:
    """Tokens a second of all conversations together."""
    scheduler = Scheduler(model, conversations=max(sizes), max_batch=max(sizes))
    rates = {}
    for size in sizes:
        runs = []
        for _ in range(repeats + 1):
            jobs = [generation(prompt_of(64, 8000, seed), SAID) for seed in range(size)]
            _, rest = run(scheduler, *jobs)
            runs.append(size * SAID / rest)
        rates[str(size)] = round(statistics.median(runs[1:]), 1)
    scheduler.close()
    return rates


def conversation(model: StepAudio2Model, scheduler: Scheduler) -> tuple[list[float], list[Prompt]]:
    """Turns with 2 s of audio each: seconds to the first token of each, and its prompt."""
    state, prompt = CachedPrefix(), prompt_of(40, model.sizes.text.vocab_size)
    firsts, prompts = [], []
    for turn in range(TURNS):
        samples = np.random.default_rng(turn).uniform(-0.3, 0.3, 32_000).astype(np.float32)
        prompt.add_piece(AudioPiece(samples, patch_count(len(samples)), -(turn + 1) << 12), 0)
        prompt.add_ids(prompt_of(8, model.sizes.text.vocab_size, turn).ids)
        prompts.append(prompt.extended([]))
        job = generation(prompts[-1], 60, state)
        firsts.append(run(scheduler, job)[0])
        prompt.add_ids(job.generated)
    return firsts, prompts


@torch.inference_mode()
def turns(
    model: StepAudio2Model, scheduler: Scheduler, reference: Any, repeats: int
) -> dict[str, Any]:
    """Seconds to the first token, medians over conversations that are the same.

    Beside it, the time to prefill the whole conversation again, as without a cache (text
    alone: transformers has no encoder for the audio).
    """
    runs = [conversation(model, scheduler) for _ in range(repeats + 1)]
    firsts = [median([run[0][turn] for run in runs[1:]]) for turn in range(TURNS)]
    shown = (1, 5, 20)
    again = {}
    for turn in shown:
        ids = torch.tensor([runs[0][1][turn - 1].ids], device=model.device)
        again[str(turn)] = round(timed(lambda ids=ids: reference(ids, logits_to_keep=1)), 4)
    return {
        "positions_at_turn_20": len(runs[0][1][-1]),
        "first_token_s": {str(turn): round(firsts[turn - 1], 4) for turn in shown},
        "first_token_s_read_again_by_transformers": again,
        "turn_20_over_turn_1": round(firsts[-1] / firsts[0], 2),
    }


def bandwidth(device: torch.device) -> float:
    """Bytes a second that a large copy reads and writes."""
    source = torch.empty(1 << 30, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    times = []
    for _ in range(10):
        torch.cuda.synchronize(device)
        start = time.perf_counter()
        target.copy_(source)
        torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return 2 * source.nbytes / min(times)


def on_gpu(device: torch.device, repeats: int) -> dict[str, Any]:
    """Decode bandwidth: the bytes of all weights, which each token reads once, by its time."""
    model = random_model(GPU_SIZES, device, torch.bfloat16)
    rates = batches(model, (1, 4, 16), repeats)
    read = sum(
        place.nbytes
        for name, place in model.language.checkpoint_views()
        if name != "model.embed_tokens.weight"
    )
    scheduler = Scheduler(model, conversations=1, max_batch=1)
    firsts = []
    for seed in range(repeats + 1):
        samples = np.random.default_rng(seed).uniform(-0.3, 0.3, 80_000).astype(np.float32)
        prompt = prompt_of(40, 8000)
        prompt.add_piece(AudioPiece(samples, patch_count(80_000), -(seed + 1) << 12), 0)
        prompt.add_ids(prompt_of(8, 8000).ids)
        firsts.append(run(scheduler, generation(prompt, 2))[0])
    scheduler.close()
    copied = bandwidth(device)
    return {
        "decode_tokens_per_s_by_batch": rates,
        "decode_gb_per_s_at_batch_1": round(rates["1"] * read / 1e9, 1),
        "copy_gb_per_s": round(copied / 1e9, 1),
        "share_of_bandwidth_at_batch_1": round(rates["1"] * read / copied, 3),
        "first_token_s_for_5_s_of_sound": median(firsts[1:]),
        "peak_memory_gb": round(torch.cuda.max_memory_allocated(device) / 1e9, 1),
    }


def on_cpu(repeats: int) -> dict[str, Any]:
    model = random_model(CPU_SIZES, torch.device("cpu"), torch.float32)
    reference = as_transformers(model)
    model.pack()
    scheduler = Scheduler(model, conversations=2, max_batch=1)
    results = against_transformers(model, scheduler, reference, repeats)
    results["turns"] = turns(model, scheduler, reference, repeats)
    scheduler.close()
    results["decode_tokens_per_s_by_batch"] = batches(model, (1, 4), repeats)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.utils.logging.set_verbosity_error()
    name = options.device
    device = torch.device(
        ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
    )
    gpu = device.type == "cuda"
    if device.index is not None:  # set_device wants a number
        torch.cuda.set_device(device)
    sizes = GPU_SIZES if gpu else CPU_SIZES
    report = {
        "device": torch.cuda.get_device_name(device) if gpu else f"cpu, {options.threads} threads",
        "note": "full size, random weights" if gpu else "no GPU: a small model, random weights",
        "hidden_size": sizes.text.hidden_size,
        "layers": sizes.text.num_hidden_layers,
        "dtype": "bfloat16" if gpu else "float32",
        "prompt_tokens": PROMPT,
        "new_tokens": SAID,
        **(on_gpu(device, options.repeats) if gpu else on_cpu(options.repeats)),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
