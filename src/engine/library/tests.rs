//! Requests answered by a real thread.

use super::*;
use crate::config::{DataConfig, Orientation};
use crate::data::{self, NpyArray, NpzArchive, Status, write_npz};
use ndarray::Array2;
use std::path::PathBuf;
use std::time::Duration;

fn read(request: Request, answers: usize) -> Vec<Reply> {
    let library = Library::spawn(Box::new(|| ())).unwrap();
    library.request(request);
    (0..answers).map(|_| library.replies().recv_timeout(Duration::from_secs(60)).unwrap()).collect()
}

#[test]
fn verdicts_follow_the_reading_settings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign.npz");
    let mut star = NpzArchive::open(star()).unwrap();
    let patterns = star.read_f32("diffraction").unwrap();
    let probe = star.read_c32("probeGuess").unwrap();
    let (x, y) = (star.read_f64("xcoords").unwrap(), star.read_f64("ycoords").unwrap());
    let arrays = [
        ("stack", NpyArray::F32(patterns.view())),
        ("probeGuess", NpyArray::C32(probe.view())),
        ("xcoords", NpyArray::F64(x.view())),
        ("ycoords", NpyArray::F64(y.view())),
    ];
    write_npz(&path, &arrays).unwrap();
    let mut config = Box::new(DataConfig::default());
    let request = |config: &DataConfig| Request::Dataset {
        path: path.clone(),
        config: Box::new(config.clone()),
        seed: 1,
        preview: true,
    };
    let replies = read(request(&config), 4);
    assert!(matches!(&replies[1], Reply::Inspected(inspection) if inspection.status() == Status::Fail));
    assert!(matches!(&replies[2], Reply::Raw { .. }), "what can be shown of it");
    assert!(matches!(&replies[3], Reply::Failed { .. }));
    config.mapping.diffraction = "stack".into();
    let replies = read(request(&config), 5);
    assert!(matches!(&replies[1], Reply::Inspected(inspection) if inspection.status() != Status::Fail));
    assert!(matches!(&replies[2], Reply::Opened(patterns) if patterns.dataset.len() == 516));
    assert!(matches!(&replies[3], Reply::PreviewStage { stage: Some(PreviewStage::Object), .. }));
    assert!(matches!(&replies[4], Reply::Preview { misfit, .. } if *misfit < 0.02));
}

fn star() -> PathBuf {
    ptychoscope_base::testing::fixture("siemens_star_n64.npz")
}

/// All replies until the library has nothing more to do.
fn until_quiet(library: &Library, mut with: impl FnMut(&Reply)) -> Vec<Reply> {
    let mut replies = Vec::new();
    loop {
        let reply = library.replies().recv_timeout(Duration::from_secs(60)).unwrap();
        with(&reply);
        let over = matches!(reply, Reply::PreviewStage { stage: None, .. });
        replies.push(reply);
        if over {
            return replies;
        }
    }
}

#[test]
fn an_unrequested_preview_is_not_computed_and_a_cancelled_one_has_no_result() {
    let library = Library::spawn(Box::new(|| ())).unwrap();
    // Few patterns, so that a preview finishes within its time limit on any machine.
    let config = DataConfig { n_subsample: Some(40), ..DataConfig::default() };
    let config = Box::new(config);
    let ask = |preview| library.request(Request::Dataset { path: star(), config: config.clone(), seed: 1, preview });
    ask(false);
    library.request(Request::Runs { parent: "/nowhere at all".into() });
    let replies: Vec<Reply> =
        (0..4).map(|_| library.replies().recv_timeout(Duration::from_secs(60)).unwrap()).collect();
    assert!(matches!(&replies[2..], [Reply::Opened(_), Reply::Runs(_)]));
    assert!(library.replies().recv_timeout(Duration::from_millis(300)).is_err(), "no preview later, either");

    ask(true);
    let replies = until_quiet(&library, |reply| {
        if matches!(reply, Reply::PreviewStage { stage: Some(_), .. }) {
            library.cancel_preview();
        }
    });
    let has_result =
        |replies: &[Reply]| replies.iter().any(|r| matches!(r, Reply::Preview { .. } | Reply::Orientations { .. }));
    assert!(!has_result(&replies));

    let Some(Reply::Opened(patterns)) = replies.into_iter().find(|reply| matches!(reply, Reply::Opened(_))) else {
        panic!("the dataset was not opened")
    };
    library.request(Request::Preview { patterns, orientation: Orientation::Plain });
    let replies = until_quiet(&library, |_| ());
    assert!(has_result(&replies), "a preview can be requested later");
}

#[test]
fn a_drawn_mask_is_read_with_the_patterns() {
    let folder = tempfile::tempdir().unwrap();
    let mask_file = folder.path().join("mask.npy");
    let mut good = Array2::<u16>::ones((64, 64));
    good.slice_mut(ndarray::s![10..12, 20..25]).fill(0);
    let bytes = data::npy_bytes(&NpyArray::U16(good.view().into_dyn())).unwrap();
    let library = Library::spawn(Box::new(|| ())).unwrap();
    library.request(Request::Write { path: mask_file.clone(), bytes });
    let mut config = DataConfig::default();
    config.mapping.mask_file = mask_file.display().to_string();
    library.request(Request::Dataset { path: star(), config: Box::new(config), seed: 1, preview: false });
    let mask = loop {
        match library.replies().recv_timeout(Duration::from_secs(120)).unwrap() {
            Reply::Opened(patterns) => break patterns.dataset.mask.clone().unwrap(),
            Reply::Failed { failure, .. } => panic!("{}", failure.message),
            _ => {}
        }
    };
    let bad = mask.indexed_iter().filter(|(_, good)| !**good).count();
    assert_eq!((bad, mask[(10, 20)], mask[(12, 20)]), (10, false, true));
}

#[test]
fn files_are_written_in_request_order_and_failures_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    let library = Library::spawn(Box::new(|| ())).unwrap();
    for text in ["first", "second"] {
        library.request(Request::Write { path: path.clone(), bytes: text.into() });
    }
    let nowhere = folder.path().join("no such folder");
    library.request(Request::Write { path: nowhere.join("b.txt"), bytes: Vec::new() });
    library.request(Request::Trash { folder: nowhere.clone() });
    let replies: Vec<Reply> =
        (0..5).map(|_| library.replies().recv_timeout(Duration::from_secs(60)).unwrap()).collect();
    assert_eq!(replies[..2], [Reply::Written { path: path.clone() }, Reply::Written { path: path.clone() }]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "second");
    assert!(matches!(&replies[2], Reply::Failed { path, .. } if *path == nowhere.join("b.txt")));
    assert_eq!(replies[3], Reply::RunsChanged);
    assert!(matches!(&replies[4], Reply::Failed { path, .. } if *path == nowhere));
}
