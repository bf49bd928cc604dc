"""FratMAE in plain PyTorch, written from the description of the model and not from the Rust code.

It is built from a folder that `fratmae export` wrote and loads `model.safetensors` by its names. Nothing here is meant
for training at scale: it is a second opinion.
"""

import json
import math
import os

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F


class Mlp(nn.Module):
    def __init__(self, width, ratio, activation):
        super().__init__()
        self.fc1 = nn.Linear(width, ratio * width)
        self.fc2 = nn.Linear(ratio * width, width)
        self.activation = activation

    def forward(self, x):
        return self.fc2(self.activation(self.fc1(x)))


def attend(q, k, v, heads, causal=False):
    def split(x):
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    q, k, v = split(q), split(k), split(v)
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(later, float("-inf"))
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.heads = heads

    def forward(self, x):
        return self.proj(attend(*self.qkv(x).chunk(3, -1), self.heads))


class CrossAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.projq, self.projk, self.projv, self.proj = (nn.Linear(width, width) for _ in range(4))
        self.heads = heads

    def forward(self, x, y):
        return self.proj(attend(self.projq(x), self.projk(y), self.projv(y), self.heads))


class Block(nn.Module):
    def __init__(self, width, heads, ratio):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = SelfAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, ratio, F.gelu)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class DecoderBlock(nn.Module):
    def __init__(self, width, heads, ratio, self_attention):
        super().__init__()
        if self_attention:
            self.norm1 = nn.LayerNorm(width, eps=1e-6)
            self.attn = SelfAttention(width, heads)
        self.self_attention = self_attention
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.norm_y = nn.LayerNorm(width, eps=1e-6)
        self.cross_attn = CrossAttention(width, heads)
        self.norm3 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, ratio, F.gelu)

    def forward(self, x, y):
        if self.self_attention:
            x = x + self.attn(self.norm1(x))
        x = x + self.cross_attn(self.norm2(x), self.norm_y(y))
        return x + self.mlp(self.norm3(x))


def positions(grid, width):
    """Per axis, in the order d, h, w: width / 6 sines, then as many cosines. The class token's row is zeros."""
    sixth = width // 6
    omega = 10000.0 ** (-torch.arange(sixth, dtype=torch.float64) / sixth)
    places = torch.cartesian_prod(*(torch.arange(n, dtype=torch.float64) for n in grid)).reshape(-1, 3)
    angles = places[:, :, None] * omega
    table = torch.cat([angles.sin(), angles.cos()], -1).flatten(1)
    return torch.cat([torch.zeros(1, width, dtype=torch.float64), table]).float()[None]


class PatchEmbed(nn.Module):
    def __init__(self, patch, width):
        super().__init__()
        self.proj = nn.Conv3d(1, width, patch, patch)

    def forward(self, x):
        return self.proj(x[:, None]).flatten(2).transpose(1, 2)


class Encoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        shape = config["encoder"]
        width = shape["width"]
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        grid = [s // p for s, p in zip(config["stack"], config["patch"])]
        self.pos_embed = nn.Parameter(positions(grid, width), requires_grad=False)
        self.patch_embed = PatchEmbed(config["patch"], width)
        blocks = (Block(width, shape["heads"], config["mlp_ratio"]) for _ in range(shape["depth"]))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, volume, keep=None):
        x = self.patch_embed(volume) + self.pos_embed[:, 1:]
        if keep is not None:
            x = x.gather(1, keep[:, :, None].expand(-1, -1, x.shape[-1]))
        cls = self.cls_token + self.pos_embed[:, :1]
        x = torch.cat([cls.expand(len(x), -1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class Decoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        shape = config["decoder"]
        width, outer = shape["width"], config["encoder"]["width"]
        self.embed = nn.Linear(outer, width)
        self.memory_embed = nn.Linear(outer, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        grid = [s // p for s, p in zip(config["stack"], config["patch"])]
        self.pos_embed = nn.Parameter(positions(grid, width), requires_grad=False)
        blocks = (
            DecoderBlock(width, shape["heads"], config["mlp_ratio"], shape["self_attention"])
            for _ in range(shape["depth"])
        )
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pred = nn.Linear(width, config["patch"][0] * config["patch"][1] * config["patch"][2])

    def forward(self, visible, keep, memory, memory_keep=None):
        visible = self.embed(visible)
        n = self.pos_embed.shape[1] - 1
        tokens = self.mask_token.expand(len(visible), n, -1)
        tokens = tokens.scatter(1, keep[:, :, None].expand(-1, -1, visible.shape[-1]), visible[:, 1:])
        x = torch.cat([visible[:, :1], tokens], 1) + self.pos_embed
        places = self.pos_embed.expand(len(visible), -1, -1)
        if memory_keep is not None:
            rows = torch.cat([torch.zeros_like(memory_keep[:, :1]), memory_keep + 1], 1)
            places = places.gather(1, rows[:, :, None].expand(-1, -1, visible.shape[-1]))
        y = self.memory_embed(memory) + places
        for block in self.blocks:
            x = block(x, y)
        return self.pred(self.norm(x[:, 1:]))


class TextAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            setattr(self, name, nn.Linear(width, width))
        self.heads = heads

    def forward(self, x):
        return self.out_proj(attend(self.q_proj(x), self.k_proj(x), self.v_proj(x), self.heads, causal=True))


class TextBlock(nn.Module):
    def __init__(self, width, heads, ratio):
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(width, eps=1e-5)
        self.self_attn = TextAttention(width, heads)
        self.layer_norm2 = nn.LayerNorm(width, eps=1e-5)
        self.mlp = Mlp(width, ratio, lambda x: x * torch.sigmoid(1.702 * x))

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Text(nn.Module):
    """CLIP's text side under HuggingFace's names."""

    def __init__(self, config):
        super().__init__()
        shape = config["text"]
        width = shape["width"]
        self.text_model = nn.Module()
        self.text_model.embeddings = nn.Module()
        self.text_model.embeddings.token_embedding = nn.Embedding(49408, width)
        self.text_model.embeddings.position_embedding = nn.Embedding(shape["context"], width)
        self.text_model.encoder = nn.Module()
        layers = (TextBlock(width, shape["heads"], config["mlp_ratio"]) for _ in range(shape["depth"]))
        self.text_model.encoder.layers = nn.ModuleList(layers)
        self.text_model.final_layer_norm = nn.LayerNorm(width, eps=1e-5)
        self.text_projection = nn.Linear(width, config["embedding"], bias=False)

    def forward(self, ids):
        tables = self.text_model.embeddings
        x = tables.token_embedding(ids) + tables.position_embedding.weight[: ids.shape[1]]
        for layer in self.text_model.encoder.layers:
            x = layer(x)
        x = self.text_model.final_layer_norm(x)
        ends = ids.argmax(-1)
        return self.text_projection(x[torch.arange(len(ids)), ends])


class FratMae(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.pet_encoder = Encoder(config)
        self.ct_encoder = self.pet_encoder if config.get("shared_encoders") else Encoder(config)
        self.pet_decoder = Decoder(config)
        self.ct_decoder = Decoder(config)
        if config["contrastive"]:
            self.pet_projection = nn.Linear(config["encoder"]["width"], config["embedding"], bias=False)
            self.logit_scale = nn.Parameter(torch.zeros(()))
            self.text = Text(config)

    def patches(self, volume):
        d, h, w = self.config["patch"]
        x = volume.unflatten(1, (-1, d)).unflatten(3, (-1, h)).unflatten(5, (-1, w))
        return x.permute(0, 1, 3, 5, 2, 4, 6).flatten(4).flatten(1, 3)

    def error(self, prediction, volume, keep):
        """The mean squared error of each sample over its hidden patches."""
        target = self.patches(volume)
        if self.config["norm_pix"]:
            mean, var = target.mean(-1, keepdim=True), target.var(-1, keepdim=True)
            target = (target - mean) / (var + 1e-6) ** 0.5
        hidden = torch.ones(target.shape[:2]).scatter(1, keep, 0.0)
        return ((prediction - target) ** 2).mean(-1).mul(hidden).sum(1) / hidden.sum(1)

    def forward(self, pet, ct, masked_modality, keep, tokens=None, text_embedding=None, keep_other=None):
        """Every stage by the names that `stages` of the model gives them."""
        if keep_other is not None:
            return self.symmetric(pet, ct, keep, keep_other, tokens)
        outputs = {"pet_tokens": [None] * len(pet), "ct_tokens": [None] * len(pet)}
        outputs |= {"prediction": [None] * len(pet), "mse": [None] * len(pet)}
        for number, masked in enumerate(["pet", "ct"]):
            samples = (masked_modality == number).nonzero().flatten()
            if not len(samples):
                continue
            other = "ct" if masked == "pet" else "pet"
            volumes = {"pet": pet[samples], "ct": ct[samples]}
            visible = getattr(self, f"{masked}_encoder")(volumes[masked], keep[samples])
            whole = getattr(self, f"{other}_encoder")(volumes[other])
            prediction = getattr(self, f"{masked}_decoder")(visible, keep[samples], whole)
            mse = self.error(prediction, volumes[masked], keep[samples])
            for at, sample in enumerate(samples):
                outputs[f"{masked}_tokens"][sample] = visible[at]
                outputs[f"{other}_tokens"][sample] = whole[at]
                outputs["prediction"][sample] = prediction[at]
                outputs["mse"][sample] = mse[at]
        classes = torch.stack([rows[0] for rows in outputs["pet_tokens"]])
        for name in ("pet_tokens", "ct_tokens"):
            outputs[name] = nn.utils.rnn.pad_sequence(outputs[name], batch_first=True)
        for name in ("prediction", "mse"):
            outputs[name] = torch.stack(outputs[name])
        outputs["mse_mean"] = outputs["mse"].mean()
        return self.aligned(outputs, classes, tokens, text_embedding)

    def symmetric(self, pet, ct, keep_pet, keep_ct, tokens):
        """Both modalities masked: each decoder looks at what is visible of the other."""
        seen_pet, seen_ct = self.pet_encoder(pet, keep_pet), self.ct_encoder(ct, keep_ct)
        predicted_pet = self.pet_decoder(seen_pet, keep_pet, seen_ct, keep_ct)
        predicted_ct = self.ct_decoder(seen_ct, keep_ct, seen_pet, keep_pet)
        errors = self.error(predicted_pet, pet, keep_pet) + self.error(predicted_ct, ct, keep_ct)
        outputs = {"mse": errors / 2, "mse_mean": errors.mean() / 2}
        return self.aligned(outputs, seen_pet[:, 0], tokens, None)

    def aligned(self, outputs, classes, tokens, text_embedding):
        outputs["contrastive"] = torch.zeros(())
        if self.config["contrastive"]:
            outputs["pet_embedding"] = F.normalize(self.pet_projection(classes), dim=-1)
            if text_embedding is None and tokens is not None:
                text_embedding = F.normalize(self.text(tokens), dim=-1)
            if text_embedding is not None:
                outputs["text_embedding"] = text_embedding
                outputs["contrastive"] = self.contrastive(outputs["pet_embedding"], text_embedding, tokens)
        outputs["loss"] = outputs["mse_mean"] + outputs["contrastive"]
        return outputs

    def contrastive(self, pet, text, tokens):
        """Symmetric InfoNCE; the target is spread evenly over equal sentences."""
        rows = text.detach() if tokens is None else tokens
        same = (rows[:, None] == rows[None]).all(-1).float()
        target = same / same.sum(1, keepdim=True)
        logits = self.logit_scale.exp() * pet @ text.T
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def load(folder):
    """Builds the twin of an export."""
    with open(os.path.join(folder, "config.json")) as file:
        config = json.load(file)
    model = FratMae(config)
    state = load_file(os.path.join(folder, "model.safetensors"))
    model.load_state_dict(state, strict=True)
    return model


def decays(name, parameter):
    """Whether AdamW's decay applies: not to biases, norms, tokens, positions and the temperature."""
    last = name.rsplit(".", 1)[-1]
    return parameter.ndim > 1 and last not in ("cls_token", "mask_token") and "position_embedding" not in name


def rate(step, steps, peak, warmup):
    """Linear warm-up over a share of the steps, then a cosine that would be zero after the last; steps count from 1."""
    rise = round(warmup * steps)
    if step <= rise:
        return peak * step / rise
    return peak * 0.5 * (1 + math.cos(math.pi * (step - 1 - rise) / (steps - rise)))


def train(model, inputs, train):
    """AdamW on one batch; gives the losses, the first gradient and the parameters after the last step."""
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for n, p in named if decays(n, p)], "weight_decay": train["weight_decay"]},
        {"params": [p for n, p in named if not decays(n, p)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=(train["beta1"], train["beta2"]), eps=train["epsilon"])
    losses, norms, gradients = [], [], None
    for step in range(1, train["steps"] + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, train["steps"], train["lr"], train["warmup"])
        # A parameter that took no part has a gradient of zeros: decay and moments go on.
        optimizer.zero_grad(set_to_none=False)
        for _, parameter in named:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        outputs = model(**inputs)
        loss = outputs["mse_mean"] + train["contrastive_weight"] * outputs["contrastive"]
        loss.backward()
        losses.append(float(loss.detach()))
        if gradients is None:
            gradients = {n: p.grad.clone() for n, p in named}
        norms.append(float(nn.utils.clip_grad_norm_([p for _, p in named], train["clip_norm"])))
        optimizer.step()
        if model.config["contrastive"]:
            model.logit_scale.data.clamp_(0, math.log(100))
    return losses, norms, gradients, dict(named)
