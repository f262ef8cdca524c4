//! Keccak-256, as Ethereum uses it (not NIST SHA3-256: the padding differs).

/// 32 bytes that came out of [`keccak256`] or stand where such a hash would.
pub type Hash32 = [u8; 32];

/// The Keccak-256 hash of `bytes`.
pub const fn keccak256(bytes: &[u8]) -> Hash32 {
    evm_crypto::keccak256(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_string_has_ethereums_hash_and_not_nists() {
        assert_eq!(hex::encode(keccak256(b"")), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    }
}
