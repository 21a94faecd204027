"""Trains the networks of the pitch tracker: train_pitch.py WORK ROOT [STEPS [BEGIN]]

WORK holds `speech.txt` (paths below ROOT), `synthetic.txt` (files in WORK/synth, from pitch_synthetic.py) and their
references in WORK/refs (pitch_reference.py --quick). Dumps what the tracker hears with `cargo run --release --example
pitch_dump` where WORK has no dumps yet (delete them when the front or the candidates change), trains all networks
together on stretches of 3 s, from WORK/BEGIN on where that is given, and writes src/pitch/weights.bin and WORK/networks.pt.
Python, because PyTorch trains it.

The shipped weights: readers of LibriSpeech (CC-BY 4.0), Kokoro voices (Apache-2.0), speechocean762 (free) and Picovoice
(Apache-2.0), against the median of four estimators (of five for about 100 clips), and 10 min of synthetic voices; 1000 steps
on 34 min of speech with a voicing that did not care whether the pitch is right and EMA 0.995, then 1600 steps from there on
62 min, as this script does it. None of the speakers that judge_pitch.py judges by is among them, nor those of CHECK, nor a
corpus with a non-commercial licence.
"""

import copy
import os
import subprocess
import sys

import numpy as np
import torch
from pitch_corpus import CANDIDATES, PER_CANDIDATE, TEACHERS, lines, pair, stored

HERE = os.path.dirname(os.path.abspath(__file__))
WEIGHTS = os.path.join(HERE, "../src/pitch/weights.bin")
TRAITS = PER_CANDIDATE - 2
MAP, HEARD = 97, 218
HIDDEN, STATE, UNITS = 96, 128, 32
MIN_HZ, MAX_HZ = 60.0, 1000.0
WIDTH = 3 + CANDIDATES * PER_CANDIDATE + HEARD
# Name, speed and what is added, from how many dB below the voice on. Speeds make voices that speech corpora lack.
VARIANTS = (("clean", 1.0, None, 0), ("noisy", 1.0, "--noise", 3), ("music", 1.0, "--music", 6),
            ("slow", 0.75, "--noise", 6), ("quick", 1.35, "--noise", 3), ("fast", 1.8, "--noise", 3),
            ("high", 2.6, "--noise", 3))
# Speakers to watch the training by and to choose by.
CHECK = ("librispeech/26/", "librispeech/27/", "librispeech/422/", "speechocean/0024", "speechocean/0036", "speechocean/0120")
LENGTH, BATCH, WARM, WARM_AT_BEGIN = 320, 24, 20, 4
# Share of the stretches that are synthetic: with more of them speech is heard worse, with less even tones are unvoiced.
SYNTHETIC = 0.12
# Weight of the expected share of wrong pitches, beside the cross-entropy, which cares for sure frames too.
RISK = 1.0
# How much a voiced frame whose pitch is wrong counts as one that must be called unvoiced: 1 makes the voicing the
# probability that there is a pitch and that it is the right one.
DOUBT = 1.0
# How much a frame counts for the voicing where music sounds beneath and no voice does: taught in full, every even tone
# would be unvoiced.
MUSIC_ALONE = 0.1
# Decay of the running mean of the weights, which is what is written.
EMA = 0.997


def make_dumps(work, root):
    for name, speed, what, least in VARIANTS:
        for listed, base in (("speech.txt", root), ("synthetic.txt", os.path.join(work, "synth"))):
            if listed == "synthetic.txt" and name not in ("clean", "noisy", "music"):
                continue
            folder, listed = os.path.join(work, name), os.path.join(work, listed)
            os.makedirs(folder, exist_ok=True)
            if os.path.exists(stored(folder, lines(listed)[-1], ".f32")):
                continue
            command = ["cargo", "run", "-q", "--release", "-p", "mien-dsp", "--example", "pitch_dump", "--", listed, base,
                       folder, "--clues", "--speed", str(speed)]
            subprocess.run(command + ([what, str(least)] if what else []), check=True, cwd=HERE)


def load(work, names, variants):
    """One long stream per variant: candidates, what was heard, true pitch, and how much the voicing counts; and where
    the clips begin."""
    streams = []
    for variant, speed, what, _ in variants:
        parts = []
        for name in names:
            folder = os.path.join(work, variant)
            have = (stored(folder, name, ".f32"), stored(os.path.join(work, "refs"), name, ".npz"))
            if not all(map(os.path.exists, have)):
                continue
            pitch, _, votes, values = pair(folder, os.path.join(work, "refs"), name, WIDTH, speed, TEACHERS)
            counts = (votes != len(TEACHERS) // 2) * np.where((pitch == 0) & (what == "--music"), MUSIC_ALONE, 1.0)
            found = values[:, 3 : 3 + CANDIDATES * PER_CANDIDATE].reshape(-1, CANDIDATES, PER_CANDIDATE)
            parts.append((found.astype(np.float16), values[:, -HEARD:].astype(np.float16), pitch.astype(np.float32),
                          counts.astype(np.float32)))
        if not parts:
            continue
        begins = np.cumsum([0] + [len(p[0]) for p in parts[:-1]])
        streams.append((*(torch.from_numpy(np.concatenate(p)) for p in zip(*parts)), begins))
    return streams


class Networks(torch.nn.Module):
    def __init__(self):
        super().__init__()
        linear = torch.nn.Linear
        self.first = linear(HEARD, HIDDEN)
        self.memory = torch.nn.GRU(HIDDEN, STATE, batch_first=True)
        self.belief = linear(STATE, MAP)
        self.candidate = torch.nn.Sequential(linear(TRAITS, UNITS), torch.nn.ReLU(), linear(UNITS, 1))
        self.voicing = torch.nn.Sequential(linear(STATE + TRAITS + 2, UNITS), torch.nn.ReLU(), linear(UNITS, 1))
        for name, size in (("heard", HEARD), ("traits", TRAITS)):
            self.register_buffer(name + "_mean", torch.zeros(size))
            self.register_buffer(name + "_deviation", torch.ones(size))

    def forward(self, found, heard):
        """Logits of the candidates (B, T, 12) and of voicing (B, T)."""
        hz, traits = found[..., 0], found[..., 2:]
        x = torch.relu(self.first((heard - self.heard_mean) / self.heard_deviation))
        state, _ = self.memory(x)
        belief = self.belief(state)
        there = hz > 0
        band = (torch.log(MAX_HZ / hz.clamp(MIN_HZ, MAX_HZ)) / np.log(MAX_HZ / MIN_HZ) * MAP - 0.5).clamp(0, MAP - 1)
        below = band.long().clamp(max=MAP - 2)
        part = band - below
        believed = belief.gather(-1, below) * (1 - part) + belief.gather(-1, below + 1) * part
        # Where there is no candidate, the tracker hands on zeros.
        traits = (traits - self.traits_mean) / self.traits_deviation
        logits = (self.candidate(traits)[..., 0] + believed).masked_fill(~there, -1e9)
        trust, best = torch.softmax(logits, -1).max(-1)
        chosen = found.gather(2, best[..., None, None].expand(-1, -1, 1, PER_CANDIDATE))[:, :, 0]
        any_there = there.any(-1)
        own = (chosen[..., 2:] - self.traits_mean) / self.traits_deviation
        clues = torch.cat([state, own, chosen[..., 1:2], (trust.detach() * any_there)[..., None]], -1)
        return logits, self.voicing(clues)[..., 0]


def targets(found, pitch):
    hz = found[..., 0]
    near = ((hz.clamp(min=1).log2() - pitch.clamp(min=1).log2()[..., None]).abs() < 0.08) & (hz > 0)
    return near, (pitch > 0) & near.any(-1)


def batch_of(streams, count, at_begin, generator):
    """Random stretches; each variant as often as it is long, the clean one double. A share of them starts where a clip
    does, as the tracker does, and counts from its first frames on."""
    lengths = np.array([len(s[0]) * (2 if i == 0 else 1) for i, s in enumerate(streams)], float)
    parts = []
    for i in generator.choice(len(streams), count, p=lengths / lengths.sum()):
        *values, begins = streams[i]
        last, warm = len(values[0]) - LENGTH, WARM
        start = generator.integers(0, last)
        if generator.random() < at_begin:
            start, warm = generator.choice(begins[begins <= last]), WARM_AT_BEGIN
        parts.append([v[start : start + LENGTH] for v in values] + [torch.arange(LENGTH) >= warm])
    return parts


def losses(net, found, heard, pitch, counts, warm):
    """Cross-entropy of the candidates, expected share of wrong pitches, and cross-entropy of the voicing."""
    logits, voicing = net(found, heard)
    right, use = targets(found, pitch)
    use = use & warm
    entropy = -torch.logsumexp(torch.log_softmax(logits, -1).masked_fill(~right, -1e9), -1)
    hz = found[..., 0]
    wrong = (hz.clamp(min=1).log2() - pitch.clamp(min=1).log2()[..., None]).abs() > 0.263
    risk = (torch.softmax(logits, -1) * wrong).sum(-1)
    doubt = (pitch > 0) & (wrong | (hz == 0)).gather(-1, logits.argmax(-1, keepdim=True))[..., 0]
    counts = torch.where(doubt, counts * DOUBT, counts) * warm
    known = ((pitch > 0) & ~doubt).float()
    sure = torch.nn.functional.binary_cross_entropy_with_logits(voicing, known, reduction="none")
    return entropy[use].mean(), risk[use].mean(), (sure * counts).sum() / counts.sum()


def report(net, checks, names):
    net.eval()
    texts = []
    with torch.no_grad():
        for name, (found, heard, pitch, _, _) in zip(names, checks):
            found, heard = found.float()[None], heard.float()[None]
            logits, voicing = net(found, heard)
            best = found[..., 0].gather(-1, logits.argmax(-1, keepdim=True))[0, :, 0].clamp(min=1)
            use = (pitch > 0) & (voicing[0] > 0)
            off = (best[use].log2() - pitch[use].log2()).abs()
            texts.append(f"{name} {100 * (off > 0.263).float().mean():.2f}/{100 * ((off - 1).abs() < 0.26).float().mean():.2f}/"
                         f"{100 * ((voicing[0] > 0) != (pitch > 0)).float().mean():.2f}")
    net.train()
    return ", ".join(texts)


def write(net, path):
    """Layers in the order in which src/pitch/weights.rs reads them; the scaling of the inputs goes into the weights."""
    def layer(weight, bias, mean=None, deviation=None):
        weight, bias = weight.detach().double(), bias.detach().double()
        if mean is not None:
            weight = weight / deviation.double()
            bias = bias - weight @ mean.double()
        return [weight.numpy().ravel(), bias.numpy()]

    zero, one = torch.zeros(STATE), torch.ones(STATE)
    pad0, pad1 = torch.zeros(2), torch.ones(2)
    memory = net.memory
    parts = layer(net.first.weight, net.first.bias, net.heard_mean, net.heard_deviation)
    parts += layer(memory.weight_ih_l0, memory.bias_ih_l0) + layer(memory.weight_hh_l0, memory.bias_hh_l0)
    parts += layer(net.belief.weight, net.belief.bias)
    parts += layer(net.candidate[0].weight, net.candidate[0].bias, net.traits_mean, net.traits_deviation)
    parts += layer(net.candidate[2].weight, net.candidate[2].bias)
    parts += layer(net.voicing[0].weight, net.voicing[0].bias, torch.cat([zero, net.traits_mean, pad0]),
                   torch.cat([one, net.traits_deviation, pad1]))
    parts += layer(net.voicing[2].weight, net.voicing[2].bias)
    np.concatenate(parts).astype("<f4").tofile(path)


def main():
    work, root = sys.argv[1:3]
    total = int(sys.argv[3]) if len(sys.argv) > 3 else 2600
    rate = 3e-3 if len(sys.argv) > 4 else 4e-3
    torch.set_num_threads(1)
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    make_dumps(work, root)
    names = lines(os.path.join(work, "speech.txt"))
    check = [n for n in names if any(c in n for c in CHECK)]
    train = [n for n in names if n not in check]
    made = lines(os.path.join(work, "synthetic.txt"))
    streams, checks = load(work, train, VARIANTS), load(work, check, VARIANTS)
    synthetic, synthetic_checks = load(work, made[:-24], VARIANTS), load(work, made[-24:], VARIANTS)
    checked = [v[0] for v in VARIANTS] + [v[0] + "-synthetic" for v in VARIANTS[: len(synthetic)]]
    checks += synthetic_checks
    net = Networks()
    for name, part in (("heard", streams[1][1][::7].float()),
                       ("traits", streams[1][0][::7].float()[streams[1][0][::7, :, 0] > 0][:, 2:])):
        getattr(net, name + "_mean").copy_(part.mean(0))
        getattr(net, name + "_deviation").copy_(part.std(0) + 1e-3)
    if len(sys.argv) > 4:
        net.load_state_dict(torch.load(os.path.join(work, sys.argv[4])))
    mean = copy.deepcopy(net)
    print(f"{len(streams[0][0]) / 6000:.0f} min of speech, {sum(p.numel() for p in net.parameters())} weights", flush=True)
    optimiser = torch.optim.AdamW(net.parameters(), rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=total, pct_start=0.2)
    sums, every = np.zeros(3), max(total // 4, 1)
    for step in range(total):
        count = int(generator.binomial(BATCH, SYNTHETIC))
        parts = batch_of(streams, BATCH - count, 0.15, generator)
        if count:
            parts += batch_of(synthetic, count, 0.5, generator)
        found, heard, pitch, counts, warm = (torch.stack(p) for p in zip(*parts))
        heard = heard.float()
        parts = losses(net, found.float(), heard + 0.03 * net.heard_deviation * torch.randn_like(heard), pitch, counts, warm)
        candidate, risk, voicing = parts
        optimiser.zero_grad()
        (candidate + RISK * risk + voicing).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            for kept, now in zip(mean.parameters(), net.parameters()):
                kept.lerp_(now, 1 - min(EMA, (step + 1) / (step + 10)))
        sums += [p.item() for p in parts]
        if (step + 1) % every == 0:
            print(f"{step + 1}: loss {sums / every}; gross/octave/voicing, %: {report(mean, checks, checked)}", flush=True)
            sums[:] = 0
            write(mean, WEIGHTS)
            torch.save(mean.state_dict(), os.path.join(work, "networks.pt"))


if __name__ == "__main__":
    main()
