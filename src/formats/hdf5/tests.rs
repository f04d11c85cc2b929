use super::*;
use ndarray::{Array2, Array3, s};
use ptychoscope_base::testing::fixture;
use rust_hdf5::H5File;

/// The formula of `noisy` in `tests/hdf5_interchange.py`, which made the fixture.
fn noisy() -> Array3<f32> {
    Array3::from_shape_fn((5, 50, 61), |(n, y, x)| {
        let mut h = (n as u64 * 2_654_435_761 + y as u64 * 40_503 + x as u64 * 2_246_822_519) & 0xFFFF_FFFF;
        h ^= h >> 13;
        h = (h * 668_265_263) & 0xFFFF_FFFF;
        h ^= h >> 15;
        let near = (y as i32 - 25).pow(2) + (x as i32 - 30).pow(2) < 60;
        ((h & 0xff).count_ones() * if near { 77 } else { 1 }) as f32
    })
}

#[test]
fn the_complex_type_of_hdf5_2_is_named_with_the_way_to_convert_it() {
    let path = ptychoscope_base::testing::repository().join("tests/fuzz/corpus/hdf5/complex_2.h5");
    let error = Hdf5File::open(&path).unwrap().read_c32("probe").unwrap_err().to_string();
    assert!(error.contains("complex type of HDF5 2.0") && error.contains("members r and i"), "{error}");
}

#[test]
fn files_of_hdf5_1_4_are_read_contiguous_and_in_chunks() {
    let corpus = ptychoscope_base::testing::repository().join("tests/fuzz/corpus/hdf5");
    for name in ["layout_1.h5", "layout_2.h5"] {
        let file = Hdf5File::open(&corpus.join(name)).unwrap();
        assert!(file.path().ends_with(name));
        let whole = file.read_f64("a").unwrap();
        assert_eq!(whole, Array2::from_shape_fn((3, 4), |(y, x)| (4 * y + x) as f64).into_dyn(), "{name}");
        let chunked: Vec<f64> = file.read_f64("c").unwrap().into_iter().collect();
        assert_eq!(chunked, (0..16).map(f64::from).collect::<Vec<_>>(), "{name}");
        assert_eq!(file.read_block("a", &[1, 2], &[2, 1]).unwrap().into_iter().collect::<Vec<_>>(), [6.0, 10.0]);
    }
}

#[test]
fn every_compression_of_the_plugins_is_unpacked_as_by_h5py() {
    let file = Hdf5File::open(&fixture("hdf5_filters.h5")).unwrap();
    let expected = noisy();
    let mut found = 0;
    for array in file.arrays().iter().filter(|array| array.path != "zstd_zeros") {
        let values = file.read_f32(&array.path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(values, expected.clone().into_dyn(), "{}", array.path);
        let part = file.read_block(&array.path, &[1, 3, 7], &[3, 40, 51]).unwrap();
        assert_eq!(part, expected.slice(s![1..4, 3..43, 7..58]).into_dyn(), "{}", array.path);
        found += 1;
    }
    assert_eq!(found, 15);
    // Chunks that were never written hold the fill value.
    let zeros = file.read_f64("zstd_zeros").unwrap();
    for (n, pattern) in zeros.outer_iter().enumerate() {
        assert!(pattern.iter().all(|&v| v == if n == 2 { 0.0 } else { 7.0 }), "{n}");
    }
    assert!(file.read_block("zstd_3", &[4, 0, 0], &[2, 50, 61]).is_err());
}

#[test]
fn an_unknown_compression_is_named_with_its_number_and_a_remedy() {
    // Blosc (32001) becomes ZFP (32013) in the header.
    let mut bytes = std::fs::read(fixture("hdf5_filters.h5")).unwrap();
    let ids: Vec<usize> = (0..bytes.len() - 8).filter(|&at| bytes[at..].starts_with(&32001u16.to_le_bytes())).collect();
    let at = ids.into_iter().find(|&at| bytes[at + 8..].starts_with(b"blosc")).unwrap();
    bytes[at..at + 2].copy_from_slice(&32013u16.to_le_bytes());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zfp.h5");
    std::fs::write(&path, bytes).unwrap();
    let error = Hdf5File::open(&path).unwrap().read_f32("blosc").unwrap_err().to_string();
    assert!(error.contains("ZFP (filter 32013)") && error.contains("h5repack -f GZIP=4"), "{error}");
}

/// Error of opening a file and reading an array of it, which must come within a second.
fn quick_error(path: &std::path::Path, name: &str) -> String {
    let begun = std::time::Instant::now();
    let error = Hdf5File::open(path).and_then(|file| file.read_f32(name)).unwrap_err().to_string();
    assert!(begun.elapsed().as_secs_f64() < 1.0, "{error}");
    error
}

fn every(shape: &[usize]) -> rust_hdf5::Selection {
    let rank = shape.len();
    let form = rust_hdf5::Hyperslab::Regular(rust_hdf5::format::selection::RegularHyperslab {
        start: vec![0; rank],
        stride: vec![1; rank],
        count: vec![1; rank],
        block: shape.iter().map(|&side| side as u64).collect(),
    });
    rust_hdf5::Selection::Hyperslab { rank, form }
}

/// Writes a virtual dataset `data` (4, 8) u16 that maps these sources one after the other.
fn write_virtual(path: &std::path::Path, sources: &[(&str, &str)]) {
    let file = H5File::create(path).unwrap();
    let mut builder = file.new_dataset::<u16>().shape([4, 8]);
    for (file, dataset) in sources {
        builder = builder.virtual_mapping(every(&[4, 8]), file, dataset, every(&[4, 8]));
    }
    builder.create("data").unwrap();
    file.close().unwrap();
}

#[test]
fn an_index_of_chunks_with_shared_nodes_is_refused_at_once_behind_a_virtual_dataset_and_a_link() {
    // Not circular: each of seven levels uses the next one up to 64 times.
    let mut bytes = std::fs::read(fixture("hdf5_filters.h5")).unwrap();
    let at = bytes.windows(5).position(|window| window == b"TREE\x01").unwrap();
    let (key, node) = (8 + 8 * 4, 24 + 64 * 48 + 40);
    let leaf = bytes[at..at + node].to_vec();
    let add = |bytes: &mut Vec<u8>, node: &[u8]| {
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend_from_slice(node);
        (bytes.len() - node.len()) as u64
    };
    let inner = |level: u8, child: u64, count: u16| {
        let mut node = b"TREE\x01".to_vec();
        node.push(level);
        node.extend(count.to_le_bytes());
        node.extend([0xff; 16]);
        for _ in 0..count {
            node.extend(&leaf[24..24 + key]);
            node.extend(child.to_le_bytes());
        }
        node.extend(&leaf[24..24 + key]);
        node
    };
    let mut child = add(&mut bytes, &leaf);
    for level in 1..7 {
        let mut one = inner(level, child, 64);
        one.resize(node, 0);
        child = add(&mut bytes, &one);
    }
    let root = inner(7, child, 2);
    bytes[at..at + root.len()].copy_from_slice(&root);
    let end = bytes.len() as u64;
    bytes[40..48].copy_from_slice(&end.to_le_bytes());
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("dag.h5"), bytes).unwrap();
    let dag = Hdf5File::open(&path("dag.h5")).unwrap();
    let damaged = |error: &str| error.contains("index of its chunks is damaged");
    let name =
        dag.arrays().iter().find(|array| dag.read_f32(&array.path).is_err_and(|e| damaged(&e.to_string()))).unwrap();
    let name = name.path.clone();

    let file = H5File::create(path("vds.h5")).unwrap();
    let all = || every(&[5, 50, 61]);
    let builder = file.new_dataset::<u16>().shape([5, 50, 61]);
    builder.virtual_mapping(all(), "dag.h5", &name, all()).create("patterns").unwrap();
    file.create_external_link("linked", "dag.h5", &format!("/{name}")).unwrap();
    file.close().unwrap();
    for array in ["patterns", "linked"] {
        let error = quick_error(&path("vds.h5"), array);
        assert!(damaged(&error), "{error}");
    }
}

#[test]
fn virtual_datasets_that_multiply_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = |level: usize| folder.path().join(format!("{level}.h5"));
    let file = H5File::create(path(0)).unwrap();
    file.new_dataset::<u16>().shape([4, 8]).create("data").unwrap().write_raw(&[7u16; 32]).unwrap();
    file.close().unwrap();
    for level in 1..13 {
        let below = format!("{}.h5", level - 1);
        write_virtual(&path(level), &[(below.as_str(), "data"); 4]);
    }
    let error = quick_error(&path(12), "data");
    assert!(error.contains("refer to too many sources"), "{error}");
    // A few levels are read.
    let values = Hdf5File::open(&path(3)).unwrap().read_f32("data").unwrap();
    assert!(values.iter().all(|v| *v == 7.0) && values.shape() == [4, 8]);

    // A large virtual dataset has about the size of its sources.
    let empty = folder.path().join("empty.h5");
    let file = H5File::create(&empty).unwrap();
    let builder = file.new_dataset::<u16>().shape([250, 1000, 1000]);
    builder.virtual_mapping(every(&[1, 4, 8]), "0.h5", "data", every(&[4, 8])).create("data").unwrap();
    file.close().unwrap();
    assert!(quick_error(&empty, "data").contains("almost entirely missing"));

    write_virtual(&folder.path().join("circle.h5"), &[(".", "/data")]);
    let error = quick_error(&folder.path().join("circle.h5"), "data");
    assert!(error.contains("in a circle"), "{error}");
}

#[test]
fn opening_does_not_multiply_unlimited_virtual_datasets() {
    let folder = tempfile::tempdir().unwrap();
    let path = |level: usize| folder.path().join(format!("{level}.h5"));
    let growing = |from: &std::path::Path, sources: &[String], blocks: bool| {
        let file = H5File::create(from).unwrap();
        let unlimited = |rank: usize| {
            let form = rust_hdf5::Hyperslab::Regular(rust_hdf5::format::selection::RegularHyperslab {
                start: vec![0; rank],
                stride: vec![1; rank],
                count: [vec![u64::MAX], vec![1; rank - 1]].concat(),
                block: [vec![1], vec![8; rank - 1]].concat(),
            });
            rust_hdf5::Selection::Hyperslab { rank, form }
        };
        let mut builder = file.new_dataset::<u16>().shape([4, 8]).max_shape(&[None, Some(8)]);
        for source in sources {
            let of_source = if blocks { every(&[1, 8]) } else { unlimited(2) };
            builder = builder.virtual_mapping(unlimited(2), source, "data", of_source);
        }
        builder.create("data").unwrap();
        file.close().unwrap();
    };
    let file = H5File::create(path(0)).unwrap();
    let values: Vec<u16> = (0..32).collect();
    file.new_dataset::<u16>().shape([4, 8]).create("data").unwrap().write_raw(&values).unwrap();
    file.close().unwrap();
    for level in 1..13 {
        let below: Vec<String> = (0..4).map(|k| format!("{}{}.h5", "./".repeat(k), level - 1)).collect();
        growing(&path(level), &below, false);
    }
    let error = quick_error(&path(12), "data");
    assert!(error.contains("refer to too many sources"), "{error}");
    let read = Hdf5File::open(&path(2)).unwrap().read_f32("data").unwrap();
    assert!(read.iter().zip(&values).all(|(one, other)| *one == f32::from(*other)) && read.shape() == [4, 8]);

    // Successive sources 0.h5, 1.h5, …; and an endless succession of the same one.
    let folder = tempfile::tempdir().unwrap();
    for k in 0..5 {
        std::fs::copy(path(0), folder.path().join(format!("{k}.h5"))).unwrap();
    }
    let series = folder.path().join("series.h5");
    growing(&series, &["%b.h5".into()], true);
    let read = Hdf5File::open(&series).unwrap().read_f32("data").unwrap();
    assert!(read.shape() == [5, 8] && read.iter().enumerate().all(|(at, value)| *value == (at % 8) as f32), "{read}");
    let mut bytes = std::fs::read(&series).unwrap();
    let at = bytes.windows(5).position(|window| window == b"%b.h5").unwrap();
    bytes[at..at + 5].copy_from_slice(b"00.h5");
    std::fs::copy(path(0), folder.path().join("00.h5")).unwrap();
    std::fs::write(&series, bytes).unwrap();
    let begun = std::time::Instant::now();
    // Refused, or skipped because of the checksum of the list.
    let _opened = Hdf5File::open(&series).and_then(|file| file.read_f32("data"));
    assert!(begun.elapsed().as_secs_f64() < 1.0);
}

#[test]
fn external_raw_data_is_read_from_the_folder_of_the_file_only() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("run");
    std::fs::create_dir_all(folder.join("raw")).unwrap();
    std::fs::write(outer.path().join("secret.raw"), [9u8; 64]).unwrap();
    std::fs::write(folder.join("raw/data.raw"), [1u8; 64]).unwrap();
    let path = folder.join("external.h5");
    let secret = outer.path().join("secret.raw");
    let names = [
        ("inside", "raw/data.raw"),
        ("above", "../secret.raw"),
        ("absolute", secret.to_str().unwrap()),
        ("zero", "/dev/zero"),
    ];
    let file = H5File::create(&path).unwrap();
    for (name, source) in names {
        file.new_dataset::<u8>().shape([64]).external(&[(source, 0, 64)]).create(name).unwrap();
    }
    file.close().unwrap();
    let file = Hdf5File::open(&path).unwrap();
    assert!(file.read_f32("inside").unwrap().iter().all(|v| *v == 1.0));
    for (name, source) in &names[1..] {
        let error = file.read_f32(name).unwrap_err().to_string();
        assert!(error.contains("outside of the folder") && error.contains(source), "{error}");
    }
    // Also behind a virtual dataset in another folder.
    let vds = outer.path().join("vds.h5");
    let file = H5File::create(&vds).unwrap();
    let builder = file.new_dataset::<u8>().shape([64]);
    builder.virtual_mapping(every(&[64]), "run/external.h5", "above", every(&[64])).create("data").unwrap();
    file.close().unwrap();
    let error = quick_error(&vds, "data");
    assert!(error.contains("outside of the folder"), "{error}");
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.h5");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_path(), std::path::Path::new("/dev/zero")] {
        assert!(!is_hdf5(path));
        let error = quick_error(path, "data");
        assert!(error.contains("not a regular file") && error.contains(path.to_str().unwrap()), "{error}");
        let error = crate::npz::NpzArchive::open(path).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
    }
}

#[test]
fn damaged_chunks_are_errors_and_never_panics() {
    let file = H5File::open(fixture("hdf5_filters.h5")).unwrap();
    let mut state = 1u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let mut errors = 0;
    for name in ["lz4_blocks", "bitshuffle_lz4", "bitshuffle_zstd", "zstd_1", "zstd_3", "zstd_19", "shuffle_zstd_f8"] {
        let dataset = file.dataset(name).unwrap();
        let (packed, skipped) = dataset.read_chunk_raw_at(&[0, 0, 0]).unwrap();
        let filters = dataset.filters().unwrap();
        let element = dataset.element_size();
        let length = dataset.chunk_dims().unwrap().iter().product::<usize>() * element;
        let unpack = |bytes: &[u8]| filters::unpack(bytes.to_vec(), &filters, skipped, element, length);
        assert_eq!(unpack(&packed).unwrap().len(), length);
        for end in (0..packed.len()).step_by(37) {
            assert!(unpack(&packed[..end]).is_err(), "{name} {end}");
        }
        for _ in 0..300 {
            let mut damaged = packed.clone();
            for _ in 0..1 + random(3) {
                let near = if random(2) == 0 { 64 } else { usize::MAX };
                let at = random(damaged.len().min(near));
                damaged[at] = random(256) as u8;
            }
            // Without checksums some damage only changes values.
            match unpack(&damaged) {
                Ok(bytes) => assert_eq!(bytes.len(), length),
                Err(_) => errors += 1,
            }
        }
    }
    assert!(errors > 300, "{errors}");
}
