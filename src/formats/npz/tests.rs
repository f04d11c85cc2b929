use super::super::npy;
use super::*;
use crate::testing::write_raw_zip;
use ndarray::{Array, Array1, array};
use num_complex::{Complex32, Complex64};
use ptychoscope_base::testing::shared;

fn npy_bytes(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let mut bytes = npy::header_bytes(descr, shape);
    bytes.extend(data);
    bytes
}

#[test]
fn arrays_of_every_kind_survive_a_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let f = Array::linspace(0.0f32, 1.0, 24).into_shape_with_order((2, 3, 4)).unwrap();
    let transposed = f.t();
    let c = array![[Complex32::new(1.0, -2.0), Complex32::new(0.5, 3.0)]];
    let c64 = array![Complex64::new(0.1, 0.2)];
    let (i, u) = (array![-7i64, i64::from(i32::MAX) + 1], array![65_535u16]);
    let d = ndarray::arr0(0.1f64);
    let arrays = [
        ("f", NpyArray::F32(f.view().into_dyn())),
        ("transposed", NpyArray::F32(transposed.into_dyn())),
        ("d", NpyArray::F64(d.view().into_dyn())),
        ("c", NpyArray::C32(c.view().into_dyn())),
        ("c64", NpyArray::C64(c64.view().into_dyn())),
        ("i", NpyArray::I64(i.view().into_dyn())),
        ("u", NpyArray::U16(u.view().into_dyn())),
        ("text", NpyArray::Text("Größe 1")),
        ("empty", NpyArray::Text("")),
    ];
    write_npz(&path, &arrays).unwrap();
    let first = std::fs::read(&path).unwrap();
    write_npz(&path, &arrays).unwrap();
    assert_eq!(first, std::fs::read(&path).unwrap(), "the same arrays give the same bytes");
    assert_eq!(first, npz_bytes(&arrays).unwrap(), "in memory as in a file");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");

    let mut npz = NpzArchive::open(&path).unwrap();
    assert_eq!(npz.keys_text(), "f, transposed, d, c, c64, i, u, text, empty");
    assert_eq!(npz.read_f32("f").unwrap(), f.clone().into_dyn());
    assert_eq!(npz.read_f32("transposed").unwrap(), f.t().to_owned().into_dyn());
    assert_eq!(npz.read_f64("d").unwrap()[[]], 0.1);
    assert_eq!(npz.read_c32("c").unwrap(), c.into_dyn());
    assert_eq!(npz.read_c64("c64").unwrap(), c64.into_dyn());
    assert_eq!(npz.read_f64("i").unwrap(), i.mapv(|v| v as f64).into_dyn());
    assert_eq!(npz.read_f32("u").unwrap()[0], 65_535.0);
    assert_eq!(npz.read_text("text").unwrap(), "Größe 1");
    assert_eq!(npz.read_text("empty").unwrap(), "");
    assert_eq!(npz.value_range("i").unwrap(), Some((-7.0, 2_147_483_648.0)));
    let error = npz.read_f32("c").unwrap_err().to_string();
    assert!(error.contains("<c8") && error.contains("real numbers") && error.contains("a.npz"), "{error}");
    assert!(npz.read_f32("missing").unwrap_err().to_string().contains("transposed"));
}

#[test]
fn a_failed_write_keeps_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("a.npz");
    let error = write_npz(&path, &[("t", NpyArray::Text("x"))]).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(!path.exists());
}

#[test]
fn fortran_order_and_names_without_suffix_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let text = "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    for v in [1i16, 4, 2, 5, 3, 6] {
        bytes.extend(v.to_le_bytes());
    }
    write_raw_zip(&path, &[("plain", &bytes), ("folder/", b""), ("notes.txt", b"hello")], false);
    let mut npz = NpzArchive::open(&path).unwrap();
    assert_eq!(npz.members().len(), 1);
    assert!(npz.members()[0].fortran_order && npz.members()[0].storage == Storage::Stored);
    let array = npz.read_f32("plain").unwrap();
    assert_eq!(array, array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]].into_dyn());
    assert!(array.is_standard_layout());
}

#[test]
fn a_header_that_claims_more_than_the_member_holds_is_refused_before_memory_is_allocated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let lying = npy_bytes("<f8", &[1 << 40], &[0; 64]);
    let short = npy_bytes("<f4", &[3], &[0; 16]);
    let overflow = npy_bytes("<f8", &[1 << 40, 1 << 40], &[0; 8]);
    write_raw_zip(
        &path,
        &[("lying.npy", &lying), ("short.npy", &short), ("overflow.npy", &overflow), ("junk.npy", b"junk")],
        true,
    );
    let mut npz = NpzArchive::open(&path).unwrap();
    for key in ["lying", "short", "overflow", "junk"] {
        let error = npz.read_f32(key).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(key) && error.to_string().contains("a.npz"), "{error}");
    }
    assert!(npz.read_f32("overflow").unwrap_err().to_string().contains("impossibly large"));
}

#[test]
fn a_flipped_byte_is_found_by_the_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let bytes = npy_bytes("<f8", &[64], &[7; 512]);
    write_raw_zip(&path, &[("a.npy", &bytes)], false);
    let mut file = std::fs::read(&path).unwrap();
    file[400] ^= 1;
    std::fs::write(&path, file).unwrap();
    assert!(NpzArchive::open(&path).unwrap().read_f64("a").is_err());
}

#[test]
fn every_truncation_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let values = Array1::linspace(0.0f64, 1.0, 100);
    write_npz(&path, &[("a", NpyArray::F64(values.view().into_dyn()))]).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for end in 0..bytes.len() {
        std::fs::write(&path, &bytes[..end]).unwrap();
        let outcome = NpzArchive::open(&path).and_then(|mut npz| npz.read_f64("a"));
        assert!(outcome.is_err(), "{end} of {} bytes", bytes.len());
    }
}

#[test]
fn two_members_with_one_key_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let bytes = npy_bytes("|u1", &[1], &[7]);
    write_raw_zip(&path, &[("a.npy", &bytes), ("a", &bytes)], false);
    assert!(NpzArchive::open(&path).unwrap_err().to_string().contains("Two members"));
}

#[test]
fn other_files_are_identified() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    for (content, says) in [
        (&b""[..], "an empty file"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x93NUMPY\x01\x00", "single NumPy array"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x80\x04\x95\x00", "pickle"),
        (b"hello, world", "a text file"),
        (b"\xde\xad\xbe\xef\x01", "neither a ZIP archive"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "Git LFS"),
        (b"\xef\xbb\xbf<!DOCTYPE html><html>", "web page"),
        (b"{\"error\": \"not found\"}", "JSON"),
        (b"MATLAB 5.0 MAT-file, Platform: GLNX86", "-v7.3"),
        (b"###CBF: VERSION 1.5", "CBF"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"BZh91AY", "bzip2"),
        (b"\0\0\0\0\0\0\0\0", "begins with zeros"),
        (b"PK\x03\x04 and no more", "cut short"),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = NpzArchive::open(&path).unwrap_err();
        assert!(error.to_string().contains(says) && error.to_string().contains("a.npz"), "{error}");
    }
    for (member, says) in [
        ("diffraction_to_obj/model.keras", "TensorFlow"),
        ("saved_model.pb", "TensorFlow"),
        ("x/data.pkl", "PyTorch archive"),
        ("readme.txt", "without NumPy arrays"),
    ] {
        write_raw_zip(&path, &[(member, b"x")], false);
        assert!(NpzArchive::open(&path).unwrap_err().to_string().contains(says), "{member}");
    }
    let npy = npy_bytes("|u1", &[1], &[7]);
    write_raw_zip(&path, &[("manifest.json", b"{}"), ("weights.safetensors", b""), ("probe.npy", &npy)], false);
    assert!(NpzArchive::open(&path).unwrap_err().to_string().contains("model.ptycho"));
    assert!(NpzArchive::open(folder.path()).unwrap_err().to_string().contains("folder"));
    let missing = NpzArchive::open(folder.path().join("none.npz")).unwrap_err();
    assert!(missing.to_string().contains("none.npz") && missing.exit_code() == 2);
}

#[test]
fn the_metadata_of_a_real_file_is_read_without_running_its_pickle() {
    let Some(shared) = shared() else { return };
    let mut npz = NpzArchive::open(shared.join("data/lines64_run1084like.npz")).unwrap();
    let metadata = npz.read_json("_metadata").unwrap();
    assert_eq!(metadata["physics_parameters"]["nphotons"], 1e6);
    let member = npz.member("diff3d").unwrap();
    assert_eq!((member.shape_text().as_str(), member.dtype.as_str()), ("(1087, 64, 64)", "<f4"));
    let error = npz.read_f32("_metadata").unwrap_err().to_string();
    assert!(error.contains("pickled object array"), "{error}");
}

#[test]
fn some_entries_of_an_array_are_read_without_the_others_stored_or_deflated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let values: Vec<i16> = (0..50 * 12).collect();
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let array = npy_bytes("<i2", &[50, 3, 4], &bytes);
    for deflated in [false, true] {
        write_raw_zip(&path, &[("first.npy", &npy_bytes("|u1", &[1], &[7])), ("a.npy", &array)], deflated);
        let mut npz = NpzArchive::open(&path).unwrap();
        let all: Vec<usize> = (0..50).collect();
        for (rows, together) in [(vec![0], 3), (vec![3, 4, 5, 9, 49], 2), (all, 7), (vec![], 4)] {
            let mut found: Vec<f32> = Vec::new();
            let mut begins = Vec::new();
            npz.for_entries("a", 50, &rows, together, |at, values| {
                begins.push(at);
                found.extend(values);
                Ok(())
            })
            .unwrap();
            let expected: Vec<f32> = rows.iter().flat_map(|row| (row * 12..row * 12 + 12).map(|v| v as f32)).collect();
            assert_eq!(found, expected, "{deflated} {rows:?}");
            assert_eq!(begins, (0..rows.len()).step_by(together).collect::<Vec<_>>());
        }
        assert!(npz.for_entries("a", 50, &[50], 1, |_, _| Ok(())).is_err());
        assert!(npz.for_entries("a", 49, &[1], 1, |_, _| Ok(())).is_err());
        assert!(!npz.is_large("a"));
    }
}
