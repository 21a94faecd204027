#!/usr/bin/env python3
"""The VST3 in pedalboard, a host that others wrote: parameters, two voices, bounces, state.

    pedalboard_host.py BUNDLES

BUNDLES is the folder with mien.vst3, as `cargo xtask bundle` makes it. The engine and the packs are
found beside it, or through MIEN_ENGINE and MIEN_PACKS. pedalboard renders offline and compensates
the latency, so the sound must come back complete and in line with its input.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pedalboard
from pedalboard.io import AudioFile

SPEECH = Path(__file__).parent.parent / "speech"
SECONDS = 10.0
EMOTIONS = ["happy", "sad", "angry", "fearful", "surprised", "disgusted", "calm"]
# pedalboard adds the unit to a name, where it is a word.
OTHERS = """voice emotion_strength pitch_st formant_st intonation breath match_pitch gate_db mix
input_gain_db output_gain_db bypass delay_mode""".split()


def speech():
    """Ten seconds of the tests' speech, mono, and its rate."""
    parts = []
    for path in sorted(SPEECH.glob("*.flac")):
        with AudioFile(str(path)) as file:
            parts.append(file.read(file.frames)[:1])
            rate = int(file.samplerate)
    sound = np.concatenate(parts, axis=1)
    wanted = int(SECONDS * rate)
    return np.tile(sound, (1, wanted // sound.shape[1] + 1))[:, :wanted].astype(np.float32), rate


def rms(sound):
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


def lag(a, b, most):
    """By how many samples the loudness of `b` is behind that of `a`."""
    envelope = lambda x: np.convolve(np.abs(x - x.mean()), np.ones(256) / 256, "same")[::16]
    a, b = envelope(a), envelope(b)
    steps = range(-most // 16, most // 16 + 1)
    score = [np.dot(a[max(0, -s) : len(a) - max(0, s)], b[max(0, s) : len(b) - max(0, -s)]) for s in steps]
    return steps[int(np.argmax(score))] * 16


def check(ok, text):
    print(("ok    " if ok else "WRONG ") + text)
    if not ok:
        sys.exit(1)


def open_plugin(path):
    started = time.perf_counter()
    plugin = pedalboard.load_plugin(str(path))
    print(f"      loaded in {(time.perf_counter() - started) * 1000:.0f} ms")
    return plugin


def main():
    path = Path(sys.argv[1]) / "mien.vst3"
    plugin = open_plugin(path)
    names = set(plugin.parameters)
    missing = [name for name in EMOTIONS + OTHERS if name not in names]
    check(not missing, f"{len(names)} parameters, none missing {missing or ''}")

    sound, rate = speech()
    render = lambda plugin, block=512: plugin(sound, rate, buffer_size=block, reset=True)
    voices = plugin.parameters["voice"].valid_values
    first, second = voices[0], voices[1]
    outputs = {}
    for voice in (first, second):
        plugin.voice = voice
        started = time.perf_counter()
        outputs[voice] = render(plugin)
        took = time.perf_counter() - started
        out = outputs[voice]
        print(f"      {voice}: {SECONDS:.0f} s in {took:.2f} s, level {rms(out):.4f} of {rms(sound):.4f}")
        check(out.shape == sound.shape, "the bounce is as long as its input")
        check(bool(np.all(np.isfinite(out))) and rms(out) > 0.2 * rms(sound), "it is sound")
        behind = lag(sound[0], out[0], rate // 10)
        check(abs(behind) <= rate // 50, f"it is in line with its input ({behind / rate * 1000:.1f} ms)")
    difference = rms(outputs[first] - outputs[second]) / rms(outputs[first])
    check(difference > 0.3, f"the voices differ ({difference:.2f} of the level)")

    plugin.sad, plugin.pitch_st = 80.0, 3.0
    reference = render(plugin)
    check(rms(reference - outputs[second]) > 1e-3 * rms(reference), "controls are heard")
    check(np.array_equal(render(plugin), reference), "a second bounce has the same bits")
    for block in (64, 1000, 8192):
        plugin.reset()
        other = render(plugin, block)
        check(rms(other[:, rate:-rate] - reference[:, rate:-rate]) < 1e-4 * rms(reference),
              f"blocks of {block} sound the same")

    state = plugin.raw_state
    restored = open_plugin(path)
    restored.raw_state = state
    check(restored.voice == plugin.voice, f"the state restores the voice {restored.voice}")
    check(np.isclose(float(restored.pitch_st), float(plugin.pitch_st)), "and the pitch")
    check(np.array_equal(render(restored), reference), "and the sound, to the bit")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
