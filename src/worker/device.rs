//! Which device does the work: what there is, what was asked for, and what is said about it.
//!
//! Hazard: a Burn wgpu device made lazily panics at its first tensor where there is no adapter, and the Vulkan loader
//! crashes when instances come and go on several threads. Remedy: adapters are listed first, under one lock, each
//! runtime is initialised once through the fallible call, and kept.

use crate::config::Accelerator;
use crate::error::{Error, Problem, Result};
use burn::tensor::wgpu::{WgpuBackend, WgpuInitError, wgpu};
use burn::tensor::{Device, DeviceKind, Tensor};
use serde::Serialize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What to do where no graphics card is found.
pub const WHAT_TO_INSTALL: &str = "Install the driver of the graphics card and the Vulkan loader (Debian: libvulkan1, and \
                                   mesa-vulkan-drivers for AMD and Intel; NVIDIA: its own driver)";

/// What sort of device an adapter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterKind {
    /// A graphics card of its own.
    Discrete,
    /// A graphics unit that shares the memory of the CPU.
    Integrated,
    /// A graphics card handed to a virtual machine.
    Virtual,
    /// A graphics device that does not say what it is.
    Other,
    /// A software rasteriser (llvmpipe, lavapipe, WARP): slower than the CPU backend.
    Software,
    /// The CPU backend.
    #[default]
    Cpu,
}

impl AdapterKind {
    /// Whether it is a graphics device, not the CPU in disguise.
    pub fn is_hardware(self) -> bool {
        !matches!(self, Self::Software | Self::Cpu)
    }

    /// What a person is shown.
    pub fn label(self) -> &'static str {
        match self {
            Self::Discrete => "discrete GPU",
            Self::Integrated => "integrated GPU",
            Self::Virtual => "virtual GPU",
            Self::Other => "GPU",
            Self::Software => "software rasteriser",
            Self::Cpu => "CPU",
        }
    }
}

/// What an adapter can take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdapterLimits {
    /// Largest buffer, bytes.
    pub max_buffer_bytes: u64,
    /// Largest part of a buffer a kernel can bind, bytes.
    pub max_storage_binding_bytes: u64,
    /// Largest number of invocations of a work group.
    pub max_invocations_per_workgroup: u32,
    /// Largest side of a texture, pixels.
    pub max_texture_side: u32,
}

/// A device the program can see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdapterInfo {
    /// Its name.
    pub name: String,
    /// Graphics API, or `flex` for the CPU backend.
    pub backend: String,
    /// Driver and its version.
    pub driver: String,
    /// What sort of device it is.
    pub kind: AdapterKind,
    /// What it can take; none for the CPU backend, which is limited by memory alone.
    pub limits: Option<AdapterLimits>,
    /// Whether it can run the program's kernels.
    pub usable: bool,
}

/// The device that does the work.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DeviceInfo {
    /// Its name.
    pub name: String,
    /// `wgpu (vulkan)` and the like, or `flex` for the CPU backend.
    pub backend: String,
    /// Driver and its version.
    pub driver: String,
    /// What sort of device it is.
    pub kind: AdapterKind,
    /// Whether the work is done without a GPU.
    pub reduced_capability: bool,
}

/// A device, what it is, and what a person should know about the choice.
#[derive(Debug, Clone)]
pub struct Selected {
    /// The Burn device, without autodiff.
    pub device: Device,
    /// What it is.
    pub info: DeviceInfo,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// One adapter with what Burn needs to name it.
#[derive(Debug, Clone)]
struct Candidate {
    info: AdapterInfo,
    api: WgpuBackend,
    kind: DeviceKind,
}

/// A runtime that is up, by the API and kind that name it.
type Initialised = (WgpuBackend, DeviceKind, Device);

/// Runtimes that are up. Held while adapters are listed or a runtime is initialised.
static RUNTIMES: Mutex<Vec<Initialised>> = Mutex::new(Vec::new());

fn runtimes() -> MutexGuard<'static, Vec<Initialised>> {
    RUNTIMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every adapter of every graphics API, best API first, and the CPU backend last. Never fails: what cannot be asked is not listed.
pub fn list() -> Vec<AdapterInfo> {
    let guard = runtimes();
    let mut adapters: Vec<_> = candidates(&guard).into_iter().map(|candidate| candidate.info).collect();
    drop(guard);
    let cpu = cpu_info();
    adapters.push(AdapterInfo {
        name: cpu.name,
        backend: cpu.backend,
        driver: cpu.driver,
        kind: cpu.kind,
        limits: None,
        usable: true,
    });
    adapters
}

/// The device for what was asked for (issue: auto = best hardware adapter, else the CPU, announced).
///
/// # Errors
/// [`Error::DeviceUnavailable`] if a GPU or a wgpu adapter was asked for and there is none that works.
pub fn select(accelerator: Accelerator) -> Result<Selected> {
    match accelerator {
        Accelerator::Cpu => Ok(cpu(Vec::new())),
        Accelerator::Auto => {
            let mut notes = Vec::new();
            for candidate in ranked(AdapterKind::is_hardware) {
                match open(&candidate) {
                    Ok(selected) => return Ok(selected),
                    Err(reason) => notes.push(format!("{} does not work ({reason}).", candidate.info.name)),
                }
            }
            notes.push(
                "Reduced capability: no usable GPU was found, so the CPU does the work, more slowly; \
                 `ptychoscope devices` lists what is there."
                    .to_owned(),
            );
            Ok(cpu(notes))
        }
        Accelerator::Gpu => first_that_works("GPU", AdapterKind::is_hardware),
        Accelerator::Wgpu => first_that_works("wgpu adapter", |_| true),
    }
}

fn first_that_works(what: &str, wanted: impl Fn(AdapterKind) -> bool) -> Result<Selected> {
    let mut reasons = Vec::new();
    for candidate in ranked(wanted) {
        match open(&candidate) {
            Ok(mut selected) => {
                if selected.info.kind == AdapterKind::Software {
                    selected.notes.push(format!(
                        "Reduced capability: {} is a software rasteriser, much slower than --accelerator cpu.",
                        selected.info.name
                    ));
                }
                return Ok(selected);
            }
            Err(reason) => reasons.push(format!("{}: {reason}", candidate.info.name)),
        }
    }
    let title = if reasons.is_empty() {
        format!("A {what} was asked for, but none was found")
    } else {
        format!("A {what} was asked for, but none works ({})", reasons.join("; "))
    };
    Err(Error::DeviceUnavailable(
        Problem::new(title)
            .expected("a graphics device with a Vulkan, Metal or Direct3D 12 driver")
            .hint(format!("{WHAT_TO_INSTALL}, see `ptychoscope devices`, or use --accelerator auto or cpu")),
    ))
}

/// Candidates of the wanted kinds, best first; of equals the first listed.
fn ranked(wanted: impl Fn(AdapterKind) -> bool) -> Vec<Candidate> {
    let guard = runtimes();
    let mut list = candidates(&guard);
    list.retain(|candidate| candidate.info.usable && wanted(candidate.info.kind));
    list.sort_by_key(|candidate| candidate.info.kind);
    list
}

/// The graphics APIs of this platform, best first.
fn apis() -> &'static [(WgpuBackend, wgpu::Backend, &'static str)] {
    if cfg!(target_os = "macos") {
        &[(WgpuBackend::Metal, wgpu::Backend::Metal, "metal")]
    } else {
        &[
            (WgpuBackend::Vulkan, wgpu::Backend::Vulkan, "vulkan"),
            (WgpuBackend::Dx12, wgpu::Backend::Dx12, "dx12"),
            (WgpuBackend::Gl, wgpu::Backend::Gl, "gl"),
        ]
    }
}

/// Every adapter of every API; the guard shows that nobody else makes instances meanwhile.
fn candidates(_guard: &MutexGuard<'_, Vec<Initialised>>) -> Vec<Candidate> {
    let mut list = Vec::new();
    for (api, backend, name) in apis() {
        let adapters = catch_unwind(|| {
            let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
                backends: (*backend).into(),
                ..wgpu::InstanceDescriptor::new_without_display_handle()
            });
            let adapters = ready(instance.enumerate_adapters((*backend).into()));
            adapters.iter().map(describe).collect::<Vec<_>>()
        })
        .unwrap_or_default();
        // Burn counts the adapters of each kind from zero, in the order of the API.
        let mut next = [0usize; 3];
        let mut count = |slot: usize| {
            let index = next.get(slot).copied().unwrap_or(0);
            if let Some(n) = next.get_mut(slot) {
                *n += 1;
            }
            index
        };
        for mut info in adapters {
            let kind = match info.kind {
                AdapterKind::Discrete => DeviceKind::DiscreteGpu(count(0)),
                AdapterKind::Integrated => DeviceKind::IntegratedGpu(count(1)),
                AdapterKind::Virtual => DeviceKind::VirtualGpu(count(2)),
                AdapterKind::Software => DeviceKind::Cpu,
                AdapterKind::Other | AdapterKind::Cpu => DeviceKind::DefaultDevice,
            };
            (*name).clone_into(&mut info.backend);
            list.push(Candidate { info, api: *api, kind });
        }
    }
    list
}

fn describe(adapter: &wgpu::Adapter) -> AdapterInfo {
    let info = adapter.get_info();
    let limits = adapter.limits();
    let driver = [info.driver.as_str(), info.driver_info.as_str()].map(str::trim).join(" ").trim().to_owned();
    AdapterInfo {
        name: info.name,
        backend: String::new(),
        driver,
        kind: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
            wgpu::DeviceType::Cpu => AdapterKind::Software,
            wgpu::DeviceType::Other => AdapterKind::Other,
        },
        limits: Some(AdapterLimits {
            max_buffer_bytes: limits.max_buffer_size,
            max_storage_binding_bytes: limits.max_storage_buffer_binding_size,
            max_invocations_per_workgroup: limits.max_compute_invocations_per_workgroup,
            max_texture_side: limits.max_texture_dimension_2d,
        }),
        usable: adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS),
    }
}

/// Result of a future that is ready at once, as wgpu's are on a desktop.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::yield_now();
    }
}

/// Initialises the runtime of a candidate (once per process) and checks that it computes.
fn open(candidate: &Candidate) -> std::result::Result<Selected, String> {
    let mut up = runtimes();
    let known = up.iter().find(|(api, kind, _)| *api == candidate.api && *kind == candidate.kind);
    let device = if let Some((_, _, device)) = known {
        device.clone()
    } else {
        let options = Device::wgpu_options().device_kind(candidate.kind.clone()).graphics_api(candidate.api);
        let device = catch_unwind(AssertUnwindSafe(|| options.init()))
            .map_err(|_| "its driver panicked".to_owned())?
            .map_err(|error: WgpuInitError| error.to_string())?;
        up.push((candidate.api, candidate.kind.clone(), device.clone()));
        device
    };
    drop(up);
    computes(&device)?;
    let info = DeviceInfo {
        name: candidate.info.name.clone(),
        backend: format!("wgpu ({})", candidate.info.backend),
        driver: candidate.info.driver.clone(),
        kind: candidate.info.kind,
        reduced_capability: !candidate.info.kind.is_hardware(),
    };
    Ok(Selected { device, info, notes: Vec::new() })
}

/// A small product whose value is known.
fn computes(device: &Device) -> std::result::Result<(), String> {
    let sum = catch_unwind(AssertUnwindSafe(|| {
        let a = Tensor::<2>::ones([8, 8], device);
        a.clone().matmul(a).sum().into_data().convert::<f32>().try_to_vec::<f32>().ok()?.first().copied()
    }))
    .map_err(|_| "a first product failed".to_owned())?;
    match sum {
        Some(sum) if (sum - 512.0).abs() < 1e-3 => Ok(()),
        found => Err(format!("a first product gave {found:?} instead of 512")),
    }
}

fn cpu(notes: Vec<String>) -> Selected {
    Selected { device: Device::flex(), info: cpu_info(), notes }
}

fn cpu_info() -> DeviceInfo {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    DeviceInfo {
        name: cpu_name(),
        backend: "flex".to_owned(),
        driver: format!("Burn Flex, {threads} thread{}", if threads == 1 { "" } else { "s" }),
        kind: AdapterKind::Cpu,
        reduced_capability: true,
    }
}

/// The name of the processor where the system tells it, else its architecture.
fn cpu_name() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name =
        text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim()));
    name.map_or_else(|| format!("CPU ({})", std::env::consts::ARCH), str::to_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_listed_last_and_can_be_selected() {
        assert_eq!(list().last().unwrap().kind, AdapterKind::Cpu);
        let selected = select(Accelerator::Cpu).unwrap();
        assert_eq!(selected.info.backend, "flex");
        assert!(selected.info.reduced_capability && selected.notes.is_empty());
        assert_eq!(selected.device, Device::flex());
        computes(&selected.device).unwrap();
    }

    #[test]
    fn auto_never_takes_a_software_rasteriser_and_says_when_it_takes_the_cpu() {
        let hardware = list().iter().any(|adapter| adapter.kind.is_hardware() && adapter.usable);
        let selected = select(Accelerator::Auto).unwrap();
        assert_ne!(selected.info.kind, AdapterKind::Software);
        if !hardware {
            assert_eq!(selected.info.kind, AdapterKind::Cpu);
            assert!(selected.notes.iter().any(|note| note.contains("Reduced capability")));
        }
    }

    #[test]
    fn a_missing_gpu_is_an_error_that_says_what_to_install() {
        if list().iter().any(|adapter| adapter.kind.is_hardware()) {
            println!("skipped: this machine has a GPU");
            return;
        }
        let error = select(Accelerator::Gpu).unwrap_err();
        assert_eq!(error.exit_code(), 4);
        assert!(error.to_string().contains("libvulkan1"), "{error}");
    }

    #[test]
    fn a_software_rasteriser_works_when_asked_for_twice() {
        if list().iter().all(|adapter| adapter.kind == AdapterKind::Cpu) {
            assert!(std::env::var_os("PTYCHOSCOPE_REQUIRE_ADAPTER").is_none(), "no wgpu adapter is here");
            println!("skipped: no wgpu adapter is here");
            return;
        }
        for _ in 0..2 {
            let selected = select(Accelerator::Wgpu).unwrap();
            assert!(selected.info.backend.starts_with("wgpu"), "{:?}", selected.info);
        }
    }
}
