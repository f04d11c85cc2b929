"""Ptychoscope in place of PtychoPINN's PyTorch backend: the part of its interface that Ptychodus and its guide use."""
