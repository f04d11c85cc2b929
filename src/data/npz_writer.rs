//! Writing an `.npz` array by array, and a large one piece by piece, so that it need not lie in memory.

use super::npy;
use super::npz::NpyArray;
use crate::error::{Error, Result};
use crate::system::Temporary;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Fast compression: patterns with few photons shrink well, others hardly.
const LEVEL: i64 = 1;

/// An archive being written; nothing stands at its path until [`NpzWriter::finish`], and dropping it leaves nothing.
#[derive(Debug)]
pub struct NpzWriter {
    zip: ZipWriter<BufWriter<Temporary>>,
    path: PathBuf,
}

impl NpzWriter {
    /// Begins an archive that shall stand at `path`; its folder must exist.
    ///
    /// # Errors
    /// [`Error::Failed`] if the folder is missing or cannot be written into.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let file = Temporary::create(&path).map_err(|error| Error::writing(&path, &error))?;
        Ok(Self { zip: ZipWriter::new(BufWriter::with_capacity(1 << 16, file)), path })
    }

    /// Where the archive will stand.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn start(&mut self, key: &str) -> std::io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(LEVEL))
            .last_modified_time(zip::DateTime::default())
            .large_file(true);
        Ok(self.zip.start_file(format!("{key}.npy"), options)?)
    }

    /// Writes one array.
    ///
    /// # Errors
    /// [`Error::Failed`] if the file cannot be written.
    pub fn array(&mut self, key: &str, array: &NpyArray<'_>) -> Result<()> {
        let write = |writer: &mut Self| {
            writer.start(key)?;
            let mut buffered = BufWriter::with_capacity(1 << 16, &mut writer.zip);
            array.write(&mut buffered)?;
            buffered.flush()
        };
        write(self).map_err(|error| Error::writing(&self.path, &error))
    }

    /// Begins an f32 array of this shape, whose elements follow in C order by [`Self::elements_f32`]. It is up to the
    /// caller to hand over as many as the shape says.
    ///
    /// # Errors
    /// [`Error::Failed`] if the file cannot be written.
    pub fn start_f32(&mut self, key: &str, shape: &[usize]) -> Result<()> {
        let write = |writer: &mut Self| {
            writer.start(key)?;
            writer.zip.write_all(&npy::header_bytes("<f4", shape))
        };
        write(self).map_err(|error| Error::writing(&self.path, &error))
    }

    /// The next elements of the array begun last.
    ///
    /// # Errors
    /// [`Error::Failed`] if the file cannot be written.
    pub fn elements_f32(&mut self, elements: &[f32]) -> Result<()> {
        let mut bytes = Vec::with_capacity(1 << 16);
        for part in elements.chunks(1 << 14) {
            bytes.clear();
            part.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
            self.zip.write_all(&bytes).map_err(|error| Error::writing(&self.path, &error))?;
        }
        Ok(())
    }

    /// Completes the archive and puts it at its path, durably; an older file there is replaced.
    ///
    /// # Errors
    /// [`Error::Failed`]; an older file is then untouched.
    pub fn finish(self) -> Result<()> {
        let path = self.path;
        let finish = || -> std::io::Result<()> {
            self.zip.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?.commit()
        };
        finish().map_err(|error| Error::writing(&path, &error))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::npz::NpzArchive;
    use super::*;

    #[test]
    fn an_array_written_in_pieces_reads_back_whole_beside_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let values: Vec<f32> = (0..60_000).map(|v| v as f32 * 0.5).collect();
        let mut writer = NpzWriter::create(&path).unwrap();
        writer.start_f32("pieces", &[3, 20_000]).unwrap();
        for piece in values.chunks(17_001) {
            writer.elements_f32(piece).unwrap();
        }
        writer.array("text", &NpyArray::Text("after")).unwrap();
        assert!(!path.exists(), "nothing stands there before it is whole");
        writer.finish().unwrap();
        let mut archive = NpzArchive::open(&path).unwrap();
        let read = archive.read_f32("pieces").unwrap();
        assert_eq!(read.shape(), [3, 20_000]);
        assert!(read.iter().eq(&values));
        assert_eq!(archive.read_text("text").unwrap(), "after");
    }

    #[test]
    fn a_writer_that_is_dropped_leaves_nothing_and_a_bad_path_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = NpzWriter::create(folder.path().join("b.npz")).unwrap();
        writer.start_f32("x", &[1]).unwrap();
        drop(writer);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(NpzWriter::create(folder.path().join("no/c.npz")).unwrap_err().to_string().contains("c.npz"));
        assert!(NpzWriter::create(folder.path()).is_err());
    }
}
