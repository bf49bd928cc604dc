"""Compares the text encoder with `transformers`: clip.py FRATMAE PARITY WORK_FOLDER

A CLIPTextModelWithProjection with random weights is saved, loaded by `model.text.weights`, and 200 sentences are
encoded by both.
"""

import os
import subprocess
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

SENTENCES, LIMIT = 200, 1e-4
JOB = """
[model]
stack = [4, 8, 12]
patch = [4, 4, 4]
embedding = 48
[model.encoder]
width = 12
depth = 1
heads = 2
[model.decoder]
width = 12
depth = 1
heads = 2
[model.text]
width = 64
depth = 3
heads = 4
weights = "{weights}"
[data]
grid = [8, 8, 12]
stride = 1
"""


def main():
    fratmae, parity, work = sys.argv[1:]
    torch.manual_seed(3)
    config = CLIPTextConfig(
        hidden_size=64, intermediate_size=256, num_hidden_layers=3, num_attention_heads=4, projection_dim=48
    )
    theirs = CLIPTextModelWithProjection(config).eval()
    # First weights are small, and nothing would depend on the words.
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    theirs.save_pretrained(work)
    job = os.path.join(work, "job.toml")
    with open(job, "w") as file:
        file.write(JOB.format(weights=os.path.join(work, "model.safetensors")))
    out = os.path.join(work, "weights")
    said = subprocess.run([fratmae, "model", "init", "--config", job, "--out", out], check=True, capture_output=True)
    print(said.stdout.decode().strip())
    lengths = torch.randint(2, 78, (SENTENCES,))
    words = torch.randint(0, 49406, (SENTENCES, 77))
    words[:, 0] = 49406
    for row, length in enumerate(lengths):
        words[row, length - 1 :] = 49407
    inputs, stages = os.path.join(work, "in.safetensors"), os.path.join(work, "out.safetensors")
    save_file(
        {
            "pet": torch.rand(SENTENCES, 4, 8, 12),
            "ct": torch.rand(SENTENCES, 4, 8, 12),
            "masked_modality": torch.zeros(SENTENCES, dtype=torch.long),
            "keep": torch.zeros(SENTENCES, 1, dtype=torch.long),
            "tokens": words,
        },
        inputs,
    )
    subprocess.run([parity, "forward", out, inputs, stages], check=True)
    with torch.no_grad():
        expected = torch.nn.functional.normalize(theirs(input_ids=words).text_embeds, dim=-1)
    found = load_file(stages)["text_embedding"]
    apart = float((found - expected).abs().max())
    spread = float((expected[1:] - expected[:-1]).abs().max())
    print(f"{SENTENCES} sentences of 2 to 77 tokens: largest difference {apart:.2e}, limit {LIMIT:.0e}")
    print(f"(two sentences differ by up to {spread:.2f})")
    raise SystemExit(0 if apart <= LIMIT and spread > 0.1 else 1)


if __name__ == "__main__":
    main()
