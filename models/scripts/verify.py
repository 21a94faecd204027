#!/usr/bin/env python3
"""Resemblyzer on the pairs that `mien train --stage speaker` was measured on, for comparison.

Python, because Resemblyzer comes as a Python package only. It hears the same stretches of the same files.

Set-up as for judge.py. Use
  V/bin/python models/scripts/verify.py run/speaker-trials.json [report.json] [--threads N]

Prints one line a set of pairs: the equal error rate of our encoder, as the training found it, and Resemblyzer's.
"""

import argparse
import json
import os
import sys
from pathlib import Path


def equal_error_rate(targets, impostors):
    """Where as many speakers are refused as impostors are let in, by interpolation between the scores."""
    import numpy as np

    targets, impostors = np.sort(targets), np.sort(impostors)
    if not len(targets) or not len(impostors):
        return None
    scores = np.unique(np.concatenate([targets, impostors]))
    miss = np.searchsorted(targets, scores, side="right") / len(targets)
    alarm = 1 - np.searchsorted(impostors, scores, side="right") / len(impostors)
    # The first point lies below every score.
    miss, alarm = np.concatenate([[0.0], miss]), np.concatenate([[1.0], alarm])
    at = int(np.argmax(miss >= alarm))
    gap, after = alarm[at - 1] - miss[at - 1], miss[at] - alarm[at]
    return float(miss[at - 1] + gap / max(gap + after, 1e-12) * (miss[at] - miss[at - 1]))


def joined(side):
    """The stretches of a side one after another, mono at 16 kHz."""
    import numpy as np

    from judge import RATE, load

    pieces = []
    for piece in side["pieces"]:
        sound = load(piece["path"])
        start = piece["from"] * RATE // 100
        pieces.append(sound[start : start + piece["frames"] * RATE // 100])
    return np.concatenate(pieces)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("trials", type=Path, help="speaker-trials.json of a run")
    parser.add_argument("report", type=Path, nargs="?", help="JSON file to write")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(args.threads)
    try:
        import numpy as np
        import torch

        from judge import Voices

        torch.set_num_threads(args.threads)
        voices = Voices()
    except ImportError as error:
        sys.exit(f"{error}. Resemblyzer is not installed here; see the set-up in the head of judge.py.")

    rows = []
    for trials in json.loads(args.trials.read_text()):
        sides = trials["sides"]
        if not trials["targets"] or not trials["impostors"]:
            continue
        known = np.stack([voices(joined(side)) for side in sides])

        def scores(pairs):
            pairs = np.array(pairs, dtype=int).reshape(-1, 2)
            return (known[pairs[:, 0]] * known[pairs[:, 1]]).sum(axis=1)

        alike = [(a, b) for a, b in trials["impostors"] if sides[a]["gender"] == sides[b]["gender"] != ""]
        targets = scores(trials["targets"])
        row = {
            "name": trials["name"],
            "speakers": len({side["speaker"] for side in sides}),
            "targets": len(trials["targets"]),
            "impostors": len(trials["impostors"]),
            "mien": [trials["equal_error_rate"], trials["within_gender"]],
            "mien_normalised": trials.get("normalised", [None, None]),
            "resemblyzer": [equal_error_rate(targets, scores(p)) for p in (trials["impostors"], alike)],
        }
        rows.append(row)

        def percent(rate):
            return "–" if rate is None else f"{100 * rate:.1f} %"

        ours, normalised, theirs = (map(percent, row[name]) for name in ("mien", "mien_normalised", "resemblyzer"))
        print(
            f"{row['name']:16} mien {' / '.join(ours):18} normalised {' / '.join(normalised):18} Resemblyzer "
            f"{' / '.join(theirs):18} (all / within one gender; "
            f"{row['speakers']} speakers, {row['targets']} target and {row['impostors']} impostor pairs)",
            flush=True,
        )
    if args.report:
        args.report.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
