//! The network: diffraction amplitude in, amplitude and phase of the object patch out (A§4).

mod autoencoder;
mod fourier;
mod init;
mod layers;
mod network;
mod plan;
mod reference;
mod size;
mod weights;

pub use init::{initial_weights, untrained_weights};
pub use network::{Network, Outputs, PHYSICS_PREFIX};
pub use plan::filter_ladders;
pub use reference::{Layout, REFERENCE_PREFIX, expected_shapes, layout_of, why_not_in_reference};
pub use size::{NetworkSize, conv_shapes, network_size};
pub use weights::{Raw, StateDict, Weights, safetensors};

#[cfg(test)]
mod tests;
