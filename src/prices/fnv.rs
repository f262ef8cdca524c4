//! A quick hash for tables whose keys the owner wrote: nobody else can make them collide.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
};

/// FNV-1a, 64 bits.
#[derive(Debug, Clone)]
pub(super) struct Fnv(u64);

pub(super) type FnvMap<K, V> = HashMap<K, V, BuildHasherDefault<Fnv>>;
pub(super) type FnvSet<T> = HashSet<T, BuildHasherDefault<Fnv>>;

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        // The table takes its place from the lowest bits and its mark from the highest.
        self.0 ^ (self.0 >> 32)
    }
}
