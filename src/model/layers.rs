//! The one layer the network is made of.

use crate::error::{Error, Result};
use crate::kernels;
use crate::model::Weights;
use burn::tensor::{Device, Tensor, TensorData};

/// A 3×3 convolution, stride 1, zero padding 1, with bias.
#[derive(Debug, Clone)]
pub struct Conv3x3 {
    /// (outputs, inputs, 3, 3)
    pub weight: Tensor<4>,
    /// (outputs,)
    pub bias: Tensor<1>,
}

impl Conv3x3 {
    /// Takes `{name}.weight` and `{name}.bias` from the host weights and checks their shapes.
    ///
    /// # Errors
    /// When one is missing or has another shape.
    pub fn from_weights(weights: &Weights, name: &str, outputs: usize, inputs: usize, device: &Device) -> Result<Self> {
        let take = |part: &str, shape: &[usize]| -> Result<TensorData> {
            let key = format!("{name}.{part}");
            let array = weights.0.get(&key).ok_or_else(|| Error::bad_input(format!("The weights lack \"{key}\"")))?;
            if array.shape() != shape {
                let found = array.shape();
                return Err(Error::bad_input(format!("The weight \"{key}\" has shape {found:?} instead of {shape:?}")));
            }
            Ok(TensorData::new(array.iter().copied().collect::<Vec<f32>>(), shape.to_vec()))
        };
        Ok(Self {
            weight: Tensor::from_data(take("weight", &[outputs, inputs, 3, 3])?, device),
            bias: Tensor::from_data(take("bias", &[outputs])?, device),
        })
    }

    /// (b, inputs, h, w) → (b, outputs, h, w).
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        kernels::conv3x3(x, self.weight.clone(), self.bias.clone(), false)
    }

    /// The same followed by ReLU, fused.
    pub fn forward_relu(&self, x: Tensor<4>) -> Tensor<4> {
        kernels::conv3x3(x, self.weight.clone(), self.bias.clone(), true)
    }
}
