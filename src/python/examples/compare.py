"""Compare with another program, such as pty-chi: python compare.py [scan.npz object.npy] [seconds].

`object.npy` is the complex object (H, W) that the other program found, pixel [0, 0] at position (0, 0). Without files,
a scan is simulated and its true object takes that place. Writes `comparison.html` with pictures, errors, resolution.
"""

import sys

import numpy as np

import ptychoscope as pty

if len(sys.argv) > 2:
    scan, other = sys.argv[1], np.load(sys.argv[2])
else:
    scan = pty.simulate(n_images=200, n_photons=1e6, seed=4)
    other = scan.object
seconds = float(sys.argv[-1]) if len(sys.argv) in (2, 4) else 60

direct = pty.direct(scan, output_dir="compare_direct")
network = pty.run(scan, time_budget=seconds, output_dir="compare_network")
result = pty.evaluate(direct, network, reference=other, html="comparison.html")
for name, scores in result.scores.items():
    print(name, {key: value for key, value in scores.items() if value is not None})
