"""Writes synthetic voices with known pitch over the whole range: pitch_synthetic.py OUT REFERENCES > LIST

Speech seldom goes beyond 500 Hz, and the estimators do not reach below 60 Hz; these clips fill the edges.
"""

import os
import sys

import numpy as np
import soundfile
from pitch_corpus import ESTIMATORS, VOICED_FROM, stored

out, references = sys.argv[1:3]
os.makedirs(out, exist_ok=True)
rate, seconds = 24000, 2.0
for clip in range(80):
    random = np.random.default_rng(clip)
    time = np.arange(int(rate * seconds)) / rate
    octave = random.uniform(0.1, 3.95) + np.interp(time, np.linspace(0, seconds, 7), random.normal(0, 0.15, 7))
    octave += 0.02 * random.random() * np.sin(2 * np.pi * random.uniform(3, 7) * time)
    f0 = 60 * 2 ** np.clip(octave, 0.03, 4.0)
    phase = 2 * np.pi * np.cumsum(f0) / rate
    formants = [(random.uniform(*band), random.uniform(60, 200)) for band in ((250, 900), (800, 2300), (2200, 3300))]
    slope = random.uniform(0.3, 1.8)
    sound = np.zeros_like(time)
    for k in range(1, 80):
        hz = k * f0
        gain = sum(1 / (1 + ((hz - centre) / width) ** 2) for centre, width in formants) + 0.05
        sound += np.where(hz < 8000, gain / k**slope, 0) * np.sin(k * phase + random.uniform(0, 2 * np.pi))
    sound *= 0.3 / np.abs(sound).max()
    sound += random.normal(0, 1, len(time)) * sound.std() * 10 ** (-random.uniform(15, 60) / 20)
    name = f"synthetic_{clip:03}.wav"
    soundfile.write(os.path.join(out, name), sound, rate)
    truth = f0[120 :: 240][: int(seconds * 100) - 1].astype(np.float32)
    tracks = {k: truth for k in ESTIMATORS} | {k + "_c": np.ones_like(truth) for k in VOICED_FROM}
    np.savez(stored(references, name, ".npz"), **tracks)
    print(name)
