//! Weights of the Python original: imported networks compute what it computed, on the processor and on an adapter, and
//! go back to it unchanged.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use crate::common;

use burn::tensor::{Device, Tensor, TensorData};
use common::{fixture, shared};
use ndarray::{Array4, ArrayD, Ix4};
use num_complex::Complex32;
use ptychoscope::checkpoint::{Bundle, import_weights, reference_state_dict};
use ptychoscope::config::{Accelerator, AmpActivation, Config, LastStage, ModelConfig, Preset};
use ptychoscope::data::NpzArchive;
use ptychoscope::fourier::Propagation;
use ptychoscope::model::{Network, Weights, initial_weights};
use ptychoscope::physics::{self, ComplexTensor, Diffraction, Merge};
use ptychoscope::{train, worker};
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

/// One checkpoint with the values that the original computed with it.
struct Golden {
    values: NpzArchive,
    bundle: Bundle,
}

impl Golden {
    fn open(tag: &str) -> Option<Self> {
        let values = NpzArchive::open(shared(&format!("golden/network_{tag}.npz"))?).unwrap();
        let path = shared(&format!("golden/{tag}_state_dict.pt"))?;
        Some(Self { values, bundle: import_weights(path, &[]).unwrap().bundle })
    }

    fn real(&mut self, key: &str) -> ArrayD<f32> {
        self.values.read_f32(key).unwrap()
    }

    fn scalar(&mut self, key: &str) -> f64 {
        *self.values.read_f64(key).unwrap().iter().next().unwrap()
    }

    fn images(&mut self) -> Array4<f32> {
        self.real("batch/images").into_dimensionality::<Ix4>().unwrap()
    }

    fn network(&self, device: &Device) -> Network {
        Network::from_weights(&self.bundle.weights, 64, &self.bundle.config.model, device).unwrap()
    }
}

fn upload4(array: &Array4<f32>, device: &Device) -> Tensor<4> {
    let shape: [usize; 4] = array.dim().into();
    Tensor::from_data(TensorData::new(array.iter().copied().collect::<Vec<f32>>(), shape), device)
}

fn largest_difference(found: impl IntoIterator<Item = f32>, expected: impl IntoIterator<Item = f32>) -> f32 {
    let pairs: Vec<_> = found.into_iter().zip(expected).collect();
    assert!(!pairs.is_empty());
    pairs.iter().fold(0.0, |worst, (f, e)| if (f - e).is_nan() { f32::INFINITY } else { worst.max((f - e).abs()) })
}

/// The original's physics behind the network (A§5.2 to A§5.6): probe scale 4, central window, counts of `S²·intensity`.
struct Physics {
    diffraction: Diffraction,
    merge: Merge,
    relative: Tensor<2>,
    /// Side of the original's canvas for the `max_neighbor_distance` of the checkpoint.
    canvas: usize,
    amplitude: Tensor<3>,
    observed: Vec<f32>,
    /// S.
    scale: f64,
    /// Mean of the observed amplitude, by which the original divides its loss.
    mean: f64,
}

impl Physics {
    fn new(golden: &mut Golden, device: &Device) -> Self {
        let images = golden.images();
        let (b, c, n, _) = images.dim();
        let probe = golden.values.read_c32("batch/probe").unwrap();
        let probe: Vec<Complex32> = probe.iter().take(n * n).map(|z| z / 4.0).collect();
        let probe = ndarray::Array3::from_shape_vec((1, n, n), probe).unwrap();
        let relative: Vec<f32> = golden.real("batch/coords_relative").iter().copied().collect();
        let observed: Vec<f32> = golden.real("batch/observed_images").iter().copied().collect();
        let scale = f64::from(*golden.real("batch/physics_scaling_constant").iter().next().unwrap());
        let mean = observed.iter().map(|v| f64::from(*v)).sum::<f64>() / observed.len() as f64 + 1e-8;
        Self {
            diffraction: Diffraction::new(probe.view(), Propagation::FarField, device),
            merge: Merge::new(physics::central_window(n).view(), physics::COUNT_FLOOR, device),
            relative: Tensor::from_data(TensorData::new(relative, [b * c, 2]), device),
            canvas: n + 12,
            amplitude: Tensor::from_data(TensorData::new(observed.clone(), [b * c, n, n]), device),
            observed,
            scale,
            mean,
        }
    }

    /// Predicted intensity (b·c, N, N) of the network's output.
    fn intensity(&self, object: ComplexTensor<4>) -> Tensor<3> {
        let [b, c, n, _] = object.re.dims();
        let patches: ComplexTensor<3> = object.map(|t| t.reshape([b * c, n, n]));
        if c == 1 {
            return self.diffraction.intensity(patches);
        }
        let merged = self.merge.merge(patches, self.relative.clone(), c, self.canvas);
        self.diffraction.intensity(self.merge.extract(merged, self.relative.clone(), c))
    }

    /// The original's loss of predicted amplitudes.
    fn loss(&self, predicted: &[f32]) -> f64 {
        let batch = 4;
        let each = predicted.len() / batch;
        let sum: f64 = (0..batch)
            .map(|b| b * each..(b + 1) * each)
            .map(|range| physics::reference_nll(&predicted[range.clone()], &self.observed[range], self.scale))
            .sum();
        sum / batch as f64 / self.mean
    }

    /// What the gradient of our loss, per pixel of unit intensity, has to be multiplied by to be the original's.
    fn gradient_factor(&self) -> f64 {
        let pixels = (self.observed.len() / 4) as f64;
        self.scale * self.scale * pixels / self.mean
    }
}

fn amplitudes(intensity: Tensor<3>) -> Vec<f32> {
    intensity.sqrt().try_into_vec_as::<f32>().unwrap()
}

/// Everything that the golden file knows of one checkpoint, on one device.
fn compare(tag: &str, device: &Device) {
    let Some(mut golden) = Golden::open(tag) else { return };
    let network = golden.network(device);
    let images = golden.images();
    let bare =
        ptychoscope::infer::predict_raw(&network, images.view(), 3, device, &mut |_| train::Control::Run).unwrap();
    let amplitude = largest_difference(bare.amplitude.iter().copied(), golden.real("amp"));
    let phase = largest_difference(bare.phase.iter().copied(), golden.real("phase"));
    let object = golden.values.read_c32("object_complex").unwrap();
    let object = bare.object.iter().zip(&object).fold(0.0f32, |worst, (f, e)| worst.max((f - e).norm()));
    println!("{tag}: amplitude {amplitude:.1e}, phase {phase:.1e}, object {object:.1e}");
    assert!(amplitude <= 1e-4 && phase <= 1e-4 && object <= 1e-4, "{amplitude} {phase} {object}");

    let physics = Physics::new(&mut golden, device);
    let predicted = amplitudes(physics.intensity(network.forward(upload4(&images, device))));
    let diffraction = largest_difference(predicted.iter().copied(), golden.real("pred_diffraction_amp"));
    let expected = golden.scalar("loss");
    let loss = physics.loss(&predicted) / expected - 1.0;
    println!("{tag}: diffraction {diffraction:.1e}, loss {loss:.1e} of {expected:.4e}");
    assert!(diffraction <= 1e-4 && loss.abs() <= 1e-4, "{diffraction} {loss}");

    let differentiated = network.clone().require_grad();
    let input = upload4(&images, device).autodiff();
    let with_gradient = Physics::new(&mut golden, &device.clone().autodiff());
    let intensity = with_gradient.intensity(differentiated.forward(input));
    // Training keeps dark pixels from ruling by a floor of 1e-6; the original has none.
    let taught = physics::poisson_deviance_above(1e-12, intensity, with_gradient.amplitude.clone(), None);
    let gradient = differentiated.flat_gradient(&taught.backward()) * physics.gradient_factor();
    check_gradients(tag, &mut golden, &network, &gradient);

    let mut adam = train::OptimizerState::new(network.flat_parameters());
    adam.step(gradient, 1e-3, 0.0);
    let stepped = network.with_parameters(adam.parameters());
    let predicted = amplitudes(physics.intensity(stepped.forward(upload4(&images, device))));
    let expected = golden.scalar("loss_after_one_fresh_adam_step");
    let loss = physics.loss(&predicted) / expected - 1.0;
    println!("{tag}: loss after a step of Adam {loss:.1e} of {expected:.4e}");
    assert!(loss.abs() <= 1e-3, "{loss}");
}

fn check_gradients(tag: &str, golden: &mut Golden, network: &Network, gradient: &Tensor<1>) {
    let gradient = gradient.try_to_vec_as::<f32>().unwrap();
    let norms = golden.values.read_json("grad_norms").unwrap();
    let largest = norms.as_object().unwrap().values().filter_map(serde_json::Value::as_f64).fold(0.0, f64::max);
    let (mut at, mut worst, mut compared) = (0, 0.0f64, 0);
    for (name, count) in network.parameter_names() {
        let own = &gradient[at..at + count];
        at += count;
        let norm = own.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        let expected = norms[format!("model.autoencoder.{name}")].as_f64().unwrap();
        let error = (norm - expected).abs();
        // Sums that cancel are known to the rounding of what they sum: that of the largest gradient, on either side.
        let rounding = f64::from(f32::EPSILON) * largest;
        assert!(error <= 1e-3 * expected + rounding, "{name}: {norm} {expected}");
        if rounding <= 1e-3 * expected {
            worst = worst.max(error / expected);
            compared += 1;
        }
        let key = format!("grad/model.autoencoder.{name}");
        if golden.values.member(&key).is_some() {
            let values = golden.real(&key);
            let scale = values.iter().fold(0.0f32, |a, v| a.max(v.abs()));
            let error = largest_difference(own.iter().copied(), values);
            assert!(f64::from(error) <= 1e-3 * f64::from(scale) + rounding, "{name}: {error} of {scale}");
        }
    }
    assert_eq!(at, gradient.len());
    println!("{tag}: {compared} gradient norms beyond rounding, worst {worst:.1e}");
    assert!(compared > 30);
}

#[test]
fn the_network_of_grid_size_1_computes_what_the_original_does() {
    compare("gs1_nfs1", &Device::flex());
}

#[test]
fn the_network_of_grid_size_2_computes_what_the_original_does() {
    compare("gs2_nfs1", &Device::flex());
}

#[test]
fn both_networks_compute_the_same_on_an_adapter() {
    let Ok(selected) = worker::device::select(Accelerator::Wgpu) else {
        assert!(std::env::var_os("PTYCHOSCOPE_REQUIRE_ADAPTER").is_none(), "no wgpu adapter is here");
        println!("skipped: no wgpu adapter is here");
        return;
    };
    println!("{} ({})", selected.info.name, selected.info.backend);
    compare("gs1_nfs1", &selected.device);
    compare("gs2_nfs1", &selected.device);
}

#[test]
fn every_kind_of_file_gives_the_same_network() {
    let Some(plain) = shared("golden/gs1_nfs1_state_dict.pt") else { return };
    let plain = import_weights(plain, &[]).unwrap();
    let model = &plain.bundle.config.model;
    assert_eq!((model.gridsize, model.n_filters_scale, model.last_stage), (1, 1, LastStage::BorderMask));
    assert!(model.cbam_encoder && !model.batch_norm && !model.cbam_bottleneck && model.probe_big);
    assert_eq!(plain.bundle.manifest.dataset.patch_size, 64);
    // The activation is nowhere in the tensors, which is said.
    assert!(plain.notes.iter().any(|note| note.contains("model.amp_activation")), "{:?}", plain.notes);
    for name in ["gs1_nfs1_wts.h5.zip", "gs1_nfs1_last.ckpt.gz"] {
        let other = import_weights(shared(&format!("golden/{name}")).unwrap(), &[]).unwrap();
        assert_eq!(other.bundle.weights, plain.bundle.weights, "{name}");
        assert_eq!(other.bundle.config.model, *model, "{name}");
        assert_eq!(other.bundle.config.training.nphotons, Some(1e6), "{name}");
        assert_eq!(other.bundle.config.data.neighbor_count, 6, "{name}");
        assert!(other.notes.is_empty(), "{name}: {:?}", other.notes);
    }
    let chosen = [("model.amp_activation".to_owned(), "sigmoid".to_owned())];
    let sigmoid = import_weights(shared("golden/gs1_nfs1_state_dict.pt").unwrap(), &chosen).unwrap();
    assert_eq!(sigmoid.bundle.config.model.amp_activation, AmpActivation::Sigmoid);
    assert!(sigmoid.notes.is_empty(), "{:?}", sigmoid.notes);
}

/// A pickle of protocol 2, instruction by instruction.
#[derive(Default)]
struct Pickler(Vec<u8>);

impl Pickler {
    fn op(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.op(b"X").op(&(text.len() as u32).to_le_bytes()).op(text.as_bytes())
    }

    fn int(&mut self, n: usize) -> &mut Self {
        self.op(b"J").op(&(n as i32).to_le_bytes())
    }

    fn ints(&mut self, numbers: &[usize]) -> &mut Self {
        self.op(b"(");
        numbers.iter().for_each(|n| {
            self.int(*n);
        });
        self.op(b"t")
    }
}

/// How the values of a synthetic checkpoint are stored.
#[derive(Clone, Copy, PartialEq)]
enum Storage {
    F32,
    F64,
    /// f32 with the axes reversed, so that strides count.
    Reversed,
}

/// `torch.save` of a `state_dict`: one storage for each tensor.
fn torch_file(tensors: &BTreeMap<String, ArrayD<f32>>, storage: Storage, lightning: bool) -> Vec<u8> {
    let mut pickle = Pickler::default();
    let mut members = Vec::new();
    pickle.op(b"\x80\x02}");
    if lightning {
        pickle.op(b"(").text("pytorch-lightning_version").text("2.5.0").text("hyper_parameters").op(b"}(");
        pickle.text("model_config").op(b"}(").text("amp_activation").text("sigmoid").text("probe_big").op(b"\x89u");
        pickle.text("data_config").op(b"}(").text("probe_scale").op(b"G").op(&2.0f64.to_be_bytes()).op(b"uu");
        pickle.text("state_dict").op(b"ccollections\nOrderedDict\n)R");
    }
    pickle.op(b"(");
    for (key, (name, values)) in tensors.iter().enumerate() {
        let shape = values.shape().to_vec();
        let rank = shape.len();
        let stored = if storage == Storage::Reversed { values.clone().reversed_axes() } else { values.clone() };
        let mut strides: Vec<usize> = (0..rank).map(|i| stored.shape()[i + 1..].iter().product()).collect();
        if storage == Storage::Reversed {
            strides.reverse();
        }
        let kind = if storage == Storage::F64 { "DoubleStorage" } else { "FloatStorage" };
        pickle.text(name).op(b"ctorch._utils\n_rebuild_tensor_v2\n((").text("storage");
        pickle
            .op(format!("ctorch\n{kind}\n").as_bytes())
            .text(&key.to_string())
            .text("cpu")
            .int(values.len())
            .op(b"tQ");
        pickle.int(0).ints(&shape).ints(&strides).op(b"\x89ccollections\nOrderedDict\n)RtR");
        let bytes: Vec<u8> = if storage == Storage::F64 {
            stored.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect()
        } else {
            stored.iter().flat_map(|v| v.to_le_bytes()).collect()
        };
        members.push((format!("archive/data/{key}"), bytes));
    }
    pickle.op(if lightning { b"uu." } else { b"u." });
    members.insert(0, ("archive/data.pkl".to_owned(), pickle.0));
    zipped(&members)
}

fn zipped(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in members {
        writer.start_file(name.as_str(), options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A reference network of this kind with random weights, under the original's names.
fn synthetic(patch: usize, model: ModelConfig) -> (ModelConfig, Weights, BTreeMap<String, ArrayD<f32>>) {
    let model = ModelConfig { object_scale: ModelConfig::default().object_scale, ..model };
    let weights = initial_weights(patch, &model, 5).unwrap();
    let named = |(name, values): (&String, &ArrayD<f32>)| (format!("model.autoencoder.{name}"), values.clone());
    let mut tensors: BTreeMap<_, _> = weights.0.iter().map(named).collect();
    for name in ["alpha", "beta"] {
        tensors.insert(format!("model.forward_model.{name}"), ArrayD::ones(vec![1]));
    }
    if model.last_stage == LastStage::BorderMask {
        tensors.insert("model.forward_model.rect_scaler.s1".to_owned(), ArrayD::ones(vec![1]));
    }
    (model, weights, tensors)
}

fn reference() -> ModelConfig {
    Preset::Reference.config().model
}

fn written(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn checkpoints_of_every_size_and_layout_are_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (64, ModelConfig { n_filters_scale: 2, ..reference() }),
        (64, ModelConfig { gridsize: 3, n_filters_scale: 1, cbam_encoder: false, batch_norm: true, ..reference() }),
        (128, ModelConfig { gridsize: 2, n_filters_scale: 1, cbam_bottleneck: true, ..reference() }),
        // The first level has 8 channels: gates without hidden units.
        (256, ModelConfig { n_filters_scale: 1, ..reference() }),
        (
            128,
            ModelConfig {
                gridsize: 2,
                n_filters_scale: 1,
                cbam_encoder: false,
                last_stage: LastStage::BorderUnmasked,
                ..reference()
            },
        ),
        (
            64,
            ModelConfig {
                gridsize: 2,
                use_legacy_decoder_channel_override: true,
                decoder_last_c_outer_fraction: 0.25,
                decoder_last_amp_channels: 4,
                ..reference()
            },
        ),
    ];
    for (i, (patch, model)) in cases.into_iter().enumerate() {
        let (model, weights, tensors) = synthetic(patch, model);
        let storage = [Storage::F32, Storage::F64, Storage::Reversed][i % 3];
        let path = written(&folder, &format!("{i}.pt"), &torch_file(&tensors, storage, false));
        let imported = import_weights(&path, &[]).unwrap_or_else(|error| panic!("case {i}: {error}"));
        assert_eq!(imported.bundle.weights, weights, "case {i}");
        assert_eq!(imported.bundle.manifest.dataset.patch_size, patch, "case {i}");
        let found = imported.bundle.config.model;
        assert_eq!(found.amp_activation, AmpActivation::Silu);
        let compared = |m: &ModelConfig| {
            (m.gridsize, m.n_filters_scale, m.last_stage, m.cbam_encoder, m.cbam_bottleneck, m.batch_norm)
        };
        assert_eq!(compared(&found), compared(&model), "case {i}");
        assert_eq!(found.amplitude_channels(), model.amplitude_channels(), "case {i}");

        let path = written(&folder, &format!("{i}.ckpt"), &torch_file(&tensors, storage, true));
        let imported = import_weights(&path, &[]).unwrap();
        assert_eq!(imported.bundle.weights, weights, "case {i}");
        let found = imported.bundle.config.model;
        assert_eq!((found.amp_activation, found.probe_big, found.probe_scale), (AmpActivation::Sigmoid, false, 2.0));
    }
}

#[test]
fn exported_weights_come_back_the_same_and_hold_what_the_original_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    for (patch, gridsize, batch_norm) in [(64, 2, true), (256, 1, false)] {
        let model = ModelConfig { gridsize, batch_norm, n_filters_scale: 1, ..reference() };
        let (_, weights, tensors) = synthetic(patch, model);
        let path = written(&folder, "a.pt", &torch_file(&tensors, Storage::F32, false));
        let chosen = [("model.amp_activation".to_owned(), "sigmoid".to_owned())];
        let bundle = import_weights(&path, &chosen).unwrap().bundle;
        let bytes = reference_state_dict(&bundle).unwrap();
        let read = Weights::state_dict(&bytes).unwrap().tensors;
        for scalar in ["alpha", "beta", "rect_scaler.s1", "rect_scaler.s2"] {
            assert_eq!(read[&format!("model.forward_model.{scalar}")].shape(), [1]);
        }
        let header = String::from_utf8_lossy(&bytes);
        assert_eq!(
            header.contains("encoder.blocks.0.attention.ChannelGate.mlp.1.weight\":{\"dtype\":\"F32\",\"shape\":[0,8]"),
            patch == 256
        );
        assert_eq!(header.contains("num_batches_tracked\":{\"dtype\":\"I64\",\"shape\":[]"), batch_norm);
        let again = import_weights(written(&folder, "a.safetensors", &bytes), &[]).unwrap();
        assert_eq!(again.bundle.weights, weights);
        assert_eq!(again.bundle.config.model, bundle.config.model);
        assert!(again.notes.is_empty(), "{:?}", again.notes);
    }
}

#[test]
fn a_network_that_the_original_does_not_have_is_not_exported_and_the_reason_is_said() {
    let (_, _, tensors) = synthetic(64, ModelConfig { n_filters_scale: 1, ..reference() });
    let folder = tempfile::tempdir().unwrap();
    let path = written(&folder, "a.pt", &torch_file(&tensors, Storage::F32, false));
    let mut bundle = import_weights(&path, &[]).unwrap().bundle;
    for (field, value) in [
        ("model.input_transform", "dual"),
        ("model.last_stage", "full_frame"),
        ("model.eca_decoder", "true"),
        ("model.amp_activation", "softplus"),
    ] {
        let was = bundle.config.get(field).unwrap();
        bundle.config.set(field, value).unwrap();
        let error = reference_state_dict(&bundle).unwrap_err().to_string();
        assert!(error.contains("original") && error.contains("--preset reference"), "{error}");
        bundle.config.set(field, &was).unwrap();
    }
    reference_state_dict(&bundle).unwrap();
}

#[test]
fn what_cannot_be_imported_is_named_together_with_what_fits() {
    let folder = tempfile::tempdir().unwrap();
    let (_, _, tensors) = synthetic(64, ModelConfig { n_filters_scale: 1, ..reference() });
    let without = |name: &str| {
        let mut tensors = tensors.clone();
        tensors.remove(&format!("model.autoencoder.{name}")).unwrap();
        torch_file(&tensors, Storage::F32, false)
    };
    let with = |name: &str, shape: &[usize]| {
        let mut tensors = tensors.clone();
        tensors.insert(format!("model.autoencoder.{name}"), ArrayD::zeros(shape.to_vec()));
        torch_file(&tensors, Storage::F32, false)
    };
    let archive = |pickle: &[u8]| zipped(&[("archive/data.pkl".to_owned(), pickle.to_vec())]);
    let keras = zipped(&[("manifest.dill".to_owned(), vec![1]), ("autoencoder/model.keras".to_owned(), vec![1])]);
    let module = b"\x80\x02cptycho_torch.model\nPtychoPINN_Lightning\n)\x81}X\x01\x00\x00\x00aK\x01sb.";
    let hostile = b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.";
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("wts.h5.zip", keras, &["TensorFlow", "state_dict"]),
        (
            "module.pt",
            archive(module),
            &["whole pickled object (ptycho_torch.model.PtychoPINN_Lightning)", "state_dict()"],
        ),
        ("hostile.pt", archive(hostile), &["os.system", "state_dict"]),
        ("empty.pt", archive(b"\x80\x02}."), &["no named tensors", "wts.h5.zip"]),
        ("sentinel.pth", archive(b"\x80\x02}X\x09\x00\x00\x00_sentinelX\x01\x00\x00\x00as."), &["placeholder"]),
        ("bare.pkl", b"\x80\x02}.".to_vec(), &["a Python pickle", "state_dict"]),
        (
            "missing.pt",
            without("decoder_amp.blocks.1.conv2.bias"),
            &["decoder_amp.blocks.1.conv2.bias is missing", "N = 64"],
        ),
        ("shape.pt", with("decoder_amp.amp.conv2.weight", &[1, 31, 3, 3]), &["[1, 31, 3, 3] instead of [1, 32, 3, 3]"]),
        (
            "more.pt",
            with("decoder_amp.extra.weight", &[3]),
            &["decoder_amp.extra.weight is not a parameter of the network"],
        ),
        ("other.pt", with("encoder.blocks.3.conv1.weight", &[7, 7, 3, 3]), &["not those of PtychoPINN", "cnn"]),
        ("cut.pt", torch_file(&tensors, Storage::F32, false)[..5000].to_vec(), &["damaged"]),
        ("text.pt", b"hello".to_vec(), &["text", "state_dict"]),
    ];
    for (name, bytes, expected) in cases {
        let path = written(&folder, name, &bytes);
        let error = import_weights(&path, &[]).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{name}");
        let text = error.to_string();
        assert!(expected.iter().all(|part| text.contains(part)), "{name}: {text}");
        assert!(text.ends_with(&format!("({})", path.display())), "{text}");
    }
    let data = import_weights(fixture("siemens_star_n64.npz"), &[]).unwrap_err().to_string();
    assert!(data.contains("a dataset"), "{data}");
}

#[test]
fn attentions_that_the_original_never_applies_are_left_out_with_a_note() {
    let (_, weights, mut tensors) =
        synthetic(64, ModelConfig { n_filters_scale: 1, cbam_encoder: false, ..reference() });
    for i in 0..3 {
        tensors
            .insert(format!("model.autoencoder.encoder.blocks.{i}.attention.conv.weight"), ArrayD::ones(vec![1, 1, 3]));
    }
    for head in ["amp", "phase"] {
        let name = format!("model.autoencoder.decoder_{head}.attention_blocks.0.conv.weight");
        tensors.insert(name, ArrayD::ones(vec![1, 1, 3]));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = written(&folder, "a.pt", &torch_file(&tensors, Storage::F32, false));
    let imported = import_weights(path, &[]).unwrap();
    assert_eq!(imported.bundle.weights, weights);
    assert!(imported.notes.iter().any(|note| note.starts_with("5 tensors")), "{:?}", imported.notes);
}

fn program(arguments: &[&Path]) -> (Option<i32>, String) {
    let output = common::program().args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn an_imported_model_predicts_a_batch_and_infers_a_dataset_at_once() {
    let Some(weights) = shared("golden/gs2_nfs1_state_dict.pt") else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let word = Path::new;
    let (code, said) = program(&[word("import-weights"), &weights, word("--output"), &at("m.ptycho")]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("64 × 64") && said.contains("grid size 2") && said.contains("model.amp_activation"),
        "{said}"
    );

    let mut golden = NpzArchive::open(shared("golden/network_gs2_nfs1.npz").unwrap()).unwrap();
    let images = golden.read_f32("batch/images").unwrap();
    let images = [("images", ptychoscope::data::NpyArray::F32(images.view()))];
    ptychoscope::data::write_npz(at("batch.npz"), &images).unwrap();
    let predict = [
        word("predict"),
        word("--model"),
        &at("m.ptycho"),
        word("--input"),
        &at("batch.npz"),
        word("--output"),
        &at("out.npz"),
    ];
    let (code, said) = program(&[&predict[..], &[word("--accelerator"), word("cpu")]].concat());
    assert_eq!(code, Some(0), "{said}");
    let mut out = NpzArchive::open(at("out.npz")).unwrap();
    let (found, expected) = (out.read_c32("object").unwrap(), golden.read_c32("object_complex").unwrap());
    assert_eq!(found.shape(), [4, 4, 64, 64]);
    assert!(found.iter().zip(&expected).all(|(f, e)| (f - e).norm() <= 1e-4));
    assert_eq!(out.read_f32("phase").unwrap().shape(), out.read_f32("amplitude").unwrap().shape());

    let mut small = Array4::<f32>::ones((1, 1, 64, 64));
    small[[0, 0, 0, 0]] = 2.0;
    ptychoscope::data::write_npz(
        at("batch.npz"),
        &[("images", ptychoscope::data::NpyArray::F32(small.view().into_dyn()))],
    )
    .unwrap();
    let (code, said) = program(&predict);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("[1, 1, 64, 64]") && said.contains("(n, 4, 64, 64)"), "{said}");

    let star = fixture("siemens_star_n64.npz");
    let run = at("run");
    let words = [word("infer"), &at("m.ptycho"), &star, word("--output-dir"), &run, word("--accelerator"), word("cpu")];
    let (code, said) = program(&words);
    assert_eq!(code, Some(0), "{said}");
    let object = ptychoscope::data::Reconstruction::load(&run.join("reconstruction.npz")).unwrap();
    assert!(object.object.iter().all(|z| z.re.is_finite() && z.im.is_finite()));
    let config = Config::load(run.join("config.toml")).unwrap();
    assert_eq!(config.model.gridsize, 2);
}

#[test]
fn the_first_bundle_that_is_offered_for_import_is_told_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let (_, _, tensors) = synthetic(64, ModelConfig { n_filters_scale: 1, ..reference() });
    let path = written(&folder, "a.pt", &torch_file(&tensors, Storage::F32, false));
    let bundle = folder.path().join("m.ptycho");
    import_weights(&path, &[]).unwrap().bundle.save(&bundle).unwrap();
    assert_eq!(Bundle::load(&bundle).unwrap().weights.0.len(), tensors.len() - 3);
    let error = import_weights(&bundle, &[]).unwrap_err().to_string();
    assert!(error.contains("Ptychoscope model") && error.contains("ptychoscope infer"), "{error}");
    let error = Bundle::load(&path).unwrap_err().to_string();
    assert!(error.contains("import-weights"), "{error}");
}
