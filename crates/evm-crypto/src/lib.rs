//! What Ethereum's signatures are made of: Keccak-256, and the public key behind an ECDSA signature on secp256k1.
//!
//! Apart from the rest because it takes nearly all the time of an edge check, and so is compiled for speed where the rest
//! is compiled for size. Why it is ours: `docs/decisions/0008-arithmetic.md`.
//!
//! For hashes, signatures and keys, which are public: how long something takes tells of them. No secret belongs here.

#![forbid(unsafe_code)]

mod keccak;
pub mod secp256k1;

pub use keccak::keccak256;
