#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::super::test_support::fixtures;
use super::*;
use ndarray::{Array3, s};
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
fn every_compression_of_the_plugins_is_unpacked_as_h5py_does() {
    let file = Hdf5File::open(&fixtures().join("hdf5_filters.h5")).unwrap();
    let expected = noisy();
    let mut found = 0;
    for array in file.arrays().iter().filter(|array| !["blosc", "zstd_zeros"].contains(&array.path.as_str())) {
        let values = file.read_f32(&array.path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(values, expected.clone().into_dyn(), "{}", array.path);
        let part = file.read_block(&array.path, &[1, 3, 7], &[3, 40, 51]).unwrap();
        assert_eq!(part, expected.slice(s![1..4, 3..43, 7..58]).into_dyn(), "{}", array.path);
        found += 1;
    }
    assert_eq!(found, 14);
    // Chunks that were never written hold the fill value.
    let zeros = file.read_f64("zstd_zeros").unwrap();
    for (n, pattern) in zeros.outer_iter().enumerate() {
        assert!(pattern.iter().all(|&v| v == if n == 2 { 0.0 } else { 7.0 }), "{n}");
    }
    assert!(file.read_block("zstd_3", &[4, 0, 0], &[2, 50, 61]).is_err());
}

#[test]
fn an_unknown_compression_is_named_with_its_number_and_the_way_out() {
    let file = Hdf5File::open(&fixtures().join("hdf5_filters.h5")).unwrap();
    let error = file.read_f32("blosc").unwrap_err().to_string();
    assert!(error.contains("Blosc (filter 32001)") && error.contains("h5repack -f GZIP=4"), "{error}");
}

#[test]
fn damaged_chunks_are_errors_and_never_panics() {
    let file = H5File::open(fixtures().join("hdf5_filters.h5")).unwrap();
    let mut state = 1u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let mut errors = 0;
    for name in ["lz4_blocks", "bitshuffle_lz4", "bitshuffle_zstd", "zstd_1", "zstd_3", "zstd_19", "shuffle_zstd_f8"] {
        let dataset = file.dataset(name).unwrap();
        let (packed, left_out) = dataset.read_chunk_raw_at(&[0, 0, 0]).unwrap();
        let filters = dataset.filters().unwrap();
        let element = dataset.element_size();
        let length = dataset.chunk_dims().unwrap().iter().product::<usize>() * element;
        let unpack = |bytes: &[u8]| filters::unpack(bytes.to_vec(), &filters, left_out, element, length);
        assert_eq!(unpack(&packed).unwrap().len(), length);
        for end in (0..packed.len()).step_by(37) {
            assert!(unpack(&packed[..end]).is_err(), "{name} {end}");
        }
        for _ in 0..300 {
            let mut spoiled = packed.clone();
            for _ in 0..1 + random(3) {
                let near = if random(2) == 0 { 64 } else { usize::MAX };
                let at = random(spoiled.len().min(near));
                spoiled[at] = random(256) as u8;
            }
            // Without checksums some damage only changes values.
            match unpack(&spoiled) {
                Ok(bytes) => assert_eq!(bytes.len(), length),
                Err(_) => errors += 1,
            }
        }
    }
    assert!(errors > 300, "{errors}");
}
