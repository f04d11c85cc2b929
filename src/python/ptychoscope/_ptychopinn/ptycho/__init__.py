"""Ptychoscope in place of PtychoPINN: the part of its interface that Ptychodus and its guide use."""
