#!/usr/bin/env python3
"""Searches what a feeling does to delivery: the numbers of `[emotion.performed.NAME]` (and `performed_low`, `performed_own`) in a recipe.

Python, because the ears it asks come as Python packages only. The numbers have meanings (octaves, nepers, semitones;
see `EmotionProsody` and `EmotionColour`), and there are few of them: networks that pleased a classifier were
pleased by what nobody hears, numbers that mean something are not so easily.

What it does
  1. takes neutral recordings of training actors, as many men as women, none of them in --leave-out,
  2. has them said by `models/examples/perform.rs`, after others of the same speaker, in low or high voices of the pack, or in their own,
     with numbers that CMA-ES (Hansen 2016) proposes, or, with --by-turns, with one number after the other a step further or back,
  3. asks three ears, each fitted on natural acted speech of other actors: Moonshine's encoder, the hidden values of
     Resemblyzer's network, and what phonetics measures of a voice. The wanted feeling shall be probable to all, and more so with each half of the strength,
  4. takes away for words lost, for likeness lost beyond --likeness, and a little for numbers far from nothing. Words are asked
     of Moonshine's decoder: how probable it finds, in what is said, what it hears in the recording itself. Readers are said for that, too.

Whisper's encoder and openSMILE, the ears of judge.py, have no part in it.

Set-up
  V/bin/pip install -r models/scripts/requirements-judges.txt cma==4.5.0 praat-parselmouth==0.4.7, and Moonshine's weights as teacher.py tells
  cargo build --release -p mien-models --example perform

Use
  V/bin/python models/scripts/search_feelings.py speech/manifest.csv PACK happy found.json \
      --moonshine W/moonshine_voice/assets/tiny-en --leave-out libri-1272,libri-2035,libri-174,so-0306,ravdess-01,…
  (the held_out_speakers of the recipe; --begin FILE with numbers of one's own, else those of the pack)
"""

import argparse
import functools
import hashlib
import json
import os
import struct
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotion_judge import CLASSES, RATE, acted, copies, emotions_of, english, fitted, mel_bands, recordings, speech_alone
from judge import load

# Name, unit of one step of the search, least and most: what a voice bears without breaking.
NUMBERS = [
    ("pitch_shift", 0.15, -0.4, 0.9),
    ("pitch_range", 0.25, -1.4, 0.8),
    ("accent", 0.03, -0.04, 0.15),
    ("phrase_slope", 0.06, -0.15, 0.15),
    ("loudness_shift", 0.6, -2.0, 2.0),
    ("loudness_range", 0.15, -0.45, 0.4),
    ("effort", 0.8, -4.0, 4.5),
    ("tremor", 0.004, 0.0, 0.012),
    ("vibrato", 0.006, 0.0, 0.012),
    ("jitter", 0.004, 0.0, 0.015),
    ("breaks", 0.8, 0.0, 3.0),
    ("perturbation", 0.008, 0.0, 0.025),
    ("roughness", 0.2, 0.0, 0.9),
    ("timbre", 0.5, -2.0, 1.2),
    ("acting", 0.8, 0.0, 4.0),
    ("acting_slope", 0.8, 0.0, 4.0),
    ("tilt", 0.2, -0.4, 0.35),
    ("tilt_follow", 0.08, -0.15, 0.25),
    ("formants", 0.6, -1.5, 1.5),
    ("contrast", 0.15, -0.3, 0.4),
    ("sharpness", 0.2, -0.4, 0.6),
    ("breath", 0.4, -0.6, 0.5),
]
# The ears hear no level, and a converted voice has few takes that sound like either; so that the search does not turn
# round what is known of feelings (Juslin and Laukka 2003, table 7), some numbers keep their sign. Sadness is at most 3 dB softer than
# the neutral take, the others no softer, as strong acting is (docs/emotion.md, "Level"): what is quiet is nearer to the room, which ears without level like.
KNOWN = {
    "happy": {"pitch_shift": (0.1, 0.6), "pitch_range": (0.1, 0.8), "loudness_shift": (0.4, 2.0), "tilt": (-0.2, 0.35)},
    "sad": {"pitch_range": (-1.4, 0.0), "effort": (-4.0, 2.5), "loudness_shift": (-0.7, 0.3), "tilt": (-0.4, 0.1)},
    "angry": {"pitch_shift": (0.0, 0.6), "loudness_shift": (0.8, 2.0), "effort": (0.0, 4.5), "tilt": (0.0, 0.35), "vibrato": (0.0, 0.004)},
    "fearful": {"pitch_shift": (0.1, 0.9), "loudness_shift": (0.0, 1.5)},
}
OUT_RATE = 24_000
# Actors that are converted, recordings of each, renderings that one proposal is judged by, and how many of those are
# said at half strength too.
ACTORS, RECORDINGS, RENDERINGS, HALVES = 20, 2, 16, 5
# Readers that are said for the words' sake, how many of them for one proposal, and how long their recordings are, in seconds.
READERS, READINGS, READING_SECONDS = 16, 4, (2.5, 5.0)
# Seconds that the speaker has spoken before what is judged, at least where he has said as much.
BEFORE = 8.0
# Voices to convert to and whose they are: feelings in low voices, in high ones and in the speaker's own have numbers of their own.
TARGET_SPEAKERS = {
    "low": "Mikkel=kokoro-am_michael,Joris=kokoro-bm_george,Perrin=kokoro-am_puck",
    "high": "Ardith=kokoro-af_heart,Emmeline=kokoro-bf_emma,Sorrel=kokoro-af_sarah",
    "own": "",
}
# What the pack's card calls the numbers.
CARD = {"low": "low_prosody", "high": "prosody", "own": "own_prosody"}
# Pairs of models of each ear; each of a pair is fitted on half of the actors, and hears those of the other half. What pleases one
# of them by chance does not please all.
PAIRS = 3
# Renderings that what a search begins and ends with is told by.
TOLD = 96
# Recordings that stand for a voice.
TARGETS = 10
# What a step away from nothing costs, and a hundredth of likeness beyond what may be lost, in nats.
EFFORT, UNLIKE = 0.005, 0.1
# What lost words cost, in nats a nat of a token, and what of them is free. Of eight training readers said with what earlier rounds had
# found, 0.02 nats were one point of the words by Whisper in a voice, 0.04 in the own. In voices they are dearer than that: the sixth round,
# which paid 5 and had 0.1 nats free, lost twice as many words of fear as these readers had told.
WORDLESS, FREE_WORDS = 7.0, 0.05
OWN_WORDLESS, OWN_FREE_WORDS = 2.5, 0.2
# What it costs that half the strength is not heard more than none by a step, in nats, or the whole more than half.
DISORDER, STEP = 1.5, 0.3
# How much less the likeness to oneself counts: it begins at one, where a voice's is lower.
OWN = 0.3
# The prices of --by-turns, which knows no limits: whatever a feeling costs in one table is not there for the others. Nats for a
# hundredth of likeness, for a nat of words, and for what of that is beyond DEAR_WORDS; what cost must fall by for a number to move.
EVEN_UNLIKE, EVEN_WORDLESS, DEAR_WORDLESS, DEAR_WORDS, GAIN = 0.05, 1.0, 5.0, 0.15, 0.012
# Renderings that it judges a number by, how many of those are said at half strength too, its first step and the least.
TURN_RENDERINGS, TURN_HALVES, TURN_STEP, LEAST_STEP = 54, 14, 0.8, 0.25


class Moonshine:
    """Mean, spread and mean change of the recogniser's 288 values. Weighs most: it agrees with Whisper's encoder about
    converted speech (correlation of log probabilities 0.7 to 0.8, both fitted with copies), Resemblyzer less (0.4 to 0.6)."""

    name, penalty, weight = "moonshine", 3e-3, 0.6
    # Tokens of its vocabulary, and more than any recording here has.
    begin, end, longest = 1, 2, 100

    def __init__(self, folder):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.encoder, self.decoder = (
            onnxruntime.InferenceSession(folder / name, options) for name in ("encoder_model.ort", "decoder_model_merged.ort")
        )
        # The decoder wants what it said before even when there is nothing.
        self.nothing = {
            wanted.name: np.zeros((1, wanted.shape[1], 0, wanted.shape[3]), np.float32)
            for wanted in self.decoder.get_inputs()
            if wanted.name.startswith("past_key_values")
        }

    def describe(self, sound):
        return pooled(self._encode(sound)[0])

    def read(self, sound):
        """The tokens it hears."""
        hidden, tokens = self._encode(sound), [self.begin]
        while tokens[-1] != self.end and len(tokens) < self.longest:
            tokens.append(int(self._follow(hidden, tokens)[-1].argmax()))
        return tokens

    def surprise(self, sound, tokens):
        """Mean negative log probability of `tokens`, as `read` gives them, in nats."""
        logits = self._follow(self._encode(sound), tokens[:-1]).astype(np.float64)
        logits -= logits.max(1, keepdims=True)
        logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        return -float(np.mean(logs[np.arange(len(logs)), tokens[1:]]))

    def _encode(self, sound):
        return self.encoder.run(None, {"input_values": sound[None], "attention_mask": np.ones((1, len(sound)), np.int64)})[0]

    def _follow(self, hidden, tokens):
        heard = {
            "encoder_hidden_states": hidden,
            "encoder_attention_mask": np.ones((1, hidden.shape[1]), np.int64),
            "input_ids": np.array([tokens], np.int64),
            "use_cache_branch": np.array([False]),
        }
        return self.decoder.run(["logits"], {**heard, **self.nothing})[0][0]


class Resemblyzer:
    """The same of the hidden values of a network that tells speakers, and of the mel it hears. Also measures likeness."""

    name, penalty, weight = "resemblyzer", 3e-3, 0.1

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


class Acoustics:
    """What phonetics measures, by Praat's algorithms (Boersma and Weenink): pitch and its movement, jitter, shimmer, harmonicity, formants, level and
    its movement, cepstra of voiced and unvoiced sounds. Knows no network: it hears what theirs do not."""

    name, penalty, weight = "acoustics", 3e-2, 0.3
    hop, cepstra = 0.01, 14
    # Nepers of power under the loudest frame at which speech ends.
    speech = 9.0

    def __init__(self, _):
        pass

    def describe(self, sound):
        import parselmouth

        praat = parselmouth.Sound(sound.astype(np.float64), RATE)
        pitch = praat.to_pitch_ac(time_step=self.hop, pitch_floor=70.0, pitch_ceiling=700.0)
        hz = pitch.selected_array["frequency"]
        voiced, octaves, times = hz > 0, np.log2(np.maximum(hz, 1.0)), pitch.xs()
        values = [
            *self._pitch(octaves, voiced),
            *self._voice(praat, pitch),
            *self._formants(praat, times[voiced]),
            *self._spectrum(sound, times, octaves, voiced),
        ]
        return np.nan_to_num(np.array(values, np.float32), posinf=0.0, neginf=0.0)

    def _pitch(self, octaves, voiced):
        heard = octaves[voiced] if voiced.any() else np.zeros(1)
        middle = np.median(heard)
        steps = np.diff(octaves)[voiced[1:] & voiced[:-1]]
        edges = np.diff(np.concatenate([[0], voiced.astype(int), [0]]))
        stretches = list(zip(np.where(edges == 1)[0], np.where(edges == -1)[0]))
        lengths = [(end - begin) * self.hop for begin, end in stretches]
        slopes = [np.polyfit(np.arange(e - b) * self.hop, octaves[b:e], 1)[0] for b, e in stretches if e - b >= 8]
        smooth = lambda values: np.convolve(np.pad(values, 5, mode="edge"), np.ones(11) / 11, "valid")
        wobble = [np.std(octaves[b:e] - smooth(octaves[b:e])) for b, e in stretches if e - b >= 12]
        return [
            middle, heard.mean() - middle, heard.std(), *(np.percentile(heard, [10, 90]) - middle),
            *(f(steps) if len(steps) else 0.0 for f in (lambda x: np.abs(x).mean(), np.std, lambda x: x[x > 0].sum() / len(octaves))),
            voiced.mean(), len(stretches) / (len(octaves) * self.hop),
            *(f(values) if values else 0.0 for values in (lengths, slopes) for f in (np.mean, np.std)),
            np.mean(wobble) if wobble else 0.0,
        ]  # fmt: skip

    def _voice(self, praat, pitch):
        from parselmouth import PraatError
        from parselmouth.praat import call

        # Praat's own defaults: shortest and longest period, and how far two periods and two amplitudes may differ.
        periods, amplitude = (0.0, 0.0, 1e-4, 0.02, 1.3), 1.6
        try:
            pulses = call([praat, pitch], "To PointProcess (cc)")
            measured = [call(pulses, f"Get jitter ({kind})", *periods) for kind in ("local", "rap")]
            measured += [call([praat, pulses], f"Get shimmer ({kind})", *periods, amplitude) for kind in ("local", "apq3")]
        except PraatError:
            measured = [0.0] * 4
        harmonic = praat.to_harmonicity_ac(self.hop).values[0]
        harmonic = harmonic[harmonic > -100.0]
        harmonic = harmonic if len(harmonic) else np.zeros(1)
        return [
            *np.log(np.maximum(np.nan_to_num(measured), 1e-4)),
            harmonic.mean(), harmonic.std(), *np.percentile(harmonic, [10, 50, 90]),
        ]  # fmt: skip

    def _formants(self, praat, times):
        formants = praat.to_formant_burg(time_step=self.hop, max_number_of_formants=5, maximum_formant=5300.0)
        values = []
        for number in (1, 2, 3):
            for of in (formants.get_value_at_time, formants.get_bandwidth_at_time):
                hz = np.array([of(number, time) for time in times])
                octaves = np.log2(np.maximum(hz[np.isfinite(hz)], 1.0)) if np.isfinite(hz).any() else np.zeros(1)
                values += [np.median(octaves), octaves.std()]
        return values

    def _spectrum(self, sound, times, octaves, voiced):
        import librosa
        from scipy.fft import dct

        spectrum = np.abs(librosa.stft(sound, n_fft=512, hop_length=int(RATE * self.hop))) ** 2
        mel = np.log(mel_bands(512)[0] @ spectrum + 1e-7).T
        level = np.log(spectrum.sum(0) + 1e-7)
        speech = level > level.max() - self.speech
        cepstra = dct(mel - level[:, None], norm="ortho")[:, : self.cepstra]
        # Praat's first frame lies in the middle of its first window.
        frames = np.minimum(np.round(times / self.hop).astype(int), len(level) - 1)
        sung = np.zeros(len(level))
        sung[frames[voiced]] = octaves[voiced]
        vowels, rest = speech & (sung > 0), speech & (sung == 0)
        of = lambda mask: cepstra[mask] if mask.any() else cepstra
        loud = level[speech]
        slope = lambda values: np.polyfit(level[vowels], values, 1)[0] if vowels.sum() > 10 else 0.0
        return [
            loud.std(), *(np.percentile(loud, [10, 90]) - np.median(loud)), *(f(np.diff(level)) for f in (lambda x: np.abs(x).mean(), np.std)), speech.mean(),
            *of(vowels).mean(0), *of(vowels).std(0), *np.abs(np.diff(cepstra, axis=0)).mean(0), *of(rest).mean(0),
            slope(cepstra[vowels, 1]), slope(sung[vowels]),
        ]  # fmt: skip


def pooled(values):
    return np.concatenate([values.mean(0), values.std(0), np.abs(np.diff(values, axis=0)).mean(0)])


class Listeners:
    """The ears, fitted on `rows`."""

    def __init__(self, root, rows, moonshine, cache):
        self.ears = [ear(moonshine) for ear in (Moonshine, Resemblyzer, Acoustics)]
        feelings = np.array([row["emotion"] for row in rows])
        speakers = np.array([row["speaker"] for row in rows])
        random = np.random.default_rng(0)
        features = self._features(root, rows, cache)
        # Each with the speakers whom it does not know.
        self.models = []
        for _ in range(PAIRS):
            names = random.permutation(sorted(set(speakers)))
            halves = set(names[: len(names) // 2]), set(names[len(names) // 2 :])
            for known, unknown in (halves, halves[::-1]):
                half = np.isin(speakers, list(known))
                models = [fitted(ear.penalty, values[half], feelings[half]) for ear, values in zip(self.ears, features)]
                self.models.append((unknown, models))
        self.classes = self.models[0][1][0].classes_.tolist()
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

    def hear(self, sound, speaker):
        """The log of the share of each class to models that do not know the speaker, `[ears, classes]`, and the voice."""
        voice = self.ears[1].voice(sound)
        sound = speech_alone(sound)
        described = [ear.describe(sound) for ear in self.ears]
        shares = [
            [np.log(model.predict_proba(values[None])[0] + 1e-3) for model, values in zip(models, described)]
            for unknown, models in self.models
            if speaker in unknown
        ]
        return np.mean(shares, axis=0), voice


@dataclass
class Verdict:
    """Means over what a proposal was judged by."""

    # Log share of the wanted feeling, in nats, and how often each ear finds it the most probable.
    share: float
    right: list
    # Likeness lost, a cosine.
    unlike: float
    # By how much half the strength is not heard a step more than none, and the whole than half, in nats.
    disorder: float
    # How much less probable the words are, in nats a token: half the takes', half the readers'.
    wordless: float

    def cost(self, free_likeness, own):
        price, free = (OWN_WORDLESS, OWN_FREE_WORDS) if own else (WORDLESS, FREE_WORDS)
        unlike = max(0.0, self.unlike - free_likeness) * 100 * UNLIKE
        wordless = max(0.0, self.wordless - free) * price
        return -self.share + unlike + wordless + DISORDER * self.disorder

    def even_cost(self, own):
        unlike = self.unlike * 100 * EVEN_UNLIKE
        wordless = self.wordless * EVEN_WORDLESS + max(0.0, self.wordless - DEAR_WORDS) * DEAR_WORDLESS
        return -self.share + unlike + (wordless * OWN_WORDLESS / WORDLESS if own else wordless) + self.disorder


class Performer:
    """`perform` with the sounds it has heard."""

    def __init__(self, program, pack, sounds):
        """`sounds`: of each the recordings that the speaker has said before, and the one that is said."""
        paths = [os.pathsep.join(map(str, said)) for said in sounds]
        self.process = subprocess.Popen([program, pack, *paths], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

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


def readings(rows, leave_out):
    """Paths of transcribed English recordings of readers, one each, evenly over those that there are."""
    emotions = emotions_of(rows)
    least, most = READING_SECONDS
    first = {}
    for row in rows:
        if len(emotions[row["corpus"]]) == 1 and english(row) and row["text"] and least <= float(row["seconds"]) <= most:
            first.setdefault(row["speaker"], row["path"])
    paths = [path for speaker, path in sorted(first.items()) if speaker not in leave_out]
    if not paths:
        raise SystemExit(f"the search needs transcribed English recordings of {least} to {most} seconds by readers, for the words' sake")
    return [paths[i * len(paths) // READERS] for i in range(READERS)] if len(paths) > READERS else paths


def said_before(rows, path):
    """Paths of what its speaker says before it, in the same feeling: a converter that is in use knows where his pitch and level lie."""
    said = next(row for row in rows if row["path"] == path)
    paths, seconds = [], 0.0
    for row in rows:
        # Recordings of unknown speakers are not of one speaker.
        alike = row["speaker"] and all(row[key] == said[key] for key in ("speaker", "emotion"))
        if alike and row["path"] != path and seconds < BEFORE:
            paths.append(row["path"])
            seconds += float(row["seconds"])
    return paths


def voices_of(rows, root, targets, listeners):
    """What each of `targets`, names and whose they are, sounds like, from its own recordings."""
    middles = {}
    for name, speaker in targets.items():
        paths = [row["path"] for row in rows if row["speaker"] == speaker][:TARGETS]
        middle = np.mean([listeners.ears[1].voice(load(root / path)) for path in paths], axis=0)
        middles[name] = middle / np.linalg.norm(middle)
    return middles


def by_turns(start, bounds, cost, keep, until, random):
    """Coordinate search (Hooke and Jeeves 1961 without its pattern moves): each number in turn goes on the way that helps, by halved
    steps where neither does. `cost` of a point in one of two parts of what it is judged by; `keep` is told each better point."""
    point, steps = start.copy(), np.full(len(start), TURN_STEP)
    towards = random.choice([-1.0, 1.0], len(start))
    least = [cost(point, 0), cost(point, 1)]

    def goes(number, way):
        """Whether a step that way helps; if so, `point` is there."""
        nonlocal point, least
        moved = point.copy()
        moved[number] = np.clip(point[number] + way * steps[number], bounds[0][number], bounds[1][number])
        if time.monotonic() > until or abs(moved[number] - point[number]) < 1e-3:
            return False
        first = cost(moved, 0)
        if first > least[0]:
            return False
        costs = [first, cost(moved, 1)]
        if np.mean(costs) > np.mean(least) - GAIN:
            return False
        point, least, towards[number] = moved, costs, way
        name, unit = NUMBERS[number][:2]
        print(f"{name} {point[number] * unit:.3f}: cost {np.mean(least):.3f}", flush=True)
        keep(point)
        return True

    def goes_far(number, way):
        """Goes that way as long as it helps; whether it did at all."""
        helped = goes(number, way)
        while helped and goes(number, way):
            pass
        return helped

    while time.monotonic() < until and steps.max() >= LEAST_STEP:
        for number in random.permutation(len(point)):
            way = towards[number]
            if not (goes_far(number, way) or goes_far(number, -way)):
                steps[number] /= 2
    return point


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


def pack_prosody(pack, emotion, register):
    """What the pack's own emotion file does in such voices."""
    names = ["happy", "sad", "angry", "fearful", "surprised", "disgusted", "calm"]
    path = Path(pack).with_suffix("").with_suffix(".emotion.mien")
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    card = json.loads(header["__metadata__"]["mien.card"])
    return (card.get(CARD[register]) or card["prosody"])[names.index(emotion)]


def main():
    warnings.filterwarnings("ignore")
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("manifest", type=Path)
    options.add_argument("pack")
    options.add_argument("emotion", choices=CLASSES[1:])
    options.add_argument("found", type=Path, help="where the numbers are written, best so far")
    options.add_argument("--moonshine", type=Path, required=True, help="folder of Moonshine's encoder_model.ort and decoder_model_merged.ort")
    options.add_argument("--leave-out", default="", help="speakers that neither are converted nor teach the ears")
    options.add_argument("--register", choices=TARGET_SPEAKERS, default="high", help="voices that the numbers are for")
    options.add_argument("--targets", help="other voices to convert to than the register's, and whose they are: NAME=SPEAKER,…")
    options.add_argument("--perform", default="target/release/examples/perform")
    options.add_argument("--minutes", type=float, default=40.0, help="forty are some sixty generations, which 22 numbers need")
    options.add_argument("--by-turns", action="store_true", help="move one number after the other, always on the same recordings, without CMA-ES")
    options.add_argument("--likeness", type=float, default=0.06, help="likeness to the voice that may be lost")
    options.add_argument("--begin", type=Path, help="numbers to begin at, as this program writes them")
    options.add_argument("--spread", type=float, default=0.8, help="of the first proposals, in steps")
    options.add_argument("--cache", default="search-cache")
    options.add_argument("--seed", type=int, default=1)
    arguments = options.parse_args()

    import cma

    leave_out = set(filter(None, arguments.leave_out.split(",")))
    everyone = recordings(arguments.manifest)
    rows = acted(everyone, leave_out)
    takes = neutral_takes([row for row in rows if row["corpus"] == "ravdess"] or rows)
    root = arguments.manifest.parent
    listeners = Listeners(root, rows, arguments.moonshine, arguments.cache)
    # The readers come after the takes: a number below `len(takes)` is a take's.
    paths = [*(row["path"] for row in takes), *readings(everyone, leave_out)]
    sounds = [root / path for path in paths]
    performer = Performer(arguments.perform, arguments.pack, [[root / p for p in [*said_before(everyone, path), path]] for path in paths])
    wanted = listeners.classes.index(arguments.emotion)
    targets = TARGET_SPEAKERS[arguments.register] if arguments.targets is None else arguments.targets
    targets = dict(pair.split("=") for pair in filter(None, targets.split(",")))
    voices = list(targets) or ["Yourself"]
    middles = voices_of(everyone, root, targets, listeners)
    recogniser = listeners.ears[0]

    def hear(said, sound):
        return listeners.hear(said, takes[sound]["speaker"])

    @functools.cache
    def tokens(sound):
        return recogniser.read(load(sounds[sound]))

    @functools.cache
    def before(sound, voice):
        """What is heard of the plain conversion: the feeling and the likeness, of takes alone, and the words' surprise."""
        said = performer.say(sound, voice)
        feeling, sounds_like = hear(said, sound) if sound < len(takes) else (None, None)
        return feeling, sounds_like, recogniser.surprise(said, tokens(sound))

    def target(sound, voice):
        return before(sound, voice)[1] if voice == "Yourself" else middles[voice]

    def words_lost(said, sound, voice):
        return recogniser.surprise(said, tokens(sound)) - before(sound, voice)[2]

    def judge(prosody, cases, readers, halves):
        """What the ears say of the takes and of their first `halves` at half strength, and of the readers' words."""
        shares, lost, right, disorder, words = [], [], [], [], []
        for number, (sound, voice) in enumerate(cases):
            said = performer.say(sound, voice, arguments.emotion, 1.0, prosody)
            logs, sounds_like = hear(said, sound)
            shares.append(listeners.weights @ logs[:, wanted])
            right.append(logs.argmax(1) == wanted)
            less = float((before(sound, voice)[1] - sounds_like) @ target(sound, voice))
            lost.append(less * (OWN if voice == "Yourself" else 1.0))
            words.append(words_lost(said, sound, voice))
            if number < halves:
                half, _ = hear(performer.say(sound, voice, arguments.emotion, 0.5, prosody), sound)
                none, half = (listeners.weights @ heard[:, wanted] for heard in (before(sound, voice)[0], half))
                disorder.append(max(0.0, STEP - (half - none)) + max(0.0, STEP - (shares[-1] - half)))
        read = [words_lost(performer.say(*reader, arguments.emotion, 1.0, prosody), *reader) for reader in readers]
        return Verdict(
            share=float(np.mean(shares)),
            right=np.mean(right, axis=0).round(2).tolist(),
            unlike=float(np.mean(lost)),
            disorder=float(np.mean(disorder)),
            wordless=float((np.mean(words) + np.mean(read)) / 2),
        )

    random = np.random.default_rng(arguments.seed)
    all_cases = [(s, v) for s in range(len(takes)) for v in voices]
    told = [all_cases[i] for i in random.permutation(len(all_cases))[:TOLD]]
    all_readers = [(s, voices[s % len(voices)]) for s in range(len(takes), len(sounds))]
    start = point_of(json.loads(arguments.begin.read_text()) if arguments.begin else pack_prosody(arguments.pack, arguments.emotion, arguments.register))
    bounds = limits(arguments.emotion)
    start = np.clip(start, bounds[0], bounds[1])
    print("begins", judge(prosody_of(start), told, all_readers, TOLD), flush=True)
    until = time.monotonic() + 60 * arguments.minutes

    def keep(point):
        arguments.found.write_text(json.dumps({k: round(v, 4) for k, v in prosody_of(point).items()}, indent=1))

    if arguments.by_turns:
        cases = [all_cases[i] for i in random.permutation(len(all_cases))[:TURN_RENDERINGS]]
        half = len(cases) // 2
        # What is no good on the first half is not asked of the second.
        parts = [(cases[:half], all_readers[::2], TURN_HALVES // 2), (cases[half:], all_readers[1::2], TURN_HALVES // 2)]

        def cost(point, part):
            verdict = judge(prosody_of(point), *parts[part])
            return verdict.even_cost(not targets) + EFFORT * float(np.square(point).sum())

        best = by_turns(start, bounds, cost, keep, until, random)
        keep(best)
    else:
        search = cma.CMAEvolutionStrategy(
            start, arguments.spread, {"bounds": bounds, "popsize": 12, "seed": arguments.seed, "verbose": -9}
        )
        generation = 0
        while time.monotonic() < until and not search.stop():
            # All proposals of a generation meet the same cases, or luck would choose among them.
            cases = [(int(s), voices[i % len(voices)]) for i, s in enumerate(random.integers(len(takes), size=RENDERINGS))]
            readers = [all_readers[i] for i in random.choice(len(all_readers), min(READINGS, len(all_readers)), replace=False)]
            points, costs = search.ask(), []
            for point in points:
                verdict = judge(prosody_of(point), cases, readers, HALVES)
                costs.append(verdict.cost(arguments.likeness, not targets) + EFFORT * float(np.square(point).sum()))
            search.tell(points, costs)
            generation += 1
            keep(search.result.xfavorite)
            print(generation, f"cost {np.mean(costs):.3f}, least {min(costs):.3f}", verdict, flush=True)
        best = search.result.xfavorite
    print("ends", judge(prosody_of(best), told, all_readers, TOLD), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
