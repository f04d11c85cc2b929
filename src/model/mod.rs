//! The network: diffraction amplitude in, amplitude and phase of the object patch out (A§4).

mod autoencoder;
mod init;
mod layers;
mod size;
mod weights;

pub use autoencoder::{Autoencoder, filter_ladders, needs_statistics};
pub use init::{add_input_statistics, initial_weights};
pub use size::{NetworkSize, conv_shapes, network_size};
pub use weights::Weights;
