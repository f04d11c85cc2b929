//! The network: diffraction amplitude in, amplitude and phase of the object patch out (A§4).

mod autoencoder;
mod experiment;
mod fourier;
#[cfg(test)]
mod gpu_tests;
mod init;
mod layers;
mod network;
mod plan;
mod reference;
mod scaling;
mod size;
mod weights;

pub use experiment::{PHYSICS_PREFIX, amplitude_factor, trained_probe};
pub(crate) use experiment::{save_log_scale, save_probe, saved_log_scale, saved_probe};
pub use init::{initial_weights, untrained_weights};
pub use network::{Network, Outputs};
pub use plan::filters_per_block;
pub use reference::{
    REFERENCE_PREFIX, ReferenceNetwork, expected_shapes, identify_reference, reference_incompatibility,
};
pub use scaling::Scaling;
pub use size::{NetworkSize, convolution_shapes, network_size};
pub use weights::{RawTensor, StateDict, Weights, safetensors};

#[cfg(test)]
mod tests;
