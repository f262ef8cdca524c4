//! `a G + b Q` at once: halves of 128 bits share their doublings, and digits are few.

use std::sync::OnceLock;

use super::{
    curve::{Affine, Sum, odd_multiples},
    field::Field,
    scalar::{Half, Scalar},
};

/// `LAMBDA (x, y) = (BETA x, y)` for every point: a number k becomes `k1 + k2 LAMBDA` with halves of 128 bits.
/// (Gallant, Lambert, Vanstone 2001; the constants are libsecp256k1's.)
const LAMBDA: Scalar = Scalar::constant("5363AD4C C05C30E0 A5261C02 8812645A 122E22EA 20816678 DF02967C 1B23BD72");
const BETA: Field = Field::constant("7AE96A2B 657C0710 6E64479E AC3434E9 9CF04975 12F58995 C1396C28 719501EE");
const MINUS_B1: Scalar = Scalar::constant("E4437ED6 010E8828 6F547FA9 0ABFE4C3");
const MINUS_B2: Scalar = Scalar::constant("FFFFFFFF FFFFFFFF FFFFFFFF FFFFFFFE 8A280AC5 0774346D D765CDA8 3DB1562C");
/// `round(2^384 b2 / n)` and `round(2^384 (-b1) / n)`.
const G1: Scalar = Scalar::constant("3086D221 A7D46BCD E86C90E4 9284EB15 3DAA8A14 71E8CA7F E893209A 45DBB031");
const G2: Scalar = Scalar::constant("E4437ED6 010E8828 6F547FA9 0ABFE4C4 221208AC 9DF506C6 1571B4AE 8AC47F71");

const GENERATOR: Affine = Affine {
    x: Field::constant("79BE667E F9DCBBAC 55A06295 CE870B07 029BFCDB 2DCE28D9 59F2815B 16F81798"),
    y2: Field::constant("9075B4EE 4D4788CA BB49F7F8 1C221151 FA2F6891 4D0AA833 388FA11F F621A970"),
};
/// 2^128 G.
const GENERATOR_ABOVE: Affine = Affine {
    x: Field::constant("8F68B9D2 F63B5F33 9239C1AD 981F162E E88C5678 723EA335 1B7B444C 9EC4C0DA"),
    y2: Field::constant("CC553E5B 740C730D BC3B2185 6D7C42BB 77D459FD 2AA217FB E4797EF2 A03FFF04"),
};

/// Digits of so many bits: the generator's multiples are made once, any other point's each time.
const GENERATOR_WIDTH: u32 = 8;
const WIDTH: u32 = 5;

/// 128 bits, and one for what a negative digit leaves.
const DIGITS: usize = 129;

type Digits = [i8; DIGITS];

/// `a G + b Q`; nothing where that is infinity.
pub(super) fn sum_of_multiples(a: Scalar, b: Scalar, point: &Affine) -> Option<Affine> {
    static GENERATORS: OnceLock<[Vec<Affine>; 2]> = OnceLock::new();
    let [low, high] = GENERATORS
        .get_or_init(|| [GENERATOR, GENERATOR_ABOVE].map(|point| odd_multiples(&point, 1 << (GENERATOR_WIDTH - 2))));
    let points = odd_multiples(point, 1 << (WIDTH - 2));
    let turned: Vec<Affine> = points.iter().map(|point| Affine { x: point.x.times(&BETA), y2: point.y2 }).collect();
    let [a1, a2] = a.halves();
    let [(b1, b1_negative), (b2, b2_negative)] = split(b);
    let terms = [
        (digits(a1, GENERATOR_WIDTH), false, low),
        (digits(a2, GENERATOR_WIDTH), false, high),
        (digits(b1, WIDTH), b1_negative, &points),
        (digits(b2, WIDTH), b2_negative, &turned),
    ];
    let mut sum = Sum::INFINITY;
    for place in (0..DIGITS).rev() {
        sum.double();
        for (digits, negative, multiples) in &terms {
            let digit = digits[place];
            if digit == 0 {
                continue;
            }
            // Digits are odd: 1, 3, 5 have the places 0, 1, 2.
            if let Some(multiple) = multiples.get(usize::from(digit.unsigned_abs() >> 1)) {
                sum.add(multiple, *negative != (digit < 0));
            }
        }
    }
    sum.affine()
}

/// `k1 + k2 LAMBDA`, each below 2^128 and perhaps to be negated.
fn split(k: Scalar) -> [(Half, bool); 2] {
    let k2 = k.times_shifted(G1).times(MINUS_B1).plus(k.times_shifted(G2).times(MINUS_B2));
    let k1 = k.minus(k2.times(LAMBDA));
    [k1, k2].map(|half| {
        let negative = half.is_high();
        let [low, _zero] = if negative { half.negated() } else { half }.halves();
        (low, negative)
    })
}

/// The number as `sum(digit[i] * 2^i)` with digits that are odd or zero, of `width` bits with their sign: after each
/// odd one come `width - 1` zeros at least (non-adjacent form).
fn digits(number: Half, width: u32) -> Digits {
    let bits = |place: usize| {
        let (word, shift) = (place / 32, place % 32);
        (u64::from(number[word]) | u64::from(number[word + 1]) << 32) >> shift
    };
    let mut digits = [0; DIGITS];
    let (mut place, mut carry) = (0, 0);
    while place < DIGITS {
        let bits = bits(place);
        if bits & 1 == carry {
            place += 1;
            continue;
        }
        let word = (bits & ((1 << width) - 1)) + carry;
        carry = word >> (width - 1) & 1;
        digits[place] = (word as i64 - ((carry as i64) << width)) as i8;
        place += width as usize;
    }
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(half: Half) -> u128 {
        half[..4].iter().rev().fold(0, |number, word| number << 32 | u128::from(*word))
    }

    #[track_caller]
    fn are_of(digits: &Digits, half: Half, width: u32) {
        let sum =
            digits.iter().rev().fold(0_u128, |sum, digit| sum.wrapping_mul(2).wrapping_add_signed((*digit).into()));
        assert_eq!(sum, number(half));
        let most = 1_u8 << (width - 1);
        assert!(digits.iter().all(|digit| *digit == 0 || (digit % 2 != 0 && digit.unsigned_abs() < most)));
    }

    #[test]
    fn the_largest_halves_have_digits() {
        for half in [[0; 6], [u32::MAX, u32::MAX, u32::MAX, u32::MAX, 0, 0], [0, 0, 0, 1 << 31, 0, 0]] {
            for width in [WIDTH, GENERATOR_WIDTH] {
                are_of(&digits(half, width), half, width);
            }
        }
    }

    proptest! {
        #[test]
        fn digits_stand_for_their_number(words: [u32; 4]) {
            let [a, b, c, d] = words;
            for width in [WIDTH, GENERATOR_WIDTH] {
                are_of(&digits([a, b, c, d, 0, 0], width), [a, b, c, d, 0, 0], width);
            }
        }

        #[test]
        fn halves_stand_for_their_number(bytes: [u8; 32]) {
            let whole = Scalar::reduced(&bytes);
            let of = |(half, negative): (Half, bool)| {
                let [a, b, c, d, ..] = half;
                let half = Scalar([a, b, c, d, 0, 0, 0, 0]);
                if negative { half.negated() } else { half }
            };
            let [low, high] = split(whole);
            prop_assert_eq!(of(low).plus(of(high).times(LAMBDA)), whole);
        }
    }
}
