//! Tests of the whole window: work per frame, keyboard and files, images of every situation.

mod frames;
mod pictures;
mod window;
