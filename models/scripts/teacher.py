#!/usr/bin/env python3
"""Teacher features: what a speech recogniser's encoder hears in every file of a manifest.

Python, because the teacher (Moonshine tiny.en) comes as a Python package only: the wheel
`moonshine-voice==0.0.65` carries its weights, and later wheels do not. Nothing written here enters
the product: the features are targets for training Mien's own content encoder.

What it does
  1. decode each English file of the manifest, mix to mono, resample to 16 kHz, bring it to one level
     (the encoder is not blind to loudness; the content target has to be),
  2. run the encoder: 288 values every 384 samples (24 ms),
  3. standardise, rotate (PCA over all frames), keep the first `--dims` axes, scale each to unit
     variance,
  4. write OUT/<corpus>.safetensors: one f16 tensor [frames, dims] per file, named by its manifest
     path; header metadata `rate_hz` and `offset_s`; and OUT/pca.safetensors, which holds the
     projection, so that other recordings can be brought to the same axes.

Time axis: three unpadded convolutions, kernels 127, 7, 3 and strides 64, 3, 2, so feature i sees samples
384 i ... 384 i + 894 and its centre lies at (447 + 384 i) / 16000 s = 0.0279375 s + i / 41.6667 Hz.
`--check-time` measures that on the manifest's own speech.

Set-up
  python3 -m venv V && V/bin/pip install -r models/scripts/requirements-teacher.txt
  V/bin/pip download --no-deps -d W moonshine-voice==0.0.65 && unzip W/*.whl -d W
  V/bin/python models/scripts/teacher.py speech/manifest.csv OUT \
      --encoder W/moonshine_voice/assets/tiny-en/encoder_model.ort
"""

import argparse
import csv
import json
import multiprocessing
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile
import soxr
from safetensors.numpy import save_file

RATE = 16_000
KERNELS_AND_STRIDES = ((127, 64), (7, 3), (3, 2))
LEVEL_DBFS = -25.0  # RMS of a typical read recording


def time_axis():
    """Features per second, and the centre of feature 0 in seconds, from the convolutions."""
    stride, centre = 1, 0.0
    for kernel, step in KERNELS_AND_STRIDES:
        centre += (kernel - 1) / 2 * stride
        stride *= step
    return RATE / stride, centre / RATE


def load(path):
    """The file as mono float32 at 16 kHz and at LEVEL_DBFS (never above full scale)."""
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    sound = sound.mean(axis=1)
    if rate != RATE:
        sound = soxr.resample(sound, rate, RATE, quality="VHQ").astype(np.float32)
    rms, peak = float(np.sqrt(np.mean(sound**2))), float(np.abs(sound).max())
    if rms > 1e-6:
        sound = sound * min(10 ** (LEVEL_DBFS / 20) / rms, 0.99 / peak)
    return sound


class Encoder:
    """Moonshine's encoder on one thread."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, sound):
        feeds = {
            "input_values": sound[None, :].astype(np.float32),
            "attention_mask": np.ones((1, len(sound)), np.int64),
        }
        return self.session.run(None, feeds)[0][0]


_encoder = None


def _start(path):
    global _encoder
    _encoder = Encoder(path)


def _encode(job):
    root, name = job
    sound = load(root / name)
    return name, _encoder(sound).astype(np.float16), len(sound) / RATE


def english(manifest):
    with open(manifest, newline="") as rows:
        return [row for row in csv.DictReader(rows) if row["language"].split("-")[0] == "en"]


def check_time(encoder, root, rows):
    """Where features really sit: disturb one instant of real speech and see which features move;
    and find the lag at which the frame level is best read off the features."""
    rate, offset = time_axis()
    random = np.random.default_rng(1)
    reading = [row for row in rows if row["corpus"] == "librispeech" and 4 < float(row["seconds"]) < 12]
    found, spread, lags = [], [], {}
    for row in reading[:40]:
        sound = load(root / row["path"])
        plain = encoder(sound)
        # A 4 ms noise burst at a random instant well inside the file.
        at = int(random.integers(RATE, len(sound) - RATE))
        burst = sound.copy()
        burst[at - 32 : at + 32] += random.normal(0, 0.2, 64).astype(np.float32)
        moved = np.square(encoder(burst) - plain).sum(axis=1)
        near = slice(max(0, int((at / RATE - offset) * rate) - 8), int((at / RATE - offset) * rate) + 10)
        index = np.arange(len(moved))[near]
        weight = moved[near] - np.median(moved)
        weight = np.clip(weight, 0, None)
        centre = (weight * index).sum() / weight.sum()
        found.append(at / RATE - centre / rate)
        spread.append(moved[near].sum() / moved.sum())
    frames, levels = [], {}
    shifts = np.arange(-48, 49, 6) / 1000
    for row in reading[40:100]:
        sound = load(root / row["path"])
        features = encoder(sound)[4:-4]
        frames.append(features)
        power = np.concatenate([[0], np.cumsum(np.square(sound, dtype=np.float64))])
        for shift in shifts:
            middle = ((np.arange(len(features)) + 4) / rate + offset + shift) * RATE
            low = np.clip((middle - 192).astype(int), 0, len(sound) - 384)
            levels.setdefault(shift, []).append(np.log(power[low + 384] - power[low] + 1e-7))
    frames = np.concatenate(frames)
    frames = np.c_[(frames - frames.mean(0)) / frames.std(0), np.ones(len(frames))]
    for shift in shifts:
        level = np.concatenate(levels[shift])
        rest = level - frames @ np.linalg.lstsq(frames, level, rcond=None)[0]
        lags[f"{shift * 1000:+.0f} ms"] = round(1 - rest.var() / level.var(), 4)
    print(f"computed: {rate:.4f} Hz, feature 0 at {offset * 1000:.2f} ms")
    print(f"disturbed instant: feature 0 at {np.mean(found) * 1000:.1f} ms, "
          f"standard error {np.std(found) / np.sqrt(len(found)) * 1000:.1f} ms; "
          f"{np.mean(spread) * 100:.0f} % of the change lies within 8 features")
    print("level read off the features, R² by shift of the axis:", json.dumps(lags))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--encoder", type=Path, required=True, help="Moonshine's encoder_model.ort")
    parser.add_argument("--dims", type=int, default=96)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--check-time", action="store_true", help="only measure the time axis")
    args = parser.parse_args()
    if not args.encoder.is_file():
        sys.exit(f"{args.encoder}: no such file; see the set-up in this script's head")
    rows, root = english(args.manifest), args.manifest.parent
    if args.check_time:
        check_time(Encoder(args.encoder), root, rows)
        return

    began = time.time()
    rows.sort(key=lambda row: -float(row["seconds"]))  # long ones first: both workers end together
    corpus = {row["path"]: row["corpus"] for row in rows}
    features, seconds = {}, 0.0
    with multiprocessing.Pool(args.jobs, _start, (args.encoder,)) as pool:
        for name, values, length in pool.imap_unordered(_encode, [(root, row["path"]) for row in rows], 8):
            features[name] = values
            seconds += length
            if len(features) % 500 == 0:
                print(f"{len(features)}/{len(rows)} files, {time.time() - began:.0f} s", flush=True)
    encoded = time.time() - began

    count, total, square = 0, 0.0, 0.0
    for name in sorted(features):
        values = features[name].astype(np.float64)
        if not np.isfinite(values).all():
            sys.exit(f"{name}: the encoder gave values that are not finite")
        count += len(values)
        total = total + values.sum(0)
        square = square + values.T @ values
    mean = total / count
    covariance = square / count - np.outer(mean, mean)
    deviation = np.sqrt(np.diag(covariance))
    variance, axes = np.linalg.eigh(covariance / np.outer(deviation, deviation))
    variance, axes = variance[::-1], axes[:, ::-1]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])  # one sign, whatever LAPACK
    kept = variance[: args.dims].sum() / variance.sum()
    projection = axes[:, : args.dims] / np.sqrt(variance[: args.dims]) / deviation[:, None]

    rate, offset = time_axis()
    header = {
        "rate_hz": f"{rate:.6f}",
        "offset_s": f"{offset:.7f}",
        "teacher": "moonshine-voice 0.0.65 tiny-en encoder",
        "level_dbfs": str(LEVEL_DBFS),
        "explained_variance": f"{kept:.4f}",
    }
    args.out.mkdir(parents=True, exist_ok=True)
    for which in sorted(set(corpus.values())):
        tensors = {
            name: ((values.astype(np.float32) - mean) @ projection).astype(np.float16)
            for name, values in features.items()
            if corpus[name] == which
        }
        save_file(tensors, args.out / f"{which}.safetensors", metadata=header)
        print(f"{which}: {len(tensors)} files, {sum(map(len, tensors.values()))} frames")
    save_file(
        {
            "mean": mean.astype(np.float32),
            "projection": np.ascontiguousarray(projection, np.float32),
            "variance": np.ascontiguousarray(variance, np.float32),
        },
        args.out / "pca.safetensors",
        metadata=header,
    )
    steps = {d: round(float(variance[:d].sum() / variance.sum()), 4) for d in (16, 32, 48, 64, 96, 128, 192)}
    report = {
        "rate_hz": rate, "offset_s": offset, "dims": args.dims, "files": len(features), "frames": count,
        "hours": round(seconds / 3600, 3), "explained_variance": round(float(kept), 4), "explained_by_dims": steps,
        "encode_s": round(encoded, 1), "total_s": round(time.time() - began, 1), "jobs": args.jobs,
    }
    (args.out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
