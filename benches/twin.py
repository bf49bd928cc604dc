"""FratMAE in plain PyTorch, as fast as plain PyTorch is: what `benches/step.py` compares with.

It has the same parts, sizes, losses and optimizer as the Rust model, and no weights in common with it. A line in is one
training step; a line out is what it took. `benches/gpu.py` runs it on a card: the last two arguments name the device,
and f32 or bf16 for the matrix products, by autocast. There f32 takes TF32 for them, as burn does on a card.
"""

import json
import math
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

STACK, PATCH, VOCABULARY = (32, 160, 192), 16, 49408
GRID = [side // PATCH for side in STACK]
TOKENS, VOXELS = math.prod(GRID), PATCH**3
# encoder, decoder and text: width, depth, heads
PRESETS = {
    "tiny": [(96, 4, 4), (96, 2, 4), (96, 2, 4)],
    "small": [(192, 6, 6), (144, 2, 6), (192, 4, 6)],
    "base": [(768, 12, 12), (384, 8, 12), (512, 12, 8)],
}


def heads(rows, n):
    return rows.unflatten(2, (n, -1)).transpose(1, 2)


def attend(q, k, v, n, causal=False):
    seen = F.scaled_dot_product_attention(heads(q, n), heads(k, n), heads(v, n), is_causal=causal)
    return seen.transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    def __init__(self, width, n):
        super().__init__()
        self.n, self.qkv, self.proj = n, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        return self.proj(attend(*self.qkv(x).chunk(3, 2), self.n))


class Attention(nn.Module):
    """Separate projections: over a memory, or causal over itself."""

    def __init__(self, width, n, causal=False):
        super().__init__()
        self.n, self.causal = n, causal
        self.q, self.k, self.v, self.proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x, memory):
        return self.proj(attend(self.q(x), self.k(memory), self.v(memory), self.n, self.causal))


class Mlp(nn.Module):
    def __init__(self, width, quick=False):
        super().__init__()
        self.fc1, self.fc2, self.quick = nn.Linear(width, 4 * width), nn.Linear(4 * width, width), quick

    def forward(self, x):
        x = self.fc1(x)
        return self.fc2(x * torch.sigmoid(1.702 * x) if self.quick else F.gelu(x))


class EncoderBlock(nn.Module):
    def __init__(self, width, n):
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.attn, self.mlp = SelfAttention(width, n), Mlp(width)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class DecoderBlock(nn.Module):
    def __init__(self, width, n):
        super().__init__()
        self.norm1, self.norm2, self.norm_y, self.norm3 = (nn.LayerNorm(width, eps=1e-6) for _ in range(4))
        self.attn, self.cross_attn, self.mlp = SelfAttention(width, n), Attention(width, n), Mlp(width)

    def forward(self, x, memory):
        x = x + self.attn(self.norm1(x))
        x = x + self.cross_attn(self.norm2(x), self.norm_y(memory))
        return x + self.mlp(self.norm3(x))


class TextBlock(nn.Module):
    def __init__(self, width, n):
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width) for _ in range(2))
        self.attn, self.mlp = Attention(width, n, causal=True), Mlp(width, quick=True)

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.attn(y, y)
        return x + self.mlp(self.norm2(x))


class Encoder(nn.Module):
    def __init__(self, width, depth, n):
        super().__init__()
        self.patch_embed, self.norm = nn.Linear(VOXELS, width), nn.LayerNorm(width, eps=1e-6)
        self.cls = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.register_buffer("pos", torch.randn(1, TOKENS, width))
        self.blocks = nn.ModuleList(EncoderBlock(width, n) for _ in range(depth))

    def forward(self, patches, keep=None):
        pos = self.pos if keep is None else self.pos[0][keep]
        x = self.patch_embed(patches if keep is None else rows(patches, keep)) + pos
        x = torch.cat([self.cls.expand(len(x), 1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class Decoder(nn.Module):
    def __init__(self, encoder_width, width, depth, n):
        super().__init__()
        self.embed, self.memory_embed = nn.Linear(encoder_width, width), nn.Linear(encoder_width, width)
        self.mask_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.register_buffer("pos", torch.randn(1, 1 + TOKENS, width))
        self.blocks = nn.ModuleList(DecoderBlock(width, n) for _ in range(depth))
        self.norm, self.pred = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, VOXELS)

    def forward(self, visible, whole, keep, hidden):
        x = self.embed(visible)
        full = self.mask_token.to(x.dtype).expand(len(x), TOKENS, -1)
        full = full.scatter(1, keep.unsqueeze(2).expand(-1, -1, x.shape[2]), x[:, 1:])
        x = torch.cat([x[:, :1], full], 1) + self.pos
        memory = self.memory_embed(whole) + self.pos
        for block in self.blocks:
            x = block(x, memory)
        return self.pred(self.norm(rows(x[:, 1:], hidden)))


class Text(nn.Module):
    def __init__(self, width, depth, n, embedding):
        super().__init__()
        self.words, self.places = nn.Embedding(VOCABULARY, width), nn.Embedding(77, width)
        self.blocks = nn.ModuleList(TextBlock(width, n) for _ in range(depth))
        self.norm, self.projection = nn.LayerNorm(width), nn.Linear(width, embedding, bias=False)

    def forward(self, ids):
        x = self.words(ids) + self.places.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.projection(self.norm(x)[:, -1])


class FratMae(nn.Module):
    def __init__(self, preset):
        super().__init__()
        (width, depth, n), decoder, text = PRESETS[preset]
        self.encoders = nn.ModuleList(Encoder(width, depth, n) for _ in range(2))
        self.decoders = nn.ModuleList(Decoder(width, *decoder) for _ in range(2))
        self.text, self.projection = Text(*text, text[0]), nn.Linear(width, text[0], bias=False)
        self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def group(self, masked, stacks, keep, hidden):
        """The samples that mask one modality: the sum of their errors, and PET's class tokens."""
        patches = [patchify(stack) for stack in stacks]
        visible = self.encoders[masked](patches[masked], keep)
        whole = self.encoders[1 - masked](patches[1 - masked])
        predicted = self.decoders[masked](visible, whole, keep, hidden)
        error = (predicted - rows(patches[masked], hidden)).square().mean() * len(keep)
        return error, (visible if masked == 0 else whole)[:, 0]

    def forward(self, groups, ids, order):
        outcomes = [self.group(*group) for group in groups]
        pet = torch.cat([classes for _, classes in outcomes])[order]
        pet, text = F.normalize(self.projection(pet), dim=1), F.normalize(self.text(ids), dim=1)
        logits = pet @ text.T * self.scale.exp()
        target = torch.arange(len(ids), device=ids.device)
        contrast = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        return sum(error for error, _ in outcomes) / len(ids) + contrast


def rows(tokens, index):
    return tokens.gather(1, index.unsqueeze(2).expand(-1, -1, tokens.shape[2]))


def patchify(stack):
    cut = stack.unflatten(1, (GRID[0], PATCH)).unflatten(3, (GRID[1], PATCH)).unflatten(5, (GRID[2], PATCH))
    return cut.permute(0, 1, 3, 5, 2, 4, 6).reshape(len(stack), TOKENS, VOXELS)


def batch(n_samples):
    """PET and CT masked in turn; the samples that mask one modality run together."""
    groups, order = [], []
    for masked in (0, 1):
        samples = list(range(masked, n_samples, 2))
        if samples:
            shuffled = torch.stack([torch.randperm(TOKENS) for _ in samples])
            stacks = [torch.rand(len(samples), *STACK) for _ in range(2)]
            groups.append((masked, stacks, shuffled[:, : TOKENS // 2], shuffled[:, TOKENS // 2 :]))
            order += samples
    return groups, torch.randint(320, 40000, (n_samples, 20)), torch.tensor(order).argsort()


def moved(value, device):
    if isinstance(value, (list, tuple)):
        return type(value)(moved(part, device) for part in value)
    return value.to(device) if isinstance(value, torch.Tensor) else value


def main():
    preset, n_samples, compiled = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "compile"
    torch.set_num_threads(int(sys.argv[4]))
    device = torch.device(sys.argv[5] if len(sys.argv) > 5 else "cpu")
    is_half = sys.argv[6:] == ["bf16"]
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    torch.manual_seed(1)
    model = FratMae(preset).to(device)
    run = torch.compile(model) if compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.05)
    inputs = moved(batch(n_samples), device)
    for _ in sys.stdin:
        begin, used = time.perf_counter(), time.process_time()
        with torch.autocast(device.type, torch.bfloat16, enabled=is_half):
            loss = run(*inputs)
        loss.item()
        forward = time.perf_counter() - begin
        loss.backward()
        wait()
        backward = time.perf_counter() - begin
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        wait()
        seconds = time.perf_counter() - begin
        outcome = {
            "seconds": seconds,
            "forward": forward,
            "backward": backward - forward,
            "optimizer": seconds - backward,
            "cpu": time.process_time() - used,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "loss": loss.item(),
        }
        print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main()
