"""Takes exported encoders to PyTorch and weights of PyTorch back: round_trip.py FRATMAE PARITY WEIGHTS DOCS WORK_FOLDER"""

import json
import os
import subprocess
import sys

import torch
from safetensors.torch import load_file, save_file

LIMIT = 1e-4


def main():
    fratmae, parity, weights, docs, work = sys.argv[1:]
    sys.path.insert(0, docs)
    from load_encoders import load_encoders

    with open(os.path.join(weights, "config.json")) as file:
        config = json.load(file)
    torch.manual_seed(5)
    stacks = {name: torch.rand(2, *config["stack"]) for name in ("pet", "ct")}
    n = 1
    for side, patch in zip(config["stack"], config["patch"]):
        n *= side // patch
    # One sample masks PET and one CT, so that each encoder sees one stack whole.
    inputs, stages = (os.path.join(work, name) for name in ("in.safetensors", "out.safetensors"))
    keep = torch.arange(n // 2).expand(2, -1).contiguous()
    save_file({**stacks, "masked_modality": torch.tensor([0, 1]), "keep": keep}, inputs)

    def forward(folder):
        subprocess.run([parity, "forward", folder, inputs, stages], check=True)
        return load_file(stages)

    def compare(what, ours, encoders):
        with torch.no_grad():
            theirs = {"pet": encoders[0](stacks["pet"])[1], "ct": encoders[1](stacks["ct"])[0]}
        apart = max(
            float((ours["pet_tokens"][1] - theirs["pet"]).abs().max()),
            float((ours["ct_tokens"][0] - theirs["ct"]).abs().max()),
        )
        print(f"{what}: features differ by {apart:.2e}, limit {LIMIT:.0e}")
        return apart <= LIMIT

    encoders = load_encoders(weights)
    good = compare("export loaded by load_encoders.py", forward(weights), encoders)

    # Weights trained elsewhere, saved under timm's names, go into both encoders.
    elsewhere = encoders[0]
    with torch.no_grad():
        for name, parameter in elsewhere.named_parameters():
            if name != "pos_embed":
                parameter.add_(0.05 * torch.randn_like(parameter))
    vit = os.path.join(work, "vit.safetensors")
    save_file({name: tensor.contiguous() for name, tensor in elsewhere.state_dict().items()}, vit)
    job = os.path.join(work, "job.toml")
    shape = config["encoder"]
    with open(job, "w") as file:
        file.write(
            f"[model]\nstack = {config['stack']}\npatch = {config['patch']}\nembedding = {config['embedding']}\n"
            f'init_from = "{vit}"\n'
            f"[model.encoder]\nwidth = {shape['width']}\ndepth = {shape['depth']}\nheads = {shape['heads']}\n"
            "[model.decoder]\nwidth = 48\ndepth = 1\nheads = 4\n"
            f"[data]\ngrid = [{config['stack'][1]}, 64, {config['stack'][2]}]\n"
        )
    back = os.path.join(work, "back")
    said = subprocess.run([fratmae, "model", "init", "--config", job, "--out", back], check=True, capture_output=True)
    print(said.stdout.decode().strip())
    good &= compare("timm's names loaded by model.init_from", forward(back), [elsewhere, elsewhere])
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
