//! Numbers modulo n, the order of the curve: what points are multiplied by.

use super::{
    inverse::Modulus,
    words::{constant, difference, from_bytes},
};

/// A number below n, in words of 32 bits, the least significant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scalar(pub(super) [u32; 8]);

/// n = 2^256 - C.
pub(super) const N: [u32; 8] = constant("FFFFFFFF FFFFFFFF FFFFFFFF FFFFFFFE BAAEDCE6 AF48A03B BFD25E8C D0364141");
const C: [u32; 5] = [0x2fc9_bebf, 0x402d_a173, 0x50b7_5fc4, 0x4551_2319, 1];

impl Scalar {
    pub(super) const ZERO: Self = Self([0; 8]);

    /// The number that these bytes write, the most significant first, where it is below n.
    pub(super) fn below_n(bytes: &[u8; 32]) -> Option<Self> {
        let words = from_bytes(bytes);
        difference(words, N).is_none().then_some(Self(words))
    }

    /// The same, modulo n.
    pub(super) fn reduced(bytes: &[u8; 32]) -> Self {
        Self(below_n(from_bytes(bytes)))
    }

    pub(super) fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// Whether it is more than n/2.
    pub(super) fn is_high(self) -> bool {
        // n is odd: more than half of it is more than what is left.
        self.negated().is_below(self)
    }

    fn is_below(self, other: Self) -> bool {
        difference(self.0, other.0).is_none()
    }

    pub(super) fn negated(self) -> Self {
        if self.is_zero() { self } else { Self(difference(N, self.0).unwrap_or_default()) }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let mut sum = [0; 16];
        let mut carry = 0;
        for (index, word) in sum[..8].iter_mut().enumerate() {
            carry += u64::from(self.0[index]) + u64::from(other.0[index]);
            *word = carry as u32;
            carry >>= 32;
        }
        sum[8] = carry as u32;
        Self(modulo_n(sum))
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.plus(other.negated())
    }

    pub(super) fn times(self, other: Self) -> Self {
        Self(modulo_n(product(self.0, other.0)))
    }

    /// `round(self * other / 2^384)`.
    pub(super) fn times_shifted(self, other: Self) -> Self {
        let product = product(self.0, other.0);
        let round = Self([product[11] >> 31, 0, 0, 0, 0, 0, 0, 0]);
        Self([product[12], product[13], product[14], product[15], 0, 0, 0, 0]).plus(round)
    }

    /// The lower and the upper 128 bits.
    pub(super) fn halves(self) -> [Half; 2] {
        let [a, b, c, d, e, f, g, h] = self.0;
        [[a, b, c, d, 0, 0], [e, f, g, h, 0, 0]]
    }

    pub(super) const fn constant(hex: &str) -> Self {
        Self(constant(hex))
    }

    /// The inverse; of zero, zero.
    pub(super) fn inverse(self) -> Self {
        Self(MODULUS.inverse(self.0))
    }
}

/// 128 bits in words, the least significant first, and zeros to read on.
pub(super) type Half = [u32; 6];

const MODULUS: Modulus = Modulus::new(N);

fn product(a: [u32; 8], b: [u32; 8]) -> [u32; 16] {
    let mut product = [0; 16];
    for (index, a) in a.into_iter().enumerate() {
        add_multiple(&mut product[index..], &b, a);
    }
    product
}

/// `sum += number * factor`; the sum has the words for it.
#[inline]
fn add_multiple(sum: &mut [u32], number: &[u32], factor: u32) {
    let mut carry = 0;
    let (same, above) = sum.split_at_mut(number.len());
    for (word, number) in same.iter_mut().zip(number) {
        // At most (2^32 - 1)^2 + 2 (2^32 - 1) = 2^64 - 1.
        carry += u64::from(*word) + u64::from(*number) * u64::from(factor);
        *word = carry as u32;
        carry >>= 32;
    }
    for word in above {
        if carry == 0 {
            break;
        }
        carry += u64::from(*word);
        *word = carry as u32;
        carry >>= 32;
    }
}

/// What is above 2^256 is C times as much below. Four times: 512 bits become 385, 258, 257, 256.
fn modulo_n(mut number: [u32; 16]) -> [u32; 8] {
    for _ in 0..4 {
        let mut folded = [0; 16];
        folded[..8].copy_from_slice(&number[..8]);
        for (index, above) in number[8..].iter().enumerate().filter(|(_, above)| **above != 0) {
            add_multiple(&mut folded[index..], &C, *above);
        }
        number = folded;
    }
    let [a, b, c, d, e, f, g, h, ..] = number;
    below_n([a, b, c, d, e, f, g, h])
}

fn below_n(words: [u32; 8]) -> [u32; 8] {
    difference(words, N).unwrap_or(words)
}
