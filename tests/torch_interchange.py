"""Weights change hands with PyTorch, for tests/torch_interchange.rs.

make FOLDER    networks under the names of PtychoPINN's state_dict, with what PyTorch computes with them:
               CASE.pt, CASE.ckpt (as Lightning lays it out), CASE_in.npz, CASE_out.npz
check FOLDER   loads CASE_back.safetensors and CASE_back.pt, strictly, and computes CASE_in.npz again
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

# Name: N, filter scale, channels, attention in the encoder, share of the border path (None: the outputs), border path
# used, activation of the amplitude.
CASES = {
    "n64_c1": (64, 1, 1, True, None, True, "sigmoid"),
    "n64_c4": (64, 2, 4, False, None, True, "silu"),
    "n128_c1": (128, 1, 1, True, 0.125, False, "sigmoid"),
}
LADDERS = {64: ([32, 64, 128], [64, 32]), 128: ([16, 32, 64, 128], [128, 64, 32])}


def conv(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class ChannelGate(nn.Module):
    def __init__(self, channels):
        super().__init__()
        hidden = channels // 16
        self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, x):
        score = self.mlp(x.mean((2, 3))) + self.mlp(x.amax((2, 3)))
        return x * torch.sigmoid(score)[:, :, None, None]


class SpatialGate(nn.Module):
    def __init__(self):
        super().__init__()
        self.compress = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x):
        return x * torch.sigmoid(self.compress(torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)))


class Attention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.ChannelGate, self.SpatialGate = ChannelGate(channels), SpatialGate()

    def forward(self, x):
        return self.SpatialGate(self.ChannelGate(x))


class Block(nn.Module):
    """Two convolutions; attention where it is asked for."""

    def __init__(self, inputs, outputs, attention=False):
        super().__init__()
        self.conv1, self.conv2 = conv(inputs, outputs), conv(outputs, outputs)
        if attention:
            self.attention = Attention(outputs)

    def forward(self, x):
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        return self.attention(x) if hasattr(self, "attention") else x


def twice(x):
    return F.interpolate(x, scale_factor=2, mode="nearest")


class Last(nn.Module):
    def __init__(self, filters, outputs, share, probe_big, activation):
        super().__init__()
        self.outer = outputs if share is None else max(1, int(filters * share))
        self.masked, self.probe_big, self.activation = share is None, probe_big, activation
        self.conv1 = conv(filters - self.outer, outputs)
        self.conv_up_block = Block(self.outer, filters)
        self.conv2 = conv(filters, outputs)

    def forward(self, h):
        quarter = h.shape[-1] // 2
        inner = F.pad(self.activation(self.conv1(h[:, : -self.outer])), [quarter] * 4)
        if not self.probe_big:
            return inner
        ring = F.silu(self.conv2(twice(self.conv_up_block(h[:, -self.outer :]))))
        if self.masked:
            ring = ring.clone()
            ring[:, :, quarter:-quarter, quarter:-quarter] = 0
        return inner + ring


class Encoder(nn.Module):
    def __init__(self, ladder, channels, attention):
        super().__init__()
        sizes = [channels] + ladder
        self.blocks = nn.ModuleList(Block(a, b, attention) for a, b in zip(sizes, sizes[1:]))

    def forward(self, x):
        for block in self.blocks:
            x = F.max_pool2d(block(x), 2)
        return x


class Decoder(nn.Module):
    def __init__(self, ladder, start, head, last):
        super().__init__()
        sizes = [start] + ladder
        self.blocks = nn.ModuleList(Block(a, b) for a, b in zip(sizes, sizes[1:]))
        self.head = head
        setattr(self, head, last)

    def forward(self, x):
        for block in self.blocks:
            x = twice(block(x))
        return getattr(self, self.head)(x)


class Autoencoder(nn.Module):
    def __init__(self, n, scale, channels, attention, share, probe_big, activation):
        super().__init__()
        down, up = [[f * scale for f in ladder] for ladder in LADDERS[n]]
        amplitudes = channels if share is None else 1
        amplitude = torch.sigmoid if activation == "sigmoid" else F.silu
        self.encoder = Encoder(down, channels, attention)
        self.decoder_amp = Decoder(up, down[-1], "amp", Last(up[-1], amplitudes, share, probe_big, amplitude))
        phase = Last(up[-1], channels, share, probe_big, lambda z: torch.pi * torch.tanh(z))
        self.decoder_phase = Decoder(up, down[-1], "phase", phase)

    def forward(self, x):
        h = self.encoder(x)
        amplitude, phase = self.decoder_amp(h), self.decoder_phase(h)
        return amplitude.expand_as(phase), phase


class Physics(nn.Module):
    """The scalars of the original's physics."""

    def __init__(self, current):
        super().__init__()
        self.alpha, self.beta = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
        if current:
            self.rect_scaler = nn.Module()
            self.rect_scaler.s1, self.rect_scaler.s2 = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))


def lightning_module(case):
    module, model = nn.Module(), nn.Module()
    model.autoencoder, model.forward_model = Autoencoder(*CASES[case]), Physics(CASES[case][4] is None)
    module.model = model
    return module


def make(folder):
    for number, (case, (n, scale, channels, attention, share, probe_big, activation)) in enumerate(CASES.items()):
        torch.manual_seed(number)
        module = lightning_module(case)
        images = (torch.rand(3, channels, n, n) ** 4 * 3).to(torch.float32)
        with torch.no_grad():
            amplitude, phase = module.model.autoencoder(images)
        torch.save(module.state_dict(), folder / f"{case}.pt")
        gridsize = int(channels**0.5)
        settings = {
            "model_config": {"amp_activation": activation, "probe_big": probe_big, "n_filters_scale": scale},
            "data_config": {"N": n, "grid_size": (gridsize, gridsize), "probe_scale": 4.0, "nphotons": 1e9},
            "training_config": {"epochs": 1},
            "inference_config": {"window": 20},
        }
        optimizer = torch.optim.Adam(module.parameters())
        checkpoint = {
            "epoch": 1,
            "global_step": 7,
            "pytorch-lightning_version": "2.5.0",
            "state_dict": module.state_dict(),
            "optimizer_states": [optimizer.state_dict()],
            "lr_schedulers": [],
            "hparams_name": "kwargs",
            "hyper_parameters": settings,
        }
        torch.save(checkpoint, folder / f"{case}.ckpt")
        np.savez(folder / f"{case}_in.npz", images=images.numpy())
        np.savez(folder / f"{case}_out.npz", amplitude=amplitude.numpy(), phase=phase.numpy())
    print("PyTorch", torch.__version__)


def safetensors(path):
    """A safetensors file as a state_dict: a header in JSON, then the values."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    values, tensors = content[8 + length :], {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            dtype = {"F32": np.float32, "I64": np.int64}[entry["dtype"]]
            tensors[name] = torch.tensor(np.frombuffer(values[start:end], dtype).copy()).reshape(entry["shape"])
    return tensors


def check(folder):
    for case in CASES:
        module = lightning_module(case)
        module.load_state_dict(safetensors(folder / f"{case}_back.safetensors"), strict=True)
        images = torch.from_numpy(np.load(folder / f"{case}_in.npz")["images"])
        with torch.no_grad():
            amplitude, phase = module.model.autoencoder(images)
        expected = np.load(folder / f"{case}_out.npz")
        worst = max(np.abs(amplitude - expected["amplitude"]).max(), np.abs(phase - expected["phase"]).max())
        assert worst == 0, (case, worst)
        print(case, "is the same after the way back")


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](Path(sys.argv[2]))
