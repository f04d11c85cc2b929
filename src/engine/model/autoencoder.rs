//! Convolutional autoencoder: one encoder, a decoder for the amplitude and one for the phase (A§4.1 to A§4.6).

use super::layers;
use super::network::{Network, OutputActivation};
use super::plan::{Attention, Block, Conv, Decoder, End, Layer, Norm, Stage};
use crate::kernels::{self, Activation};
use burn::tensor::{Tensor, activation};
use std::sync::PoisonError;

/// Weight of a new batch in the running statistics of a batch normalization.
const MOMENTUM: f64 = 0.1;

impl Network {
    /// Maps (b, inputs, N, N) to the two outputs, (b, c, N, N) each.
    pub(super) fn convolutional(
        &self,
        mut x: Tensor<4>,
        encoder: &[Stage],
        bottleneck: Option<&Attention>,
        decoders: &[Decoder],
    ) -> (Tensor<4>, Tensor<4>) {
        for stage in encoder {
            x = kernels::max_pool2(self.attention(stage.attention.as_ref(), self.block(&stage.block, x)));
        }
        x = self.attention(bottleneck, x);
        let channels = self.config.channels();
        let [first, second] = OutputActivation::of(&self.config);
        match decoders {
            [shared] => {
                let both = self.decode(shared, x, OutputActivation::Linear);
                let half = |i: usize| both.clone().narrow(1, i * channels, channels);
                (first.apply(half(0)), second.apply(half(1)))
            }
            [amplitude, phase, ..] => (self.decode(amplitude, x.clone(), first), self.decode(phase, x, second)),
            // The plan has one or two decoders.
            [] => (x.clone(), x),
        }
    }

    fn decode(&self, decoder: &Decoder, latent: Tensor<4>, activation: OutputActivation) -> Tensor<4> {
        let h = decoder.stages.iter().fold(latent, |h, stage| self.decoder_stage(stage, h));
        match &decoder.end {
            End::FullFrame { block, out } => {
                activation.apply(self.linear(out, self.block(block, kernels::upsample2(h))))
            }
            End::Unpadded { block, out } => {
                activation.apply(self.linear(out, kernels::upsample2(self.block(block, h))))
            }
            End::Border { inner, outer, ring, ring_used, masked } => {
                let [_, filters, half, _] = h.dims();
                let (pad, kept) = (half / 2, filters - outer);
                let center = activation.apply(self.linear(inner, h.clone().narrow(1, 0, kept)));
                let center = center.pad((pad, pad, pad, pad), 0.0);
                let Some((block, out)) = ring.as_ref().filter(|_| *ring_used) else { return center };
                let ring = kernels::upsample2(self.block(block, h.narrow(1, kept, *outer)));
                let ring = kernels::activate(self.linear(out, ring), Activation::Silu);
                center + if *masked { ring * self.border.clone() } else { ring }
            }
        }
    }

    /// A stage of a decoder: convolutions at low resolution, then upsampling by 2.
    fn decoder_stage(&self, stage: &Stage, h: Tensor<4>) -> Tensor<4> {
        let h = kernels::upsample2(self.block(&stage.block, h));
        let h = match &stage.refinement {
            Some([first, second, third]) => {
                let inner = self.conv(second, self.conv(first, h.clone(), true), true);
                activation::relu(h + self.conv(third, inner, false))
            }
            None => h,
        };
        self.attention(stage.attention.as_ref(), h)
    }

    fn block(&self, block: &Block, x: Tensor<4>) -> Tensor<4> {
        block.iter().fold(x, |x, layer| match &layer.norm {
            Some(norm) => activation::relu(self.normalize(norm, self.conv(&layer.conv, x, false))),
            None => self.conv(&layer.conv, x, true),
        })
    }

    /// A convolution and its normalization, without activation.
    fn linear(&self, layer: &Layer, x: Tensor<4>) -> Tensor<4> {
        let x = self.conv(&layer.conv, x, false);
        match &layer.norm {
            Some(norm) => self.normalize(norm, x),
            None => x,
        }
    }

    pub(super) fn conv(&self, conv: &Conv, x: Tensor<4>, relu: bool) -> Tensor<4> {
        kernels::convolution(x, self.parameter(conv.weight), self.parameter(conv.bias), relu)
    }

    fn attention(&self, attention: Option<&Attention>, x: Tensor<4>) -> Tensor<4> {
        match attention {
            None => x,
            Some(Attention::Cbam { hidden, bias, kernel }) => {
                let hidden = hidden.map(|[a, b, c]| (self.parameter(a), self.parameter(b), self.parameter(c)));
                layers::block_attention(x, hidden, self.parameter(*bias), self.parameter(*kernel))
            }
            Some(Attention::Eca { kernel }) => layers::channel_convolution(x, self.parameter(*kernel)),
            Some(Attention::Spatial { kernel }) => layers::spatial_gate(x, self.parameter(*kernel)),
        }
    }

    fn normalize(&self, norm: &Norm, x: Tensor<4>) -> Tensor<4> {
        let (gain, shift) = (self.parameter(norm.gain), self.parameter(norm.shift));
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.training {
            let of = |i: usize| -> Tensor<1> { running.get(i).cloned().unwrap_or_else(|| gain.zeros_like()) };
            return layers::normalize(x, of(norm.mean), of(norm.variance), gain.clone(), shift);
        }
        let (mean, variance) = layers::channel_statistics(&x);
        let [b, _, h, w] = x.dims();
        let count = (b * h * w) as f64;
        // The running variance is the unbiased one; that of a batch underestimates the population.
        let unbiased = count / (count - 1.0).max(1.0);
        for (at, new, factor) in [(norm.mean, &mean, 1.0), (norm.variance, &variance, unbiased)] {
            if let Some(old) = running.get_mut(at) {
                *old = old.clone() * (1.0 - MOMENTUM) + new.clone().without_autodiff() * (factor * MOMENTUM);
            }
        }
        layers::normalize(x, mean, variance, gain, shift)
    }
}
