//! Evaluation of reconstructions: files in, a table, CSV and a self-contained HTML page out.
//!
//! [`compare()`] reads the files and computes the metrics; [`Comparison`] holds the result as data. `page`, `chart` and
//! `table` are independent of ptychography and write HTML with embedded images and curves, for light and dark screens.

mod base64;
mod chart;
mod compare;
mod comparison;
mod images;
mod number;
mod page;
mod table;
mod write;

pub use chart::{Chart, Line, Scale};
pub use compare::{ComparisonRequest, compare, is_reconstruction, split_half};
pub use comparison::{Comparison, DatasetFacts, ReconstructionMetrics, ReferenceFacts, SplitHalf};
pub use images::phase_figures;
pub use number::significant;
pub use page::{Figure, Page};
pub use table::{Best, Table};
pub use write::{csv, html, metrics_table};
