"""Judges the pitch tracker on speakers that no training heard: judge_pitch.py SPEECH CACHE [PITCH_DUMP]

PITCH_DUMP is the built example of another version, to be judged instead. SPEECH is the folder of manifest.csv; what was made once lies in CACHE and is used again. Python, because the judges are
outside estimators that come as Python packages (requirements-pitch.txt).

Of every unseen speaker about 55 s are taken, clean, with noise 10 dB below the voice (white, pink and brown by turns) and
with music 10 dB below it (chords, plucked strings, bass, a drum; made here, and unlike what the training adds). The truth
is the median of the five estimators on the clean sound; a frame is voiced where three of them say so.

Gross: off by more than 20 %; octave: off by 0.74 to 1.26 octaves; both of the frames that tracker and truth call voiced.
Voicing: frames where they differ. "agreed": where the voiced estimators lie within 20 % of each other.
"""

import collections
import csv
import os
import random
import subprocess
import sys

import numpy as np
import scipy.signal
import soundfile
from pitch_corpus import ESTIMATORS, pair, stored

UNSEEN = ("libri-1272", "libri-2035", "libri-174", "so-0306", "ravdess-03", "ravdess-08", "ravdess-17", "nemo-EB0",
          "emodb-03")
SECONDS = 55.0
RATE = 24000
BELOW_DB = 10.0
CONDITIONS = ("clean", "noise", "music")
TRIPLES = (("fcpe", "pesto", "praat"), ("crepe", "pesto", "swift"), ("fcpe", "crepe", "pesto"))
BUILT_HERE = ["cargo", "run", "-q", "--release", "-p", "mien-dsp", "--example", "pitch_dump", "--"]
HERE = os.path.dirname(os.path.abspath(__file__))


def chosen(speech):
    """Paths by speaker, always the same ones."""
    rows = collections.defaultdict(list)
    with open(os.path.join(speech, "manifest.csv"), newline="") as f:
        for row in csv.DictReader(f):
            if row["speaker"] in UNSEEN:
                rows[row["speaker"]].append((row["path"], float(row["seconds"])))
    taken = {}
    for speaker in UNSEEN:
        left, taken[speaker] = SECONDS, []
        files = sorted(rows[speaker])
        random.Random(speaker).shuffle(files)
        for path, seconds in files:
            if left > 0:
                taken[speaker].append(path)
                left -= seconds
    return taken


def noise(count, generator):
    slope = generator.choice([0.0, 0.5, 1.0])
    spectrum = np.fft.rfft(generator.normal(size=count))
    hz = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 60)
    return np.fft.irfft(spectrum / hz**slope, count)


def note(hz, seconds, kind, generator):
    time = np.arange(int(seconds * RATE)) / RATE
    if kind == "pluck":
        period = int(RATE / hz)
        burst = np.zeros(len(time))
        burst[:period] = generator.uniform(-1, 1, min(period, len(time)))[: len(burst[:period])]
        loop = np.zeros(period + 2)
        loop[0], loop[period], loop[period + 1] = 1, -0.498, -0.498
        sound = scipy.signal.lfilter([1.0], loop, burst)
    else:
        tilt, top = (1.0, 3000) if kind == "pad" else (1.6, 900)
        detune = (0.997, 1.003) if kind == "pad" else (1.0,)
        sound = sum(np.sin(2 * np.pi * hz * k * d * time + generator.uniform(0, 6.28)) / k**tilt
                    for k in range(1, 20) for d in detune if hz * k < top)
        sound = sound * np.minimum(1, time / 0.05)
    return sound * np.minimum(1, (seconds - time) / 0.03) / (np.abs(sound).max() + 1e-9)


def music(count, generator):
    out = np.zeros(count + 4 * RATE)
    beat = 60 / generator.uniform(70, 130)
    key = 110 * 2 ** (generator.integers(0, 12) / 12)

    def add(at, sound, gain):
        at = int(at * RATE)
        out[at : at + len(sound)] += gain * sound[: len(out) - at]

    start = 0.0
    while start * RATE < count:
        root = key * 2 ** (generator.choice([0, 5, 7, -3, -4, 2]) / 12)
        third = generator.choice([3, 4])
        chord = [root * 2 ** (step / 12) for step in (0, third, 7, 12)]
        for hz in chord[:3]:
            add(start, note(hz, min(4 * beat, 3.0), "pad", generator), 0.25)
        add(start, note(root / 2, min(2 * beat, 2.0), "bass", generator), 0.6)
        for eighth in range(8):
            add(start + eighth * beat / 2, note(2 * generator.choice(chord), beat, "pluck", generator), 0.35)
            drum = generator.normal(size=int(0.05 * RATE)) * np.exp(-np.arange(int(0.05 * RATE)) / 400)
            add(start + eighth * beat / 2, drum, 0.12)
        start += 4 * beat
    return out[:count]


def active_power(sound):
    """Mean power of the frames within 20 dB of the loudest: pauses do not count."""
    power = (sound[: len(sound) // 240 * 240].reshape(-1, 240) ** 2).mean(1)
    return power[power > power.max() * 0.01].mean()


def write_sounds(speech, cache, names):
    for index, name in enumerate(names):
        if all(os.path.exists(stored(os.path.join(cache, c), name, ".wav")) for c in CONDITIONS):
            continue
        sound, rate = soundfile.read(os.path.join(speech, name), always_2d=True)
        common = np.gcd(rate, RATE)
        sound = scipy.signal.resample_poly(sound.mean(1), RATE // common, rate // common)
        generator = np.random.default_rng(index)
        for condition, make in zip(CONDITIONS, (None, noise, music)):
            mixed = sound
            if make:
                beneath = make(len(sound), generator)
                gain = active_power(sound) / (beneath**2).mean() * 10 ** (-BELOW_DB / 10)
                mixed = sound + np.sqrt(gain) * beneath
            os.makedirs(os.path.join(cache, condition), exist_ok=True)
            mixed = mixed * min(1, 0.99 / np.abs(mixed).max())
            soundfile.write(stored(os.path.join(cache, condition), name, ".wav"), mixed, RATE)


def make_dumps(cache, names, program):
    listed = os.path.join(cache, "wavs.txt")
    with open(listed, "w") as f:
        f.writelines(name.replace("/", "_") + ".wav\n" for name in names)
    for condition in CONDITIONS:
        folder = os.path.join(cache, condition)
        done = subprocess.run(program + [listed, folder, folder], check=True, cwd=HERE, capture_output=True, text=True)
        print(f"{condition}: {done.stdout.strip()}")
        for name in names:
            os.replace(stored(folder, name, ".wav.f32"), stored(folder, name, ".f32"))


def figures(truth, spread, pitch):
    both = (truth > 0) & (pitch > 0)
    ratio = pitch[both] / truth[both]
    gross, octave = np.abs(ratio - 1) > 0.2, np.abs(np.abs(np.log2(ratio)) - 1) < 0.26
    agreed = spread[both] < 1.2
    fine = 1200 * np.abs(np.log2(ratio[~gross]))
    return (f"{len(truth):6} frames, {both.sum():5} voiced in both, gross {100 * gross.mean():5.2f} %, "
            f"octave {100 * octave.mean():5.2f} %, voicing {100 * ((truth > 0) != (pitch > 0)).mean():5.2f} %, "
            f"fine {np.median(fine):4.1f} cents; agreed: gross {100 * gross[agreed].mean():5.2f} %, "
            f"octave {100 * octave[agreed].mean():5.2f} %")


def judge(cache, taken):
    references = os.path.join(cache, "refs")

    def gather(names, condition, estimators=ESTIMATORS):
        found = [pair(os.path.join(cache, condition), references, name, 3, estimators=estimators) for name in names]
        return (np.concatenate(part) for part in zip(*((t, s, v[:, 0]) for t, s, _, v in found)))

    everything = [name for names in taken.values() for name in names]
    corpora = collections.defaultdict(list)
    for speaker, names in taken.items():
        corpora[speaker.split("-")[0]] += names
    for condition in CONDITIONS:
        for corpus, names in corpora.items():
            print(f"{condition:6} {corpus:8} {figures(*gather(names, condition))}")
        print(f"{condition:6} {'all':8} {figures(*gather(everything, condition))}")
    for triple in TRIPLES:
        print(f"clean against {'+'.join(triple)}: {figures(*gather(everything, 'clean', triple))}")


def main():
    speech, cache = sys.argv[1:3]
    taken = chosen(speech)
    names = [name for speaker in taken.values() for name in speaker]
    references = os.path.join(cache, "refs")
    if not all(os.path.exists(stored(references, name, ".npz")) for name in names):
        from pitch_reference import write_references  # loads five networks

        write_references(names, speech, references)
    write_sounds(speech, cache, names)
    make_dumps(cache, names, sys.argv[3:4] or BUILT_HERE)
    judge(cache, taken)


if __name__ == "__main__":
    main()
