//! The bytes of a snapshot: magic, length of the head u32, the head as JSON, the rows of each table by shard with their
//! number before each, and a CRC-32 of all that. Numbers are little-endian.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::tables::{
    Fed, Mark, Tables,
    ordered::{Ordered, Row},
    sharded::{SHARDS, Sharded},
};

/// Names the format, the hash that orders the rows and the number of shards; a change of any of them is another one.
const MAGIC: &[u8; 8] = b"VCTABLE4";
const CRC_BYTES: u64 = 4;

/// What a snapshot says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Where it belongs.
    pub origin: Origin,
    /// When it was begun, in milliseconds since 1970.
    pub written_at_ms: i64,
    /// What the feeds had sent.
    pub fed: Fed,
    /// How far the topics were read at least.
    pub marks: Vec<Mark>,
}

/// Where tables come from and how they are to be understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Kafka's cluster id, as far as it has one.
    pub cluster: Option<String>,
    /// The topics that were read.
    pub topics: Vec<String>,
    /// The city.
    pub city: String,
    /// Its categories: venues are held with the place of theirs in this list.
    pub categories: Vec<String>,
}

/// A row as it stands in a snapshot.
pub trait Stored: Row + Sized {
    /// Adds it to a snapshot.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads it from a snapshot.
    ///
    /// # Errors
    /// When the snapshot ends, or holds no such row there.
    fn read(from: &mut impl Read) -> io::Result<Self>;
}

/// Writes a snapshot. The tables may be changed meanwhile; each shard is locked for writers while it is copied.
pub fn write(out: impl Write, head: &Head, tables: &Tables) -> io::Result<()> {
    let mut out = Summed { inner: out, sum: crc32fast::Hasher::new() };
    let text = serde_json::to_vec(head)?;
    out.write_all(MAGIC)?;
    out.write_all(&count(text.len())?)?;
    out.write_all(&text)?;
    write_table(&mut out, &tables.health)?;
    write_table(&mut out, &tables.venues)?;
    write_table(&mut out, &tables.registrations)?;
    write_table(&mut out, &tables.guardians)?;
    let sum = out.sum.finalize();
    out.inner.write_all(&sum.to_le_bytes())?;
    out.inner.flush()
}

/// Whether the bytes are those that were written: reads them all. To be asked before anything in them is believed.
pub fn check(mut from: impl Read, length: u64) -> io::Result<()> {
    let mut sum = crc32fast::Hasher::new();
    let mut rest = length.checked_sub(CRC_BYTES).ok_or_else(|| io::Error::other("it is cut short"))?;
    let mut buffer = vec![0; 1 << 16];
    while rest > 0 {
        let want = buffer.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
        let got = from.read(&mut buffer[..want])?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        sum.update(&buffer[..got]);
        rest -= got as u64;
    }
    if four(&mut from)? == sum.finalize() { Ok(()) } else { Err(io::Error::other("its checksum is wrong")) }
}

/// Reads the head.
pub fn read_head(mut from: impl Read) -> io::Result<Head> {
    let mut magic = [0; MAGIC.len()];
    from.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(io::Error::other("it is of another format"));
    }
    let mut text = vec![0; four(&mut from)? as usize];
    from.read_exact(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Reads what comes after the head into the tables.
pub fn read_rows(mut from: impl Read, tables: &Tables) -> io::Result<()> {
    read_table(&mut from, &tables.health)?;
    read_table(&mut from, &tables.venues)?;
    read_table(&mut from, &tables.registrations)?;
    read_table(&mut from, &tables.guardians)
}

fn write_table<R: Stored>(out: &mut impl Write, table: &Sharded<R>) -> io::Result<()> {
    let mut bytes = Vec::new();
    for shard in table.shards() {
        bytes.clear();
        bytes.extend_from_slice(&count(shard.len())?);
        shard.iter().for_each(|row| row.write(&mut bytes));
        drop(shard);
        out.write_all(&bytes)?;
    }
    Ok(())
}

fn read_table<R: Stored>(from: &mut impl Read, table: &Sharded<R>) -> io::Result<()> {
    for number in 0..SHARDS {
        let count = four(from)?;
        // Row by row: what is gathered first would be memory that is kept after.
        let shard = Ordered::try_from_sorted(count as usize, (0..count).map(|_| R::read(from)));
        let disorder = || io::Error::other("its rows are not in order");
        table.replace(number, shard.map_err(|error| error.unwrap_or_else(disorder))?);
    }
    Ok(())
}

fn count(length: usize) -> io::Result<[u8; 4]> {
    u32::try_from(length).map(u32::to_le_bytes).map_err(io::Error::other)
}

fn four(from: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

struct Summed<W> {
    inner: W,
    sum: crc32fast::Hasher,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The head of a snapshot that is begun now.
pub fn head(origin: Origin, tables: &Tables, now_ms: i64) -> Head {
    // Before the rows: what is applied meanwhile is then read once more, which changes nothing.
    let marks = tables.seen.marks();
    Head { origin, written_at_ms: now_ms, fed: tables.fed(), marks }
}
