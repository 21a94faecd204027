"""Trains the two networks of the pitch tracker: train_pitch.py candidate|voicing WORK ROOT

WORK holds `speech.txt` (paths below ROOT), `synthetic.txt` (files in WORK/synth, from pitch_synthetic.py) and their
references in WORK/refs. Train `candidate` first, then `voicing`, which hears what the tracker makes of it. Each run
dumps the clues with `cargo run --release --example pitch_dump`, trains, and rewrites src/pitch/weights.rs.

The shipped weights: readers of LibriSpeech (CC-BY 4.0; without 1272, 2035 and 174, which judge), Kokoro voices
(Apache-2.0), speechocean762 (free) and Picovoice (Apache-2.0) against the median of five estimators. No corpus with a
non-commercial licence is in them.
"""

import os
import random
import subprocess
import sys

import numpy as np
import torch
from pitch_corpus import CANDIDATES, PER_CANDIDATE, lines, pair, stored

HERE = os.path.dirname(os.path.abspath(__file__))
WEIGHTS = os.path.join(HERE, "../src/pitch/weights.rs")
CLUES = 35
WIDTH = 3 + CANDIDATES * PER_CANDIDATE + CLUES
# Name, speed and least signal to noise ratio in dB. Speeds make voices that speech corpora lack.
VARIANTS = (("clean", 1.0, None), ("noisy", 1.0, 3), ("slow", 0.75, 3), ("quick", 1.35, 3), ("fast", 1.8, 3),
            ("high", 2.6, 3))


def make_dumps(work, root):
    def run(variants):
        for name, speed, noise in variants:
            for listed, base in (("speech.txt", root), ("synthetic.txt", os.path.join(work, "synth"))):
                if listed == "synthetic.txt" and name not in ("clean", "noisy"):
                    continue
                os.makedirs(os.path.join(work, name), exist_ok=True)
                command = ["cargo", "run", "-q", "--release", "-p", "mien-dsp", "--example", "pitch_dump", "--",
                           os.path.join(work, listed), base, os.path.join(work, name), "--clues", "--speed", str(speed)]
                subprocess.run(command + (["--noise", str(noise)] if noise else []), check=True, cwd=HERE)

    run(VARIANTS)


def candidate_data(work, names, variants):
    inputs, right = [], []
    for variant, speed, _ in variants:
        for name in names:
            if not os.path.exists(stored(os.path.join(work, variant), name, ".f32")):
                continue
            pitch, _, values = pair(os.path.join(work, variant), os.path.join(work, "refs"), name, WIDTH, speed)
            found = values[:, 3 : 3 + CANDIDATES * PER_CANDIDATE].reshape(-1, CANDIDATES, PER_CANDIDATE)
            hz = found[:, :, 0]
            near = (np.abs(np.log2(np.maximum(hz, 1) / np.maximum(pitch, 1)[:, None])) < 0.08) & (hz > 0)
            use = (pitch > 0) & near.any(1)
            inputs.append(found[use])
            right.append(near[use])
    return torch.tensor(np.concatenate(inputs)), torch.tensor(np.concatenate(right))


def voicing_data(work, names, variants):
    inputs, voiced = [], []
    for variant, speed, _ in variants:
        for name in names:
            pitch, _, values = pair(os.path.join(work, variant), os.path.join(work, "refs"), name, WIDTH, speed)
            inputs.append(values[:, -CLUES:])
            voiced.append(pitch > 0)
    return torch.tensor(np.concatenate(inputs)), torch.tensor(np.concatenate(voiced)).float()


def fit(net, x, loss, epochs, report):
    optimiser = torch.optim.AdamW(net.parameters(), 1e-2, weight_decay=1e-3)
    batch = 1024
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=epochs * (len(x) // batch))
    for epoch in range(epochs):
        net.train()
        order = torch.randperm(len(x))
        for i in range(len(x) // batch):
            value = loss(order[i * batch : (i + 1) * batch])
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            schedule.step()
        net.eval()
        if epoch % 5 == 4:
            with torch.no_grad():
                print(epoch + 1, report(), flush=True)


def two_layers(inputs):
    return torch.nn.Sequential(torch.nn.Linear(inputs, 24), torch.nn.ReLU(), torch.nn.Linear(24, 1))


def train_candidate(work, train, check):
    x, right = candidate_data(work, train, VARIANTS)
    checks = {v[0]: candidate_data(work, check, [v]) for v in VARIANTS}
    there = x[:, :, 0] > 0
    mean, deviation = x[:, :, 2:][there].mean(0), x[:, :, 2:][there].std(0) + 1e-3
    net = two_layers(PER_CANDIDATE - 2)

    def logits(x):
        return net((x[:, :, 2:] - mean) / deviation)[:, :, 0].masked_fill(x[:, :, 0] <= 0, -1e9)

    def loss(b):
        likely = torch.log_softmax(logits(x[b]), 1)
        return -torch.logsumexp(likely.masked_fill(~right[b], -1e9), 1).mean()

    def report():
        wrong = {k: 100 * (1 - r.gather(1, logits(x).argmax(1, keepdim=True)).float().mean().item())
                 for k, (x, r) in checks.items()}
        return "wrong candidate, %: " + ", ".join(f"{k} {v:.2f}" for k, v in wrong.items())

    fit(net, x, loss, 20, report)
    return net, mean, deviation


def train_voicing(work, train, check):
    train = [n for n in train if not n.startswith("synthetic")]
    check = [n for n in check if not n.startswith("synthetic")]
    # Clean speech counts double: the others are there for robustness.
    x, voiced = voicing_data(work, train, (VARIANTS[0],) + VARIANTS)
    checks = {v[0]: voicing_data(work, check, [v]) for v in VARIANTS}
    mean, deviation = x.mean(0), x.std(0) + 1e-3
    net = two_layers(CLUES)

    def logits(x):
        return net((x - mean) / deviation)[:, 0]

    def loss(b):
        disturbed = x[b] + 0.03 * deviation * torch.randn(len(b), CLUES)
        return torch.nn.functional.binary_cross_entropy_with_logits(logits(disturbed), voiced[b])

    def report():
        wrong = {k: 100 * ((logits(x) > 0) != (v > 0)).float().mean().item() for k, (x, v) in checks.items()}
        return "wrong voicing, %: " + ", ".join(f"{k} {v:.2f}" for k, v in wrong.items())

    fit(net, x, loss, 15, report)
    return net, mean, deviation


def as_rust(name, doc, net, mean, deviation):
    def row(values):
        texts = (f"{float(v):.5g}" for v in values)
        return ", ".join(t if "." in t or "e" in t else t + ".0" for t in texts)

    first, last = net[0], net[-1]
    weights = (first.weight / deviation).detach()
    bias = (first.bias - (weights * mean).sum(1)).detach()
    hidden, inputs = weights.shape
    rows = "".join(f"        [{row(w)}],\n" for w in weights)
    return (f"/// {doc}\npub(super) static {name}: Net<{inputs}, {hidden}> = Net {{\n    hidden: [\n{rows}    ],\n"
            f"    hidden_bias: [{row(bias)}],\n    output: [{row(last.weight[0].detach())}],\n"
            f"    output_bias: {row(last.bias.detach())},\n}};\n")


def main():
    task, work, root = sys.argv[1:4]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    random.seed(0)
    make_dumps(work, root)
    names = lines(os.path.join(work, "speech.txt"))
    random.shuffle(names)
    check, train = names[: len(names) // 8], names[len(names) // 8 :] + lines(os.path.join(work, "synthetic.txt"))
    trained = (train_candidate if task == "candidate" else train_voicing)(work, train, check)
    name, doc = {
        "candidate": ("CANDIDATE", "How likely a candidate is the true period: a logit, to be compared among the candidates of one instant."),
        "voicing": ("VOICED", "How likely the sound is voiced: a logit."),
    }[task]
    head, *statics = open(WEIGHTS).read().split("\n/// ")
    kept = ["/// " + s.strip() + "\n" for s in statics if f"static {name}:" not in s]
    with open(WEIGHTS, "w") as f:
        f.write("\n".join([head.strip() + "\n"] + sorted(kept + [as_rust(name, doc, *trained)])))


if __name__ == "__main__":
    main()
