//! The pictures of a training, in order, within a bound of memory.

use crate::worker::message::Picture;
use std::sync::Arc;

/// Most pictures kept; when there are more, every other one of the older half goes.
const FRAMES: usize = 64;
/// Most pixels kept over all pictures (12 bytes each).
const PIXELS: usize = 24_000_000;

/// The pictures of a training, oldest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Film {
    frames: Vec<Arc<Picture>>,
    pushed: u64,
}

impl Film {
    /// Adds the newest picture; thins out the older ones when there are too many.
    pub fn push(&mut self, picture: Picture) {
        self.frames.push(Arc::new(picture));
        self.pushed += 1;
        let pixels = |frames: &[Arc<Picture>]| frames.iter().map(|frame| frame.width * frame.height).sum::<usize>();
        while self.frames.len() > 2 && (self.frames.len() > FRAMES || pixels(&self.frames) > PIXELS) {
            let half = self.frames.len() / 2;
            let mut index = 0;
            // The first picture stays, and every other one up to the middle.
            self.frames.retain(|_| {
                let keep = index >= half.max(2) || index % 2 == 0;
                index += 1;
                keep
            });
        }
    }

    /// The pictures, oldest first.
    pub fn frames(&self) -> &[Arc<Picture>] {
        &self.frames
    }

    /// The newest picture.
    pub fn newest(&self) -> Option<&Arc<Picture>> {
        self.frames.last()
    }

    /// Counts the pictures taken, kept or not: it changes when there is a new one.
    pub fn version(&self) -> u64 {
        self.pushed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(step: usize, side: usize) -> Picture {
        Picture {
            job: 1,
            taken: Some((1, step)),
            width: side,
            height: side,
            amplitude: Vec::new(),
            phase: Vec::new(),
            coverage: Vec::new(),
            origin_xy: [0.0; 2],
        }
    }

    #[test]
    fn the_first_and_the_newest_stay_however_many_there_are() {
        let mut film = Film::default();
        (0..1000).for_each(|step| film.push(picture(step, 100)));
        assert!(film.frames().len() <= FRAMES);
        assert_eq!(film.frames().first().and_then(|frame| frame.taken), Some((1, 0)));
        assert_eq!(film.newest().and_then(|frame| frame.taken), Some((1, 999)));
        assert!(film.frames().windows(2).all(|pair| pair[0].taken < pair[1].taken));
        assert_eq!(film.version(), 1000);
    }

    #[test]
    fn large_pictures_are_bounded_by_their_pixels() {
        let mut film = Film::default();
        (0..40).for_each(|step| film.push(picture(step, 2000)));
        assert!(film.frames().len() <= 6, "{}", film.frames().len());
    }
}
