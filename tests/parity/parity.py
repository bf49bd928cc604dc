"""Compares the model with the twin: parity.py FRATMAE PARITY WORK_FOLDER

Exports first weights, runs forward, backward and ten AdamW steps in both, then the same steps here in bf16 beside the
twin's in f32, and prints one table. Ends with 1 when a figure is over its limit.
"""

import os
import subprocess
import sys

import torch
from safetensors.torch import load_file, save_file

import twin

FORWARD, GRADIENT, STEPS = 1e-4, 1e-3, 1e-3
# In bf16, where steps as large as these also carry the first one's rounding on.
HALF, HALF_STEPS = 2e-2, 5e-2
SMALL = """
[model]
stack = [8, 32, 48]
patch = [4, 8, 8]
embedding = 32
{model}
[model.encoder]
width = 48
depth = 3
heads = 4
[model.decoder]
width = 36
depth = 2
heads = 3
{decoder}
[model.text]
width = 32
depth = 2
heads = 4
{text}
[data]
grid = [32, 40, 48]
stride = 1
[train]
{train}
batch = 6
slots = 1
[workers]
count = 1
"""
# Warm-up, peak and fall within ten steps, and a gradient that is clipped.
TRAIN = {
    "steps": 10,
    "lr": 1e-3,
    "warmup": 0.3,
    "weight_decay": 0.05,
    "beta1": 0.9,
    "beta2": 0.95,
    "epsilon": 1e-8,
    "clip_norm": 0.1,
    "contrastive_weight": 1.0,
}
VARIANTS = {
    "the model": {},
    "no self-attention, normalised targets, trained 3:1": {
        "decoder": "self_attention = false",
        "model": "norm_pix = true\nmask_ratio = 0.75",
    },
    "without ContextAlign": {"model": "contrastive = false"},
    "frozen text, 1:3": {"text": "trainable = false", "model": "mask_ratio = 0.25"},
    "one encoder for both": {"model": "shared_encoders = true"},
    "symmetric masking": {"model": 'masking = "symmetric"'},
}


class Table:
    def __init__(self):
        self.failed = False

    def row(self, what, found, limit):
        verdict = "ok" if found <= limit else "OVER"
        self.failed |= found > limit
        print(f"  {what:<44} {found:>10.2e}  limit {limit:.0e}  {verdict}", flush=True)


def distance(a, b, least=1e-12):
    """The largest difference, relative to the largest number."""
    if a.shape != b.shape:
        raise SystemExit(f"shapes {tuple(a.shape)} and {tuple(b.shape)} differ")
    scale = b.abs().max().clamp_min(least)
    return float((a.double() - b.double()).abs().max() / scale)


def inputs(config, seed):
    generator = torch.Generator().manual_seed(seed)
    batch = 6
    n = 1
    for side, patch in zip(config["stack"], config["patch"]):
        n *= side // patch
    kept = n - round(n * config["mask_ratio"])

    def keep():
        return torch.stack([torch.randperm(n, generator=generator)[:kept] for _ in range(batch)])

    given = {
        "pet": torch.rand(batch, *config["stack"], generator=generator) ** 3,
        "ct": torch.rand(batch, *config["stack"], generator=generator),
        "masked_modality": torch.tensor([0, 1, 1, 0, 1, 0]),
        "keep": keep(),
    }
    if config["masking"] == "symmetric":
        given["masked_modality"] = torch.zeros(batch, dtype=torch.long)
        given["keep_other"] = keep()
    if config["contrastive"]:
        words = torch.randint(300, 40000, (batch, 9), generator=generator)
        words[:, 0] = 49406
        for row, length in enumerate([9, 5, 7, 9, 5, 8]):
            words[row, length - 1 :] = 49407
        words[4] = words[1]
        given["tokens"] = words
    return given


def without_key_bias(name, tensor):
    """A bias of all keys moves all scores of a query alike, so the softmax and the loss do not see it.

    Its gradient is rounding and nothing else, which AdamW scales up to whole steps: it is not compared.
    """
    if name.endswith(("projk.bias", "k_proj.bias")):
        return torch.zeros_like(tensor)
    if name.endswith("attn.qkv.bias"):
        tensor = tensor.clone()
        third = len(tensor) // 3
        tensor[third : 2 * third] = 0
    return tensor


def call(*words):
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)


def stir(folder, seed):
    """Moves every number, so that no bias is zero and no branch is negligible."""
    path = os.path.join(folder, "model.safetensors")
    generator = torch.Generator().manual_seed(seed)
    state = {
        name: tensor if name.endswith("pos_embed") else tensor + 0.02 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in load_file(path).items()
    }
    if "shared" in folder:
        for name in list(state):
            if name.startswith("ct_encoder."):
                state[name] = state[name.replace("ct_", "pet_", 1)].clone()
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)


def compare(fratmae, parity, work, name, changes, table):
    print(name)
    slug = "shared" if "shared" in changes.get("model", "") else name.replace(" ", "-").replace(",", "").replace(":", "")
    folder = os.path.join(work, slug)
    os.makedirs(folder, exist_ok=True)
    job = os.path.join(folder, "job.toml")
    with open(job, "w") as file:
        settings = "\n".join(f"{key} = {value}" for key, value in TRAIN.items())
        file.write(SMALL.format(**{"model": "", "decoder": "", "text": "", "train": settings, **changes}))
    call(fratmae, "model", "init", "--config", job, "--out", folder)
    stir(folder, 1)
    model = twin.load(folder)
    frozen = not model.config["text"]["trainable"]
    if frozen and model.config["contrastive"]:
        model.text.requires_grad_(False)
    given = inputs(model.config, 2)
    given_file, stages_file, steps_file = (os.path.join(folder, f) for f in ("in.safetensors", "out.safetensors", "steps.safetensors"))
    save_file(given, given_file)
    if "keep_other" not in given:
        call(parity, "forward", folder, given_file, stages_file)
        ours = load_file(stages_file)
        with torch.no_grad():
            theirs = model(**given)
        for stage, tensor in theirs.items():
            table.row(stage, distance(ours[stage], tensor), FORWARD)
    step = [parity, "step", folder, given_file, steps_file, job]
    call(*step)
    ours = load_file(steps_file)
    losses, norms, gradients, after = twin.train(model, given, TRAIN)
    table.row("loss of the first step", distance(ours["loss"][:1], torch.tensor(losses[:1])), FORWARD)
    worst, rounding = {}, 0.0
    for name, theirs in gradients.items():
        mine = ours[f"gradient.{name}"]
        worst[name] = distance(without_key_bias(name, mine), without_key_bias(name, theirs))
        rounding = max(rounding, float((mine - theirs).abs().max()) / norms[0])
    steepest = max(worst, key=worst.get)
    table.row(f"gradients of {len(worst)} parameters: the worst", worst[steepest], GRADIENT)
    print(f"    ({steepest})")
    table.row("  key biases too, beside the whole gradient", rounding, 1e-6)
    table.row("gradient norms of ten steps", distance(ours["norm"], torch.tensor(norms)), GRADIENT)
    table.row("losses of ten steps", distance(ours["loss"], torch.tensor(losses)), STEPS)
    moved = {
        n: distance(without_key_bias(n, ours[f"parameter.{n}"]), without_key_bias(n, p.data)) for n, p in after.items()
    }
    table.row(f"{len(moved)} parameters after ten steps: the worst", max(moved.values()), STEPS)
    # Of its own: what was loaded above is still read from the other file.
    half_file = os.path.join(folder, "steps-bf16.safetensors")
    call(parity, "step", folder, given_file, half_file, job, "bf16")
    half = load_file(half_file)
    if torch.equal(half["loss"], ours["loss"]):
        raise SystemExit("the losses in bf16 are those in f32: nothing was rounded")
    table.row("loss of the first step in bf16", distance(half["loss"][:1], torch.tensor(losses[:1])), HALF)
    table.row("losses of ten steps in bf16", distance(half["loss"], torch.tensor(losses)), HALF_STEPS)


def main():
    torch.set_num_threads(2)
    fratmae, parity, work = sys.argv[1:4]
    print(f"torch {torch.__version__}: largest difference, relative to the largest number of the tensor")
    table = Table()
    for name, changes in VARIANTS.items():
        compare(fratmae, parity, work, name, changes, table)
    raise SystemExit(1 if table.failed else 0)


if __name__ == "__main__":
    main()
