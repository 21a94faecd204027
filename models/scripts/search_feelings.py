#!/usr/bin/env python3
"""Searches what a feeling does to delivery: the numbers of `[emotion.performed.NAME]` in a recipe.

Python, because the ears it asks come as Python packages only. The numbers have meanings (octaves, nepers, semitones;
see `EmotionProsody` and `EmotionColour`), and there are few of them: networks that pleased a classifier were
pleased by what nobody hears, numbers that mean something are not so easily.

What it does
  1. takes neutral recordings of training actors, as many men as women, none of them in --leave-out,
  2. has them said by `models/examples/perform.rs` in voices of the pack, or in their own, with numbers that CMA-ES
     (Hansen 2016) proposes,
  3. asks two ears, each fitted on natural acted speech of all other actors: Moonshine's encoder and the hidden values of
     Resemblyzer's network. The wanted feeling shall be probable to both,
  4. takes away for likeness lost beyond --likeness, and a little for numbers far from nothing.

Whisper's encoder and openSMILE, the ears of judge.py, have no part in it.

Set-up
  V/bin/pip install -r models/scripts/requirements-judges.txt cma==4.5.0, and Moonshine's weights as teacher.py tells
  cargo build --release -p mien-models --example perform

Use
  V/bin/python models/scripts/search_feelings.py speech/manifest.csv PACK happy found.json \
      --encoder W/moonshine_voice/assets/tiny-en/encoder_model.ort --leave-out ravdess-03,ravdess-08,ravdess-17
"""

import argparse
import csv
import hashlib
import json
import struct
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from emotion_judge import CLASSES, RATE, acted, copies, fitted, speech_alone
from judge import load

# Name, unit of one step of the search, least and most: what a voice bears without breaking.
NUMBERS = [
    ("pitch_shift", 0.15, -0.4, 0.6),
    ("pitch_range", 0.25, -0.7, 0.8),
    ("accent", 0.03, -0.04, 0.1),
    ("phrase_slope", 0.06, -0.15, 0.15),
    ("loudness_shift", 0.6, -2.0, 2.0),
    ("loudness_range", 0.15, -0.4, 0.3),
    ("effort", 0.8, -4.0, 4.5),
    ("tremor", 0.004, 0.0, 0.012),
    ("vibrato", 0.006, 0.0, 0.012),
    ("jitter", 0.004, 0.0, 0.015),
    ("timbre", 0.5, -2.0, 1.2),
    # More of these and words are lost, which no ear here hears.
    ("acting", 0.8, 0.0, 3.0),
    ("acting_slope", 0.8, 0.0, 2.8),
    ("tilt", 0.2, -0.4, 0.35),
    ("tilt_follow", 0.08, -0.15, 0.25),
    ("formants", 0.6, -1.5, 1.5),
    ("contrast", 0.15, -0.3, 0.4),
    ("sharpness", 0.2, -0.4, 0.45),
    ("breath", 0.4, -0.6, 0.5),
]
# The ears hear no level, and a converted voice has few takes that sound like either; so that the search does not turn
# round what is known of feelings (Juslin and Laukka 2003, table 7), some numbers keep their sign.
KNOWN = {
    "happy": {"pitch_shift": (0.1, 0.6), "pitch_range": (0.1, 0.8), "loudness_shift": (0.2, 2.0), "tilt": (-0.2, 0.35)},
    "sad": {"pitch_range": (-0.7, 0.0), "effort": (-4.0, 2.5), "loudness_shift": (-2.0, -0.4), "tilt": (-0.4, 0.1)},
    "angry": {"pitch_shift": (0.0, 0.6), "loudness_shift": (0.6, 2.0), "effort": (0.0, 4.5), "tilt": (0.0, 0.35), "vibrato": (0.0, 0.004)},
    "fearful": {"pitch_shift": (0.1, 0.6), "loudness_shift": (-0.8, 0.8)},
}
OUT_RATE = 24_000
# Actors that are converted, recordings of each, renderings that one proposal is judged by, and how many of those are
# said at half strength too.
ACTORS, RECORDINGS, RENDERINGS, HALVES = 6, 2, 12, 4
TARGET_SPEAKERS = (
    "Ardith=kokoro-af_heart,Mikkel=kokoro-am_michael,Emmeline=kokoro-bf_emma,"
    "Joris=kokoro-bm_george,Sorrel=kokoro-af_sarah,Perrin=kokoro-am_puck"
)
# Models of each ear, each fitted on half of the actors: what pleases one of them by chance does not please all.
MODELS = 6
# Recordings that stand for a voice.
TARGETS = 10
# What a step away from nothing costs, and a hundredth of likeness beyond what may be lost, in nats.
EFFORT, UNLIKE = 0.005, 0.1
# What it costs that half the strength is heard less than none, or the whole less than half, in nats a nat.
DISORDER = 0.5
# How much less the likeness to oneself counts: it begins at one, where a voice's is lower.
OWN = 0.3


class Moonshine:
    """Mean, spread and mean change of the recogniser's 288 values. Weighs most: it agrees with Whisper's encoder about
    converted speech (correlation of log probabilities 0.6 to 0.7), where Resemblyzer and openSMILE hardly do (-0.1 to 0.1)."""

    name, penalty, weight = "moonshine", 3e-3, 0.85

    def __init__(self, encoder):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(encoder, options)

    def describe(self, sound):
        mask = np.ones((1, len(sound)), np.int64)
        return pooled(self.session.run(None, {"input_values": sound[None], "attention_mask": mask})[0][0])


class Resemblyzer:
    """The same of the hidden values of a network that tells speakers, and of the mel it hears. Also measures likeness."""

    name, penalty, weight = "resemblyzer", 3e-3, 0.15

    def __init__(self, _):
        import torch
        from resemblyzer import VoiceEncoder, audio, preprocess_wav

        torch.set_num_threads(1)
        self.torch, self.audio, self.prepare = torch, audio, preprocess_wav
        self.network = VoiceEncoder("cpu", verbose=False)

    def describe(self, sound):
        mel = self.audio.wav_to_mel_spectrogram(sound)
        with self.torch.no_grad():
            hidden, _ = self.network.lstm(self.torch.from_numpy(mel)[None])
        return np.concatenate([pooled(hidden[0].numpy()), pooled(np.log(mel + 1e-6))])

    def voice(self, sound):
        return self.network.embed_utterance(self.prepare(sound, source_sr=RATE))


def pooled(values):
    return np.concatenate([values.mean(0), values.std(0), np.abs(np.diff(values, axis=0)).mean(0)])


class Listeners:
    """The ears, fitted on `rows`."""

    def __init__(self, root, rows, encoder, cache):
        self.ears = [ear(encoder) for ear in (Moonshine, Resemblyzer)]
        feelings = np.array([row["emotion"] for row in rows])
        speakers = np.array([row["speaker"] for row in rows])
        names = sorted(set(speakers))
        random = np.random.default_rng(0)
        halves = [np.isin(speakers, random.permutation(names)[: len(names) // 2]) for _ in range(MODELS)]

        features = self._features(root, rows, cache)
        self.models = [
            [fitted(ear.penalty, values[half], feelings[half]) for half in halves] for ear, values in zip(self.ears, features)
        ]
        self.classes = self.models[0][0].classes_.tolist()
        self.weights = np.array([ear.weight for ear in self.ears])

    def _features(self, root, rows, cache):
        """As `Feelings` of emotion_judge.py has them, for each ear."""
        key = hashlib.sha256("\n".join(["with copies", *(row["path"] for row in rows)]).encode()).hexdigest()[:16]
        kept = [Path(cache) / f"search-{ear.name}-{key}.npy" for ear in self.ears]
        if all(path.exists() for path in kept):
            return [np.load(path) for path in kept]
        kept[0].parent.mkdir(parents=True, exist_ok=True)
        features = [[] for _ in self.ears]
        for seed, row in enumerate(rows):
            sounds = [speech_alone(copy) for copy in copies(load(root / row["path"]), seed)]
            for ear, values in zip(self.ears, features):
                values.append([ear.describe(sound) for sound in sounds])
        features = [np.array(values, np.float32) for values in features]
        for path, values in zip(kept, features):
            np.save(path, values)
        return features

    def hear(self, sound):
        """The log of the share of each class, `[ears, classes]`, and the voice."""
        voice = self.ears[1].voice(sound)
        sound = speech_alone(sound)
        described = [ear.describe(sound) for ear in self.ears]
        shares = [
            np.mean([np.log(model.predict_proba(values[None])[0] + 1e-3) for model in models], axis=0)
            for values, models in zip(described, self.models)
        ]
        return np.array(shares), voice


class Performer:
    """`perform` with the sounds it has heard."""

    def __init__(self, program, pack, sounds):
        self.process = subprocess.Popen([program, pack, *map(str, sounds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def say(self, sound, voice, emotion=None, strength=1.0, prosody=None):
        import soxr

        job = {"sound": sound, "voice": voice, "emotion": emotion, "strength": strength, "prosody": prosody}
        self.process.stdin.write((json.dumps(job) + "\n").encode())
        self.process.stdin.flush()
        length = struct.unpack("<I", self._read(4))[0]
        samples = np.frombuffer(self._read(4 * length), "<f4")
        return soxr.resample(samples, OUT_RATE, RATE).astype(np.float32)

    def _read(self, length):
        data = self.process.stdout.read(length)
        if len(data) < length:
            raise SystemExit("perform stopped; its message is above")
        return data


def neutral_takes(rows):
    """Paths of neutral recordings of as many men as women, one for each sentence."""
    actors = {}
    for row in rows:
        if row["emotion"] == "neutral":
            actors.setdefault((row["gender"], row["speaker"]), {}).setdefault(row["text"], row)
    by_gender = {g: sorted(a for a in actors if a[0] == g) for g in {a[0] for a in actors}}
    chosen = [actor for group in by_gender.values() for actor in group[: ACTORS // len(by_gender)]]
    return [row for actor in chosen for row in list(actors[actor].values())[:RECORDINGS]]


def voices_of(manifest, targets, listeners):
    """What each of `targets`, names and whose they are, sounds like, from its own recordings."""
    with open(manifest, newline="") as file:
        rows = list(csv.DictReader(file))
    middles = {}
    for name, speaker in targets.items():
        paths = [row["path"] for row in rows if row["speaker"] == speaker][:TARGETS]
        middle = np.mean([listeners.ears[1].voice(load(manifest.parent / path)) for path in paths], axis=0)
        middles[name] = middle / np.linalg.norm(middle)
    return middles


def limits(emotion):
    """Least and most of each number, in steps."""
    known = KNOWN[emotion]
    pairs = [(known.get(name, (least, most)), step) for name, step, least, most in NUMBERS]
    return [[least / step for (least, _), step in pairs], [most / step for (_, most), step in pairs]]


def prosody_of(point):
    """The numbers of a point whose axes are steps."""
    return {name: float(x * step) for x, (name, step, _, _) in zip(point, NUMBERS)}


def point_of(prosody):
    return np.array([prosody.get(name, 0.0) / step for name, step, _, _ in NUMBERS])


def pack_prosody(pack, emotion):
    """What the pack's own emotion file does."""
    names = ["happy", "sad", "angry", "fearful", "surprised", "disgusted", "calm"]
    path = Path(pack).with_suffix("").with_suffix(".emotion.mien")
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    return json.loads(header["__metadata__"]["mien.card"])["prosody"][names.index(emotion)]


def main():
    warnings.filterwarnings("ignore")
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("manifest", type=Path)
    options.add_argument("pack")
    options.add_argument("emotion", choices=CLASSES[1:])
    options.add_argument("found", type=Path, help="where the numbers are written, best so far")
    options.add_argument("--encoder", required=True, help="Moonshine's encoder_model.ort")
    options.add_argument("--leave-out", default="", help="actors that neither are converted nor teach the ears")
    options.add_argument("--targets", default=TARGET_SPEAKERS, help="voices to convert to, and whose they are; none for the own voice")
    options.add_argument("--perform", default="target/release/examples/perform")
    options.add_argument("--minutes", type=float, default=20.0)
    options.add_argument("--likeness", type=float, default=0.06, help="likeness to the voice that may be lost")
    options.add_argument("--begin", type=Path, help="numbers to begin at, as this program writes them")
    options.add_argument("--spread", type=float, default=0.8, help="of the first proposals, in steps")
    options.add_argument("--cache", default="search-cache")
    options.add_argument("--seed", type=int, default=1)
    arguments = options.parse_args()

    import cma

    rows = acted(arguments.manifest, set(filter(None, arguments.leave_out.split(","))))
    takes = neutral_takes([row for row in rows if row["corpus"] == "ravdess"] or rows)
    heard = {row["speaker"] for row in takes}
    others = [row for row in rows if row["speaker"] not in heard]
    root = arguments.manifest.parent
    listeners = Listeners(root, others, arguments.encoder, arguments.cache)
    performer = Performer(arguments.perform, arguments.pack, [root / row["path"] for row in takes])
    wanted = listeners.classes.index(arguments.emotion)
    targets = dict(pair.split("=") for pair in filter(None, arguments.targets.split(",")))
    voices = list(targets) or ["Yourself"]
    plain = {}

    def before(sound, voice):
        if (sound, voice) not in plain:
            plain[sound, voice] = listeners.hear(performer.say(sound, voice))
        return plain[sound, voice]

    middles = voices_of(arguments.manifest, targets, listeners)

    def target(sound, voice):
        return before(sound, voice)[1] if voice == "Yourself" else middles[voice]

    def judge(prosody, cases, halves=0):
        """Mean log share of the wanted feeling, share of cases heard rightly, likeness lost, and disorder of the
        steps of strength in the first `halves` of the cases."""
        shares, lost, right, disorder = [], [], [], []
        for number, (sound, voice) in enumerate(cases):
            said = performer.say(sound, voice, arguments.emotion, 1.0, prosody)
            logs, sounds_like = listeners.hear(said)
            shares.append(listeners.weights @ logs[:, wanted])
            right.append(logs.argmax(1) == wanted)
            goal = target(sound, voice)
            less = float((before(sound, voice)[1] - sounds_like) @ goal)
            lost.append(less * (OWN if voice == "Yourself" else 1.0))
            if number < halves:
                half, _ = listeners.hear(performer.say(sound, voice, arguments.emotion, 0.5, prosody))
                none, half = (listeners.weights @ heard[:, wanted] for heard in (before(sound, voice)[0], half))
                disorder.append(max(0.0, none - half) + max(0.0, half - shares[-1]))
        return float(np.mean(shares)), np.mean(right, axis=0), float(np.mean(lost)), float(np.mean(disorder or [0.0]))

    random = np.random.default_rng(arguments.seed)
    all_cases = [(s, v) for s in range(len(takes)) for v in voices]
    start = point_of(json.loads(arguments.begin.read_text()) if arguments.begin else pack_prosody(arguments.pack, arguments.emotion))
    bounds = limits(arguments.emotion)
    start = np.clip(start, bounds[0], bounds[1])
    print("begins", judge(prosody_of(start), all_cases), flush=True)
    search = cma.CMAEvolutionStrategy(
        start, arguments.spread, {"bounds": bounds, "popsize": 12, "seed": arguments.seed, "verbose": -9}
    )
    until = time.monotonic() + 60 * arguments.minutes
    generation = 0
    while time.monotonic() < until and not search.stop():
        # All proposals of a generation meet the same cases, or luck would choose among them.
        cases = [(int(s), voices[i % len(voices)]) for i, s in enumerate(random.integers(len(takes), size=RENDERINGS))]
        points, costs = search.ask(), []
        for point in points:
            share, right, lost, disorder = judge(prosody_of(point), cases, HALVES)
            unlike = max(0.0, lost - arguments.likeness) * 100 * UNLIKE
            costs.append(-share + unlike + DISORDER * disorder + EFFORT * float(np.square(point).sum()))
        search.tell(points, costs)
        generation += 1
        found = prosody_of(search.result.xfavorite)
        arguments.found.write_text(json.dumps({k: round(v, 4) for k, v in found.items()}, indent=1))
        print(generation, f"cost {np.mean(costs):.3f}, least {min(costs):.3f}", f"last lost {lost:.3f} heard {right.round(2)}", flush=True)
    print("ends", judge(prosody_of(search.result.xfavorite), all_cases), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
