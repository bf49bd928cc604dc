"""Loads the encoders of a folder that `fratmae export` wrote into PyTorch; needs torch and safetensors.

    from load_encoders import load_encoders
    pet_encoder, ct_encoder = load_encoders("weights")
    tokens = pet_encoder(stack)        # [batch, D, H, W] in [0, 1] -> [batch, 1 + tokens, width], class token first

As a program it encodes `pet` and `ct` of a safetensors file: load_encoders.py WEIGHTS INPUTS OUT
"""

import json
import os
import sys

import torch
from safetensors.torch import load_file, save_file
from torch import nn


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, width, heads, ratio):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential()
        self.mlp.add_module("fc1", nn.Linear(width, ratio * width))
        self.mlp.add_module("act", nn.GELU())
        self.mlp.add_module("fc2", nn.Linear(ratio * width, width))

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self, patch, width):
        super().__init__()
        self.proj = nn.Conv3d(1, width, patch, patch)

    def forward(self, x):
        return self.proj(x[:, None]).flatten(2).transpose(1, 2)


class Encoder(nn.Module):
    """timm's VisionTransformer over patches of three axes; the class token has no position."""

    def __init__(self, stack, patch, width, depth, heads, ratio):
        super().__init__()
        tokens = 1
        for side, cut in zip(stack, patch):
            tokens *= side // cut
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + tokens, width), requires_grad=False)
        self.patch_embed = PatchEmbed(patch, width)
        self.blocks = nn.Sequential(*(Block(width, heads, ratio) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x):
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), self.patch_embed(x)], 1)
        return self.norm(self.blocks(x + self.pos_embed))


def load_encoders(folder):
    """The PET and the CT encoder of an export, in evaluation mode."""
    with open(os.path.join(folder, "config.json")) as file:
        config = json.load(file)
    weights = load_file(os.path.join(folder, "model.safetensors"))
    encoders = []
    for name in ("pet_encoder.", "ct_encoder."):
        encoder = Encoder(config["stack"], config["patch"], **config["encoder"], ratio=config["mlp_ratio"])
        state = {key.removeprefix(name): value for key, value in weights.items() if key.startswith(name)}
        encoder.load_state_dict(state)
        encoders.append(encoder.eval())
    return encoders


def main():
    weights, inputs, out = sys.argv[1:]
    given = load_file(inputs)
    with torch.no_grad():
        pet, ct = (encode(given[name]) for encode, name in zip(load_encoders(weights), ("pet", "ct")))
    save_file({"pet_tokens": pet, "ct_tokens": ct}, out)


if __name__ == "__main__":
    main()
