//! The display of a Linux desktop: whether there is one that can show the window, and which of two.

use crate::error::{Error, Problem};

/// The error, if there is no display that can show the window.
pub fn problem() -> Option<Error> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let named = ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"].iter().any(|name| linux::is_set(name));
    let (title, expected) = if !named {
        ("there is no display", "a desktop session, or a remote one with `ssh -X`")
    } else if !linux::has_wayland() && linux::lacks_randr() {
        ("the X server lacks the extension RANDR", "an X server with this extension")
    } else {
        return None;
    };
    Some(Error::Failed(
        Problem::new(format!("The window cannot open: {title}"))
            .expected(expected)
            .hint("Without a display, use `ptychoscope run DATASET`; see --help"),
    ))
}

/// Chooses X11 where a Wayland display is named that does not answer.
///
/// Hazard: a name left by another session (in `tmux` or over `ssh`) is preferred by the library, which then gives up. Remedy: the
/// socket is tried.
pub fn event_loop_builder() -> Option<eframe::EventLoopBuilderHook> {
    #[cfg(target_os = "linux")]
    if linux::is_set("DISPLAY") && !linux::has_wayland() {
        use winit::platform::x11::EventLoopBuilderExtX11;
        return Some(Box::new(|builder| {
            builder.with_x11();
        }));
    }
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::sync::OnceLock;
    use x11rb::connection::RequestConnection;
    use x11rb::rust_connection::RustConnection;

    /// True if a variable of the environment is set to something.
    pub fn is_set(name: &str) -> bool {
        std::env::var_os(name).is_some_and(|value| !value.is_empty())
    }

    /// True if a Wayland display is named that answers.
    pub fn has_wayland() -> bool {
        if is_set("WAYLAND_SOCKET") {
            return true;
        }
        let folder = std::env::var_os("XDG_RUNTIME_DIR").unwrap_or_default();
        let name = std::env::var_os("WAYLAND_DISPLAY").filter(|name| !name.is_empty());
        name.is_some_and(|name| UnixStream::connect(Path::new(&folder).join(name)).is_ok())
    }

    /// True if the X server answers without the extension that the library of the window takes for granted.
    ///
    /// Hazard: a server without other clients (Xvfb) starts anew when the last one leaves, and refuses the next for a moment.
    /// Remedy: the connection stays open.
    pub fn lacks_randr() -> bool {
        static CONNECTION: OnceLock<Option<RustConnection>> = OnceLock::new();
        let connection = CONNECTION.get_or_init(|| x11rb::connect(None).ok().map(|(connection, _)| connection));
        connection.as_ref().is_some_and(|connection| matches!(connection.extension_information("RANDR"), Ok(None)))
    }
}

#[cfg(not(target_os = "linux"))]
mod linux {
    pub fn is_set(_name: &str) -> bool {
        true
    }
    pub fn has_wayland() -> bool {
        false
    }
    pub fn lacks_randr() -> bool {
        false
    }
}
