//! Launch of hand-written WGSL kernels through CubeCL.

use burn_cubecl::cubecl::prelude::{AddressType, CubeCount, ElemType, ExecutionMode, KernelDefinition, KernelId};
use burn_cubecl::cubecl::prelude::{KernelMetadata, KernelSettings, Scope};
use burn_cubecl::cubecl::server::KernelArguments;
use burn_cubecl::cubecl::{CubeKernel, PrecompiledSource};
use burn_cubecl::tensor::CubeTensor;
use std::fmt::Debug;
use std::hash::Hash;

/// Generator of the source of a kernel. Equal values must give the same source.
pub(super) trait Shader: Debug + Clone + PartialEq + Eq + Hash + Send + Sync + 'static {
    /// WGSL source with entry point `main`; all bindings are `read_write`, since tensors may share a buffer.
    fn source(&self) -> String;
    /// Threads per work group.
    fn threads(&self) -> usize;
}

/// Shared memory of every device, in bytes.
pub(super) const SHARED: usize = 16_384;
/// Maximum number of threads per work group, and preferred minimum.
pub(super) const LARGEST_GROUP: usize = 256;
pub(super) const SMALLEST_GROUP: usize = 64;
/// Number of work groups, and of threads in total, that keep a large device busy.
pub(super) const GROUPS: usize = 128;
pub(super) const THREADS: usize = 1 << 16;
/// Maximum number of pending loads to shared memory per thread.
pub(super) const LOADS: usize = 12;

/// WGSL declarations of tensors with these names as bindings 0, 1, …
pub(super) fn bindings<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let binding = |(i, name)| format!("@group(0) @binding({i}) var<storage, read_write> {name}: array<f32>;\n");
    names.enumerate().map(binding).collect()
}

/// A shader as a CubeCL kernel.
struct WgslKernel<S>(S);

impl<S: Shader> KernelMetadata for WgslKernel<S> {
    fn id(&self) -> KernelId {
        let dim = (self.0.threads() as u32, 1, 1).into();
        KernelId::new::<Self>().info(self.0.clone()).cube_dim(dim).mode(ExecutionMode::Unchecked)
    }

    fn address_type(&self) -> ElemType {
        burn_cubecl::cubecl::ir::UIntKind::U32.into()
    }
}

impl<S: Shader> CubeKernel for WgslKernel<S> {
    fn define(&self) -> KernelDefinition {
        let dim = (self.0.threads() as u32, 1, 1).into();
        let settings = KernelSettings::new(dim, ExecutionMode::Unchecked, AddressType::U32);
        KernelDefinition { body: Scope::root(settings.clone()), settings, info: Default::default() }
    }

    fn source(&self) -> Option<PrecompiledSource> {
        Some(PrecompiledSource { source: self.0.source(), entrypoint_name: "main".to_owned(), lang: "wgsl" })
    }
}

/// Launches `groups` work groups with the tensors as bindings 0, 1, …
pub(super) fn launch<S: Shader>(shader: S, [x, y, z]: [usize; 3], tensors: &[&CubeTensor]) {
    let Some(first) = tensors.first() else { return };
    let arguments = tensors
        .iter()
        .fold(KernelArguments::new(), |arguments, tensor| arguments.with_buffer(tensor.handle.clone().binding()));
    first.client.launch(Box::new(WgslKernel(shader)), CubeCount::Static(x as u32, y as u32, z as u32), arguments);
}
