"""Writes synthetic voices with known pitch over the whole range: pitch_synthetic.py OUT REFERENCES > LIST

Speech seldom goes beyond 500 Hz, and the estimators do not reach below 60 Hz; nor does speech hold a note. These clips
fill that: even, gliding, wandering and trembling pitches from 60 Hz to 1 kHz, many at the edges, with weak
fundamentals, single strong harmonics, missing even ones and pulses that differ by turns; with gaps or without.
"""

import os
import sys

import numpy as np
import soundfile
from pitch_corpus import ESTIMATORS, VOICED_FROM, stored

RATE, SECONDS, CLIPS = 24000, 1.5, 400
TOP = np.log2(1000 / 60)


def course(random, time):
    """The pitch at each sample."""
    octave = random.choice([random.uniform(0.01, TOP - 0.01), random.uniform(0.01, 0.7), random.uniform(TOP - 0.4, TOP - 0.01)],
                           p=[0.7, 0.18, 0.12])
    kind = random.choice(["even", "glide", "vibrato", "wander"], p=[0.45, 0.2, 0.2, 0.15])
    if kind == "glide":
        octave = octave + random.uniform(-2, 2) * (time / SECONDS - random.random())
    elif kind == "vibrato":
        octave = octave + random.uniform(0.01, 0.1) * np.sin(2 * np.pi * (random.uniform(1.5, 7) * time + random.random()))
    elif kind == "wander":
        octave = octave + np.interp(time, np.linspace(0, SECONDS, 7), random.normal(0, 0.15, 7))
    return 60 * 2 ** np.clip(octave + 0 * time, 0.005, TOP - 0.002)


def gains(random, f0):
    """How loud each harmonic is, (harmonics, samples)."""
    number = np.arange(1, 81)[:, None]
    hz = number * f0[None]
    loud = 1 / number ** random.uniform(0.3, 1.8)
    if random.random() < 0.6:
        formants = [(random.uniform(*band), random.uniform(60, 200)) for band in ((250, 900), (800, 2300), (2200, 3300))]
        loud = loud * (sum(1 / (1 + ((hz - centre) / width) ** 2) for centre, width in formants) + 0.05)
    else:
        loud = loud * np.ones_like(hz)
    if random.random() < 0.3:
        loud[0] *= 10 ** (-random.uniform(10, 40) / 20)
    if random.random() < 0.35:
        strong = random.integers(1, 6)
        loud[strong] = loud[:2].max(0) * random.uniform(1.0, 5.0)
    if random.random() < 0.15:
        loud[1::2] *= random.uniform(0.1, 0.6)
    return np.where((hz < random.choice([2500, 5000, 8000])) | (number == 1), loud, 0)


def envelope(random, time):
    if random.random() < 0.6:
        return np.ones_like(time)
    # Voiced stretches with gaps between, and a level that changes.
    edges = np.cumsum(random.uniform(0.12, 0.5, 16)) - random.uniform(0, 0.4)
    on = (np.searchsorted(edges, time) % 2).astype(float)
    ramp = np.hanning(int(RATE * random.uniform(0.01, 0.04)))
    level = 10 ** (np.interp(time, np.linspace(0, SECONDS, 6), random.uniform(-12, 0, 6)) / 20)
    return np.convolve(on, ramp / ramp.sum(), "same") * level


def main():
    out, references = sys.argv[1:3]
    os.makedirs(out, exist_ok=True)
    time = np.arange(int(RATE * SECONDS)) / RATE
    for clip in range(CLIPS):
        random = np.random.default_rng(clip)
        f0 = course(random, time)
        phase = 2 * np.pi * np.cumsum(f0) / RATE
        shift = random.uniform(0, 2 * np.pi, 80) * (random.random() < 0.5)
        sound = np.zeros_like(time)
        for k, gain in enumerate(gains(random, f0)):
            if gain.any():
                sound += gain * np.sin((k + 1) * phase + shift[k])
        if random.random() < 0.2:
            from_here = time > random.choice([0.0, random.uniform(0, SECONDS)])
            sound *= 1 + random.uniform(0.05, 0.3) * from_here * np.sin(0.5 * phase)
        shape = envelope(random, time)
        sound *= shape / np.abs(sound).max()
        if random.random() < 0.7:
            sound += random.normal(0, 1, len(time)) * sound.std() * 10 ** (-random.uniform(15, 60) / 20)
        sound *= 10 ** random.uniform(-2.2, -0.2) / np.abs(sound).max()
        name = f"synthetic_{clip:03}.wav"
        soundfile.write(os.path.join(out, name), sound, RATE, subtype="FLOAT")
        at = slice(120, None, 240)
        voiced = shape[at] > 0.1
        truth = np.where(voiced, f0[at], 0)[: int(SECONDS * 100) - 1].astype(np.float32)
        tracks = {k: truth for k in ESTIMATORS}
        tracks |= {k + "_c": (truth > 0).astype(np.float32) for k in VOICED_FROM}
        np.savez(stored(references, name, ".npz"), **tracks)
        print(name)


if __name__ == "__main__":
    main()
