//! The object without a network: a gradient solver on the same physics (far field, thin object, known positions).
//!
//! The misfit of amplitudes has a majorant that is quadratic in the object, with the summed illumination as its diagonal:
//! dividing the gradient by it is a step that never goes up, and needs no rate. Two parts make it quick without making it
//! restless: first small batches of patterns that lie apart (they find the object in a few epochs, and keep jumping about
//! it), then all patterns together with Nesterov's acceleration, which comes to rest at the minimum instead of chasing
//! the noise of batches.
//!
//! * `wave`: one pattern: forward, misfit, gradient. * `solver`: the object (and the probe, if asked for).

mod solver;
mod wave;

pub use solver::{Direct, Start, solve};
