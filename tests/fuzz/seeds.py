"""Small valid files of every kind, from which the campaigns begin: seeds.py FOLDER (needs numpy, h5py, hdf5plugin)."""

import gzip
import io
import json
import pickle
import struct
import sys
import types
import zipfile
import zlib
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

ROOT = Path(sys.argv[1])


def put(target, name, content):
    folder = ROOT / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{name}").write_bytes(content)


def counts(n=4, side=64):
    y, x = np.mgrid[:side, :side]
    one = 200 * ((y - side // 2) ** 2 + (x - side // 2) ** 2 < side)
    return np.stack([one + k for k in range(n)]).astype(np.uint16)


def probe(side=64):
    return (np.ones((side, side)) * (1 + 0.5j)).astype(np.complex64)


def archive(compressed=True, **arrays):
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, **arrays)
    return out.getvalue()


def npz():
    xs, ys = np.array([40.0, 44, 40, 44]), np.array([40.0, 40, 44, 44])
    metadata = np.array(json.dumps({"schema_version": "1.0.0", "nphotons": 1e6}), dtype=object)
    whole = dict(xcoords=xs, ycoords=ys, probeGuess=probe())
    put("npz", "counts", archive(diffraction=counts(), **whole))
    put("npz", "legacy", archive(diffraction=np.sqrt(counts().transpose(1, 2, 0)), objectGuess=probe(90), **whole))
    put("npz", "metadata", archive(diff3d=counts(), _metadata=metadata, mask=np.zeros((64, 64), bool), **whole))
    small = dict(a=np.zeros((2, 3), ">f4"), b=np.array("text"), c=np.asfortranarray(np.ones((3, 2))), d=np.int8(3))
    put("npz", "stored", archive(False, **small))
    put("npz", "object", archive(object=probe(8), coverage=np.ones((8, 8), "f4"), origin_xy=np.zeros(2)))
    product = dict(
        probe_position_x_m=xs * 1e-8, probe_position_y_m=ys * 1e-8, probe_position_indexes=np.arange(4),
        probe=probe(8)[None], object=probe(20)[None], object_pixel_width_m=1e-8, object_pixel_height_m=1e-8,
        object_center_x_m=0.0, object_center_y_m=0.0, name="p", comments="c",
    )
    put("npz", "product", archive(**product))
    for name, array in [("npy", np.arange(6.0).reshape(2, 3)), ("npy-u1", np.zeros((4, 4), "u1"))]:
        out = io.BytesIO()
        np.save(out, array)
        put("npz", name, out.getvalue())
        put("mask", name, out.getvalue())
    big = io.BytesIO()
    with zipfile.ZipFile(big, "w") as z:
        with z.open("a.npy", "w", force_zip64=True) as f:
            np.save(f, np.zeros(3))
    put("npz", "zip64", big.getvalue())
    put("mask", "npz", archive(mask=np.zeros((5, 5), "u1")))


def dataset():
    # Seven choices of the configuration, then arrays: key, axes, lengths, kind, fill, scale, odd values, raw bytes.
    scan = lambda key, values: bytes([key, 1, 7, 1, 3, 0, 0, 9, *values])
    x, y = scan(2, [40, 44, 48] * 3), scan(3, [40, 40, 40, 44, 44, 44, 48, 48, 48])
    patterns, light = bytes([0, 3, 7, 0, 0, 0, 0, 2, 0, 0]), bytes([6, 2, 0, 0, 2, 0, 0, 0, 0])
    put("dataset", "plain", bytes(7) + patterns + x + y + light)
    put("dataset", "legacy", bytes(7) + bytes([1, 3, 0, 0, 7, 3, 0, 2, 0, 0]) + x + y + light)
    mask = bytes([11, 2, 0, 0, 3, 3, 0, 0, 2, 0, 1])
    put("dataset", "masked", bytes([0, 0, 0, 2, 3, 1, 0]) + patterns + x + y + light + mask)
    put("dataset", "crop", bytes([3, 2, 2, 0, 0, 0, 2]) + patterns + x + y + light)


def hdf5():
    def file(name, fill, **options):
        out = io.BytesIO()
        with h5py.File(out, "w", **options) as f:
            fill(f)
        put("hdf5", name, out.getvalue())
        if len(out.getvalue()) < 8000:
            put("mask", name, out.getvalue())

    def filters(f):
        data = counts(3, 16)
        for name, kind in [
            ("plain", {}), ("chunks", dict(chunks=(1, 8, 16))), ("gzip", dict(compression="gzip", shuffle=True)),
            ("lzf", dict(compression="lzf", fletcher32=True)), ("lz4", hdf5plugin.LZ4()), ("zstd", hdf5plugin.Zstd()),
            ("bits", hdf5plugin.Bitshuffle(cname="lz4")), ("bits_zstd", hdf5plugin.Bitshuffle(cname="zstd")),
            ("scale", dict(scaleoffset=0)),
        ]:
            kind = dict(kind)
            if name != "plain":
                kind.setdefault("chunks", (2, 16, 16))
            f.create_dataset(name, data=data, **kind)
        f.create_dataset("grown", data=data, maxshape=(None, 16, 16), chunks=(1, 16, 16))
        f.create_dataset("never", (50, 64, 64), "f4", chunks=(1, 64, 64))

    def kinds(f):
        f["f2"], f["f8"], f["i1"] = np.zeros(3, "f2"), np.zeros((2, 2), ">f8"), np.zeros(3, "i1")
        f["flag"], f["complex"], f["text"] = np.array([True, False]), probe(4), "words"
        f["texts"] = np.array([b"ab", b"c"])
        f["pair"] = np.zeros(2, [("x", "f4"), ("y", "i4")])
        f["scalar"] = 3.5
        f["empty"] = h5py.Empty("f4")
        f.attrs["energy"], f.attrs["name"] = 8.0, "µ"
        f["f8"].attrs["pixel_width_m"] = 1e-8
        f.create_group("group/deep").attrs["a"] = np.arange(3)
        f["soft"], f["loop"] = h5py.SoftLink("/f8"), h5py.SoftLink("/loop")
        f["outside"] = h5py.ExternalLink("none.h5", "/data")
        layout = h5py.VirtualLayout((4, 2), "f8")
        layout[:2], layout[2:] = h5py.VirtualSource(f["f8"]), h5py.VirtualSource("none.h5", "data", (2, 2))
        f.create_virtual_dataset("virtual", layout)

    def cxi(f):
        detector = f.create_group("entry_1/instrument_1/detector_1")
        detector.create_dataset("data", data=counts(), chunks=(1, 64, 64), compression="gzip")
        detector["distance"], detector["x_pixel_size"], detector["y_pixel_size"] = 2.0, 5.5e-5, 5.5e-5
        detector["basis_vectors"] = np.array([[0, -5.5e-5], [-5.5e-5, 0], [0, 0]])
        detector.create_dataset("mask", data=np.zeros((64, 64), "u4"), compression="gzip")
        f["entry_1/instrument_1/source_1/energy"] = 1.4e-15
        t = np.array([[k % 2, k // 2, 0] for k in range(4)]) * 1e-7
        f["entry_1/sample_1/geometry_1/translation"] = t
        f["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
        f["entry_1/data_1/translation"] = h5py.SoftLink("/entry_1/sample_1/geometry_1/translation")

    def product(f):
        f["probe"], f["object"] = probe(4)[None, None], probe(8)[None]
        f["probe_position_x_m"], f["probe_position_y_m"] = np.zeros(3), np.arange(3) * 1e-8
        f["probe_position_indexes"] = np.arange(3)
        for name in ["probe", "object"]:
            f[name].attrs["pixel_width_m"] = f[name].attrs["pixel_height_m"] = 1e-8
        f["object"].attrs["center_x_m"] = f["object"].attrs["center_y_m"] = 0.0
        f.attrs["name"], f.attrs["comments"], f.attrs["probe_energy_eV"] = "p", "c", 8000.0

    def ptyd(f):
        for k in range(2):
            data = f.create_group(f"chunks/{k}")
            data.create_dataset("data", data=counts(2, 64), compression="gzip")
            data["positions"], data["indices"] = np.arange(4.0).reshape(2, 2) * 1e-7, np.arange(2)
            data.create_dataset("weights", data=np.ones((2, 64, 64)), compression="gzip")
        f["info/energy"], f["info/distance"], f["info/psize"], f["meta/energy"] = 8.0, 2.0, 5.5e-5, 8.0
        f["meta/weight2d"] = np.ones((8, 8))

    file("filters", filters)
    file("filters-new", filters, libver="latest")
    file("kinds", kinds)
    file("kinds-new", kinds, libver="latest")
    file("cxi", cxi)
    file("cxi-new", cxi, libver="latest")
    file("product", product)
    file("product-new", product, libver="latest")
    file("ptyd", ptyd)
    file("matlab", lambda f: f.create_dataset("obj", data=probe(4)), userblock_size=512)

    # One chunk of each compression.
    def chunk(which, element, data, options):
        out = io.BytesIO()
        with h5py.File(out, "w") as f:
            packed = f.create_dataset("a", data=data, chunks=data.shape, **options).id.read_direct_chunk((0,) * data.ndim)[1]
        length = data.nbytes // 64
        put("decoders", f"{which}-{element}-{len(packed)}", bytes([which, element, length >> 8, length & 255]) + packed)

    rng = np.random.default_rng(1)
    text = np.frombuffer((b"the quick brown fox, " * 60)[:1024], "u1")
    for data in [counts(1, 32)[0], rng.poisson(3.0, (32, 64)).astype("u2"), text, rng.integers(0, 256, 512).astype("u1")]:
        element = data.dtype.itemsize
        chunk(0, element, data, dict(hdf5plugin.LZ4()))
        chunk(1, element, data, dict(hdf5plugin.Zstd()))
        chunk(1, element, data, dict(hdf5plugin.Zstd(19)))
        chunk(2, element, data, dict(hdf5plugin.Bitshuffle(cname="lz4")))
        chunk(3, element, data, dict(hdf5plugin.Bitshuffle(cname="zstd")))
        chunk(4, element, data, dict(hdf5plugin.LZ4(), shuffle=True))
        chunk(5, element, data, dict(hdf5plugin.Zstd(), shuffle=True, fletcher32=True))


def pickles():
    text = np.array(json.dumps({"a": 1}), dtype=object)
    for protocol in range(2, 6):
        put("pickle", f"text-{protocol}", pickle.dumps(text, protocol))
        many = {"a": [1, -2, 3.5, None, True], "b": ("x", b"y", {"z": {1, 2}}), "c": 1 << 70, "d": bytearray(3)}
        put("pickle", f"many-{protocol}", pickle.dumps(many, protocol))


def pictures():
    def tiff(big, bits, kind, strips):
        order, width, height = ">" if big else "<", 4, 4
        row = (width * bits + 7) // 8
        data = bytes(range(row * height))
        per = height // strips
        entries = [(256, width), (257, height), (258, bits), (259, 1), (277, 1), (278, per), (339, kind)]
        begin = 8 + 2 + 12 * (len(entries) + 2) + 4
        starts = [begin + 4 * strips + k * per * row for k in range(strips)]
        out = struct.pack(order + "2sHI", b"MM" if big else b"II", 42, 8) + struct.pack(order + "H", len(entries) + 2)
        for tag, value in sorted(entries + [(273, None), (279, None)]):
            if tag == 273:
                out += struct.pack(order + "HHII", tag, 4, strips, starts[0] if strips == 1 else begin)
            elif tag == 279:
                out += struct.pack(order + "HHII", tag, 4, 1, per * row)
            else:
                out += struct.pack(order + "HHII", tag, 4, 1, value)
        return out + bytes(4) + struct.pack(f"{order}{strips}I", *starts) + data

    for name, picture in [
        ("u1", tiff(False, 1, 1, 1)), ("u8", tiff(True, 8, 1, 2)), ("i16", tiff(False, 16, 2, 2)),
        ("f32", tiff(True, 32, 3, 1)), ("f64", tiff(False, 64, 3, 4)),
    ]:
        put("tiff", name, picture)
        put("mask", f"tiff-{name}", picture)

    def png(bits, color, palette=b""):
        def part(name, content):
            return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

        channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
        rows = b"".join(b"\0" + bytes((8 * bits * channels + 7) // 8) for _ in range(8))
        extra = part(b"PLTE", palette) if palette else b""
        header = struct.pack(">IIBBBBB", 8, 8, bits, color, 0, 0, 0)
        return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + extra + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")

    for name, picture in [("g1", png(1, 0)), ("g16", png(16, 0)), ("rgb", png(8, 2)), ("rgba", png(16, 6)),
                          ("palette", png(4, 3, bytes(48)))]:
        put("mask", f"png-{name}", picture)


class Storage:
    def __init__(self, key):
        self.key = key


def torch():
    modules = ["torch", "torch._utils"]
    for name in modules:
        sys.modules[name] = types.ModuleType(name)

    def function(module, name):
        def made(*_):
            raise TypeError

        made.__module__, made.__qualname__, made.__name__ = module, name, name
        setattr(sys.modules[module], name, made)
        return made

    rebuild, parameter = function("torch._utils", "_rebuild_tensor_v2"), function("torch._utils", "_rebuild_parameter")
    kind = type("FloatStorage", (), {"__module__": "torch"})
    sys.modules["torch"].FloatStorage = kind

    class Tensor:
        def __init__(self, shape, offset=0, wrapped=False):
            self.shape, self.offset, self.wrapped = shape, offset, wrapped

        def __reduce__(self):
            strides = tuple(int(np.prod(self.shape[k + 1 :])) for k in range(len(self.shape)))
            if self.wrapped:
                return parameter, (Tensor(self.shape, self.offset), True, {})
            return rebuild, (Storage("0"), self.offset, self.shape, strides, False, {})

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return ("storage", kind, value.key, "cpu", 16) if isinstance(value, Storage) else None

    def pickled(value):
        out = io.BytesIO()
        Pickler(out, 2).dump(value)
        return out.getvalue()

    def saved(value, order="little"):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as z:
            z.writestr("archive/data.pkl", pickled(value))
            z.writestr("archive/byteorder", order)
            z.writestr("archive/data/0", np.arange(64, dtype="f4").tobytes())
        return out.getvalue()

    state = {"autoencoder.encoder.a.weight": Tensor((2, 3)), "autoencoder.bias": Tensor((4,), 3, True), "n": Tensor((), 1)}
    lightning = {"pytorch-lightning_version": "2", "state_dict": state, "hyper_parameters": {"model_config": {"C": 1}}}
    for name, value in [("state", state), ("lightning", lightning)]:
        put("torch", name, saved(value))
        put("torch_pickle", name, pickled(value))
    put("torch", "big", saved(state, "big"))
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("manifest.dill", pickle.dumps({}))
        z.writestr("diffraction_to_obj/model.pth", saved(state))
        z.writestr("diffraction_to_obj/params.dill", pickle.dumps({"N": 64, "gridsize": 1, "probe.big": True}))
    put("torch", "bundle", bundle.getvalue())
    put("torch", "gzip", gzip.compress(saved(state), mtime=0))


def tensors():
    header = {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
              "b": {"dtype": "I64", "shape": [], "data_offsets": [24, 32]}, "__metadata__": {"format": "pt"}}
    text = json.dumps(header).encode()
    file = struct.pack("<Q", len(text)) + text + bytes(32)
    put("safetensors", "two", file)
    put("torch", "safetensors", file)
    one = json.dumps({"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
    for k in [3, 4, 5]:
        put("member", f"weights-{k}", bytes([k]) + struct.pack("<Q", len(one)) + one + bytes(24))
    csv = b"epoch,step,train_loss,val_loss,learning_rate,gradient_norm,seconds\n1,3,0.5,,0.001,0.7,1.5\n"
    put("member", "history", b"\x01" + csv)
    npy = io.BytesIO()
    np.save(npy, probe(4)[None])
    put("member", "probe", b"\x02" + npy.getvalue())
    put("member", "config", b"\x00[training]\nepochs = 3\n[model]\ngridsize = 2\n")
    training = dict(position=dict(optimizer_steps=3, steps=3, epochs=1, patterns=12, seconds=1.5, shuffle_words="12",
                                  order=[0, 1, 2]), best_epoch=1)
    put("member", "training", b"\x06" + json.dumps(training).encode())
    job = dict(format_version=1, app_version="0", started="2026-01-01T00:00:00Z", command="run", dataset="/a.npz",
               validation=None, config="[training]\nepochs = 3\n")
    put("member", "job", b"\x70" + json.dumps(job).encode())
    owner = dict(program=dict(pid=1, started=2), host="h", since="2026-01-01T00:00:00Z")
    put("member", "lock", b"\x71" + json.dumps(owner).encode())


def config():
    put("config", "some", b'[training]\nepochs = 3\nlearning_rate = 1e-3\n[model]\ngridsize = 2\n[data.mapping]\ndiffraction = "a"\n')
    put("config", "set", b"training.epochs = 5\nmodel.amp_activation = sigmoid\ndata.crop = none\n")


for make in [npz, dataset, hdf5, pickles, pictures, torch, tensors, config]:
    make()
