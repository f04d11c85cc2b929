"""First reconstruction: python first_reconstruction.py [scan.npz] [seconds].

Without a file, a scan is simulated. Writes the run folder `first` and the picture `first.png` (needs matplotlib).
"""

import sys

import ptychoscope as pty

scan = sys.argv[1] if len(sys.argv) > 1 else pty.simulate("first_scan.npz", n_images=200, n_photons=1e6)
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60

print(pty.inspect(scan))
solution = pty.direct(scan, output_dir="first_direct")
run = pty.run(scan, time_budget=seconds, output_dir="first")
print("direct: ", solution)
print("network:", run)
print("object", run.object.shape, run.object.dtype, "from pixel", run.origin)
run.plot().savefig("first.png")
