//! Compute devices: listing and selection.
//!
//! Hazard: a lazily created Burn wgpu device panics at its first tensor if there is no adapter, and the Vulkan loader
//! crashes when instances are created and destroyed on several threads. Remedy: adapters are listed first, under one lock;
//! each runtime is initialized once, through the fallible call, and kept.

use crate::config::Accelerator;
use crate::error::{Error, Problem, Result};
use burn::tensor::wgpu::{WgpuBackend, WgpuInitError, wgpu};
use burn::tensor::{Device, DeviceKind, Tensor};
use serde::Serialize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Hint for a machine on which no graphics card is found.
pub const DRIVER_HINT: &str = "Install the driver of the graphics card and the Vulkan loader (Debian: libvulkan1, and \
                               mesa-vulkan-drivers for AMD and Intel; NVIDIA: its own driver)";

/// Kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterKind {
    /// A dedicated graphics card.
    Discrete,
    /// A graphics unit sharing memory with the CPU.
    Integrated,
    /// A graphics card passed through to a virtual machine.
    Virtual,
    /// A graphics device of unknown kind.
    Other,
    /// A software rasterizer (llvmpipe, lavapipe, WARP): slower than the CPU backend.
    Software,
    /// The CPU backend.
    #[default]
    Cpu,
}

impl AdapterKind {
    /// True for a real graphics device, not an emulation on the CPU.
    pub fn is_hardware(self) -> bool {
        !matches!(self, Self::Software | Self::Cpu)
    }

    /// Name shown to the user.
    pub fn label(self) -> &'static str {
        match self {
            Self::Discrete => "discrete GPU",
            Self::Integrated => "integrated GPU",
            Self::Virtual => "virtual GPU",
            Self::Other => "GPU",
            Self::Software => "software rasterizer",
            Self::Cpu => "CPU",
        }
    }
}

/// Limits of an adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdapterLimits {
    /// Largest buffer in bytes.
    pub max_buffer_bytes: u64,
    /// Largest part of a buffer that a kernel can bind, in bytes.
    pub max_storage_binding_bytes: u64,
    /// Maximum number of invocations per work group.
    pub max_invocations_per_workgroup: u32,
    /// Largest side of a texture in pixels.
    pub max_texture_side: u32,
}

/// A visible compute device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdapterInfo {
    /// Name of the device.
    pub name: String,
    /// Graphics API, or `flex` for the CPU backend.
    pub backend: String,
    /// Name and version of the driver.
    pub driver: String,
    /// Kind of device.
    pub kind: AdapterKind,
    /// Limits; `None` for the CPU backend, which is limited only by memory.
    pub limits: Option<AdapterLimits>,
    /// True if it can run the program's kernels.
    pub usable: bool,
}

/// The selected compute device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DeviceInfo {
    /// Name of the device.
    pub name: String,
    /// Backend, such as `wgpu (vulkan)`, or `flex` for the CPU.
    pub backend: String,
    /// Name and version of the driver.
    pub driver: String,
    /// Kind of device.
    pub kind: AdapterKind,
    /// True if no GPU is used.
    pub reduced_capability: bool,
}

/// A selected device with remarks on the choice.
#[derive(Debug, Clone)]
pub struct Selected {
    /// The Burn device, without autodiff.
    pub device: Device,
    /// Description of the device.
    pub info: DeviceInfo,
    /// Remarks for the user.
    pub notes: Vec<String>,
}

/// An adapter with its identification in Burn.
#[derive(Debug, Clone)]
struct Candidate {
    info: AdapterInfo,
    api: WgpuBackend,
    kind: DeviceKind,
}

/// An initialized runtime, identified by API and kind.
type Initialized = (WgpuBackend, DeviceKind, Device);

/// Initialized runtimes. Locked while adapters are listed or a runtime is initialized.
static RUNTIMES: Mutex<Vec<Initialized>> = Mutex::new(Vec::new());

fn runtimes() -> MutexGuard<'static, Vec<Initialized>> {
    RUNTIMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All adapters of all graphics APIs, best API first, and the CPU backend last. Never fails: an API that cannot be queried is
/// left out.
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

/// Selects a device; `auto` takes the best hardware adapter, else the CPU with a remark.
///
/// # Errors
/// [`Error::DeviceUnavailable`] if a GPU or a wgpu adapter was requested and none works.
pub fn select(accelerator: Accelerator) -> Result<Selected> {
    match accelerator {
        Accelerator::Cpu => Ok(cpu(Vec::new())),
        Accelerator::Auto => {
            let mut notes = hidden_note();
            for candidate in ranked(AdapterKind::is_hardware) {
                match open(&candidate) {
                    Ok(selected) => return Ok(Selected { notes, ..selected }),
                    Err(reason) => notes.push(format!("{} does not work ({reason}).", candidate.info.name)),
                }
            }
            notes.push(
                "Reduced capability: no usable GPU was found; the slower CPU is used. `ptychoscope devices` lists the \
                 available devices."
                    .to_owned(),
            );
            Ok(cpu(notes))
        }
        Accelerator::Gpu => first_working("GPU", AdapterKind::is_hardware),
        Accelerator::Wgpu => first_working("wgpu adapter", |_| true),
    }
}

/// The best working device of the wanted kinds.
fn first_working(what: &str, wanted: impl Fn(AdapterKind) -> bool) -> Result<Selected> {
    let mut reasons = Vec::new();
    for candidate in ranked(wanted) {
        match open(&candidate) {
            Ok(mut selected) => {
                if selected.info.kind == AdapterKind::Software {
                    selected.notes.push(format!(
                        "Reduced capability: {} is a software rasterizer, much slower than --accelerator cpu.",
                        selected.info.name
                    ));
                }
                return Ok(selected);
            }
            Err(reason) => reasons.push(format!("{}: {reason}", candidate.info.name)),
        }
    }
    let title = if reasons.is_empty() {
        let hidden = VISIBLE.get_or_init(Visible::from_environment).to_string();
        format!("A {what} was requested, but none was found{hidden}")
    } else {
        format!("A {what} was requested, but none works ({})", reasons.join("; "))
    };
    Err(Error::DeviceUnavailable(
        Problem::new(title)
            .expected("a graphics device with a Vulkan, Metal or Direct3D 12 driver")
            .hint(format!("{DRIVER_HINT}, see `ptychoscope devices`, or use --accelerator auto or cpu")),
    ))
}

/// Candidates of the wanted kinds, best first; equal ones in the order of the list.
fn ranked(wanted: impl Fn(AdapterKind) -> bool) -> Vec<Candidate> {
    let guard = runtimes();
    let mut list = VISIBLE.get_or_init(Visible::from_environment).of(candidates(&guard));
    list.retain(|candidate| candidate.info.usable && wanted(candidate.info.kind));
    list.sort_by_key(|candidate| candidate.info.kind);
    list
}

/// The GPUs that may be used.
static VISIBLE: OnceLock<Visible> = OnceLock::new();

/// Uses only the GPU with this number, from 0 in the order of [`list`] among the GPUs of one graphics API. Has an effect
/// only before the first selection of a device.
pub fn use_gpu(number: usize) {
    let _later = VISIBLE.set(Visible { numbers: Some(vec![number]), source: format!("--device {number}") });
}

/// Remark on a choice of GPUs by the environment; empty if there is none.
fn hidden_note() -> Vec<String> {
    let visible = VISIBLE.get_or_init(Visible::from_environment);
    if visible.numbers.is_some() { vec![format!("{} chooses the GPUs.", visible.source)] } else { Vec::new() }
}

/// Numbers of the GPUs that may be used, in order of preference; `None` for all.
#[derive(Debug, Default)]
struct Visible {
    numbers: Option<Vec<usize>>,
    source: String,
}

impl Visible {
    /// As `CUDA_VISIBLE_DEVICES` says: numbers of GPUs separated by commas, of which those after the first invalid one are
    /// hidden; empty or -1 hides all. All are visible if the variable is not set or names GPUs by identifiers.
    fn from_environment() -> Self {
        std::env::var("CUDA_VISIBLE_DEVICES").map_or_else(|_| Self::default(), |text| Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        if text.contains("GPU-") || text.contains("MIG-") {
            return Self::default();
        }
        let numbers = text.split(',').map_while(|part| part.trim().parse().ok()).collect();
        Self { numbers: Some(numbers), source: format!("CUDA_VISIBLE_DEVICES={text}") }
    }

    /// The visible candidates, the preferred GPU first; those that are no GPU are kept.
    fn of(&self, mut list: Vec<Candidate>) -> Vec<Candidate> {
        let Some(numbers) = &self.numbers else { return list };
        let mut seen: Vec<WgpuBackend> = Vec::new();
        let mut ranks = Vec::new();
        for candidate in &list {
            let number = seen.iter().filter(|api| **api == candidate.api).count();
            if candidate.info.kind.is_hardware() {
                seen.push(candidate.api);
                ranks.push(numbers.iter().position(|wanted| *wanted == number));
            } else {
                ranks.push(Some(numbers.len()));
            }
        }
        let mut ranked: Vec<_> =
            ranks.into_iter().zip(list.drain(..)).filter_map(|(rank, one)| Some((rank?, one))).collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, candidate)| candidate).collect()
    }
}

impl std::fmt::Display for Visible {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.numbers.is_some() { write!(f, " ({} chooses the GPUs)", self.source) } else { Ok(()) }
    }
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

/// All adapters of all APIs; the guard ensures that no other thread creates instances meanwhile.
fn candidates(_guard: &MutexGuard<'_, Vec<Initialized>>) -> Vec<Candidate> {
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
        // Burn numbers the adapters of each kind from zero, in the order of the API.
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

/// Result of a future that is ready at once, as those of wgpu on a desktop.
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

/// Initializes the runtime of a candidate, once per process, and checks that it computes correctly.
fn open(candidate: &Candidate) -> std::result::Result<Selected, String> {
    let mut initialized = runtimes();
    let known = initialized.iter().find(|(api, kind, _)| *api == candidate.api && *kind == candidate.kind);
    let device = if let Some((_, _, device)) = known {
        device.clone()
    } else {
        let options = Device::wgpu_options().device_kind(candidate.kind.clone()).graphics_api(candidate.api);
        let device = catch_unwind(AssertUnwindSafe(|| options.init()))
            .map_err(|_| "its driver panicked".to_owned())?
            .map_err(|error: WgpuInitError| error.to_string())?;
        initialized.push((candidate.api, candidate.kind.clone(), device.clone()));
        device
    };
    drop(initialized);
    check_product(&device)?;
    let info = DeviceInfo {
        name: candidate.info.name.clone(),
        backend: format!("wgpu ({})", candidate.info.backend),
        driver: candidate.info.driver.clone(),
        kind: candidate.info.kind,
        reduced_capability: !candidate.info.kind.is_hardware(),
    };
    Ok(Selected { device, info, notes: Vec::new() })
}

/// Checks a small matrix product with a known result.
fn check_product(device: &Device) -> std::result::Result<(), String> {
    let sum = catch_unwind(AssertUnwindSafe(|| {
        let a = Tensor::<2>::ones([8, 8], device);
        a.clone().matmul(a).sum().into_data().convert::<f32>().try_to_vec::<f32>().ok()?.first().copied()
    }))
    .map_err(|_| "a test product failed".to_owned())?;
    match sum {
        Some(sum) if (sum - 512.0).abs() < 1e-3 => Ok(()),
        found => Err(format!("a test product gave {found:?} instead of 512")),
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

/// Name of the processor if the system provides it, else its architecture.
fn cpu_name() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name =
        text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim()));
    name.map_or_else(|| format!("CPU ({})", std::env::consts::ARCH), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_listed_last_and_can_be_selected() {
        assert_eq!(list().last().unwrap().kind, AdapterKind::Cpu);
        let selected = select(Accelerator::Cpu).unwrap();
        assert_eq!(selected.info.backend, "flex");
        assert!(selected.info.reduced_capability && selected.notes.is_empty());
        assert_eq!(selected.device, Device::flex());
        check_product(&selected.device).unwrap();
    }

    #[test]
    fn auto_never_takes_a_software_rasterizer_and_reports_a_fallback_to_the_cpu() {
        let hardware = list().iter().any(|adapter| adapter.kind.is_hardware() && adapter.usable);
        let selected = select(Accelerator::Auto).unwrap();
        assert_ne!(selected.info.kind, AdapterKind::Software);
        if !hardware {
            assert_eq!(selected.info.kind, AdapterKind::Cpu);
            assert!(selected.notes.iter().any(|note| note.contains("Reduced capability")));
        }
    }

    #[test]
    fn the_environment_chooses_and_hides_gpus_by_number() {
        let candidate = |name: &str, kind| Candidate {
            info: AdapterInfo {
                name: name.into(),
                backend: String::new(),
                driver: String::new(),
                kind,
                limits: None,
                usable: true,
            },
            api: WgpuBackend::Vulkan,
            kind: DeviceKind::DefaultDevice,
        };
        let all = [("a", AdapterKind::Discrete), ("soft", AdapterKind::Software), ("b", AdapterKind::Discrete)];
        let names = |text: &str| {
            let visible = Visible::parse(text).of(all.map(|(name, kind)| candidate(name, kind)).to_vec());
            visible.into_iter().map(|one| one.info.name).collect::<Vec<_>>().join(" ")
        };
        for (text, expected) in [("0", "a soft"), ("1", "b soft"), ("1, 0", "b a soft"), ("", "soft"), ("-1", "soft")] {
            assert_eq!(names(text), expected, "{text:?}");
        }
        assert_eq!((names("1,x,0"), names("GPU-7a")), ("b soft".into(), "a soft b".into()));
    }

    #[test]
    fn a_missing_gpu_is_an_error_with_installation_instructions() {
        if list().iter().any(|adapter| adapter.kind.is_hardware()) {
            println!("skipped: this machine has a GPU");
            return;
        }
        let error = select(Accelerator::Gpu).unwrap_err();
        assert_eq!(error.exit_code(), 4);
        assert!(error.to_string().contains("libvulkan1"), "{error}");
    }

    #[test]
    fn a_software_rasterizer_can_be_selected_twice() {
        if list().iter().all(|adapter| adapter.kind == AdapterKind::Cpu) {
            assert!(std::env::var_os("PTYCHOSCOPE_REQUIRE_ADAPTER").is_none(), "there is no wgpu adapter");
            println!("skipped: there is no wgpu adapter");
            return;
        }
        for _ in 0..2 {
            let selected = select(Accelerator::Wgpu).unwrap();
            assert!(selected.info.backend.starts_with("wgpu"), "{:?}", selected.info);
        }
    }
}
