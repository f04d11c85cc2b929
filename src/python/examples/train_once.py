"""Train once, reconstruct many: python train_once.py [seconds].

A network is trained on one simulated scan and applied to others of the same probe, each in a second or two.
"""

import sys

import ptychoscope as pty

seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
common = {"n_images": 150, "n_photons": 1e6}

first = pty.simulate(seed=1, **common)
trained = pty.train(first, time_budget=seconds, output_dir="train_once")
print("loss per epoch:", trained.history["train_loss"])

for seed in (2, 3):
    scan = pty.simulate(seed=seed, **common)
    network = trained.infer(scan, output_dir=f"train_once_{seed}")
    polished = network.polish(polish=10, output_dir=f"train_once_{seed}_polished")
    for name, run in (("network", network), ("polished", polished)):
        print(f"scan {seed}, {name}: phase correlation {run.summary['phase_correlation']:.3f}")
