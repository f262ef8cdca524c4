//! The public key behind an ECDSA signature on secp256k1 (SEC 1, §4.1.6), quick in WebAssembly.
//!
//! For signatures and keys, which are public: how long it takes tells of them. Nothing here may touch a secret.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_lossless,
    clippy::indexing_slicing,
    clippy::inline_always,
    clippy::many_single_char_names,
    clippy::similar_names,
    reason = "arithmetic of limbs: what is cut off is masked before, and arrays have fixed sizes"
)]

mod curve;
mod field;
mod inverse;
mod multiply;
mod scalar;
mod words;

use curve::Affine;
use scalar::Scalar;

/// A signature whose r and s are between 1 and n-1, n being the order of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    r: Scalar,
    s: Scalar,
}

impl Signature {
    /// The signature with these bytes, r before s, the most significant first; nothing where one is out of range.
    pub fn from_bytes(r: &[u8; 32], s: &[u8; 32]) -> Option<Self> {
        let [r, s] = [r, s].map(|bytes| Scalar::below_n(bytes).filter(|number| !number.is_zero()));
        Some(Self { r: r?, s: s? })
    }

    /// r and s, the most significant byte first.
    pub fn to_bytes(&self) -> [u8; 64] {
        joined(self.r.0, self.s.0)
    }

    /// Whether s is at most n/2 (EIP-2).
    pub fn is_low_s(&self) -> bool {
        !self.s.is_high()
    }

    /// The key that signed the hash of a message: x and y, the most significant byte first. `y_is_odd` is of the point
    /// whose x is r; r + n, which a signature could also mean, is not tried. Nothing where no key could have signed so.
    pub fn recover(&self, hash: &[u8; 32], y_is_odd: bool) -> Option<[u8; 64]> {
        let point = Affine::with_x(self.r.0, y_is_odd)?;
        let inverse = self.r.inverse();
        let (minus_z, s) = (Scalar::reduced(hash).negated(), self.s);
        let key = multiply::sum_of_multiples(minus_z.times(inverse), s.times(inverse), &point)?;
        Some(joined(key.x.to_words(), key.y().to_words()))
    }
}

fn joined(first: [u32; 8], second: [u32; 8]) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (half, words) in bytes.chunks_exact_mut(32).zip([first, second]) {
        half.copy_from_slice(&words::to_bytes(words));
    }
    bytes
}
