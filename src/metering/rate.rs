//! What so many units cost.

use crate::money::Amount;

/// A price for `per` units: `$3` for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In atomic units of the token.
    pub price: Amount,
    /// Not zero.
    pub per: u64,
}

/// What so many units of each rate cost together, rounded up to an atomic unit once. Nothing where it does not fit into
/// 256 bits.
pub(super) fn total(counts: &[(u64, Rate)]) -> Option<Amount> {
    // All rates of one meter have the same `per`: the sum is exact.
    let per = counts.first().map_or(1, |(_, rate)| rate.per);
    let sum = counts.iter().try_fold(Amount::ZERO, |sum, (count, rate)| sum.checked_add(rate.price.times(*count)?))?;
    sum.divided_up(per)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_exact_and_rounded_up_once() {
        let rate = |units: u64| Rate { price: Amount::new(units.into()), per: 1_000_000 };
        let total = |counts: &[(u64, Rate)]| total(counts).unwrap().to_string();
        // $0.15 and $0.60 for a million tokens.
        assert_eq!(total(&[(1, rate(150_000)), (1, rate(600_000))]), "1");
        assert_eq!(total(&[(7, rate(150_000)), (1, rate(600_000))]), "2");
        assert_eq!(total(&[(1_000_000, rate(150_000)), (2_000_000, rate(600_000))]), "1350000");
        assert_eq!(total(&[(0, rate(150_000))]), "0");
        assert_eq!(total(&[(u64::MAX, rate(1))]), "18446744073710");
    }
}
