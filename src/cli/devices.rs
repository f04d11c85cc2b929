//! `devices`: the available devices.

use super::console::{print_json, print_line};
use crate::error::Result;
use crate::worker::device::{self, AdapterInfo};

/// Arguments of `devices`.
#[derive(Debug, clap::Args)]
pub(super) struct DevicesArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints the available devices; returns the exit code.
pub(super) fn devices(args: &DevicesArgs) -> Result<u8> {
    let adapters = device::list();
    if args.json {
        print_json(&adapters)?;
    } else {
        print_line(&table(&adapters));
    }
    Ok(0)
}

fn table(adapters: &[AdapterInfo]) -> String {
    let mut lines = Vec::new();
    for adapter in adapters {
        lines.push(format!("{} ({})", adapter.name, adapter.kind.label()));
        lines.push(format!("  backend   {}", adapter.backend));
        lines.push(format!("  driver    {}", adapter.driver));
        if let Some(limits) = &adapter.limits {
            lines.push(format!(
                "  limits    buffer {} MiB, storage binding {} MiB, {} invocations per work group, texture side {} px",
                limits.max_buffer_bytes >> 20,
                limits.max_storage_binding_bytes >> 20,
                limits.max_invocations_per_workgroup,
                limits.max_texture_side
            ));
        }
        if !adapter.usable {
            lines.push("  usable    no: it cannot run compute kernels".to_owned());
        } else if !adapter.kind.is_hardware() && adapter.limits.is_some() {
            lines.push("  usable    only with --accelerator wgpu: slower than the CPU backend".to_owned());
        }
    }
    let hardware = adapters.iter().any(|adapter| adapter.kind.is_hardware() && adapter.usable);
    lines.push(if hardware {
        "--accelerator auto uses the best GPU above.".to_owned()
    } else {
        "No usable GPU was found: --accelerator auto uses the CPU (reduced capability). For a GPU, install its driver \
         and the Vulkan loader (Debian: libvulkan1, mesa-vulkan-drivers; NVIDIA: its own driver)."
            .to_owned()
    });
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::device::{AdapterKind, AdapterLimits};

    #[test]
    fn the_list_of_devices_names_the_choice_of_auto() {
        let cpu = AdapterInfo {
            name: "Some CPU".into(),
            backend: "flex".into(),
            driver: "Burn Flex".into(),
            kind: AdapterKind::Cpu,
            limits: None,
            usable: true,
        };
        let software = AdapterInfo {
            name: "llvmpipe".into(),
            kind: AdapterKind::Software,
            limits: Some(AdapterLimits {
                max_buffer_bytes: 1 << 30,
                max_storage_binding_bytes: 128 << 20,
                max_invocations_per_workgroup: 256,
                max_texture_side: 8192,
            }),
            ..cpu.clone()
        };
        let text = table(&[software, cpu.clone()]);
        assert!(
            text.contains("uses the CPU") && text.contains("only with --accelerator wgpu") && text.contains("128 MiB")
        );
        let gpu = AdapterInfo { kind: AdapterKind::Discrete, ..cpu };
        assert!(table(&[gpu]).contains("best GPU"));
    }
}
