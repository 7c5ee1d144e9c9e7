//! One file of the spool: a head with its number and its time, then records.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::record::{End, Message, read};

const MAGIC: &[u8; 8] = b"VCSPOOL1";
/// Magic, number u64, created at in milliseconds since 1970 i64, CRC-32 of all that.
pub const HEAD_BYTES: usize = 28;
const ENDING: &str = "spool";
const DAMAGED_ENDING: &str = "damaged";

/// A segment that is written to.
#[derive(Debug)]
pub struct Active {
    file: File,
    /// What it is.
    pub sealed: Sealed,
}

/// A segment that is written no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Where it is.
    pub path: PathBuf,
    /// Its number; a higher one is younger.
    pub number: u64,
    /// When it was begun, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// Its bytes, all of them fsynced.
    pub bytes: u64,
    /// Its records.
    pub records: u64,
}

impl Active {
    /// Begins a segment; it is found again after a crash.
    pub fn create(directory: &Path, number: u64, created_at_ms: i64) -> io::Result<Self> {
        let path = directory.join(format!("{number:020}.{ENDING}"));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(&encode_head(number, created_at_ms))?;
        file.sync_all()?;
        File::open(directory)?.sync_all()?;
        let sealed = Sealed { path, number, created_at_ms, bytes: HEAD_BYTES as u64, records: 0 };
        Ok(Self { file, sealed })
    }

    /// Adds records and waits until the disk has them.
    ///
    /// # Errors
    /// Whatever the file system reports. Then the segment must not be written any more: which bytes of it are on disk
    /// is unknown, and after a failed fsync the system may forget that they are not.
    pub fn append(&mut self, records: &[u8], count: u64) -> io::Result<()> {
        self.file.write_all(records)?;
        self.file.sync_data()?;
        self.sealed.bytes += records.len() as u64;
        self.sealed.records += count;
        Ok(())
    }
}

/// What is in a segment's file.
#[derive(Debug)]
pub struct Contents<'a> {
    /// When it was begun; 0 when its head cannot be read.
    pub created_at_ms: i64,
    /// Its records, up to the first that is none.
    pub messages: Vec<Message<'a>>,
    /// How they end.
    pub end: End,
}

/// Reads a segment's bytes. Pure.
pub fn contents(segment: &[u8], number: u64) -> Contents<'_> {
    let nothing = |end| Contents { created_at_ms: 0, messages: Vec::new(), end };
    let Some(head) = segment.get(..HEAD_BYTES) else { return nothing(End::Torn { at: 0 }) };
    let mut time = [0; 8];
    time.copy_from_slice(&head[16..24]);
    let created_at_ms = i64::from_le_bytes(time);
    if head != encode_head(number, created_at_ms) {
        let unwritten = segment.iter().all(|byte| *byte == 0);
        return nothing(if unwritten { End::Torn { at: 0 } } else { End::Damaged { at: 0 } });
    }
    let (messages, end) = read(segment, HEAD_BYTES);
    Contents { created_at_ms, messages, end }
}

/// The number of the segment that a file name stands for.
pub fn number_of(path: &Path) -> Option<u64> {
    (path.extension()? == ENDING).then(|| path.file_stem()?.to_str()?.parse().ok())?
}

/// Whether a file is a segment that was set aside.
pub fn is_set_aside(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == DAMAGED_ENDING)
}

/// Sets a damaged segment aside, whole, for someone to look at.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = path.with_extension(DAMAGED_ENDING);
    std::fs::rename(path, &aside)?;
    Ok(aside)
}

fn encode_head(number: u64, created_at_ms: i64) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(MAGIC);
    head[8..16].copy_from_slice(&number.to_le_bytes());
    head[16..24].copy_from_slice(&created_at_ms.to_le_bytes());
    let checksum = crc32fast::hash(&head[..24]);
    head[24..].copy_from_slice(&checksum.to_le_bytes());
    head
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::spool::record::Messages;

    #[test]
    fn a_segment_is_private_and_says_what_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut messages = Messages::default();
        messages.push(b"k", &"v").expect("serialises");
        let records = messages.into_records(|_| true);
        let mut active = Active::create(directory.path(), 7, 1234).expect("created");
        active.append(&records.bytes, 1).expect("written");
        let path = &active.sealed.path;
        assert_eq!(std::fs::metadata(path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(number_of(path), Some(7));
        let bytes = std::fs::read(path).expect("read");
        assert_eq!(bytes.len() as u64, active.sealed.bytes);
        let read = contents(&bytes, 7);
        assert_eq!((read.created_at_ms, read.messages.len(), read.end), (1234, 1, End::Whole));
        assert_eq!(contents(&bytes, 8).end, End::Damaged { at: 0 }, "a file under another's name");
        assert_eq!(contents(&bytes[..20], 7).end, End::Torn { at: 0 });
        assert_eq!(contents(&[0; 40], 7).end, End::Torn { at: 0 });
        let aside = set_aside(path).expect("renamed");
        assert_eq!((number_of(&aside), is_set_aside(&aside)), (None, true));
    }

    #[test]
    fn each_flipped_byte_of_the_head_is_found() {
        let head = encode_head(7, 1234);
        for at in 0..HEAD_BYTES {
            let mut flipped = head;
            flipped[at] ^= 0x10;
            assert_eq!(contents(&flipped, 7).end, End::Damaged { at: 0 }, "byte {at}");
        }
    }
}
