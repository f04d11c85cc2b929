//! Of the network, what names and shapes of its weights need.

#[path = "../../../src/model/plan.rs"]
mod plan;
#[path = "../../../src/model/reference.rs"]
mod reference;
#[path = "../../../src/model/weights.rs"]
mod weights;

pub use plan::filter_ladders;
pub use reference::{Layout, REFERENCE_PREFIX, expected_shapes, layout_of, why_not_in_reference};
pub use weights::{Raw, StateDict, Weights, safetensors};

/// The Fourier network needs Burn, and no file of another program holds one.
impl plan::Builder<'_> {
    fn fourier(&mut self) -> crate::error::Result<plan::Fourier> {
        Err(crate::error::Error::bad_input("The campaigns are built without the Fourier network"))
    }
}
