"""Reads and writes HDF5 files with h5py, for tests/hdf5_interchange.rs.

check-product FILE   the product that the test wrote: complex, attributes, places, and by Ptychodus itself, which writes
                     it anew as FILE.resaved
make-cxi FILE        a CXI file as h5py writes it: lzf, big-endian, soft links, a virtual stack
make-product FILE    a product with every attribute that Ptychodus writes
make-matlab FILE     what MATLAB 7.3 saves: arrays with their axes reversed, behind a block of text
make-virtual FOLDER  a virtual stack, and external links, over two files with bitshuffle and LZ4 (needs hdf5plugin)
make-filters FILE    one stack under many compressions: fixtures/hdf5_filters.h5 (needs hdf5plugin)
"""

import sys
from importlib.metadata import version

import h5py
import numpy as np

N, COUNT = 64, 9


def counts():
    """(n, h, w) whole numbers that name their place."""
    n, y, x = np.meshgrid(np.arange(COUNT), np.arange(N), np.arange(N), indexing="ij")
    return (n + 100 * ((y - 32) ** 2 + (x - 30) ** 2 < 60) + (x > 40)).astype(np.uint16)


def check_product(path):
    with h5py.File(path) as f:
        assert f.attrs["name"] == "Zürich" and isinstance(f.attrs["name"], str), f.attrs["name"]
        assert f.attrs["comments"] == "µ-scan"
        assert f.attrs["photon_energy_eV"] == f.attrs["probe_energy_eV"] == 8800.0
        assert f.attrs["detector_object_distance_m"] == 1.25
        probe, obj = f["probe"], f["object"]
        assert probe.dtype == np.complex64 and obj.dtype == np.complex64, (probe.dtype, obj.dtype)
        assert probe.shape == (1, 2, 8, 8) and obj.shape == (1, 20, 30)
        assert probe[0, 1, 2, 3] == 83 - 3j and obj[0, 7, 11] == 7 + 11j
        assert f["probe_position_indexes"][()].tolist() == [3, 5, 9]
        width = obj.attrs["pixel_width_m"]
        # Ptychodus counts pixels to the middle between N/2 - 1 and N/2: half a pixel less than index N/2.
        x = (f["probe_position_x_m"][0] - obj.attrs["center_x_m"]) / width + (obj.shape[2] - 1) / 2
        y = (f["probe_position_y_m"][0] - obj.attrs["center_y_m"]) / width + (obj.shape[1] - 1) / 2
        assert abs(x - 14.5) < 1e-9 and abs(y - 29.5) < 1e-9, (x, y)
        assert f["loss_values"][()].tolist() == [2.5, 1.25] and f["loss_epochs"][()].tolist() == [0, 1]
        assert f["object_layer_spacing_m"].shape == (0,)
    try:
        from ptychodus.api.io import load_product, save_product
    except ImportError as error:
        print("read by h5py", h5py.__version__, f"(not by ptychodus: {error})")
        return
    from pathlib import Path

    product = load_product(Path(path))
    point = product.object_.get_geometry().map_coordinates_probe_to_object(product.probe_positions[0])
    assert abs(point.x_px - 14.5) < 1e-9 and abs(point.y_px - 29.5) < 1e-9, point
    save_product(Path(path + ".resaved"), product)
    print("read by h5py", h5py.__version__, "and by ptychodus", version("ptychodus"))


def make_cxi(path):
    with h5py.File(path, "w") as f:
        detector = f.create_group("entry_1/instrument_1/detector_1")
        detector.create_dataset("data", data=counts().astype(">u2"), chunks=(2, 32, 64), compression="lzf", shuffle=True)
        detector["distance"] = np.float32(2.0)
        detector["x_pixel_size"] = detector["y_pixel_size"] = 75e-6
        mask = np.zeros((N, N), np.uint32)
        mask[5, 6] = 4
        detector["mask"] = mask
        f["entry_1/instrument_1/source_1/energy"] = 8000 * 1.602176634e-19
        f["entry_1/instrument_1/source_1/illumination"] = np.full((N, N), 1 + 2j, np.complex128)
        step = 6.62607015e-34 * 299792458 / (8000 * 1.602176634e-19) * 2.0 / (N * 75e-6)
        places = np.array([[7.5 * (k % 3), -5.25 * (k // 3), 0] for k in range(COUNT)]) * step
        f["entry_1/sample_1/geometry_1/translation"] = places
        layout = h5py.VirtualLayout((COUNT, N, N), ">u2")
        layout[...] = h5py.VirtualSource(".", "entry_1/instrument_1/detector_1/data", (COUNT, N, N))
        f.create_group("entry_1/data_1").create_virtual_dataset("data", layout)
        f["entry_1/data_1/translation"] = h5py.SoftLink("/entry_1/sample_1/geometry_1/translation")
        f["entry_1/title"] = "made by h5py"


def make_matlab(path):
    with h5py.File(path, "w", userblock_size=512) as f:
        # In MATLAB: frames (h, w, n), positions (n, 2), probe (h, w).
        f["frames"] = counts().transpose(0, 2, 1)
        f["positions"] = np.array([[3.0 * (k % 3), 4.0 * (k // 3)] for k in range(COUNT)]).T
        y, x = np.mgrid[:N, :N]
        f["probe"] = complex_matlab((np.exp(-((y - 32) ** 2 + (x - 30) ** 2) / 90) * (1 + 0.1j * y)).T)
    with open(path, "r+b") as f:
        f.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512))


def complex_matlab(values):
    pairs = np.empty(values.shape, [("real", "<f8"), ("imag", "<f8")])
    pairs["real"], pairs["imag"] = values.real, values.imag
    return pairs


def make_virtual(folder):
    import hdf5plugin as plugin

    layout = h5py.VirtualLayout((COUNT, N, N), "<u2")
    with h5py.File(f"{folder}/master.h5", "w") as master:
        for part, rows in enumerate([slice(0, 4), slice(4, COUNT)], 1):
            with h5py.File(f"{folder}/part{part}.h5", "w") as f:
                data = counts()[rows]
                f.create_dataset("entry/data", data=data, chunks=(1, N, N), **plugin.Bitshuffle(cname="lz4"))
            layout[rows] = h5py.VirtualSource(f"part{part}.h5", "entry/data", data.shape)
            master[f"entry/data_{part}"] = h5py.ExternalLink(f"part{part}.h5", "entry/data")
        master["entry"].create_virtual_dataset("all", layout)
        # Even and odd frames in files of their own and the last one by itself; a virtual array over a virtual one.
        mixed, nested = h5py.VirtualLayout((COUNT, N, N), "<u2"), h5py.VirtualLayout((COUNT, N, N), "<u2")
        for name, rows in [("even", slice(0, COUNT - 1, 2)), ("odd", slice(1, COUNT - 1, 2)), ("last", COUNT - 1)]:
            data = counts()[rows]
            with h5py.File(f"{folder}/{name}.h5", "w") as f:
                f.create_dataset("data", data=data, chunks=(1,) * (data.ndim - 2) + (N, N), **plugin.LZ4())
            mixed[rows] = h5py.VirtualSource(f"{name}.h5", "data", data.shape)
        master["entry"].create_virtual_dataset("mixed", mixed)
        nested[:] = h5py.VirtualSource(".", "entry/mixed", (COUNT, N, N))
        master["entry"].create_virtual_dataset("nested", nested)
        master["positions"] = [[3.0 * (k % 3), 4.0 * (k // 3)] for k in range(COUNT)]


def noisy():
    """(n, h, w) small numbers that look drawn by lot, larger ones in the middle."""
    n, y, x = np.meshgrid(np.arange(5), np.arange(50), np.arange(61), indexing="ij")
    h = (n * 2654435761 + y * 40503 + x * 2246822519) & 0xFFFFFFFF
    h ^= h >> 13
    h = (h * 668265263) & 0xFFFFFFFF
    h ^= h >> 15
    bits = sum((h >> k) & 1 for k in range(8))
    return bits * np.where((y - 25) ** 2 + (x - 30) ** 2 < 60, 77, 1)


def make_filters(path):
    import hdf5plugin as plugin

    values = noisy()
    with h5py.File(path, "w") as f:

        def put(name, dtype, chunks=(2, 50, 61), **compression):
            f.create_dataset(name, data=values.astype(dtype), chunks=chunks, **compression)

        put("lz4", "<u2", **plugin.LZ4())
        put("lz4_blocks", ">u4", **plugin.LZ4(nbytes=1000))
        put("shuffle_lz4", "<u2", shuffle=True, fletcher32=True, **plugin.LZ4())
        put("bitshuffle_lz4", "<u2", **plugin.Bitshuffle(cname="lz4"))
        put("bitshuffle_lz4_f4", "<f4", (1, 50, 61), **plugin.Bitshuffle(cname="lz4"))
        put("bitshuffle_lz4_small", "<u4", (3, 7, 11), **plugin.Bitshuffle(nelems=64, cname="lz4"))
        put("bitshuffle_zstd", "<u2", **plugin.Bitshuffle(cname="zstd"))
        put("bitshuffle_alone", "<u2", **plugin.Bitshuffle(cname="none"))
        for level in (1, 3, 10, 19, 22):
            put(f"zstd_{level}", "<u2", (5, 50, 61), **plugin.Zstd(clevel=level))
        put("shuffle_zstd_f8", "<f8", shuffle=True, **plugin.Zstd(clevel=5))
        zeros = f.create_dataset("zstd_zeros", (5, 50, 61), "<u2", chunks=(1, 50, 61), fillvalue=7, **plugin.Zstd())
        zeros[2] = 0
        put("blosc", "<u2", **plugin.Blosc())


def make_product(path):
    with h5py.File(path, "w") as f:
        f.attrs["name"], f.attrs["comments"] = "Zürich", "µ-scan"
        for name, value in {
            "detector_object_distance_m": 1.25,
            "photon_energy_eV": 8800.0,
            "probe_photon_count": 1e6,
            "exposure_time_s": 0.5,
            "mass_attenuation_m2_per_kg": 0.0,
            "tomography_angle_deg": 0.0,
            "tilt_angle_deg": 0.0,
            "focus_object_distance_m": 0.0,
            "far_field": True,
        }.items():
            f.attrs[name] = value
        f["probe"] = np.full((1, 2, 8, 8), 3 - 1j, np.complex128)
        f["object"] = np.arange(600, dtype=np.complex64).reshape(1, 20, 30)
        for name, value in {"pixel_width_m": 1e-8, "pixel_height_m": 2e-8, "center_x_m": 1e-7, "center_y_m": 0.0}.items():
            f["object"].attrs[name] = value
        f["probe_position_indexes"] = [0, 1]
        f["probe_position_x_m"] = [1e-7, 2e-7]
        f["probe_position_y_m"] = [2e-7, 0.0]
        f["costs"] = [4.0, 2.0]


if __name__ == "__main__":
    jobs = {
        "check-product": check_product,
        "make-cxi": make_cxi,
        "make-product": make_product,
        "make-matlab": make_matlab,
        "make-virtual": make_virtual,
        "make-filters": make_filters,
    }
    jobs[sys.argv[1]](sys.argv[2])
