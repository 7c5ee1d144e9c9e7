//! A row of slots in chunks of one size: it grows without being copied, so that no block of another size is left behind
//! for an allocator to keep. Shards that each double, or grow by an eighth, leave as much behind as they hold. Pure.

use std::ops::{Index, IndexMut};

/// Slots of a chunk. With it, rows of 10, 16, 20 and 48 bytes fill a size class of mimalloc exactly.
pub const CHUNK: usize = 64;

type Chunk<R> = Box<[Option<R>; CHUNK]>;

/// Slots, each with a row or free.
#[derive(Debug)]
pub struct Slots<R>(Vec<Chunk<R>>);

impl<R> Default for Slots<R> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<R> Slots<R> {
    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len() * CHUNK
    }

    /// Adds free ones until there are so many at least.
    pub fn grow_to(&mut self, len: usize) {
        while self.len() < len {
            self.0.push(Box::new([const { None }; CHUNK]));
        }
    }

    /// All rows, in the order of their slots.
    pub fn rows(&self) -> impl Iterator<Item = &R> {
        self.0.iter().flat_map(|chunk| chunk.iter().flatten())
    }

    /// Takes the rows out; each chunk is given back as soon as its rows are.
    pub fn into_rows(self) -> impl Iterator<Item = R> {
        self.0.into_iter().flat_map(|chunk| chunk.into_iter().flatten())
    }
}

impl<R> Index<usize> for Slots<R> {
    type Output = Option<R>;

    fn index(&self, at: usize) -> &Self::Output {
        &self.0[at / CHUNK][at % CHUNK]
    }
}

impl<R> IndexMut<usize> for Slots<R> {
    fn index_mut(&mut self, at: usize) -> &mut Self::Output {
        &mut self.0[at / CHUNK][at % CHUNK]
    }
}
