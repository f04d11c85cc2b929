//! A kernel whose text is our own, as CubeCL launches it.

use burn_cubecl::cubecl::prelude::{AddressType, CubeCount, ElemType, ExecutionMode, KernelDefinition, KernelId};
use burn_cubecl::cubecl::prelude::{KernelMetadata, KernelSettings, Scope};
use burn_cubecl::cubecl::server::KernelArguments;
use burn_cubecl::cubecl::{CubeKernel, PrecompiledSource};
use burn_cubecl::tensor::CubeTensor;
use std::fmt::Debug;
use std::hash::Hash;

/// What writes the text of a kernel. Equal values write the same text.
pub(super) trait Shader: Debug + Clone + PartialEq + Eq + Hash + Send + Sync + 'static {
    /// WGSL with an entry point `main`; all bindings are `read_write`, since tensors may share a buffer.
    fn text(&self) -> String;
    /// Threads of a work group.
    fn threads(&self) -> usize;
}

/// Bytes of shared memory that every device has.
pub(super) const SHARED: usize = 16_384;
/// Threads of a work group, at most and, if there is a choice, at least.
pub(super) const LARGEST_GROUP: usize = 256;
pub(super) const SMALLEST_GROUP: usize = 64;
/// Work groups, and threads of all of them, that keep a large device busy.
pub(super) const GROUPS: usize = 128;
pub(super) const THREADS: usize = 1 << 16;
/// Values that a thread has on the way to shared memory, at most.
pub(super) const LOADS: usize = 12;

/// The tensors of these names as bindings 0, 1, …
pub(super) fn bindings<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let binding = |(i, name)| format!("@group(0) @binding({i}) var<storage, read_write> {name}: array<f32>;\n");
    names.enumerate().map(binding).collect()
}

struct Own<S>(S);

impl<S: Shader> KernelMetadata for Own<S> {
    fn id(&self) -> KernelId {
        let dim = (self.0.threads() as u32, 1, 1).into();
        KernelId::new::<Self>().info(self.0.clone()).cube_dim(dim).mode(ExecutionMode::Unchecked)
    }

    fn address_type(&self) -> ElemType {
        burn_cubecl::cubecl::ir::UIntKind::U32.into()
    }
}

impl<S: Shader> CubeKernel for Own<S> {
    fn define(&self) -> KernelDefinition {
        let dim = (self.0.threads() as u32, 1, 1).into();
        let settings = KernelSettings::new(dim, ExecutionMode::Unchecked, AddressType::U32);
        KernelDefinition { body: Scope::root(settings.clone()), settings, info: Default::default() }
    }

    fn source(&self) -> Option<PrecompiledSource> {
        Some(PrecompiledSource { source: self.0.text(), entrypoint_name: "main".to_owned(), lang: "wgsl" })
    }
}

/// Launches `groups` work groups with the tensors as bindings 0, 1, …
pub(super) fn launch<S: Shader>(shader: S, [x, y, z]: [usize; 3], tensors: &[&CubeTensor]) {
    let Some(first) = tensors.first() else { return };
    let arguments = tensors
        .iter()
        .fold(KernelArguments::new(), |arguments, tensor| arguments.with_buffer(tensor.handle.clone().binding()));
    first.client.launch(Box::new(Own(shader)), CubeCount::Static(x as u32, y as u32, z as u32), arguments);
}
