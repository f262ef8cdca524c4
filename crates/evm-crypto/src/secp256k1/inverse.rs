//! Inverses modulo an odd number: "Fast constant-time gcd computation and modular inversion" (Bernstein, Yang 2019), in
//! the form of libsecp256k1 that takes as long as the number needs.

/// 256 bits and a sign in nine limbs of 30 bits; all but the highest are between 0 and 2^30.
type Limbs = [i32; 9];

const BITS: u32 = 30;
const MASK: i64 = (1 << BITS) - 1;

/// A modulus, and what divisions by 2^30 need of it.
pub(super) struct Modulus {
    limbs: Limbs,
    /// Its inverse modulo 2^30.
    inverse: i32,
}

/// What thirty steps do to f and g, times 2^30.
struct Matrix {
    u: i32,
    v: i32,
    q: i32,
    r: i32,
}

impl Modulus {
    /// An odd number, above 2^255.
    pub(super) const fn new(words: [u32; 8]) -> Self {
        let limbs = limbs(words);
        // Each round of Newton's doubles the bits that are right; an odd number is its own inverse modulo 8.
        let odd = limbs[0];
        let mut inverse = odd;
        let mut round = 0;
        while round < 4 {
            inverse = inverse.wrapping_mul(2_i32.wrapping_sub(odd.wrapping_mul(inverse)));
            round += 1;
        }
        Self { limbs, inverse: inverse & MASK as i32 }
    }

    /// The inverse of a number below the modulus that has no divisor in common with it; of zero, zero.
    pub(super) fn inverse(&self, number: [u32; 8]) -> [u32; 8] {
        let (mut f, mut g) = (self.limbs, limbs(number));
        let (mut d, mut e) = ([0; 9], limbs([1, 0, 0, 0, 0, 0, 0, 0]));
        let mut eta = -1;
        while g != [0; 9] {
            let matrix = thirty_steps(&mut eta, f[0], g[0]);
            self.apply_modulo(&matrix, &mut d, &mut e);
            apply(&matrix, &mut f, &mut g);
        }
        // Now f is the greatest common divisor, 1 or -1.
        self.below(d, f[8] < 0)
    }

    /// `(d, e) = matrix * (d, e) / 2^30`, modulo the modulus; all between its negative, doubled, and itself.
    fn apply_modulo(&self, Matrix { u, v, q, r }: &Matrix, d: &mut Limbs, e: &mut Limbs) {
        let [u, v, q, r] = [u, v, q, r].map(|entry| i64::from(*entry));
        let [inverse, lowest] = [self.inverse, self.limbs[0]].map(i64::from);
        // What of the modulus makes the lowest limbs vanish, and the numbers not negative.
        let (negative_d, negative_e) = (i64::from(d[8] >> 31), i64::from(e[8] >> 31));
        let mut more_d = (u & negative_d) + (v & negative_e);
        let mut more_e = (q & negative_d) + (r & negative_e);
        let (d0, e0) = (i64::from(d[0]), i64::from(e[0]));
        let (mut carry_d, mut carry_e) = (u * d0 + v * e0, q * d0 + r * e0);
        more_d -= (inverse * (carry_d & MASK) + more_d) & MASK;
        more_e -= (inverse * (carry_e & MASK) + more_e) & MASK;
        carry_d = (carry_d + lowest * more_d) >> BITS;
        carry_e = (carry_e + lowest * more_e) >> BITS;
        for index in 1..9 {
            let [limb, at_d, at_e] = [self.limbs[index], d[index], e[index]].map(i64::from);
            carry_d += u * at_d + v * at_e + limb * more_d;
            carry_e += q * at_d + r * at_e + limb * more_e;
            (d[index - 1], e[index - 1]) = ((carry_d & MASK) as i32, (carry_e & MASK) as i32);
            (carry_d, carry_e) = (carry_d >> BITS, carry_e >> BITS);
        }
        (d[8], e[8]) = (carry_d as i32, carry_e as i32);
    }

    /// Between zero and the modulus; negated before, if so said.
    fn below(&self, mut number: Limbs, negate: bool) -> [u32; 8] {
        let add_if_negative = |number: &mut Limbs| {
            if number[8] < 0 {
                for (limb, more) in number.iter_mut().zip(self.limbs) {
                    *limb += more;
                }
                carry(number);
            }
        };
        add_if_negative(&mut number);
        if negate {
            number = number.map(|limb| -limb);
            carry(&mut number);
        }
        add_if_negative(&mut number);
        words(&number)
    }
}

/// Thirty steps on the lowest bits of f and g, as many at a time as zeros allow.
fn thirty_steps(eta: &mut i32, f: i32, g: i32) -> Matrix {
    let (mut u, mut v, mut q, mut r) = (1_u32, 0_u32, 0_u32, 1_u32);
    let (mut f, mut g) = (f as u32, g as u32);
    let mut left = BITS;
    loop {
        let zeros = (g | u32::MAX << left).trailing_zeros();
        g >>= zeros;
        u <<= zeros;
        v <<= zeros;
        *eta -= zeros as i32;
        left -= zeros;
        if left == 0 {
            break;
        }
        if *eta < 0 {
            *eta = -*eta;
            (f, g) = (g, f.wrapping_neg());
            (u, q) = (q, u.wrapping_neg());
            (v, r) = (r, v.wrapping_neg());
        }
        // So much of f is added that up to six bits of g vanish; not beyond where f and g are exchanged.
        let most = (*eta as u32 + 1).min(left);
        let mask = u32::MAX >> (32 - most) & 63;
        let times = f.wrapping_mul(g).wrapping_mul(f.wrapping_mul(f).wrapping_sub(2)) & mask;
        g = g.wrapping_add(f.wrapping_mul(times));
        q = q.wrapping_add(u.wrapping_mul(times));
        r = r.wrapping_add(v.wrapping_mul(times));
    }
    Matrix { u: u as i32, v: v as i32, q: q as i32, r: r as i32 }
}

/// `(f, g) = matrix * (f, g) / 2^30`, which leaves no remainder.
fn apply(Matrix { u, v, q, r }: &Matrix, f: &mut Limbs, g: &mut Limbs) {
    let [u, v, q, r] = [u, v, q, r].map(|entry| i64::from(*entry));
    let (mut carry_f, mut carry_g) = (0, 0);
    for index in 0..9 {
        let (at_f, at_g) = (i64::from(f[index]), i64::from(g[index]));
        carry_f += u * at_f + v * at_g;
        carry_g += q * at_f + r * at_g;
        if let Some(below) = index.checked_sub(1) {
            (f[below], g[below]) = ((carry_f & MASK) as i32, (carry_g & MASK) as i32);
        }
        (carry_f, carry_g) = (carry_f >> BITS, carry_g >> BITS);
    }
    (f[8], g[8]) = (carry_f as i32, carry_g as i32);
}

fn carry(number: &mut Limbs) {
    for index in 0..8 {
        number[index + 1] += number[index] >> BITS;
        number[index] &= MASK as i32;
    }
}

const fn limbs(words: [u32; 8]) -> Limbs {
    let mut limbs = [0; 9];
    let mut limb = 0;
    while limb < 9 {
        let (word, shift) = (limb * 30 / 32, limb * 30 % 32);
        let high = if word < 7 { words[word + 1] as u64 } else { 0 };
        limbs[limb] = (((high << 32 | words[word] as u64) >> shift) as i64 & MASK) as i32;
        limb += 1;
    }
    limbs
}

fn words(limbs: &Limbs) -> [u32; 8] {
    let mut words = [0; 8];
    for (index, word) in words.iter_mut().enumerate() {
        let (limb, shift) = (index * 32 / 30, index * 32 % 30);
        // Two limbs have 60 bits, and at most 28 of them are below this word.
        *word = ((i64::from(limbs[limb]) | i64::from(limbs[limb + 1]) << BITS) >> shift) as u32;
    }
    words
}

#[cfg(test)]
mod tests {
    use k256::elliptic_curve::PrimeField;
    use proptest::prelude::*;

    use super::*;
    use crate::secp256k1::{field::P_WORDS, scalar::N, words};

    /// The inverse modulo n by k256; of zero, zero.
    fn oracle(number: [u32; 8]) -> [u32; 8] {
        let scalar = k256::Scalar::from_repr(words::to_bytes(number).into()).into_option();
        let inverse = scalar.and_then(|scalar| scalar.invert().into_option()).unwrap_or_default();
        words::from_bytes(&inverse.to_repr().into())
    }

    proptest! {
        #[test]
        fn inverses_modulo_n_are_those_of_k256(bytes: [u8; 32], shift in 0_usize..8) {
            let mut number = words::from_bytes(&bytes);
            number[shift..].fill(0);
            prop_assert_eq!(Modulus::new(N).inverse(number), oracle(number));
        }

        #[test]
        fn an_inverse_modulo_p_has_the_number_as_its_inverse(bytes: [u8; 32]) {
            let number = words::from_bytes(&bytes);
            prop_assume!(words::difference(number, P_WORDS).is_none());
            let modulus = Modulus::new(P_WORDS);
            prop_assert_eq!(modulus.inverse(modulus.inverse(number)), number);
        }
    }

    #[test]
    fn small_numbers_and_the_modulus_less_small_numbers_have_inverses() {
        for small in 0..64 {
            let number = [small, 0, 0, 0, 0, 0, 0, 0];
            assert_eq!(Modulus::new(N).inverse(number), oracle(number), "{small}");
            if let Some(large) = words::difference(N, number).filter(|_| small > 0) {
                assert_eq!(Modulus::new(N).inverse(large), oracle(large), "n - {small}");
            }
        }
    }
}
