//! Declarations of the fields of [`super::ModelConfig`].

use super::field::{Field, Kind, choice, field, integer, number, positive};

/// Declarations of the fields.
pub(super) const FIELDS: &[Field] = &[
    field(
        "model.model_type",
        "Training target",
        choice(&[
            ("pinn", "the measured patterns, through the physics of the experiment; needs no labeled data"),
            ("supervised", "a known object: patches in the file (Y, labels), or cut out of its objectGuess"),
        ]),
        "Data that the network learns to reproduce.",
    )
    .flag("--model-type"),
    field(
        "model.architecture",
        "Architecture",
        choice(&[
            ("cnn", "convolutional encoder with decoders for amplitude and phase"),
            ("fno", "Fourier neural operator: spectral and 3×3 convolutions in parallel, then convolutional blocks"),
            ("fno_vanilla", "as fno, without the convolutional blocks"),
            ("ffno", "factorized Fourier neural operator: one spectral filter per axis, shared by all blocks"),
        ]),
        "Architecture of the network.",
    )
    .flag("--architecture"),
    field(
        "model.gridsize",
        "Grid size",
        integer(1, 4),
        "Patterns per group along one side; the network sees gridsize² neighboring patterns together.",
    )
    .flag("--gridsize"),
    field(
        "model.n_filters_scale",
        "Filter scale",
        integer(1, 16),
        "Multiplier for the number of filters of every layer; a larger network takes longer to train.",
    )
    .flag("--n-filters-scale"),
    field(
        "model.amp_activation",
        "Amplitude activation",
        Kind::Choice {
            options: &[
                ("sigmoid", "1 / (1 + exp(-z)), between 0 and 1"),
                ("silu", "z · sigmoid(z); amplitudes may be slightly negative"),
                ("softplus", "ln(1 + exp(z))"),
                ("relu", "max(z, 0)"),
            ],
            aliases: &[("swish", "silu")],
        },
        "Activation function of the amplitude output.",
    )
    .flag("--amp-activation"),
    field(
        "model.input_transform",
        "Input transform",
        Kind::Choice {
            options: &[
                ("sqrt", "sqrt(X) - 0.5; compresses the dynamic range"),
                ("log", "ln(1 + 4 X) - 0.5"),
                ("standardize", "(X - mean) / (standard deviation + floor) of each pixel over the training patterns"),
                ("dual", "two channels per pattern: sqrt and standardize"),
                ("instance_norm", "(X - mean) / standard deviation over the pixels of each pattern"),
                ("none", "X, as in PtychoPINN"),
            ],
            aliases: &[("log1p", "log"), ("instancenorm", "instance_norm")],
        },
        "Transform of the normalized amplitude X at the input of the network; the loss always uses X itself.",
    ),
    field(
        "model.initialization",
        "Initialization",
        choice(&[
            ("he", "He normal, zero bias; the last convolution of each decoder scaled by 0.1"),
            ("glorot", "Glorot uniform, zero bias"),
            ("torch", "uniform in ±1/sqrt(fan in), weights and biases, as in PtychoPINN"),
        ]),
        "Distribution of the initial weights.",
    ),
    field(
        "model.last_stage",
        "Last stage",
        Kind::Choice {
            options: &[
                ("auto", "border_mask if the probe lies within the central window, else full_frame"),
                ("full_frame", "upsampling and convolutions; all pixels of the patch are predicted alike"),
                ("border_mask", "as in PtychoPINN: the central half of the frame at full resolution, a coarse border"),
                ("border_unmasked", "as in PtychoPINN of autumn 2025: the border path is added on the whole frame"),
                ("border_narrow", "as in PtychoPINN's TensorFlow implementation: a border path of 4 channels"),
            ],
            aliases: &[("head", "border_mask"), ("oct", "border_unmasked"), ("tf", "border_narrow")],
        },
        "Decoder stage that upsamples from half the side of a pattern to the full side.",
    ),
    field(
        "model.head_filters",
        "Head filters",
        integer(1, 256),
        "Filters of the full-resolution convolutions in the full_frame last stage, times the filter scale. They take most of \
         the computing time.",
    )
    .unit("filters"),
    field(
        "model.probe_normalization",
        "Probe normalization",
        choice(&[
            ("energy", "a unit-transmission object of amplitude object_scale reproduces the normalized energy"),
            ("mean_amplitude", "P / (probe_scale · mean |P|), as in PtychoPINN"),
            ("fixed", "P / probe_scale, as in PtychoPINN's PyTorch implementation"),
        ]),
        "Scaling of the probe inside the model; the object is reported in the units of the dataset.",
    ),
    field(
        "model.object_scale",
        "Object scale",
        positive(100.0),
        "Network output for an object of unit transmission (only with the probe normalization energy).",
    ),
    field(
        "model.probe_scale",
        "Probe scale",
        positive(1e6),
        "Divisor of the probe (with every probe normalization except energy).",
    )
    .flag("--probe-scale"),
    field(
        "model.merge_weighting",
        "Merge weight",
        Kind::Choice {
            options: &[
                ("probe", "|P|²: strongly illuminated pixels count more"),
                ("central_window", "1 inside the central half-side window, with 0.001 added to the sum, as in PtychoPINN"),
                ("uniform", "the same window without the addition, as PtychoPINN's 'uniform'"),
            ],
            aliases: &[("central_mask", "central_window")],
        },
        "Weight of each pixel when overlapping patches are merged into one object during training.",
    ),
    field(
        "model.object_big",
        "Merge groups",
        Kind::Flag,
        "Merge the patches of a group into one object before the physics (grid size above 1).",
    )
    .flag("--object-big"),
    field(
        "model.probe_big",
        "Border path",
        Kind::Flag,
        "Predict the border of a patch; otherwise, a patch is zero outside its central half.",
    )
    .flag("--probe-big"),
    field(
        "model.pad_object",
        "Central half",
        Kind::Flag,
        "Predict the central half of a patch in the last stage and pad it; otherwise, all channels cover the whole frame.",
    )
    .flag("--pad-object"),
    field(
        "model.decoder_last_c_outer_fraction",
        "Border share",
        number(0.0, 0.5),
        "Fraction of the filters of the last stage that belong to the border path.",
    ),
    field(
        "model.decoder_last_amp_channels",
        "Amplitude channels",
        integer(1, 16),
        "Number of amplitudes that the network predicts: 1 for all patterns of a group, or gridsize².",
    ),
    field(
        "model.use_legacy_decoder_channel_override",
        "Custom channel split",
        Kind::Flag,
        "Apply border share and amplitude channels to the last stage border_mask, too.",
    ),
    field(
        "model.cnn_output_mode",
        "Outputs",
        choice(&[
            ("amp_phase", "amplitude, by amp_activation, and phase, π·tanh(z)"),
            ("real_imag", "real part, tanh(z) + 0.2, and imaginary part, 1.2·tanh(z)"),
        ]),
        "Quantities that the two outputs of the convolutional network represent.",
    ),
    field(
        "model.use_shared_decoder",
        "Shared decoder",
        Kind::Flag,
        "Use one decoder, with refinement and channel attention, for both outputs.",
    ),
    field(
        "model.batch_norm",
        "Batch normalization",
        Kind::Flag,
        "Apply batch normalization after the convolutions (except in the amplitude decoder).",
    ),
    field(
        "model.cbam_encoder",
        "Encoder attention",
        Kind::Flag,
        "Apply channel and spatial attention (CBAM) after each block of the encoder.",
    ),
    field(
        "model.eca_encoder",
        "Encoder ECA",
        Kind::Flag,
        "Apply efficient channel attention (ECA) after each block of the encoder.",
    ),
    field(
        "model.cbam_bottleneck",
        "Bottleneck attention",
        Kind::Flag,
        "Apply channel and spatial attention (CBAM) between encoder and decoders.",
    ),
    field(
        "model.cbam_decoder",
        "Decoder attention",
        Kind::Flag,
        "Apply channel and spatial attention (CBAM) after each block of the decoders.",
    ),
    field(
        "model.eca_decoder",
        "Decoder ECA",
        Kind::Flag,
        "Apply efficient channel attention (ECA) after each block of the decoders.",
    ),
    field(
        "model.spatial_decoder",
        "Decoder spatial attention",
        Kind::Flag,
        "Apply spatial attention after each block of the decoders.",
    ),
    field(
        "model.decoder_spatial_kernel",
        "Spatial kernel",
        integer(1, 31),
        "Side of the kernel of the spatial attention in the decoders; odd.",
    ),
    field(
        "model.fno_modes",
        "Fourier modes",
        integer(1, 128),
        "Number of lowest frequencies along each axis that a spectral convolution filters; at most half the side of a \
         pattern.",
    )
    .flag("--fno-modes"),
    field("model.fno_width", "Fourier channels", integer(1, 512), "Number of channels of a Fourier architecture.")
        .flag("--fno-width"),
    field("model.fno_blocks", "Fourier blocks", integer(1, 64), "Number of Fourier blocks in sequence.")
        .flag("--fno-blocks"),
    field(
        "model.fno_cnn_blocks",
        "Convolutional blocks",
        integer(0, 64),
        "Number of convolutional blocks after the Fourier blocks.",
    )
    .flag("--fno-cnn-blocks"),
    field(
        "model.generator_output_mode",
        "Fourier outputs",
        choice(&[
            ("real_imag", "real and imaginary part, unbounded"),
            ("amp_phase_logits", "one head: amplitude by amp_activation, and phase, π·tanh(z)"),
            ("amp_phase", "separate heads: amplitude by the sigmoid, and phase, π·tanh(z)"),
        ]),
        "Quantities that a Fourier architecture predicts.",
    )
    .flag("--generator-output-mode"),
    field(
        "model.gaussian_smoothing_sigma",
        "Exit wave smoothing",
        number(0.0, 100.0),
        "Standard deviation of a Gaussian of 3 × 3 pixels that smooths the exit wave before propagation; 0 does not smooth.",
    )
    .unit("px")
    .flag("--gaussian-smoothing-sigma"),
    field(
        "model.probe_trainable",
        "Train the probe",
        Kind::Flag,
        "Train the probe, with all its modes and at constant power, together with the network. The trained probe is saved \
         with the model and with the object.",
    )
    .flag("--probe-trainable"),
    field(
        "model.probe_learning_rate",
        "Probe learning rate",
        positive(10.0),
        "Initial learning rate of a trained probe; follows the schedule of the network.",
    )
    .flag("--probe-learning-rate"),
    field(
        "model.intensity_scale_trainable",
        "Train the scale",
        Kind::Flag,
        "Train one common factor of all predicted amplitudes together with the network; the reported object includes it.",
    )
    .flag("--intensity-scale-trainable"),
    field(
        "model.position_jitter",
        "Position jitter",
        number(0.0, 100.0),
        "Standard deviation of random shifts of the positions in each step, where patches are merged; 0 does not shift them.",
    )
    .unit("px")
    .flag("--position-jitter"),
];
