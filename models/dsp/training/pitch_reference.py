"""Writes reference pitch tracks: pitch_reference.py LIST ROOT OUT [--quick]

Five outside estimators from PyPI (torchfcpe, torchcrepe, pesto-pitch, praat-parselmouth, swift-f0; see
requirements-pitch.txt) at 5, 15, 25 … ms, one .npz per sound file of the list. Python, because the estimators are Python
packages. `--quick` leaves torchcrepe out, which takes two thirds of the time.
"""

import os
import sys

import numpy as np
import scipy.signal
import soundfile
import torch
from pitch_corpus import lines, stored

# The newest torchaudio refuses a torch made for a later CUDA when it is loaded. Here both run on the CPU only.
torch.version.cuda = "13.0"
import parselmouth  # noqa: E402
import pesto  # noqa: E402
import swift_f0  # noqa: E402
import torchcrepe  # noqa: E402
import torchfcpe  # noqa: E402

torch.set_num_threads(1)
RATE = 16000
fcpe = torchfcpe.spawn_bundled_infer_model(device="cpu")
swift = swift_f0.SwiftF0(threads=1)
pesto_model = pesto.load_model("mir-1k_g7", step_size=10.0, sampling_rate=RATE)


def estimate(path, quick=False):
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    sound = sound.mean(1)
    count = int(np.ceil(len(sound) * 100 / rate)) - 1
    common = np.gcd(rate, RATE)
    # Without the first 5 ms, so that instants of 0, 10, 20 … ms become 5, 15, 25 …
    sound = scipy.signal.resample_poly(sound, RATE // common, rate // common).astype(np.float32)[80:]

    def fit(values):
        values = np.asarray(values, np.float32)[:count]
        return np.pad(values, (0, count - len(values)))

    tracks = {}
    with torch.no_grad():
        tensor = torch.from_numpy(sound)[None]
        f0 = fcpe.infer(tensor[..., None], sr=RATE, decoder_mode="local_argmax", threshold=0.006, f0_min=50,
                        f0_max=1100, interp_uv=False)
        tracks["fcpe"] = fit(f0[0, :, 0].numpy())
        f0, confidence = pesto_model(tensor, convert_to_freq=True, return_activations=False)[:2]
        tracks["pesto"], tracks["pesto_c"] = fit(f0[0].numpy()), fit(confidence[0].numpy())
        if not quick:
            f0, confidence = torchcrepe.predict(tensor, RATE, hop_length=160, fmin=50, fmax=1100, model="tiny",
                                                return_periodicity=True, batch_size=512,
                                                decoder=torchcrepe.decode.viterbi)
            tracks["crepe"] = fit(f0[0].numpy())
            tracks["crepe_c"] = fit(torchcrepe.filter.median(confidence, 3)[0].numpy())
    praat = parselmouth.Sound(sound.astype(float), RATE).to_pitch_ac(time_step=0.01, pitch_floor=60,
                                                                     pitch_ceiling=1000)
    tracks["praat"] = fit(np.nan_to_num([praat.get_value_at_time(i * 0.01) for i in range(count)]))
    found = swift.detect(sound, RATE)
    times = np.asarray(found.timestamps)
    nearest = np.abs(times[None] - np.arange(count)[:, None] * 0.01).argmin(1)
    tracks["swift"], tracks["swift_c"] = fit(found.pitch_hz[nearest]), fit(found.confidence[nearest])
    return tracks


def write_references(names, root, out, quick=False):
    """What is there already stays."""
    os.makedirs(out, exist_ok=True)
    for name in names:
        target = stored(out, name, ".npz")
        if not os.path.exists(target):
            np.savez(target, **estimate(os.path.join(root, name), quick))


if __name__ == "__main__":
    write_references(lines(sys.argv[1]), sys.argv[2], sys.argv[3], "--quick" in sys.argv)
