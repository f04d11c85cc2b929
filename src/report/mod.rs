//! Judging reconstructions: files in, a table, CSV and a self-contained HTML page out.
//!
//! [`judge`] reads the files and measures; [`Comparison`] is what came of it, as data. `page`, `chart` and `table` know
//! nothing of ptychography and write HTML with pictures and curves inside, for light and dark screens.

mod base64;
mod chart;
mod comparison;
mod judge;
mod number;
mod page;
mod pictures;
mod table;
mod write;

pub use chart::{Chart, Line, Scale};
pub use comparison::{Comparison, DatasetFacts, Judged, ReferenceFacts, SplitHalf};
pub use judge::{Request, is_reconstruction, judge, split_half};
pub use number::significant;
pub use page::{Figure, Page};
pub use pictures::phase_figures;
pub use table::{Best, Table};
pub use write::{csv, html, metrics_table};
