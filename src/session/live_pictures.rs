//! The live pictures of a training, in order, with bounded memory.

use crate::worker::message::Picture;
use std::sync::Arc;

/// Maximum number of pictures; beyond it, every other one of the older half is dropped.
const FRAMES: usize = 64;
/// Maximum number of pixels in all pictures (12 bytes each).
const PIXELS: usize = 24_000_000;

/// The live pictures of a training, oldest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LivePictures {
    frames: Vec<Arc<Picture>>,
    pushed: u64,
}

impl LivePictures {
    /// Adds the newest picture and thins the older ones if there are too many.
    pub fn push(&mut self, picture: Picture) {
        self.frames.push(Arc::new(picture));
        self.pushed += 1;
        let pixels = |frames: &[Arc<Picture>]| frames.iter().map(|frame| frame.width * frame.height).sum::<usize>();
        while self.frames.len() > 2 && (self.frames.len() > FRAMES || pixels(&self.frames) > PIXELS) {
            let half = self.frames.len() / 2;
            let mut index = 0;
            // Keeps the first picture and every other one up to the middle.
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

    /// The newest picture, if any.
    pub fn newest(&self) -> Option<&Arc<Picture>> {
        self.frames.last()
    }

    /// Number of pictures added so far, kept or not; changes with each new picture.
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
    fn the_first_and_the_newest_picture_are_always_kept() {
        let mut pictures = LivePictures::default();
        (0..1000).for_each(|step| pictures.push(picture(step, 100)));
        assert!(pictures.frames().len() <= FRAMES);
        assert_eq!(pictures.frames().first().and_then(|frame| frame.taken), Some((1, 0)));
        assert_eq!(pictures.newest().and_then(|frame| frame.taken), Some((1, 999)));
        assert!(pictures.frames().windows(2).all(|pair| pair[0].taken < pair[1].taken));
        assert_eq!(pictures.version(), 1000);
    }

    #[test]
    fn large_pictures_are_bounded_by_their_pixels() {
        let mut pictures = LivePictures::default();
        (0..40).for_each(|step| pictures.push(picture(step, 2000)));
        assert!(pictures.frames().len() <= 6, "{}", pictures.frames().len());
    }
}
