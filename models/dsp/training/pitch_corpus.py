"""What the scripts beside this one share: reading reference tracks and the dumps of `pitch_dump`."""

import os
import warnings

import numpy as np

CANDIDATES, PER_CANDIDATE = 12, 20
ESTIMATORS = ("fcpe", "crepe", "pesto", "praat", "swift")
# Without the slow one: enough to teach.
TEACHERS = ("fcpe", "pesto", "praat", "swift")
# Confidence from which on each of these calls a frame voiced; chosen on readers of LibriSpeech, where each agrees best
# with fcpe and Praat, which decide themselves.
VOICED_FROM = {"pesto": 0.2, "crepe": 0.4, "swift": 0.35}


def lines(path):
    with open(path) as f:
        return [line.strip() for line in f if line.strip()]


def stored(folder, name, ending):
    return os.path.join(folder, name.replace("/", "_") + ending)


def reference(folder, name, estimators=ESTIMATORS):
    """At 5, 15, 25 … ms: median pitch (0 where the majority says unvoiced), highest over lowest estimate, and how many
    call it voiced."""
    data = np.load(stored(folder, name, ".npz"))
    voiced = [data[k + "_c"] > VOICED_FROM[k] if k in VOICED_FROM else data[k] > 0 for k in estimators]
    pitch = np.stack([np.where(v, data[k].astype(float), np.nan) for k, v in zip(estimators, voiced)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        median, spread = np.nanmedian(pitch, 0), np.nanmax(pitch, 0) / np.nanmin(pitch, 0)
    votes = sum(v.astype(int) for v in voiced)
    return np.where(2 * votes > len(estimators), median, 0), spread, votes


def dump(folder, name, width):
    # Hop n is for (n + 1) * 10 - 25 ms: hop 2 is the first one of the reference.
    return np.fromfile(stored(folder, name, ".f32"), np.float32).reshape(-1, width)[2:]


def pair(folder, references, name, width, speed=1.0, estimators=ESTIMATORS):
    """Reference (pitch, spread, votes) and dump at the same instants; the dump may be of the sound played faster."""
    pitch, spread, votes = reference(references, name, estimators)
    values = dump(folder, name, width)
    at = np.round((0.5 + np.arange(len(values))) * speed - 0.5).astype(int)
    at = at[at < len(pitch)]
    return pitch[at] * speed, spread[at], votes[at], values[: len(at)]
