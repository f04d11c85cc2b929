//! The thread `ptycho-library`, which answers requests in order.

use super::dataset::{self, Patterns};
use super::preview::{BackgroundTask, PreviewToken, preview, run_background};
use super::reply::Reply;
use super::request::Request;
use super::{example, export, presets, result, runs};
use crate::checkpoint::{Bundle, write_atomic};
use crate::config::{Config, DataConfig};
use crate::data::{self, Dataset};
use crate::direct;
use crate::error::{Error, Problem, Result};
use crate::simulate;
use crate::system;
use crate::worker::guard::guarded;
use crate::worker::message::Failure;
use crate::worker::{Wake, device};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// The thread and its two channels. Dropping it ends the thread after the running request.
pub struct Library {
    requests: Sender<(Request, u64)>,
    /// Number of requests in the queue.
    queued: Arc<AtomicUsize>,
    /// Number of the current preview; others are cancelled.
    current_preview: Arc<AtomicU64>,
    replies: Receiver<Reply>,
    thread: Option<JoinHandle<()>>,
}

impl Library {
    /// Starts the thread `ptycho-library`; `wake` is called after each reply.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub fn spawn(wake: Wake) -> Result<Self> {
        let (request_in, request_out) = channel::<(Request, u64)>();
        let (reply_in, replies) = channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let queue = Arc::clone(&queued);
        let current_preview = Arc::new(AtomicU64::new(0));
        let current = Arc::clone(&current_preview);
        let work = move || {
            system::lower_thread_priority();
            let mut background: Option<BackgroundTask> = None;
            let mut answer = |reply: Reply| {
                let _gone = reply_in.send(reply);
                wake();
            };
            loop {
                if let Some(task) = background.take_if(|_| queue.load(Ordering::Acquire) == 0) {
                    background = run_background(task, &queue, &mut answer);
                    continue;
                }
                let Ok((request, number)) = request_out.recv() else { return };
                queue.fetch_sub(1, Ordering::AcqRel);
                if request == Request::Shutdown {
                    return;
                }
                let path = request.path().to_path_buf();
                let token = PreviewToken { number, current: Arc::clone(&current) };
                if let Err(error) = guarded(|| handle(&request, token, &mut background, &mut answer)) {
                    answer(Reply::Failed { path, failure: error.into() });
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("ptycho-library".to_owned())
            .spawn(work)
            .map_err(|error| Error::failed(format!("Cannot start the library thread ({error})")))?;
        Ok(Self { requests: request_in, queued, current_preview, replies, thread: Some(thread) })
    }

    /// Adds a request to the queue; a dataset, a preview or the end of the thread cancels the current preview.
    pub fn request(&self, request: Request) {
        if matches!(request, Request::Dataset { .. } | Request::Preview { .. } | Request::Shutdown) {
            self.cancel_preview();
        }
        self.queued.fetch_add(1, Ordering::AcqRel);
        let _gone = self.requests.send((request, self.current_preview.load(Ordering::Acquire)));
    }

    /// Cancels the preview that is being computed and those in the queue.
    pub fn cancel_preview(&self) {
        self.current_preview.fetch_add(1, Ordering::AcqRel);
    }

    /// The replies, in order.
    pub fn replies(&self) -> &Receiver<Reply> {
        &self.replies
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        self.request(Request::Shutdown);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn show_raw(path: &Path, config: &DataConfig, answer: &mut dyn FnMut(Reply)) -> Result<()> {
    answer(Reply::Raw { path: path.to_path_buf(), raw: Arc::new(data::raw_preview(path, config)?) });
    Ok(())
}

#[allow(clippy::too_many_lines, reason = "one short arm for each request")]
fn handle(
    request: &Request,
    token: PreviewToken,
    background: &mut Option<BackgroundTask>,
    answer: &mut dyn FnMut(Reply),
) -> Result<()> {
    match request {
        Request::Dataset { path, config, seed, preview: with_preview } => {
            *background = None;
            answer(Reply::Headers { path: path.clone(), arrays: data::list(path)? });
            answer(Reply::Inspected(Arc::new(data::inspect_with(path, config)?)));
            let dataset = match Dataset::load(path, config, *seed) {
                Ok(dataset) => dataset,
                Err(error) => {
                    // The reason why the dataset cannot be used matters more than one why it cannot be shown.
                    let _shown = show_raw(path, config, answer);
                    return Err(error);
                }
            };
            let left_out = dataset::left_out(&dataset, config);
            let patterns = Arc::new(Patterns { left_out, ..Patterns::new(dataset) });
            answer(Reply::Opened(Arc::clone(&patterns)));
            if *with_preview {
                *background = preview(patterns, config.orientation, token, answer)?;
            }
        }
        Request::Raw { path, config } => show_raw(path, config, answer)?,
        Request::Preview { patterns, orientation } => {
            *background = None;
            *background = preview(Arc::clone(patterns), *orientation, token, answer)?;
        }
        Request::Orientations { path, config, seed } => {
            let dataset = Dataset::load(path, config, *seed)?;
            let found = direct::score_orientations(&dataset, config.orientation, &mut |_| true)?;
            answer(Reply::Orientations { path: path.clone(), found: found.map(Arc::new) });
        }
        Request::Devices => answer(Reply::Devices(device::list())),
        Request::Object { folder } => {
            let object = guarded(|| result::read_object(folder));
            answer(Reply::Object {
                folder: folder.clone(),
                object: object.map(Arc::new).map_err(|error| Failure::from(error.at(folder))),
            });
        }
        Request::Bundle { path } => {
            let path = if path.is_dir() { path.join("model.ptycho") } else { path.clone() };
            let bundle = Bundle::load(&path)?;
            answer(Reply::Bundle { path, manifest: Box::new(bundle.manifest), config: Box::new(bundle.config) });
        }
        Request::Example => answer(Reply::Example(example::unpack()?)),
        Request::SimulationPreview { config, sources } => {
            let preview = guarded(|| simulate::preview(config, sources));
            answer(Reply::SimulationPreview(preview.map(Arc::new).map_err(Failure::from)));
        }
        Request::Write { path, bytes } => {
            write_atomic(path, bytes)?;
            answer(Reply::Written { path: path.clone() });
        }
        Request::Trash { folder } => {
            let trashed = trash::delete(folder);
            // Also after a failure: the window has already removed the folder from its list.
            answer(Reply::RunsChanged);
            trashed.map_err(|error| {
                Error::Failed(
                    Problem::new(format!("Cannot move the folder to the trash ({error})"))
                        .hint("Delete it manually")
                        .at(folder),
                )
            })?;
        }
        Request::Config { path } => {
            let imported = Config::import_known(path)?;
            imported.config.validate().map_err(|error| error.at(path))?;
            let mut notes = vec![imported.description(path)];
            notes.extend(imported.notes);
            let paths = imported.paths;
            let named = paths.train.iter().chain(&paths.test).chain(&paths.output).chain(&paths.model);
            let named: Vec<String> = named.map(|path| path.display().to_string()).collect();
            if !named.is_empty() {
                notes.push(format!("Files and folders that it names are not opened: {}.", named.join(", ")));
            }
            let (config, unknown) = (Box::new(imported.config), imported.unknown);
            answer(Reply::Config { path: path.clone(), config, notes, unknown });
        }
        Request::Result { folder, beside } => {
            answer(if !beside && data::is_training_folder(folder) {
                Reply::IsDataset { path: folder.clone() }
            } else {
                Reply::Result { result: Arc::new(result::read(folder)?), beside: *beside }
            });
        }
        Request::Export { folder, path, format } => {
            for path in export::export(folder, path, *format)? {
                answer(Reply::Written { path });
            }
        }
        Request::Runs { parent } => answer(Reply::Runs(runs::list(parent))),
        Request::Presets { folder } => answer(Reply::Presets(presets::list(folder))),
        Request::SavePreset { folder, name, config } => {
            let saved = presets::save(folder, name, config);
            answer(Reply::Presets(presets::list(folder)));
            saved?;
        }
        Request::DeletePreset { folder, name } => {
            let deleted = presets::delete(folder, name);
            answer(Reply::Presets(presets::list(folder)));
            deleted?;
        }
        Request::Shutdown => {}
    }
    Ok(())
}
