"""How fast speech tokens become audio, at full size, with random weights. Prints JSON.

    python benchmarks/token2wav.py [--device cuda] [--precision float32] [--threads 2]
        [--clock cpu] [--streams 1 4 16] [--steps 10] [--long MINUTES] [--reference FOLDER]
        [--no-graphs] [--quick]

On a GPU the same command measures all aims: first_chunk, stream_per_second_of_audio (the real-time
factor of one stream) and streams.*.all (that of 1, 4 and 16 streams together; below 1 all are in
real time). --no-graphs: without CUDA graphs. --quick: one stream, the fewest runs.

--reference: a checkout of stepfun-ai/Step-Audio2, run side by side on the same tokens (it needs
einops). Every figure is the best of a few runs; each is in seconds. Where others use the machine,
--clock cpu --threads 1 counts processor seconds.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from assistant.engines.token2wav import FlowPrompt, Token2Wav, Token2WavSettings, Token2WavStream
from assistant.engines.token2wav.flow.model import Flow
from assistant.engines.token2wav.flow.shape import FlowShape
from assistant.engines.token2wav.hift.generator import Hift, HiftShape
from assistant.engines.token2wav.token2wav import ChunkJob
from assistant.engines.token2wav.voice_prompt import VoicePrompt
from assistant.testing.whole_utterance import whole_utterance

PROMPT_TOKENS, TOKENS = 225, 93  # 9 s and 3.7 s
RANDOM = np.random.default_rng(0)
CLOCK = time.perf_counter


def main() -> None:
    global CLOCK
    options = arguments()
    if options.clock == "cpu":
        CLOCK = time.process_time
    torch.set_num_threads(options.threads)
    settings = Token2WavSettings(
        device=options.device,
        precision=options.precision,
        euler_steps=options.steps,
        cuda_graphs=options.graphs,
    )
    flow, hift = Flow(FlowShape()), Hift(HiftShape())
    flow_weights, hift_weights = dict(flow.state_dict()), dict(hift.state_dict())
    device = settings.torch_device()
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)  # the first chunk, which a listener waits for
    with torch.inference_mode():
        flow.to(device).pack(steps=options.steps, dtype=settings.dtype(device))
        hift.to(device).pack()
    token2wav = Token2Wav(flow, hift, settings)
    prompt = VoicePrompt(
        tokens(PROMPT_TOKENS),
        RANDOM.standard_normal((2 * PROMPT_TOKENS, 80)).astype(np.float32),
        RANDOM.standard_normal(192).astype(np.float32),
    )
    result: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(),
        "threads": options.threads,
        "clock": options.clock,
        "device": device_name(device),
        "torch": torch.__version__,
        "precision": str(settings.dtype(device)),
        "euler_steps": options.steps,
    }
    seconds, voice = timed(lambda: token2wav.prepare(prompt), runs=2)
    result["prepare_voice_9s"] = seconds
    result["voice_mb"] = round(voice.nbytes / 1e6)
    if not options.quick:
        result |= whole(token2wav, voice, prompt)
    result |= streaming(token2wav, voice)
    if not options.quick:
        result["schedules"] = schedules(token2wav, voice)
    counts = [1] if options.quick else options.streams
    result["streams"] = {str(n): several(token2wav, voice, n) for n in counts}
    result |= on_gpu(token2wav)
    if options.long:
        result["long"] = long(token2wav, voice, options.long)
    if options.reference:
        result["reference"] = reference(options.reference, flow_weights, hift_weights, prompt)
    print(json.dumps(result, indent=2))


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def on_gpu(token2wav: Token2Wav) -> dict[str, Any]:
    """Which shapes were recorded (streams, frames, room), and the memory that all took."""
    if token2wav.device.type != "cuda":
        return {}
    steps = token2wav.flow.recorded
    return {
        "cuda_graphs": None if steps is None else "failed" if steps.recordings.failed else "used",
        "recorded": steps.recordings.shapes if steps else [],
        "recorded_inputs_mb": round(steps.recordings.nbytes / 1e6) if steps else 0,
        "peak_memory_gb": round(torch.cuda.max_memory_allocated(token2wav.device) / 1e9, 2),
    }


def whole(token2wav: Token2Wav, voice: FlowPrompt, prompt: VoicePrompt) -> dict[str, float]:
    speech = tokens(TOKENS)
    prepared, _ = timed(lambda: token2wav.speak(speech, voice))
    as_tensors = [torch.from_numpy(v)[None] for v in (speech, prompt.tokens, prompt.mel)]
    speaker = torch.from_numpy(prompt.speaker)[None]

    def exact() -> None:
        with torch.inference_mode():
            inputs = [t.to(token2wav.device) for t in (*as_tensors, speaker)]
            mel = whole_utterance(token2wav.flow, *inputs).transpose(1, 2)
            hift = token2wav.hift
            hift.decode(mel, hift.m_source(hift.f0(mel)))

    again, _ = timed(exact, runs=2)
    return {
        "whole_93_tokens_prepared_voice": prepared,
        "whole_93_tokens_prompt_run_again": again,
    }


def streaming(token2wav: Token2Wav, voice: FlowPrompt) -> dict[str, float]:
    # The first time a shape comes it runs unrecorded, the second time it is recorded.
    warm_ups = 2 if token2wav.device.type == "cuda" else 0
    runs = [one_stream(token2wav, voice) for _ in range(warm_ups + 2)][warm_ups:]
    size = token2wav.settings.chunk
    steady = [seconds for run in runs for seconds in run["steady"]]
    return {
        "first_chunk": min(run["first"][0] for run in runs),
        "steady_chunk": min(steady),
        "stream_per_second_of_audio": min(steady) * 25 / size,
        "stream_per_second_of_audio_median": float(np.median(steady)) * 25 / size,
    }


def one_stream(token2wav: Token2Wav, voice: FlowPrompt) -> dict[str, list[float]]:
    stream = Token2WavStream(token2wav, voice)

    def push(count: int) -> float:
        return timed(lambda: stream.push(tokens(count)), runs=1)[0]

    size = token2wav.settings.chunk
    first = push(token2wav.settings.first_chunks[0] + token2wav.flow.shape.look_ahead)
    push(4 * size)  # fills the history
    steady = [push(size) for _ in range(3)]
    return {"first": [first], "steady": steady}


SCHEDULES = ((5,), (8, 8), (10, 10, 15), (10, 15), (15, 15), (20, 20), ())


def schedules(token2wav: Token2Wav, voice: FlowPrompt) -> dict[str, dict[str, float]]:
    """Times of the first audio, and the longest dropout, by sizes of the first chunks.

    All tokens are there at once, so this is what the decoder alone adds.
    """
    found = {}
    ahead, steady = token2wav.flow.shape.look_ahead, token2wav.settings.chunk
    for sizes in SCHEDULES:
        flow, audio = token2wav.begin(voice), token2wav.begin_vocoder()
        now, played_until, dropout, first = 0.0, 0.0, 0.0, 0.0
        for index, size in enumerate([*sizes, steady, steady, steady]):
            job = ChunkJob(list(tokens(size + ahead)), flow, audio, last=False)
            seconds, samples = timed(lambda job=job: token2wav.batcher.run(job), runs=1)
            now += seconds
            if index == 0:
                first = played_until = now
            dropout = max(dropout, now - played_until)
            played_until = max(now, played_until) + len(samples) / 24_000
        name = " ".join(map(str, (*sizes, steady)))
        found[name] = {"first_sound": first, "longest_dropout": dropout}
    return found


def several(token2wav: Token2Wav, voice: FlowPrompt, count: int) -> dict[str, float]:
    """Streams in step with one another, each pass for all of them."""
    states = [(token2wav.begin(voice), token2wav.begin_vocoder()) for _ in range(count)]
    size = token2wav.settings.chunk

    def chunk() -> None:
        ahead = token2wav.flow.shape.look_ahead
        jobs = [ChunkJob(list(tokens(size + ahead)), f, s, last=False) for f, s in states]
        token2wav.batcher.run_all(jobs)

    # The history grows until it is full, and with it the shape that a GPU records.
    for _ in range(8 if token2wav.device.type == "cuda" else 1):
        chunk()
    best, _ = timed(chunk, runs=3)
    return {"per_second_of_audio_each": best / count * 25 / size, "all": best * 25 / size}


def long(token2wav: Token2Wav, voice: FlowPrompt, minutes: float) -> list[dict[str, float]]:
    stream, marks = Token2WavStream(token2wav, voice), []
    for minute in range(round(minutes)):
        start = CLOCK()
        for _ in range(60):
            stream.push(tokens(25))
        marks.append(
            {
                "minute": minute + 1,
                "per_second_of_audio": (CLOCK() - start) / 60,
                "resident_mb": resident_mb(),
            }
        )
        print(json.dumps(marks[-1]), file=sys.stderr, flush=True)
    return marks


def reference(
    folder: Path, flow: dict[str, Any], hift: dict[str, Any], prompt: VoicePrompt
) -> dict[str, float]:
    """StepFun's own modules, with the weights and the prompt that ours have."""
    sys.path.insert(0, str(folder))
    from cosyvoice2.flow.decoder_dit import DiT
    from cosyvoice2.flow.flow import CausalMaskedDiffWithXvec
    from cosyvoice2.flow.flow_matching import CausalConditionalCFM
    from cosyvoice2.transformer.upsample_encoder_v2 import UpsampleConformerEncoderV2
    from flashcosyvoice.modules.hifigan import HiFTGenerator

    encoder = UpsampleConformerEncoderV2(512, 512, attention_heads=8)
    estimator = DiT(320, 80, depth=16, hidden_size=512)
    theirs = CausalMaskedDiffWithXvec(
        vocab_size=6561, encoder=encoder, decoder=CausalConditionalCFM(estimator)
    )
    theirs.load_state_dict(flow)
    vocoder = HiFTGenerator()
    vocoder.load_state_dict(hift)
    theirs.eval(), vocoder.eval()
    mel, speaker = torch.from_numpy(prompt.mel)[None], torch.from_numpy(prompt.speaker)[None]
    known, speech = torch.from_numpy(prompt.tokens)[None], torch.from_numpy(tokens(TOKENS))[None]

    def whole() -> None:
        lengths = [torch.tensor([t.shape[1]]) for t in (speech, known, mel)]
        out = theirs.inference(speech, lengths[0], known, lengths[1], mel, lengths[2], speaker, 10)
        vocoder(out)

    best, _ = timed(whole, runs=2)
    ahead = torch.cat([known, known[:, :3]], dim=1)
    cache = [theirs.setup_cache(ahead, mel, speaker, 10)]

    def chunk() -> None:
        piece = torch.from_numpy(tokens(28))[None]
        out, cache[0] = theirs.inference_chunk(piece, speaker, cache[0], False, 10)
        kept = cache[0]["estimator_att_cache"]
        if kept.shape[4] > mel.shape[1] + 100:
            parts = [kept[:, :, :, :, : mel.shape[1]], kept[:, :, :, :, -100:]]
            cache[0]["estimator_att_cache"] = torch.cat(parts, dim=4)
        vocoder(torch.cat([out[:, :, :8], out], dim=2))

    for _ in range(3):
        chunk()
    return {"whole_93_tokens": best, "stream_per_second_of_audio": timed(chunk, runs=4)[0]}


def tokens(count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return RANDOM.integers(0, 6561, count)


def timed(work: Callable[[], Any], runs: int = 3) -> tuple[float, Any]:
    """The best of some runs, and what the last returned."""
    times, result = [], None
    for _ in range(runs):
        synchronize()
        start = CLOCK()
        result = work()
        synchronize()
        times.append(CLOCK() - start)
    return min(times), result


def synchronize() -> None:
    """Waits for what the GPU was given to do."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def resident_mb() -> float:
    """Now where Linux tells it, else the most there ever was."""
    status = Path("/proc/self/statm")
    if status.is_file():
        return int(status.read_text().split()[1]) * resource.getpagesize() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--no-graphs", dest="graphs", action="store_false")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--streams", type=int, nargs="*", default=[1, 4, 16])
    parser.add_argument("--long", type=float, default=0, metavar="MINUTES")
    parser.add_argument("--reference", type=Path, metavar="FOLDER")
    return parser.parse_args()


if __name__ == "__main__":
    main()
