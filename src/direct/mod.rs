//! The object without a network: a gradient solver on the same physics (far field, thin object, known positions).
//!
//! The misfit of amplitudes has a majorant that is quadratic in the object, with the summed illumination as its diagonal:
//! dividing the gradient by it is a step that never goes up, and needs no rate. All patterns are taken together, with
//! Nesterov's acceleration, begun anew whenever the misfit rises: small batches begin a little faster, but keep jumping
//! about the object by the noise of the patterns they just saw, and so get worse in time.
//!
//! * `wave`: one pattern: forward, misfit, gradient. * `solver`: the object (and the probe, if asked for).

mod solver;
mod wave;

pub use solver::{Direct, Start, solve};
