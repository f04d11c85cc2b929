//! Detector: photon counting, read noise, dead pixels and beamstop.

use super::random::{Purpose, generator, normal, uniform};
use crate::config::SimulationConfig;
use rand_chacha::ChaCha8Rng;

/// Mean from which Poisson numbers are drawn by rejection.
const REJECTION_ABOVE: f64 = 10.0;

/// Draws from the Poisson distribution with this mean, from 0 to at least 1e15.
///
/// Small means by inversion, larger ones by transformed rejection (PTRS of Hörmann 1993).
pub fn poisson(rng: &mut ChaCha8Rng, mean: f64) -> f64 {
    if mean >= REJECTION_ABOVE {
        return poisson_by_rejection(rng, mean);
    }
    if mean.is_nan() || mean <= 0.0 {
        return 0.0;
    }
    let mut rest = uniform(rng);
    let (mut count, mut probability) = (0.0, (-mean).exp());
    // Beyond 200, the probability for any mean below 10 is far below the resolution of `rest`.
    while rest >= probability && count < 200.0 {
        rest -= probability;
        count += 1.0;
        probability *= mean / count;
    }
    count
}

fn poisson_by_rejection(rng: &mut ChaCha8Rng, mean: f64) -> f64 {
    let log_mean = mean.ln();
    let b = 0.931 + 2.53 * mean.sqrt();
    let a = -0.059 + 0.024_83 * b;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let v_r = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let u = uniform(rng) - 0.5;
        let v = uniform(rng);
        let us = 0.5 - u.abs();
        let count = ((2.0 * a / us + b) * u + mean + 0.43).floor();
        if us >= 0.07 && v <= v_r {
            return count;
        }
        if count < 0.0 || (us < 0.013 && v > us) {
            continue;
        }
        if v.ln() + inverse_alpha.ln() - (a / (us * us) + b).ln() <= count * log_mean - mean - ln_factorial(count) {
            return count;
        }
    }
}

/// ln(k!) of a whole number k by Stirling's series, with recurrence for small k.
fn ln_factorial(k: f64) -> f64 {
    let (mut x, mut shift) = (k + 1.0, 0.0);
    while x < 10.0 {
        shift += x.ln();
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)));
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - shift
}

/// A detector of side N.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Detector {
    poisson: bool,
    read_noise: f64,
    /// True for each of the N · N pixels that is neither dead nor behind the beamstop.
    live: Vec<bool>,
}

/// Statistics of one exposure.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Exposure {
    /// Σ counts.
    pub(super) photons: f64,
    /// Σ (√counts − √intensity)² over live pixels.
    pub(super) misfit: f64,
}

impl Detector {
    /// Detector as configured; the seed determines its dead pixels.
    pub(super) fn new(config: &SimulationConfig, side: usize, seed: u64) -> Self {
        let mut rng = generator(seed, Purpose::DeadPixels, 0);
        let center = (side / 2) as f64;
        let live = (0..side * side)
            .map(|i| {
                let (dy, dx) = ((i / side) as f64 - center, (i % side) as f64 - center);
                let blocked = config.beamstop_diameter > 0.0 && dx.hypot(dy) <= config.beamstop_diameter / 2.0;
                let dead = uniform(&mut rng) < config.dead_pixels;
                !(blocked || dead)
            })
            .collect();
        Self { poisson: config.poisson_noise, read_noise: config.read_noise, live }
    }

    /// Row-major (N, N): true for each live pixel.
    pub(super) fn live(&self) -> &[bool] {
        &self.live
    }

    /// Exposes pattern `index`: draws √counts into `amplitude` for the expected photons `intensity`.
    pub(super) fn expose(&self, seed: u64, index: u64, intensity: &[f32], amplitude: &mut [f32]) -> Exposure {
        let mut rng = generator(seed, Purpose::Noise, index);
        let mut exposure = Exposure::default();
        for ((&expected, out), &live) in intensity.iter().zip(amplitude).zip(&self.live) {
            if !live {
                *out = 0.0;
                continue;
            }
            let expected = f64::from(expected);
            let mut counts = if self.poisson { poisson(&mut rng, expected) } else { expected };
            if self.read_noise > 0.0 {
                counts += self.read_noise * normal(&mut rng);
                if self.poisson {
                    counts = counts.round();
                }
                counts = counts.max(0.0);
            }
            #[allow(clippy::cast_possible_truncation)]
            let root = counts.sqrt() as f32;
            *out = root;
            exposure.photons += counts;
            exposure.misfit += (f64::from(root) - expected.sqrt()).powi(2);
        }
        exposure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Standard deviations by which a chi-square value exceeds its mean (Wilson and Hilferty).
    fn deviation(chi_square: f64, freedom: f64) -> f64 {
        let spread = 2.0 / (9.0 * freedom);
        ((chi_square / freedom).cbrt() - (1.0 - spread)) / spread.sqrt()
    }

    #[test]
    fn logarithms_of_factorials_are_exact_to_rounding() {
        let mut product = 1.0_f64;
        assert!(ln_factorial(0.0).abs() < 1e-12);
        for k in 1..150 {
            product *= f64::from(k);
            let want = product.ln();
            assert!((ln_factorial(f64::from(k)) - want).abs() < 1e-11 * want.max(1.0), "{k}");
        }
    }

    #[test]
    fn poisson_numbers_pass_a_chi_square_test_from_1e_minus_2_to_1e9() {
        const DRAWS: usize = 400_000;
        for (at, mean) in
            [0.01_f64, 0.1, 0.7, 3.0, 9.99, 10.0, 11.5, 30.0, 100.0, 2e3, 1e5, 1e7, 1e9].into_iter().enumerate()
        {
            let mut rng = generator(11, Purpose::Noise, at as u64);
            // Bins of about a tenth of a standard deviation, merged until each expects at least 20.
            let width = (mean.sqrt() / 10.0).floor().max(1.0);
            let low = (mean - 8.0 * mean.sqrt()).max(0.0).floor();
            let bins = ((16.0 * mean.sqrt() + 30.0) / width).ceil() as usize;
            let mut seen = vec![0.0_f64; bins];
            for _ in 0..DRAWS {
                let bin = ((poisson(&mut rng, mean) - low) / width).max(0.0) as usize;
                seen[bin.min(bins - 1)] += 1.0;
            }
            let probability = |k: f64| (k * mean.ln() - mean - ln_factorial(k)).exp();
            let (mut chi_square, mut freedom) = (0.0, -1.0);
            let (mut expected_sum, mut seen_sum, mut total) = (0.0_f64, 0.0_f64, 0.0_f64);
            for (bin, seen) in seen.iter().enumerate() {
                let start = low + bin as f64 * width;
                let expected: f64 = if width > 3000.0 {
                    // Simpson over the bin: the distribution is smooth on this scale.
                    let (a, b) = (start - 0.5, start + width - 0.5);
                    width / 6.0 * (probability(a) + 4.0 * probability((a + b) / 2.0) + probability(b))
                } else {
                    (0..width as usize).map(|k| probability(start + k as f64)).sum()
                };
                expected_sum += expected * DRAWS as f64;
                seen_sum += seen;
                total += expected;
                if expected_sum >= 20.0 {
                    chi_square += (seen_sum - expected_sum).powi(2) / expected_sum;
                    freedom += 1.0;
                    (expected_sum, seen_sum) = (0.0, 0.0);
                }
            }
            assert!((total - 1.0).abs() < 1e-4, "mean {mean}: the bins contain {total}");
            let sigma = deviation(chi_square, freedom);
            println!("mean {mean:e}: chi-square {chi_square:.1} for {freedom} degrees of freedom, {sigma:+.2} sigma");
            assert!(sigma < 4.0, "mean {mean}: {sigma}");
        }
        assert_eq!(poisson(&mut generator(1, Purpose::Noise, 0), 0.0), 0.0);
    }

    #[test]
    fn dead_pixels_and_beamstop_count_nothing_and_read_noise_widens_the_counts() {
        let config = SimulationConfig {
            beamstop_diameter: 6.0,
            dead_pixels: 0.1,
            read_noise: 3.0,
            ..SimulationConfig::default()
        };
        let detector = Detector::new(&config, 64, 5);
        let dark = detector.live().iter().filter(|&&live| !live).count();
        assert!((350..520).contains(&dark), "{dark}");
        assert!(!detector.live()[32 * 64 + 32] && !detector.live()[29 * 64 + 32] && !detector.live()[32 * 64 + 35]);
        let intensity = vec![400.0_f32; 64 * 64];
        let mut amplitude = vec![1.0_f32; 64 * 64];
        let exposure = detector.expose(5, 0, &intensity, &mut amplitude);
        let counts: Vec<f64> = amplitude.iter().map(|&a| f64::from(a) * f64::from(a)).collect();
        let live: Vec<f64> = counts.iter().zip(detector.live()).filter(|(_, live)| **live).map(|(c, _)| *c).collect();
        assert!(counts.iter().zip(detector.live()).all(|(&count, &live)| live || count == 0.0));
        assert!(live.iter().all(|count| (count - count.round()).abs() < 1e-3), "the detector counts whole photons");
        let mean = live.iter().sum::<f64>() / live.len() as f64;
        let variance = live.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / live.len() as f64;
        assert!((mean - 400.0).abs() < 1.5 && (variance / 409.0 - 1.0).abs() < 0.1, "{mean} {variance}");
        assert!((exposure.photons - live.iter().sum::<f64>()).abs() < 1.0);
        let other = detector.expose(5, 1, &intensity, &mut vec![0.0; 64 * 64]);
        assert_ne!(other.photons, exposure.photons);
    }
}
