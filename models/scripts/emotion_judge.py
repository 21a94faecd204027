"""An outside judge of the emotion heard: openSMILE's ComParE 2016 descriptors and a linear classifier.

No Python package was found that carries the weights of a speech emotion classifier, and none can be fetched,
so this judge is fitted, each time, on acted recordings that the caller names (RAVDESS, SAVEE and the like, by
manifest). It shares nothing with Mien's own networks, neither features nor weights, and it knows only natural
recordings, never converted ones. Its card tells how often it is right about speakers it has not heard: read the
figure for converted speech against that, and against chance.

Keep out the speakers whose recordings are converted in the test (`leave_out`): an emotion shown in the very
recordings the judge learnt from proves nothing. openSMILE is free for research and private use only, which is all
this serves.
"""

import csv
import hashlib
import zipfile
from pathlib import Path

import numpy as np
import opensmile
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

RATE = 16_000
CLASSES = ["neutral", "happy", "sad", "angry", "fearful"]
FOLDS = 6


class Feelings:
    """Fitted on `manifest`'s English acted speech without the speakers in `leave_out`; call it with a sound at 16 kHz."""

    def __init__(self, manifest, leave_out=(), cache=None, threads=1):
        self.smile = opensmile.Smile(
            opensmile.FeatureSet.ComParE_2016, opensmile.FeatureLevel.Functionals, num_workers=threads
        )
        rows = acted(Path(manifest), set(leave_out))
        features = self._features(Path(manifest).parent, rows, cache)
        labels = np.array([row["emotion"] for row in rows])
        speakers = np.array([row["speaker"] for row in rows])
        guesses = np.empty_like(labels)
        for learn, test in GroupKFold(min(FOLDS, len(set(speakers)))).split(features, labels, speakers):
            guesses[test] = classifier().fit(features[learn], labels[learn]).predict(features[test])
        self.model = classifier().fit(features, labels)
        self.card = {
            "features": f"opensmile {opensmile.__version__} ComParE_2016",
            "classes": CLASSES,
            "chance": round(1 / len(CLASSES), 3),
            "recordings": len(rows),
            "speakers": len(set(speakers)),
            "left_out": sorted(leave_out),
            # Balanced over the classes, on speakers left out in turn.
            "right_on_unheard_speakers": round(recall(labels, guesses), 3),
            "confusion": {
                said: {heard: int(((labels == said) & (guesses == heard)).sum()) for heard in CLASSES} for said in CLASSES
            },
        }

    def __call__(self, sound):
        """The emotion heard, and the share the judge gives to each."""
        shares = self.model.predict_proba(self._describe(sound)[None, :])[0]
        shares = dict(zip(self.model.classes_.tolist(), (round(float(share), 3) for share in shares)))
        return {"heard": max(shares, key=shares.get), "shares": shares}

    def _describe(self, sound):
        # One peak for all: a gain set by the recordist or by the converter's output is no emotion.
        sound = sound * (0.7 / max(float(np.abs(sound).max(initial=0.0)), 1e-6))
        values = self.smile.process_signal(sound, RATE).to_numpy()[0]
        return np.nan_to_num(values, posinf=0.0, neginf=0.0).astype(np.float32)

    def _features(self, root, rows, cache):
        from judge import load

        names = [row["path"] for row in rows]
        kept = None
        if cache:
            key = hashlib.sha256("\n".join([str(root.resolve()), opensmile.__version__, *names]).encode()).hexdigest()[:16]
            kept = Path(cache) / f"emotion-{key}.npy"
            try:
                return np.load(kept, allow_pickle=False)
            except (OSError, ValueError, zipfile.BadZipFile):
                pass  # not there yet, or cut short by an interrupted run: made anew below
        features = np.stack([self._describe(load(root / name)) for name in names])
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            part = kept.with_suffix(".part.npy")
            np.save(part, features)
            part.replace(kept)
        return features


def classifier():
    """Linear: 6373 descriptors and about a thousand recordings allow no more."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=1e-4, max_iter=400, class_weight="balanced"))


def recall(labels, guesses):
    """Share heard right, averaged over the classes that occur."""
    return float(np.mean([(guesses[labels == name] == name).mean() for name in sorted(set(labels))]))


def acted(manifest, leave_out):
    """English recordings of the five emotions, from corpora in which emotions are acted."""
    with open(manifest, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["language"].split("-")[0] == "en" and row["emotion"]]
    shown = {}
    for row in rows:
        shown.setdefault(row["corpus"], set()).add(row["emotion"])
    rows = [
        row
        for row in rows
        if len(shown[row["corpus"]]) > 1 and row["emotion"] in CLASSES and row["speaker"] not in leave_out
    ]
    missing = set(CLASSES) - {row["emotion"] for row in rows}
    if missing:
        raise SystemExit(f"{manifest}: no English recording is marked {', '.join(sorted(missing))}; the emotion judge needs all five")
    if len({row["speaker"] for row in rows}) < 3:
        raise SystemExit(f"{manifest}: the emotion judge needs at least three speakers of acted speech")
    return rows
