//! Held against k256: every signature, hash and parity gives the same key, or none.

#![allow(clippy::unwrap_used)]

use evm_crypto::secp256k1::Signature;
use k256::{
    ProjectivePoint, Scalar, U256,
    ecdsa::{RecoveryId, Signature as Oracle, VerifyingKey},
    elliptic_curve::{
        PrimeField,
        ops::Reduce,
        sec1::{FromSec1Point, ToSec1Point},
    },
};
use proptest::prelude::*;

fn scalar(bytes: &[u8; 32]) -> Scalar {
    <Scalar as Reduce<U256>>::reduce(&U256::from_be_slice(bytes))
}

fn number(hex: &str) -> [u8; 32] {
    U256::from_be_hex(&format!("{hex:0>64}")).to_be_bytes().into()
}

fn oracle(r: &[u8; 32], s: &[u8; 32], hash: &[u8; 32], odd: bool) -> Option<[u8; 64]> {
    let signature = Oracle::from_scalars(*r, *s).ok()?;
    let key = VerifyingKey::recover_from_prehash(hash, &signature, RecoveryId::new(odd, false)).ok()?;
    key.to_sec1_point(false).as_bytes()[1..].try_into().ok()
}

/// How many of the two parities have a key.
#[track_caller]
fn compared(r: &[u8; 32], s: &[u8; 32], hash: &[u8; 32]) -> usize {
    let (ours, theirs) = (Signature::from_bytes(r, s), Oracle::from_scalars(*r, *s));
    assert_eq!(ours.is_some(), theirs.is_ok(), "{r:02x?} {s:02x?}");
    if let (Some(ours), Ok(theirs)) = (ours, theirs) {
        assert_eq!(ours.is_low_s(), theirs.normalize_s() == theirs, "{s:02x?}");
        assert_eq!(ours.to_bytes(), <[u8; 64]>::from(theirs.to_bytes()));
    }
    let keys = [false, true].map(|odd| {
        let key = ours.and_then(|signature| signature.recover(hash, odd));
        assert_eq!(key, oracle(r, s, hash, odd), "{r:02x?} {s:02x?} {hash:02x?} {odd}");
        key
    });
    keys.iter().flatten().count()
}

/// Numbers at which something begins or ends: 0, n, p, 2^128, n/2, LAMBDA, and their neighbours.
fn edges() -> Vec<[u8; 32]> {
    [
        "0",
        "1",
        "2",
        "3",
        "f",
        "10",
        "ff",
        "7fffffffffffffffffffffffffffffff",
        "80000000000000000000000000000000",
        "ffffffffffffffffffffffffffffffff",
        "100000000000000000000000000000000",
        "100000000000000000000000000000001",
        "5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72",
        "5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd73",
        "ac9c52b33fa3cf1f5ad9e3fd77ed9ba4a880b9fc8ec739c2e0cfc810b51283cf",
        "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0",
        "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1",
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd036413f",
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140",
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364142",
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2e",
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f",
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ]
    .map(number)
    .to_vec()
}

#[test]
fn numbers_at_the_edges_give_the_same_key_or_none() {
    let mut keys = 0;
    for r in edges() {
        for s in edges() {
            for hash in edges() {
                keys += compared(&r, &s, &hash);
            }
        }
    }
    assert!(keys > 3000, "{keys}");
}

/// For every point whose x is below n, and any a and b, there is a signature with the key a G + b R: s = b r, z = -a r.
#[track_caller]
fn recovers_sum(a: Scalar, b: Scalar, point: ProjectivePoint) -> usize {
    let r: [u8; 32] = point.to_affine().to_sec1_point(false).x().unwrap().as_slice().try_into().unwrap();
    let odd = point.to_affine().to_sec1_point(false).y().unwrap()[31] & 1 == 1;
    let (s, hash): ([u8; 32], [u8; 32]) = ((b * scalar(&r)).to_repr().into(), (-(a * scalar(&r))).to_repr().into());
    let keys = compared(&r, &s, &hash);
    // The oracle has its own arithmetic for this; here is a third, by definition.
    let sum = (ProjectivePoint::GENERATOR * a + point * b).to_affine().to_sec1_point(false);
    let key = Signature::from_bytes(&r, &s).and_then(|signature| signature.recover(&hash, odd));
    let expected = (b != Scalar::ZERO && sum.as_bytes().len() == 65).then(|| sum.as_bytes()[1..].to_vec());
    assert_eq!(key.map(Vec::from), expected);
    keys
}

#[test]
fn sums_that_meet_themselves_or_vanish_on_the_way_are_right() {
    let lambda = scalar(&number("5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72"));
    let above = scalar(&number("100000000000000000000000000000000"));
    let small = |number: u64| Scalar::from(number);
    let mut factors = [0, 1, 2, 3, 5, 15, 16, 17, 31, 127, 128].map(small).to_vec();
    factors.extend([lambda, lambda.square(), above, small(2).invert().unwrap()]);
    factors.extend(factors.clone().into_iter().map(|factor| -factor));
    let mut vanished = 0;
    for of_point in [small(1), small(2), -small(1), lambda, above] {
        let point = ProjectivePoint::GENERATOR * of_point;
        for a in &factors {
            for b in &factors {
                recovers_sum(*a, *b, point);
                vanished += usize::from(*a + *b * of_point == Scalar::ZERO);
            }
        }
    }
    assert!(vanished > 50, "{vanished}");
}

#[test]
fn an_x_of_n_and_more_is_never_tried() {
    // A point whose x is above n has no signature without the other recovery ids.
    let mut x = U256::from_be_slice(&number("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364142"));
    let mut found = 0;
    while found < 4 {
        let bytes: [u8; 32] = x.to_be_bytes().into();
        let compressed = [&[2][..], &bytes].concat();
        found += usize::from(k256::AffinePoint::from_sec1_bytes(&compressed).is_ok());
        assert_eq!(Signature::from_bytes(&bytes, &number("1")), None);
        x = x.wrapping_add(&U256::ONE);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_three_numbers_give_the_same_key_or_none(r: [u8; 32], s: [u8; 32], hash: [u8; 32]) {
        compared(&r, &s, &hash);
    }

    #[test]
    fn any_sum_is_right(a: [u8; 32], b: [u8; 32], of_point: [u8; 32]) {
        recovers_sum(scalar(&a), scalar(&b), ProjectivePoint::GENERATOR * scalar(&of_point));
    }

    /// Long runs of zeros and ones, where carries go far.
    #[test]
    fn numbers_with_long_runs_give_the_same_key_or_none(runs in prop::array::uniform3(runs())) {
        compared(&runs[0], &runs[1], &runs[2]);
    }
}

/// 32 bytes, each run of bits up to 80 long.
fn runs() -> impl Strategy<Value = [u8; 32]> {
    (any::<bool>(), prop::collection::vec(1_usize..80, 256)).prop_map(|(first, lengths)| {
        let mut bytes = [0; 32];
        let bits = lengths.iter().enumerate().flat_map(|(run, length)| vec![first ^ (run % 2 == 0); *length]);
        for (index, _) in bits.take(256).enumerate().filter(|(_, bit)| *bit) {
            bytes[index / 8] |= 0x80 >> (index % 8);
        }
        bytes
    })
}
