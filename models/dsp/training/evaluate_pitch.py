"""Judges the pitch tracker: evaluate_pitch.py LIST REFERENCES DUMPS

LIST names sound files, REFERENCES holds what pitch_reference.py made of them and DUMPS what `pitch_dump` made of them
(without --clues). Gross: off by more than 20 %; octave: off by 0.74 to 1.26 octaves; both of the frames that tracker and
reference call voiced. Printed for several choices of three estimators, because they differ by up to 9 % in voicing.
"""

import os
import sys

import numpy as np
from pitch_corpus import ESTIMATORS, lines, pair, stored

names, references, dumps = lines(sys.argv[1]), sys.argv[2], sys.argv[3]
for estimators in (("fcpe", "pesto", "praat"), ("crepe", "pesto", "swift"), ("fcpe", "crepe", "pesto"), ESTIMATORS):
    found = [pair(dumps, references, name, 3, estimators=estimators) for name in names
             if os.path.exists(stored(references, name, ".npz"))]
    truth, spread, pitch = (np.concatenate(part) for part in zip(*((t, s, v[:, 0]) for t, s, v in found)))
    both = (truth > 0) & (pitch > 0)
    ratio = pitch[both] / truth[both]
    gross, octave = np.abs(ratio - 1) > 0.2, np.abs(np.abs(np.log2(ratio)) - 1) < 0.26
    agreed = spread[both] < 1.2
    fine = 1200 * np.abs(np.log2(ratio[~gross]))
    print(f"{'+'.join(estimators)}: {len(truth)} frames, {both.sum()} voiced in both, gross {100 * gross.mean():.2f} %, "
          f"octave {100 * octave.mean():.2f} %, voicing {100 * ((truth > 0) != (pitch > 0)).mean():.2f} %, "
          f"fine {np.median(fine):.1f} cents; where the estimators agree: gross {100 * gross[agreed].mean():.2f} %, "
          f"octave {100 * octave[agreed].mean():.2f} %")
