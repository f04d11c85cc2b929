//! Direct solver: reconstruction without a network, by gradient descent on the same physics (far or near field, thin
//! object, known positions).
//!
//! The amplitude misfit has a majorant that is quadratic in the object, with the summed illumination as its diagonal:
//! the gradient divided by it is a step that never increases the misfit and needs no learning rate. Each epoch uses all
//! patterns, with Nesterov acceleration that restarts whenever the misfit rises. Mini-batches converge slightly faster
//! at first, but then fluctuate with the noise of the latest patterns, and get worse over time.
//!
//! The probe is refined with the same acceleration, in rounds of epochs: freely while a round changes it much, then held near
//! the probe at the start of the last one. A low misfit alone does not show that a probe is right: some changes of probe and
//! object together hardly alter the patterns, and follow noise and errors of the model. Added modes are pulled to zero until
//! they prove strong. Positions are first corrected for an affine distortion of the whole scan, then patterns that are far off
//! are placed one after another, then all take damped Gauss–Newton steps; intensities are fitted per pattern, with damping.
//!
//! * `wave`: forward model, misfit and gradient of one pattern. * `solver`: the object. * `refine`: probe, positions and
//!   intensities. * `background`: stray light on the detector. * `variation`: total variation. * `on_device`: the work per
//!   pattern as tensors on a GPU.
//! * `affine`: wrong scale, rotation and shear of the scan. * `placement`: positions that are far off. * `orientation`: test of
//!   the eight scan orientations. * `probe_search`: the probe of a scan that has none.
//! * `choice`: refinements that a scan needs. * `diagnosis`: trials that find a fault of a scan. * `reliability`: how far a
//!   result can be trusted. * `central`, `trial`: the patterns of a trial, and its judgment by those left out.

mod affine;
mod background;
mod central;
mod choice;
mod diagnosis;
mod on_device;
mod orientation;
mod placement;
mod probe_search;
mod refine;
mod reliability;
mod solver;
mod trial;
mod variation;
mod wave;

pub use affine::{CorrectedScan, correct_distortion};
pub use background::{BackgroundTrial, try_background};
pub use central::central_patterns;
pub use choice::{Choice, ChosenRefinement, Refinement, choose_refinements};
pub use diagnosis::{Attempt, attempt, outliers, scaled, search_scale};
pub use orientation::{OrientationScore, Orientations, score_orientations};
pub use placement::{PlacedScan, place_patterns};
pub use probe_search::{ProbeSearch, ProbeTrial, search_probe};
pub use reliability::{Evidence, Reliability, Trust, judge};
pub use solver::{Sight, Solution, Start, solve, solve_on, solve_on_faster, solve_seen};
