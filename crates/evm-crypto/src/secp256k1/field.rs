//! Numbers modulo p = 2^256 - 2^32 - 977, the coordinates of the curve.
//!
//! Nine limbs of 29 bits, signed: WebAssembly multiplies 64 by 64 bits and keeps 64, so that products of limbs are added
//! up without looking at carries. Limbs may be larger than their 29 bits for a while: a *magnitude* says how much.

use std::ops::{Add, Neg, Sub};

use super::words::constant;

/// A number modulo p, written in one of many ways: `sum(limb[i] * 2^(29 i))`.
///
/// Of magnitude m is what has limbs between `-m * 2^29` and `m * 2^29`, give or take a 64th of 2^29. Sums and differences
/// add up magnitudes. What comes out of a product, of [`Self::sum`] or [`Self::from_words`] has magnitude 1 and nothing
/// negative but for that 64th, so that the difference of two such has magnitude 1 again. A product takes factors whose
/// magnitudes have a product of 2 at most, and a difference of two products 3 in all: then no sum of 64 bits overflows,
/// and debug builds would find one that does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field([i32; 9]);

const BITS: u32 = 29;
const MASK: i64 = (1 << BITS) - 1;

/// 2^261 = 2^5 (2^32 + 977) modulo p, in limbs: 31264 and 256.
const FOLD: [i64; 2] = [977 << 5, 1 << 8];

impl Field {
    pub(super) const ONE: Self = Self::small(1);

    pub(super) const fn small(value: i32) -> Self {
        Self([value, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    pub(super) const fn constant(hex: &str) -> Self {
        Self::from_words(constant(hex))
    }

    /// The number with these words of 32 bits, the least significant first.
    pub(super) const fn from_words(words: [u32; 8]) -> Self {
        let mut limbs = [0; 9];
        let mut limb = 0;
        while limb < 9 {
            let (word, shift) = (limb * 29 / 32, limb * 29 % 32);
            let high = if word < 7 { words[word + 1] as u64 } else { 0 };
            limbs[limb] = (((high << 32 | words[word] as u64) >> shift) as i64 & MASK) as i32;
            limb += 1;
        }
        Self(limbs)
    }

    /// The same number below p, in words of 32 bits, the least significant first.
    pub(super) fn to_words(self) -> [u32; 8] {
        let mut limbs = self.0.map(i64::from);
        // Two rounds bring it between -p and 2p: each takes what is above 2^256 down by 223 bits.
        for _ in 0..2 {
            carry(&mut limbs);
            let above = limbs[8] >> 24;
            limbs[8] &= (1 << 24) - 1;
            limbs[0] += above * 977;
            limbs[1] += above << 3;
        }
        carry(&mut limbs);
        // Now 2^24 in the highest limb stands for 2^256, and it is negative below zero.
        while limbs[8] < 0 {
            add(&mut limbs, P);
        }
        loop {
            let mut less = limbs;
            add(&mut less, P.map(Neg::neg));
            if less[8] < 0 {
                break;
            }
            limbs = less;
        }
        let mut words = [0; 8];
        for (index, word) in words.iter_mut().enumerate() {
            let (limb, shift) = (index * 32 / 29, index * 32 % 29);
            let mut bits = limbs[limb] >> shift | limbs[limb + 1] << (29 - shift);
            if limb < 7 {
                bits |= limbs[limb + 2] << (58 - shift);
            }
            *word = bits as u32;
        }
        words
    }

    /// The product.
    #[inline(never)]
    pub(super) fn times(&self, other: &Self) -> Self {
        Self::folded(self.columns(other))
    }

    /// The square.
    #[inline(never)]
    pub(super) fn squared(&self) -> Self {
        Self::folded(self.square_columns())
    }

    /// `self * other - square²`.
    #[inline(never)]
    pub(super) fn times_minus_square(&self, other: &Self, square: &Self) -> Self {
        Self::folded(minus(self.columns(other), square.square_columns()))
    }

    /// `self * other - a * b`.
    #[inline(never)]
    pub(super) fn times_minus_product(&self, other: &Self, a: &Self, b: &Self) -> Self {
        Self::folded(minus(self.columns(other), a.columns(b)))
    }

    /// The sums of the limbs' products: of one place each, 2^(29 k), and not carried. By thirds (Karatsuba): 54
    /// multiplications in place of 81.
    #[inline(always)]
    fn columns(&self, other: &Self) -> [i64; 17] {
        let [a, b, c] = self.thirds();
        let [d, e, f] = other.thirds();
        joined(
            product(a, d),
            product(b, e),
            product(c, f),
            product(plus(a, b), plus(d, e)),
            product(plus(a, c), plus(d, f)),
            product(plus(b, c), plus(e, f)),
        )
    }

    #[inline(always)]
    fn square_columns(&self) -> [i64; 17] {
        let [a, b, c] = self.thirds();
        joined(square(a), square(b), square(c), square(plus(a, b)), square(plus(a, c)), square(plus(b, c)))
    }

    #[inline(always)]
    fn thirds(&self) -> [[i64; 3]; 3] {
        let [a, b, c, d, e, f, g, h, i] = self.0.map(i64::from);
        [[a, b, c], [d, e, f], [g, h, i]]
    }

    /// Takes the columns of a product together: what stands for 2^261 and more comes back at the low end.
    #[inline(always)]
    fn folded(columns: [i64; 17]) -> Self {
        // What is above 2^261, each place with the carry of the one below only: 36 bits.
        let mut high = [0; 9];
        for (index, limb) in high.iter_mut().enumerate() {
            let own = columns.get(9 + index).map_or(0, |column| column & MASK);
            *limb = own + if index == 0 { 0 } else { columns[8 + index] >> BITS };
        }
        let mut low = [0; 9];
        let (mut carry, mut before) = (0, 0);
        for ((column, limb), high) in columns[..9].iter().zip(&mut low).zip(high) {
            carry += column + high * FOLD[0] + before * FOLD[1];
            before = high;
            *limb = carry & MASK;
            carry >>= BITS;
        }
        // At most 2^44; the fold of it reaches the third limb, which grows by 2^23 at most.
        carry += before * FOLD[1];
        low[0] += carry * FOLD[0];
        low[1] += carry * FOLD[1] + (low[0] >> BITS);
        low[0] &= MASK;
        low[2] += low[1] >> BITS;
        low[1] &= MASK;
        Self(low.map(|limb| limb as i32))
    }

    /// `j a + k b + l c` for small factors.
    #[inline(always)]
    pub(super) fn sum([j, k, l]: [i64; 3], a: &Self, b: &Self, c: &Self) -> Self {
        let mut limbs = [0; 9];
        let mut carry = 0;
        for (index, limb) in limbs.iter_mut().enumerate() {
            carry += j * i64::from(a.0[index]) + k * i64::from(b.0[index]) + l * i64::from(c.0[index]);
            *limb = (carry & MASK) as i32;
            carry >>= BITS;
        }
        limbs[0] += (carry * FOLD[0]) as i32;
        limbs[1] += (carry * FOLD[1]) as i32;
        Self(limbs)
    }

    /// Whether it is zero modulo p; of magnitude 4 at most.
    pub(super) fn is_zero(self) -> bool {
        // A multiple k p with |k| ≤ 128 has -977 k in its lowest 29 bits. Most numbers have not.
        const MOST: i64 = 128 * 977;
        (i64::from(self.0[0]) + MOST) & MASK <= 2 * MOST && self.to_words() == [0; 8]
    }

    /// The square root of a number that has one, by `self^((p+1)/4)`; any other number gives nonsense.
    pub(super) fn root(&self) -> Self {
        let x2 = self.squared().times(self);
        let x3 = x2.squared().times(self);
        let x6 = x3.squared_times(3).times(&x3);
        let x9 = x6.squared_times(3).times(&x3);
        let x11 = x9.squared_times(2).times(&x2);
        let x22 = x11.squared_times(11).times(&x11);
        let x44 = x22.squared_times(22).times(&x22);
        let x88 = x44.squared_times(44).times(&x44);
        let x176 = x88.squared_times(88).times(&x88);
        let x220 = x176.squared_times(44).times(&x44);
        let x223 = x220.squared_times(3).times(&x3);
        x223.squared_times(23).times(&x22).squared_times(6).times(&x2).squared_times(2)
    }

    #[inline(never)]
    fn squared_times(&self, times: usize) -> Self {
        let mut result = *self;
        // Inlined here: most of the time of a root, and in one place.
        for _ in 0..times {
            result = Self::folded(result.square_columns());
        }
        result
    }
}

/// p.
pub(super) const P_WORDS: [u32; 8] =
    constant("FFFFFFFF FFFFFFFF FFFFFFFF FFFFFFFF FFFFFFFF FFFFFFFF FFFFFFFE FFFFFC2F");

/// p in limbs, the highest with 24 bits.
const P: [i64; 9] = [MASK - 976, MASK - 8, MASK, MASK, MASK, MASK, MASK, MASK, (1 << 24) - 1];

#[inline(always)]
fn plus([a, b, c]: [i64; 3], [d, e, f]: [i64; 3]) -> [i64; 3] {
    [a + d, b + e, c + f]
}

#[inline(always)]
fn product([a, b, c]: [i64; 3], [d, e, f]: [i64; 3]) -> [i64; 5] {
    [a * d, a * e + b * d, a * f + b * e + c * d, b * f + c * e, c * f]
}

#[inline(always)]
fn square([a, b, c]: [i64; 3]) -> [i64; 5] {
    [a * a, 2 * a * b, 2 * a * c + b * b, 2 * b * c, c * c]
}

/// The columns of `(a + b t + c t²)(d + e t + f t²)`, t being three limbs, by ad, be, cf, (a+b)(d+e), (a+c)(d+f) and
/// (b+c)(e+f).
#[inline(always)]
fn joined(ad: [i64; 5], be: [i64; 5], cf: [i64; 5], ab: [i64; 5], ac: [i64; 5], bc: [i64; 5]) -> [i64; 17] {
    let first = |index: usize| ab[index] - ad[index] - be[index];
    let second = |index: usize| ac[index] - ad[index] - cf[index] + be[index];
    let third = |index: usize| bc[index] - be[index] - cf[index];
    [
        ad[0],
        ad[1],
        ad[2],
        ad[3] + first(0),
        ad[4] + first(1),
        first(2),
        first(3) + second(0),
        first(4) + second(1),
        second(2),
        second(3) + third(0),
        second(4) + third(1),
        third(2),
        third(3) + cf[0],
        third(4) + cf[1],
        cf[2],
        cf[3],
        cf[4],
    ]
}

#[inline(always)]
fn minus(mut columns: [i64; 17], others: [i64; 17]) -> [i64; 17] {
    for (column, other) in columns.iter_mut().zip(others) {
        *column -= other;
    }
    columns
}

/// Brings every limb but the highest between 0 and 2^29.
fn carry(limbs: &mut [i64; 9]) {
    for index in 0..8 {
        limbs[index + 1] += limbs[index] >> BITS;
        limbs[index] &= MASK;
    }
}

fn add(limbs: &mut [i64; 9], more: [i64; 9]) {
    for (limb, more) in limbs.iter_mut().zip(more) {
        *limb += more;
    }
    carry(limbs);
}

impl Add for Field {
    type Output = Self;

    #[inline(always)]
    fn add(mut self, other: Self) -> Self {
        for (limb, other) in self.0.iter_mut().zip(other.0) {
            *limb += other;
        }
        self
    }
}

impl Sub for Field {
    type Output = Self;

    #[inline(always)]
    fn sub(mut self, other: Self) -> Self {
        for (limb, other) in self.0.iter_mut().zip(other.0) {
            *limb -= other;
        }
        self
    }
}

impl Neg for Field {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        Self(self.0.map(Neg::neg))
    }
}

#[cfg(test)]
mod tests {
    use num_bigint::{BigInt, Sign};
    use proptest::prelude::*;

    use super::*;
    use crate::secp256k1::words::to_bytes;

    /// What the limbs stand for, by definition.
    fn meant(number: &Field) -> BigInt {
        number.0.iter().rev().fold(BigInt::ZERO, |sum, limb| (sum << BITS) + *limb)
    }

    #[track_caller]
    fn stands_for(number: Field, expected: &BigInt) {
        let p = BigInt::from_bytes_be(Sign::Plus, &to_bytes(P_WORDS));
        let least = ((expected % &p) + &p) % &p;
        assert_eq!(BigInt::from_bytes_be(Sign::Plus, &to_bytes(number.to_words())), least, "{number:?}");
    }

    /// Any number of a magnitude, most limbs at its ends.
    fn of_magnitude(magnitude: i64) -> impl Strategy<Value = Field> {
        let most = (magnitude << BITS) + (1 << (BITS - 6));
        let limb = prop_oneof![Just(most), Just(-most), Just(0), -most..=most];
        prop::array::uniform9(limb).prop_map(|limbs| Field(limbs.map(|limb| limb as i32)))
    }

    #[track_caller]
    fn is_of_magnitude_1(number: Field) {
        let fits = |limb: &i32| (-(1 << (BITS - 6))..(1 << BITS) + (1 << (BITS - 6))).contains(limb);
        assert!(number.0.iter().all(fits), "{number:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn every_product_is_right_up_to_the_largest_magnitudes(
            [a, b, c] in prop::array::uniform3(of_magnitude(1)), double in of_magnitude(2),
        ) {
            let [ma, mb, mc, md] = &[a, b, c, double].map(|number| meant(&number));
            for (result, expected) in [
                (a.times(&b), ma * mb),
                (a.times(&double), ma * md),
                (a.squared(), ma * ma),
                (a.times_minus_square(&double, &b), ma * md - mb * mb),
                (double.times_minus_square(&b, &c), mb * md - mc * mc),
                (double.times_minus_product(&a, &b, &c), ma * md - mb * mc),
                (a.times_minus_product(&b, &double, &c), ma * mb - md * mc),
                (Field::sum([1, -1, -2], &a, &b, &c), ma - mb - mc - mc),
                (Field::sum([2, -2, 0], &a, &b, &c), ma + ma - mb - mb),
                (Field::sum([3, 0, 0], &a, &b, &c), ma + ma + ma),
            ] {
                is_of_magnitude_1(result);
                stands_for(result, &expected);
            }
            stands_for(a + b, &(ma + mb));
            stands_for(a - b, &(ma - mb));
            stands_for(-double, &-md);
        }

        #[test]
        fn words_are_the_number_below_p(number in of_magnitude(3), words: [u32; 8]) {
            stands_for(number, &meant(&number));
            is_of_magnitude_1(Field::from_words(words));
            stands_for(Field::from_words(words), &meant(&Field::from_words(words)));
        }
    }

    #[test]
    fn multiples_of_p_are_zero_and_their_neighbours_are_not() {
        for multiple in -3..=3_i64 {
            let limbs = P.map(|limb| (limb * multiple) as i32);
            for more in -2..=2 {
                let mut limbs = limbs;
                limbs[0] += more;
                assert_eq!(Field(limbs).is_zero(), more == 0, "{multiple} p + {more}");
                stands_for(Field(limbs), &BigInt::from(more));
            }
        }
    }

    #[test]
    fn a_root_of_a_square_is_one_of_two() {
        for number in [2, 3, 977, 1 << 20] {
            let number = Field::small(number);
            let root = number.squared().root();
            assert!((root - number).is_zero() || (root + number).is_zero());
        }
    }
}
