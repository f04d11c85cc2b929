//! The runs of a sweep: every combination of the varied settings.

use super::variant::Variant;
use crate::config::{Config, DiffractionUnit};
use crate::error::{Error, Problem, Result};

/// A varied setting.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    /// Dotted path of a configuration field, or `photons` or `overlap`.
    pub path: String,
    /// Name in folders and tables: the last part of the path, or the whole path if another axis ends alike.
    pub label: String,
    /// Values as typed.
    pub values: Vec<String>,
}

/// One run of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    /// Label and value of each varied setting, in the order of the axes.
    pub values: Vec<(String, String)>,
    /// Complete configuration.
    pub config: Config,
    photons: Option<f64>,
    overlap: Option<f64>,
}

/// All runs of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    /// The varied settings.
    pub axes: Vec<Axis>,
    /// The runs; the last axis varies fastest.
    pub points: Vec<Point>,
}

/// Largest number of runs in a sweep; more is assumed to be a mistake.
const MAX_RUNS: usize = 10_000;

impl Plan {
    /// All combinations of the given `path=a,b,c`, applied to `config`.
    ///
    /// # Errors
    /// Text not of this form, an unknown field, a value out of range, a path or value given twice, or too many runs.
    pub fn new(vary: &[String], config: &Config) -> Result<Self> {
        let axes = axes(vary)?;
        let count = axes.iter().try_fold(1_usize, |n, axis| n.checked_mul(axis.values.len())).unwrap_or(usize::MAX);
        if count > MAX_RUNS {
            return Err(Error::BadInput(
                Problem::new(format!("The sweep would have {count} runs")).expected(format!("at most {MAX_RUNS}")),
            ));
        }
        let mut points = Vec::with_capacity(count);
        for number in 0..count {
            let mut rest = number;
            let mut chosen = Vec::with_capacity(axes.len());
            for axis in axes.iter().rev() {
                chosen.push((axis, axis.values.get(rest % axis.values.len()).cloned().unwrap_or_default()));
                rest /= axis.values.len();
            }
            chosen.reverse();
            points.push(point(config, &chosen)?);
        }
        Ok(Self { axes, points })
    }
}

fn axes(vary: &[String]) -> Result<Vec<Axis>> {
    let mut found: Vec<Axis> = Vec::new();
    for text in vary {
        let expected = "PATH=VALUE,VALUE,…, for example --vary training.batch_size=4,8";
        let Some((path, values)) = text.split_once('=') else {
            return Err(Error::BadInput(Problem::new(format!("--vary {text:?} has no \"=\"")).expected(expected)));
        };
        let (path, values) = (path.trim(), values.split(',').map(|v| v.trim().to_owned()).collect::<Vec<_>>());
        if values.iter().any(String::is_empty) {
            return Err(Error::BadInput(
                Problem::new(format!("--vary {text:?} has an empty value")).expected(expected),
            ));
        }
        let twice = values.iter().enumerate().find(|(at, value)| values.iter().take(*at).any(|other| other == *value));
        if twice.is_some() || found.iter().any(|axis| axis.path == path) {
            return Err(Error::BadInput(Problem::new(format!("--vary {text:?} gives a setting or a value twice"))));
        }
        if !["photons", "overlap"].contains(&path) {
            Config::field(path)?;
        }
        found.push(Axis { path: path.to_owned(), label: String::new(), values });
    }
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let lasts: Vec<String> = found.iter().map(|axis| last(&axis.path)).collect();
    for axis in &mut found {
        let short = last(&axis.path);
        let alone = lasts.iter().filter(|other| **other == short).count() == 1;
        axis.label = if alone { short } else { axis.path.clone() };
    }
    Ok(found)
}

fn point(config: &Config, chosen: &[(&Axis, String)]) -> Result<Point> {
    let mut point = Point { values: Vec::new(), config: config.clone(), photons: None, overlap: None };
    for (axis, value) in chosen {
        point.values.push((axis.label.clone(), value.clone()));
        match axis.path.as_str() {
            "photons" => point.photons = Some(number(value, "photons", 1.0, 1e12)?),
            "overlap" => point.overlap = Some(number(value, "overlap", 0.0, 1.0)?),
            path => {
                point.config.set(path, value)?;
                // As on the command line: a number of epochs replaces a time budget and vice versa.
                let varied = |other: &str| chosen.iter().any(|(axis, _)| axis.path == other);
                match path {
                    "training.epochs" if !varied("training.time_budget_s") => {
                        point.config.set("training.time_budget_s", "none")?;
                    }
                    "training.time_budget_s" if !varied("training.epochs") => {
                        point.config.set("training.epochs", "none")?;
                    }
                    _ => {}
                }
            }
        }
    }
    if point.photons.is_some() || point.overlap.is_some() {
        // Variants of the dataset are written as amplitude.
        point.config.data.diffraction_unit = DiffractionUnit::Amplitude;
    }
    point.config.validate()?;
    Ok(point)
}

fn number(text: &str, what: &str, low: f64, high: f64) -> Result<f64> {
    text.parse().ok().filter(|value| (low..=high).contains(value)).ok_or_else(|| {
        Error::BadInput(Problem::new(format!("--vary {what}={text}")).expected(format!("numbers from {low} to {high}")))
    })
}

impl Point {
    /// Name of the run folder, made of settings and values: `batch_size-8_photons-1e4`.
    pub fn name(&self) -> String {
        let safe = |c: char| if c.is_alphanumeric() || "._-+".contains(c) { c } else { '-' };
        let parts: Vec<String> =
            self.values.iter().map(|(label, value)| format!("{label}-{value}").chars().map(safe).collect()).collect();
        if parts.is_empty() { "run".to_owned() } else { parts.join("_") }
    }

    /// Modification of the dataset for this run; `None` for the dataset as given.
    pub fn variant(&self) -> Option<Variant> {
        let variant = Variant { photons: self.photons, overlap: self.overlap, seed: self.config.execution.seeds.noise };
        (self.photons.is_some() || self.overlap.is_some()).then_some(variant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(vary: &[&str]) -> Result<Plan> {
        Plan::new(&vary.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>(), &Config::default())
    }

    #[test]
    fn every_combination_is_one_run_with_its_settings_and_its_own_name() {
        let plan = plan(&["training.batch_size=4,8", "photons=1e4,1e6", "training.epochs=3"]).unwrap();
        let names: Vec<String> = plan.points.iter().map(Point::name).collect();
        assert_eq!(names[0], "batch_size-4_photons-1e4_epochs-3");
        assert_eq!(names[3], "batch_size-8_photons-1e6_epochs-3");
        assert_eq!(names.len(), 4);
        let last = &plan.points[3];
        assert_eq!((last.config.training.batch_size, last.config.training.epochs), (8, Some(3)));
        assert_eq!(last.config.training.time_budget_s, None);
        assert_eq!(last.variant().unwrap().photons, Some(1e6));
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), 4);
    }

    #[test]
    fn nothing_varied_is_one_run_on_the_dataset_itself() {
        let plan = plan(&[]).unwrap();
        assert_eq!((plan.points.len(), plan.points[0].name().as_str()), (1, "run"));
        assert!(plan.points[0].variant().is_none());
    }

    #[test]
    fn mistakes_are_reported_before_any_run() {
        let error = |vary: &[&str]| plan(vary).unwrap_err().to_string();
        assert!(error(&["batch_size"]).contains("no \"=\""));
        assert!(error(&["training.batch_sise=4"]).contains("training.batch_size"));
        assert!(error(&["training.batch_size=0"]).contains("batch_size"));
        assert!(error(&["training.batch_size=4,,8"]).contains("empty"));
        assert!(error(&["training.batch_size=4,4"]).contains("twice"));
        assert!(error(&["photons=1e4", "photons=1e5"]).contains("twice"));
        assert!(error(&["photons=many"]).contains("photons"));
        assert!(error(&["overlap=1.5"]).contains("overlap"));
        let long: String = (1..200).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
        assert!(
            error(&[&format!("training.batch_size={long}"), &format!("model.head_filters={long}")]).contains("runs")
        );
    }
}
