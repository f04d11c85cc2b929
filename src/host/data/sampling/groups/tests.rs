use super::*;
use crate::data::test_support::golden_groups;
use ndarray::{Ix2, Ix4};

/// Positions without a tie.
fn scattered(count: usize) -> Vec<[f64; 2]> {
    (0..count).map(|k| [(k as f64 * 12.9898).sin() * 150.0, (k as f64 * 78.233).sin() * 150.0]).collect()
}

fn with(change: impl FnOnce(&mut DataConfig)) -> DataConfig {
    let mut config = DataConfig::default();
    change(&mut config);
    config
}

fn assert_members_are_distinct(groups: &Groups) {
    for row in groups.indices.rows() {
        let distinct: BTreeSet<usize> = row.iter().copied().collect();
        assert_eq!(distinct.len(), groups.channels());
    }
}

#[test]
fn gridsize_one_takes_each_pattern_once() {
    let positions = scattered(20);
    let all = group(&positions, 1, &DataConfig::default(), 3).unwrap();
    assert_eq!(all.indices.iter().copied().collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
    let first = with(|c| (c.n_groups, c.sampling) = (Some(5), Sampling::Sequential));
    assert_eq!(group(&positions, 1, &first, 3).unwrap().indices.into_raw_vec_and_offset().0, [0, 1, 2, 3, 4]);
    let random = with(|c| c.n_groups = Some(5));
    let one = group(&positions, 1, &random, 3).unwrap();
    assert_eq!(one, group(&positions, 1, &random, 3).unwrap());
    assert_ne!(one, group(&positions, 1, &random, 4).unwrap());
    let more = with(|c| c.n_groups = Some(100));
    assert_eq!(group(&positions, 1, &more, 3).unwrap().len(), 20);
    let coordinates = group_coordinates(&positions, &one);
    assert!(coordinates.relative.iter().all(|&v| v == 0.0));
}

#[test]
fn the_seed_comes_first_and_the_others_are_among_its_nearest() {
    let positions = scattered(200);
    let index = NeighborIndex::new(&positions);
    for (gridsize, neighbor_count) in [(2, 7), (3, 12), (4, 20)] {
        let config = with(|c| c.neighbor_count = neighbor_count);
        let groups = group(&positions, gridsize, &config, 9).unwrap();
        assert_eq!((groups.len(), groups.channels()), (200, gridsize * gridsize));
        assert_members_are_distinct(&groups);
        for (seed, row) in groups.indices.rows().into_iter().enumerate() {
            assert_eq!(row[0], seed);
            let near = index.nearest(seed, neighbor_count);
            assert!(row.iter().skip(1).all(|at| near.contains(at)));
        }
    }
}

#[test]
fn the_group_around_a_position_is_the_one_used_for_training() {
    let positions = scattered(150);
    for (gridsize, seed_in_group) in [(1, true), (2, true), (2, false), (3, true)] {
        let config = with(|c| (c.neighbor_count, c.seed_in_group) = (10, seed_in_group));
        let groups = group(&positions, gridsize, &config, 5).unwrap();
        for of in [0, 77, 149] {
            assert_eq!(group_around(&positions, of, gridsize, &config, 5), groups.indices.row(of).to_vec());
        }
    }
    assert!(group_around(&positions, 150, 2, &DataConfig::default(), 5).is_empty());
    assert!(group_around(&positions, 0, 9, &DataConfig::default(), 5).is_empty());
}

#[test]
fn the_reference_excludes_the_seed() {
    let positions = scattered(100);
    let config = with(|c| (c.seed_in_group, c.neighbor_count) = (false, 4));
    let groups = group(&positions, 2, &config, 1).unwrap();
    let index = NeighborIndex::new(&positions);
    for (seed, row) in groups.indices.rows().into_iter().enumerate() {
        let mut members = row.to_vec();
        members.sort_unstable();
        let mut near = index.nearest(seed, 4);
        near.sort_unstable();
        assert_eq!(members, near);
    }
    // Four positions: the seed has to fill the group.
    let few = group(&positions[..4], 2, &config, 1).unwrap();
    assert_members_are_distinct(&few);
}

#[test]
fn oversampling_gives_distinct_combinations_evenly_over_the_scan() {
    let positions = scattered(30);
    for (wanted, seed_in_group) in [(100, true), (1050, true), (500, false), (1050, false)] {
        let config = with(|c| {
            (c.n_groups, c.enable_oversampling, c.seed_in_group) = (Some(wanted), true, seed_in_group);
        });
        let groups = group(&positions, 2, &config, 5).unwrap();
        assert_eq!((groups.len(), groups.channels()), (wanted, 4));
        assert_members_are_distinct(&groups);
        assert_eq!(groups, group(&positions, 2, &config, 5).unwrap());
        if seed_in_group {
            let sets: BTreeSet<Vec<usize>> = groups.indices.rows().into_iter().map(|row| row.to_vec()).collect();
            assert_eq!(sets.len(), wanted);
            let most = (0..30).map(|of| groups.indices.column(0).iter().filter(|&&at| at == of).count()).max();
            assert_eq!(most, Some(wanted.div_ceil(30)));
        }
    }
}

#[test]
fn impossible_requests_are_rejected_with_the_setting_to_change() {
    let positions = scattered(30);
    for (gridsize, config, says) in [
        (0, DataConfig::default(), "gridsize"),
        (5, DataConfig::default(), "gridsize"),
        (usize::MAX, DataConfig::default(), "gridsize"),
        (3, with(|c| c.neighbor_count = 7), "neighbor_count to 8"),
        (2, with(|c| c.n_groups = Some(31)), "enable_oversampling"),
        (2, with(|c| (c.n_groups, c.enable_oversampling, c.neighbor_count) = (Some(1051), true, 7)), "neighbor_count"),
        (2, with(|c| c.n_groups = Some(0)), "n_groups"),
    ] {
        let error = group(&positions, gridsize, &config, 1).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    assert!(group(&positions[..3], 2, &DataConfig::default(), 1).is_err());
    assert!(group(&[], 1, &DataConfig::default(), 1).is_err());
    assert!(group(&[[0.0, f64::NAN]], 1, &DataConfig::default(), 1).is_err());
}

#[test]
fn the_number_of_threads_does_not_change_the_groups() {
    let positions = scattered(300);
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| group(&positions, 2, &DataConfig::default(), 8).unwrap())
    };
    assert_eq!(with_threads(1), with_threads(4));
}

#[test]
fn a_hundred_thousand_positions_are_grouped_quickly() {
    let positions = scattered(100_000);
    let start = std::time::Instant::now();
    let groups = group(&positions, 2, &DataConfig::default(), 8).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    println!("100000 groups of 4 in {seconds:.2} s");
    assert_eq!(groups.len(), 100_000);
    // 2 s on an idle machine; tests share theirs.
    assert!(seconds < 20.0, "{seconds}");
}

#[test]
fn coordinates_agree_with_the_reference() {
    let (mut golden, positions, cases) = golden_groups();

    let near = golden.read_f64("kdtree_nn_k8_including_self").unwrap().into_dimensionality::<Ix2>().unwrap();
    let index = NeighborIndex::new(&positions);
    for (of, row) in near.rows().into_iter().enumerate() {
        let row: Vec<usize> = row.iter().map(|&v| v as usize).collect();
        assert_eq!(row[0], of);
        assert_eq!(index.nearest(of, 7), row[1..]);
    }

    let mut worst = 0.0f64;
    for case in cases {
        let mut read = |name: &str| golden.read_f64(&format!("{case}/{name}")).unwrap();
        let indices = read("nn_indices").into_dimensionality::<Ix2>().unwrap().mapv(|v| v as usize);
        let groups = Groups { indices };
        let coordinates = group_coordinates(&positions, &groups);
        // (G, 1, 2, C) and (G, 1, 2, 1) there
        let nn = read("coords_nn").into_dimensionality::<Ix4>().unwrap();
        let offsets = read("coords_offsets").into_dimensionality::<Ix4>().unwrap();
        let relative = read("coords_relative").into_dimensionality::<Ix4>().unwrap();
        for ((g, _, axis, c), &want) in relative.indexed_iter() {
            let center = coordinates.centers[[g, axis]];
            worst = worst.max((coordinates.relative[[g, c, axis]] - want).abs());
            worst = worst.max((center - offsets[[g, 0, axis, 0]]).abs());
            worst = worst.max((positions[groups.indices[[g, c]]][axis] - nn[[g, 0, axis, c]]).abs());
            worst = worst.max((center - coordinates.relative[[g, c, axis]] - nn[[g, 0, axis, c]]).abs());
        }
    }
    println!("group coordinates: worst difference {worst:e}");
    assert!(worst <= 1e-6, "{worst}");
}
