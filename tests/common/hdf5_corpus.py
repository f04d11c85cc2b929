"""Makes HDF5 files of random type, byte order, filter, layout and shape, and what h5py reads from them.

usage: hdf5_corpus.py FOLDER COUNT SEED   (needs h5py)
Writes 0.h5, 1.h5, … with an array "a", expected.npz with its values as float64 or complex128, and kinds.txt."""
import sys, os
import numpy as np, h5py

folder, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = np.random.default_rng(seed)
pick = lambda options: options[rng.integers(len(options))]
expected, kinds = {}, []
for k in range(count):
    base = pick(["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16", "?", "bits"])
    order = pick(["<", ">"])
    dtype = np.dtype(bool) if base == "?" else np.dtype(order + ("u2" if base == "bits" else base))
    shape = tuple(int(n) for n in rng.integers(1, 9, size=rng.integers(0, 5)))
    size = int(np.prod(shape))
    if dtype.kind in "iu":
        top = 2**12 if base == "bits" else min(np.iinfo(dtype).max, 2**40)
        values = rng.integers(0 if dtype.kind == "u" else -top // 2, top // 2, size=size).astype(dtype)
    elif dtype.kind == "c":
        values = (rng.normal(size=size) + 1j * rng.normal(size=size)).astype(dtype)
    else:
        values = (rng.normal(size=size) > 0 if base == "?" else rng.normal(size=size) * 100).astype(dtype)
    values = values.reshape(shape)
    layout = pick(["contiguous", "compact", "chunked", "chunked", "chunked"]) if shape else "contiguous"
    latest, block = pick([True, False]), pick([0, 0, 512, 4096])
    name = os.path.join(folder, f"{k}.h5")
    with h5py.File(name, "w", libver="latest" if latest else "earliest", userblock_size=block) as f:
        space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
        dcpl, filters, maximum = h5py.h5p.create(h5py.h5p.DATASET_CREATE), "none", "fixed"
        if layout == "compact":
            dcpl.set_layout(h5py.h5d.COMPACT)
        if layout == "chunked":
            maximum = pick(["fixed", "one", "two"]) if len(shape) > 1 else pick(["fixed", "one"])
            free = {"fixed": 0, "one": 1, "two": 2}[maximum]
            space = h5py.h5s.create_simple(shape, tuple(h5py.h5s.UNLIMITED if a < free else n for a, n in enumerate(shape)))
            dcpl.set_chunk(tuple(int(rng.integers(1, n + 1)) for n in shape))
            filters = pick(["none", "gzip", "shuffle gzip", "lzf", "fletcher32", "shuffle gzip fletcher32"])
            if "shuffle" in filters:
                dcpl.set_shuffle()
            if "gzip" in filters:
                dcpl.set_deflate(4)
            if filters == "lzf":
                dcpl.set_filter(h5py.h5z.FILTER_LZF, h5py.h5z.FLAG_OPTIONAL)
            if "fletcher32" in filters:
                dcpl.set_fletcher32()
            if filters == "none" and dtype.kind in "iu" and base != "bits" and rng.integers(2):
                filters = "scaleoffset"
                dcpl.set_scaleoffset(h5py.h5z.SO_INT, 0)
        fill = None
        if layout == "chunked" and dtype.kind in "iuf" and filters != "scaleoffset" and rng.integers(3) == 0:
            fill = np.array(7, dtype)
            dcpl.set_fill_value(fill)
        kind = h5py.h5t.py_create(dtype, logical=base == "?")
        if base == "bits":
            kind = kind.copy()
            kind.set_precision(12)
            kind.set_offset(int(pick([0, 4])))
        dataset = h5py.h5d.create(f.id, b"a", kind, space, dcpl)
        if fill is None or rng.integers(2):
            dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(values))
        elif shape[0] > 1:
            h5py.Dataset(dataset)[: shape[0] // 2] = values[: shape[0] // 2]
    with h5py.File(name, "r") as f:
        read = np.asarray(f["a"][()])
    expected[str(k)] = read.astype(np.complex128 if dtype.kind == "c" else np.float64)
    kinds.append(f"{k}: {order}{base} {shape} {layout} {maximum} {filters} latest={latest} block={block} fill={fill is not None}")
np.savez(os.path.join(folder, "expected.npz"), **expected)
open(os.path.join(folder, "kinds.txt"), "w").write("\n".join(kinds))
