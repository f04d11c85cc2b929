//! The object without a network: a gradient solver on the same physics (far field, thin object, known positions).
//!
//! The misfit of amplitudes has a majorant that is quadratic in the object, with the summed illumination as its diagonal:
//! dividing the gradient by it is a step that never goes up, and needs no rate. All patterns are taken together, with
//! Nesterov's acceleration, begun anew whenever the misfit rises: small batches begin a little faster, but keep jumping
//! about the object by the noise of the patterns they just saw, and so get worse in time.
//!
//! What is refined with the object (probe, positions, intensities) goes with the same acceleration. Positions go by steps of
//! Gauss and Newton, each pattern for itself.
//!
//! * `wave`: one pattern: forward, misfit, gradient. * `solver`: the object. * `refine`: what is refined with it.
//! * `on_device`: what is done for each pattern, as tensors on a GPU. * `variation`: total variation. * `orientation`: which
//!   of the eight ways to lay the scan explains the patterns best.

mod on_device;
mod orientation;
mod refine;
mod solver;
mod variation;
mod wave;

pub use orientation::{OrientationScore, Orientations, score_orientations};
pub use solver::{Direct, Start, solve, solve_on, solve_where_faster};
