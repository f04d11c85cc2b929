//! Effect of each configuration field on parameters (A§4.8) and outputs.

use super::plan::Plan;
use super::{Network, initial_weights, network_size};
use crate::config::{AmpActivation, InputTransform, LastStage, ModelConfig, OutputMode, Preset};
use burn::tensor::{Device, Tensor, TensorData};

fn reference() -> ModelConfig {
    ModelConfig { n_filters_scale: 1, cbam_encoder: false, ..Preset::Reference.config().model }
}

fn count(patch: usize, config: &ModelConfig) -> usize {
    network_size(patch, config).unwrap().parameters
}

#[test]
fn every_layout_has_the_parameter_count_of_the_reference() {
    // A§4.8: N, scale, gridsize; HEAD with CBAM, without, OCT, TensorFlow with the border path, without.
    let table = [
        (64, 1, 1, [586_790, 583_570, 585_244, 585_244, 563_802]),
        (64, 1, 2, [592_580, 589_360, 587_734, 589_360, 566_184]),
        (64, 2, 1, [2_339_892, 2_328_370, 2_336_308, 2_331_772, 2_252_026]),
        (64, 2, 2, [2_351_730, 2_340_208, 2_341_282, 2_340_208, 2_257_000]),
        (128, 1, 1, [1_184_073, 1_180_706, 1_182_380, 1_167_052, 1_160_938]),
        (128, 1, 2, [1_189_431, 1_186_064, 1_184_438, 1_169_872, 1_162_888]),
        (128, 2, 1, [4_727_896, 4_716_114, 4_724_052, 4_661_212, 4_639_770]),
        (128, 2, 2, [4_738_870, 4_727_088, 4_728_162, 4_667_056, 4_643_880]),
        (256, 1, 1, [3_251_259, 3_247_786, 3_249_460, 3_229_924, 3_228_018]),
        (256, 1, 2, [3_256_401, 3_252_928, 3_251_302, 3_232_096, 3_229_752]),
        (256, 2, 1, [12_994_427, 12_982_498, 12_990_436, 12_912_268, 12_906_154]),
        (256, 2, 2, [13_004_969, 12_993_040, 12_994_114, 12_916_816, 12_909_832]),
    ];
    for (patch, n_filters_scale, gridsize, expected) in table {
        let base = ModelConfig { n_filters_scale, gridsize, ..reference() };
        let found = [
            count(patch, &ModelConfig { cbam_encoder: true, ..base.clone() }),
            count(patch, &base),
            count(patch, &ModelConfig { last_stage: LastStage::BorderUnmasked, ..base.clone() }),
            count(patch, &ModelConfig { last_stage: LastStage::BorderNarrow, ..base.clone() }),
            count(patch, &ModelConfig { last_stage: LastStage::BorderNarrow, probe_big: false, ..base.clone() }),
        ];
        assert_eq!(found, expected, "N {patch}, scale {n_filters_scale}, gridsize {gridsize}");
    }
}

/// Two synthetic normalized patterns for each channel.
fn patterns(channels: usize) -> Tensor<4> {
    let side = 64usize;
    let values: Vec<f32> = (0..2 * channels * side * side)
        .map(|i| {
            let (y, x) = ((i / side % side) as f32 - 32.0, (i % side) as f32 - 32.0);
            let ripple = ((i / (side * side)) as f32 + 1.0) * 0.3;
            (4.0 * (-(x * x + y * y) / 150.0).exp()) * (1.2 + (ripple * x).sin() * (ripple * y).cos())
        })
        .collect();
    Tensor::from_data(TensorData::new(values, [2, channels, side, side]), &Device::flex())
}

/// Real and imaginary parts of the output of a network with weights of a fixed seed.
fn output(config: &ModelConfig) -> Vec<f32> {
    let device = Device::flex();
    let mut weights = initial_weights(64, config, 3).unwrap();
    // Running statistics that have an effect.
    for (name, values) in weights.0.iter_mut().filter(|(name, _)| name.ends_with("running_mean")) {
        values.fill(if name.contains("bn1") { 0.02 } else { 0.01 });
    }
    let network = Network::from_weights(&weights, 64, config, &device).unwrap();
    assert_eq!(network.parameter_count(), count(64, config));
    let object = network.forward(patterns(config.channels()));
    assert_eq!(object.re.dims(), [2, config.channels(), 64, 64]);
    let both = Tensor::cat(vec![object.re, object.im], 0);
    both.try_into_vec_as::<f32>().unwrap()
}

#[test]
fn every_field_of_the_network_changes_its_output_and_its_parameter_count() {
    let base = reference();
    let (plain, parameters) = (output(&base), count(64, &base));
    let gate = |c: usize| 2 * c * (c / 16) + c / 16 + c + 98;
    let encoder = gate(32) + gate(64) + gate(128);
    let decoders = 2 * (gate(64) + gate(32));
    // Gain and shift of encoder, phase decoder, and its last stage: border block and two outputs.
    let norms = 2 * (2 * (32 + 64 + 128) + 2 * (64 + 32) + 2 * 32 + 2);
    let cases: Vec<(&str, ModelConfig, isize)> = vec![
        ("cbam_encoder", ModelConfig { cbam_encoder: true, ..base.clone() }, encoder as isize),
        ("eca_encoder", ModelConfig { eca_encoder: true, ..base.clone() }, 9),
        ("cbam_bottleneck", ModelConfig { cbam_bottleneck: true, ..base.clone() }, gate(128) as isize),
        ("cbam_decoder", ModelConfig { cbam_decoder: true, ..base.clone() }, decoders as isize),
        ("eca_decoder", ModelConfig { eca_decoder: true, ..base.clone() }, 12),
        ("spatial_decoder", ModelConfig { spatial_decoder: true, ..base.clone() }, 4 * 98),
        ("batch_norm", ModelConfig { batch_norm: true, ..base.clone() }, norms as isize),
        ("probe_big", ModelConfig { probe_big: false, ..base.clone() }, 0),
        ("pad_object", ModelConfig { pad_object: false, ..base.clone() }, 2 * (9 * 32 * 31 - (9 * 31 + 1))),
        ("cnn_output_mode", ModelConfig { cnn_output_mode: OutputMode::RealImag, ..base.clone() }, 0),
        ("silu", ModelConfig { amp_activation: AmpActivation::Silu, ..base.clone() }, 0),
        ("softplus", ModelConfig { amp_activation: AmpActivation::Softplus, ..base.clone() }, 0),
        ("relu", ModelConfig { amp_activation: AmpActivation::Relu, ..base.clone() }, 0),
        ("sqrt", ModelConfig { input_transform: InputTransform::Sqrt, ..base.clone() }, 0),
        ("log", ModelConfig { input_transform: InputTransform::Log, ..base.clone() }, 0),
        // 4 channels in place of 1 go to each border path.
        ("border_unmasked", ModelConfig { last_stage: LastStage::BorderUnmasked, ..base.clone() }, 585_244 - 583_570),
        ("border_narrow", ModelConfig { last_stage: LastStage::BorderNarrow, ..base.clone() }, 585_244 - 583_570),
    ];
    let mut seen = vec![("none", plain)];
    for (name, config, more) in cases {
        assert_eq!(count(64, &config) as isize - parameters as isize, more, "{name}");
        let output = output(&config);
        assert!(output.iter().all(|v| v.is_finite()), "{name}");
        for (other, known) in &seen {
            let difference = output.iter().zip(known).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
            assert!(difference > 1e-5, "{name} has the same effect as {other}: {difference}");
        }
        seen.push((name, output));
    }
}

#[test]
fn dependent_fields_have_an_effect() {
    let spatial = |side| ModelConfig { spatial_decoder: true, decoder_spatial_kernel: side, ..reference() };
    assert_eq!(count(64, &spatial(3)) + 4 * (98 - 18), count(64, &spatial(7)));
    assert_ne!(output(&spatial(3)), output(&spatial(7)));
    let split = |fraction, amplitudes| ModelConfig {
        gridsize: 2,
        use_legacy_decoder_channel_override: true,
        decoder_last_c_outer_fraction: fraction,
        decoder_last_amp_channels: amplitudes,
        ..reference()
    };
    assert_ne!(count(64, &split(0.125, 4)), count(64, &split(0.25, 4)));
    assert_eq!(count(64, &split(0.125, 4)), count(64, &ModelConfig { gridsize: 2, ..reference() }));
    assert_ne!(output(&split(0.125, 1)), output(&split(0.125, 4)));
}

#[test]
fn a_shared_decoder_serves_both_outputs() {
    let shared = ModelConfig { use_shared_decoder: true, n_filters_scale: 1, ..reference() };
    let conv = |inputs: usize, outputs: usize| 9 * inputs * outputs + outputs;
    let refinement = 3 * conv(64, 64) + conv(32, 64) + conv(64, 64) + conv(64, 32);
    let body = conv(128, 64) + conv(64, 64) + conv(64, 32) + conv(32, 32);
    let end = conv(30, 2) + conv(2, 32) + conv(32, 32) + conv(32, 2);
    let encoder = conv(1, 32) + conv(32, 32) + conv(32, 64) + conv(64, 64) + conv(64, 128) + conv(128, 128);
    assert_eq!(count(64, &shared), encoder + body + refinement + 2 * 3 + end);
    assert!(output(&shared).iter().all(|v| v.is_finite()));
    assert_ne!(output(&shared), output(&reference()));
}

#[test]
fn grid_sizes_up_to_4_are_built() {
    for gridsize in 1..=4 {
        let config = ModelConfig { gridsize, ..reference() };
        // First convolution; the two heads' inner and outer paths.
        let c = gridsize * gridsize;
        let ends = 2 * ((9 * (32 - c) * c + c) + 9 * c * 32 + (9 * 32 * c + c));
        let ends_of_one = 2 * ((9 * 31 + 1) + 9 * 32 + (9 * 32 + 1));
        assert_eq!(count(64, &config), 583_570 - ends_of_one + ends + 9 * 32 * (c - 1), "{gridsize}");
        assert!(output(&config).iter().all(|v| v.is_finite()));
    }
}

#[test]
fn without_the_border_path_a_patch_is_zero_outside_its_central_half() {
    let output = output(&ModelConfig { probe_big: false, ..reference() });
    for (i, v) in output.iter().enumerate() {
        let (y, x) = (i / 64 % 64, i % 64);
        let central = (16..48).contains(&y) && (16..48).contains(&x);
        assert!(central || *v == 0.0, "{y} {x}: {v}");
    }
    assert!(output.iter().filter(|v| **v != 0.0).count() > 3000);
}

#[test]
fn batch_normalization_uses_the_batch_in_training_and_keeps_its_statistics() {
    let config = ModelConfig { batch_norm: true, ..reference() };
    let device = Device::flex();
    let weights = initial_weights(64, &config, 3).unwrap();
    let network = Network::from_weights(&weights, 64, &config, &device).unwrap();
    let before = network.forward(patterns(1)).re.try_into_vec_as::<f32>().unwrap();
    let training = network.clone().require_grad();
    let loss = training.forward(patterns(1).autodiff()).re.square().mean();
    let gradient = training.flat_gradient(&loss.backward());
    assert_eq!(gradient.dims()[0], network.parameter_count());
    let kept = network.to_weights().unwrap();
    let name = "encoder.blocks.0.bn1.running_mean";
    assert!(kept.0[name].iter().any(|v| v.abs() > 1e-4) && weights.0[name].iter().all(|v| *v == 0.0));
    let after = network.forward(patterns(1)).re.try_into_vec_as::<f32>().unwrap();
    assert_ne!(before, after);
    // After many identical batches, the running statistics are those of the batch.
    for _ in 0..120 {
        let _ = training.forward(patterns(1).autodiff());
    }
    let trained = training.forward(patterns(1).autodiff()).re.without_autodiff().try_into_vec_as::<f32>().unwrap();
    let applied = network.forward(patterns(1)).re.try_into_vec_as::<f32>().unwrap();
    let difference = trained.iter().zip(&applied).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
    let moved = trained.iter().zip(&before).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
    // The remaining difference is that between the population variance and the batch variance.
    assert!(difference < 0.1 && difference < 0.2 * moved, "{difference} of {moved}");
}

#[test]
fn names_are_unique_and_invalid_networks_are_rejected() {
    let full = ModelConfig {
        batch_norm: true,
        cbam_encoder: true,
        cbam_bottleneck: true,
        cbam_decoder: true,
        gridsize: 2,
        ..reference()
    };
    let plan = Plan::new(128, &full).unwrap();
    let mut names: Vec<_> = plan.tensors().map(|spec| spec.name.clone()).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
    let refused = |config: ModelConfig| Plan::new(64, &config).unwrap_err().to_string();
    assert!(refused(ModelConfig { cbam_encoder: true, eca_encoder: true, ..reference() }).contains("eca_encoder"));
    assert!(refused(ModelConfig { cbam_decoder: true, eca_decoder: true, ..reference() }).contains("Only one of"));
    assert!(refused(ModelConfig { spatial_decoder: true, decoder_spatial_kernel: 4, ..reference() }).contains("odd"));
    assert!(refused(ModelConfig { use_shared_decoder: true, gridsize: 4, ..reference() }).contains("takes all"));
}

#[test]
fn patterns_of_any_even_size_are_padded_inside_the_network_and_its_output_has_their_size() {
    let device = Device::flex();
    for (patch, transform, last_stage) in [
        (16, InputTransform::Sqrt, LastStage::FullFrame),
        (50, InputTransform::Dual, LastStage::FullFrame),
        (100, InputTransform::Log, LastStage::BorderMask),
    ] {
        let config = ModelConfig { input_transform: transform, last_stage, ..ModelConfig::default() };
        let pixels = patch * patch;
        let patterns =
            ndarray::Array3::from_shape_fn((3, patch, patch), |(n, y, x)| ((n + 3 * y + 7 * x) % 11) as f32 / 11.0);
        let weights = crate::model::untrained_weights(patterns.view(), 1.0, &config, 3).unwrap();
        let network = Network::from_weights(&weights, patch, &config, &device).unwrap().require_grad();
        let input = TensorData::new(patterns.iter().copied().collect::<Vec<f32>>(), [3, 1, patch, patch]);
        let object = network.forward(Tensor::from_data(input, &device.clone().autodiff()));
        assert_eq!(object.re.dims(), [3, 1, patch, patch]);
        let gradients = (object.re.clone().square() + object.im.square()).mean().backward();
        let gradient = network.flat_gradient(&gradients).without_autodiff().try_into_vec_as::<f32>().unwrap();
        assert!(gradient.iter().all(|v| v.is_finite()) && gradient.iter().any(|v| *v != 0.0), "{patch}");
        let values = object.re.without_autodiff().try_into_vec_as::<f32>().unwrap();
        assert!(values.len() == 3 * pixels && values.iter().all(|v| v.is_finite()));
    }
}
