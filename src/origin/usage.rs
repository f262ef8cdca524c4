//! What the origin says was used: `Settlement-Overrides` as the official servers read it, and `PAYMENT-SETTLEMENT` as
//! Cloudflare's Monetization Gateway does.

use serde_json::Value;

use crate::{evm::Uint256, money::Amount, ports::OriginAnswer, transports::http};

/// Amounts in atomic units, in percent of the maximum, or in `$`: JSON `{"amount": "…"}`.
pub(super) const SETTLEMENT_OVERRIDES: &str = "Settlement-Overrides";

/// Amounts in atomic units only: the number itself, or JSON `{"amount": "…"}`, plain or in base64.
pub(super) const PAYMENT_SETTLEMENT: &str = "PAYMENT-SETTLEMENT";

/// What is to be charged, and what the operator should know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// At most the maximum; nothing where the answer does not say it, or not so that it can be read.
    pub amount: Option<Amount>,
    /// What was odd.
    pub remarks: Vec<&'static str>,
}

/// What the answer's headers say is to be charged of `maximum`. `decimals` are the
/// token's, where they are known.
pub fn usage(answer: &impl OriginAnswer, maximum: Amount, decimals: Option<u8>) -> Usage {
    let mut remarks = Vec::new();
    let mut read = |header: &str, read: &dyn Fn(&str) -> Option<Amount>, unreadable: &'static str| {
        let amount = read(answer.header(header)?.trim());
        if amount.is_none() {
            remarks.push(unreadable);
        }
        amount
    };
    let overrides = read(SETTLEMENT_OVERRIDES, &|text| override_of(text, maximum, decimals), UNREADABLE_OVERRIDES);
    let settlement = read(PAYMENT_SETTLEMENT, &settlement_of, UNREADABLE_SETTLEMENT);
    if let (Some(overrides), Some(settlement)) = (overrides, settlement)
        && overrides != settlement
    {
        remarks.push(CONTRADICTION);
    }
    let said = [overrides, settlement].into_iter().flatten().min();
    if said.is_some_and(|said| said > maximum) {
        remarks.push(CAPPED);
    }
    Usage { amount: said.map(|said| said.min(maximum)), remarks }
}

const UNREADABLE_OVERRIDES: &str =
    "Settlement-Overrides cannot be read: expected {\"amount\": \"1858\"}, \"37.5%\" or \"$0.05\"";
const UNREADABLE_SETTLEMENT: &str = "PAYMENT-SETTLEMENT cannot be read: expected an amount in atomic units";
const CONTRADICTION: &str = "Settlement-Overrides and PAYMENT-SETTLEMENT say different amounts: the lower is charged";
const CAPPED: &str = "the origin asks for more than was signed: the signed maximum is charged";

fn override_of(header: &str, maximum: Amount, decimals: Option<u8>) -> Option<Amount> {
    let text = amount_in(header)?;
    if let Some(percent) = text.strip_suffix('%') {
        return percent_of(percent, maximum);
    }
    match text.strip_prefix('$') {
        Some(dollars) => dollars_to_units(dollars, decimals?),
        None => text.parse().ok(),
    }
}

fn settlement_of(header: &str) -> Option<Amount> {
    if let Ok(amount) = header.parse() {
        return Some(amount);
    }
    match amount_in(header) {
        Some(text) => text.parse().ok(),
        None => {
            amount_in(&String::from_utf8(http::decode_header(PAYMENT_SETTLEMENT, header).ok()?).ok()?)?.parse().ok()
        }
    }
}

/// `amount` of a JSON object: a text, or a whole number as JSON has it.
fn amount_in(json: &str) -> Option<String> {
    match serde_json::from_str::<Value>(json).ok()?.get("amount")? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        _ => None,
    }
}

/// Whole digits and at most `most` after a point.
fn decimal(text: &str, most: usize) -> Option<(&str, &str)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    (!whole.is_empty() && digits(whole) && digits(fraction) && fraction.len() <= most).then_some((whole, fraction))
}

/// At most two digits after the point, rounded down. More than all of it is one unit more than the maximum, so that
/// it is seen.
fn percent_of(text: &str, maximum: Amount) -> Option<Amount> {
    let (whole, fraction) = decimal(text, 2)?;
    let hundredths: Uint256 = format!("{whole}{fraction:0<2}").parse().ok()?;
    let all = Uint256::from(10_000);
    if hundredths > all {
        return Some(Amount::new(maximum.units().checked_add(Uint256::from(1)).unwrap_or(maximum.units())));
    }
    let bytes = hundredths.to_be_bytes();
    Some(Amount::new(maximum.units().ten_thousandths(u16::from_be_bytes([bytes[30], bytes[31]]))))
}

/// Rounded down to the token's smallest unit.
fn dollars_to_units(text: &str, decimals: u8) -> Option<Amount> {
    let (whole, fraction) = decimal(text, 78)?;
    let decimals = usize::from(decimals);
    let kept = fraction.get(..decimals).unwrap_or(fraction);
    format!("{whole}{kept:0<decimals$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Answer(Vec<(&'static str, String)>);

    impl OriginAnswer for Answer {
        fn status(&self) -> u16 {
            200
        }
        fn header(&self, name: &str) -> Option<String> {
            self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
        }
    }

    fn units(units: u64) -> Amount {
        Amount::new(Uint256::from(units))
    }

    fn charged(headers: &[(&'static str, &str)]) -> (Amount, Vec<&'static str>) {
        let answer = Answer(headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect());
        let usage = usage(&answer, units(5_000_001), Some(6));
        (usage.amount.unwrap_or(units(5_000_001)), usage.remarks)
    }

    #[test]
    fn overrides_are_atomic_units_percent_or_dollars() {
        for (text, amount) in [
            (r#"{"amount":"1858"}"#, 1858),
            (r#"{"amount":1858}"#, 1858),
            (r#" {"amount":"0","more":1} "#, 0),
            (r#"{"amount":"37.5%"}"#, 1_875_000),
            (r#"{"amount":"0%"}"#, 0),
            (r#"{"amount":"100.00%"}"#, 5_000_001),
            (r#"{"amount":"0.01%"}"#, 500),
            (r#"{"amount":"$0.05"}"#, 50_000),
            (r#"{"amount":"$0"}"#, 0),
            (r#"{"amount":"$1.00000099"}"#, 1_000_000),
        ] {
            assert_eq!(charged(&[(SETTLEMENT_OVERRIDES, text)]), (units(amount), vec![]), "{text}");
        }
    }

    #[test]
    fn settlements_are_atomic_units_in_three_forms() {
        for text in ["1858", r#"{"amount":"1858"}"#, "eyJhbW91bnQiOiIxODU4In0="] {
            assert_eq!(charged(&[(PAYMENT_SETTLEMENT, text)]), (units(1858), vec![]), "{text}");
        }
        for text in [r#"{"amount":"50%"}"#, r#"{"amount":"$1"}"#, "50%", "$1"] {
            assert_eq!(
                charged(&[(PAYMENT_SETTLEMENT, text)]),
                (units(5_000_001), vec![UNREADABLE_SETTLEMENT]),
                "{text}"
            );
        }
    }

    #[test]
    fn without_a_word_the_maximum_is_charged_and_more_than_it_never() {
        assert_eq!(charged(&[]), (units(5_000_001), vec![]));
        for text in
            [r#"{"amount":"5000002"}"#, r#"{"amount":"100.01%"}"#, r#"{"amount":"99999999999%"}"#, r#"{"amount":"$6"}"#]
        {
            assert_eq!(charged(&[(SETTLEMENT_OVERRIDES, text)]), (units(5_000_001), vec![CAPPED]), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_and_counts_for_nothing() {
        for text in [
            "",
            "1858",
            "{}",
            "[]",
            r#"{"amount":null}"#,
            r#"{"amount":"-1"}"#,
            r#"{"amount":1.5}"#,
            r#"{"amount":"1.555%"}"#,
            r#"{"amount":"%"}"#,
            r#"{"amount":"$"}"#,
            r#"{"amount":"$-1"}"#,
            r#"{"amount":"1e3"}"#,
            r#"{"amount":"é%"}"#,
        ] {
            assert_eq!(
                charged(&[(SETTLEMENT_OVERRIDES, text)]),
                (units(5_000_001), vec![UNREADABLE_OVERRIDES]),
                "{text}"
            );
        }
    }

    #[test]
    fn of_two_amounts_the_lower_is_charged() {
        let both =
            |overrides, settlement| charged(&[(SETTLEMENT_OVERRIDES, overrides), (PAYMENT_SETTLEMENT, settlement)]);
        assert_eq!(both(r#"{"amount":"2"}"#, "1"), (units(1), vec![CONTRADICTION]));
        assert_eq!(both(r#"{"amount":"1"}"#, "2"), (units(1), vec![CONTRADICTION]));
        assert_eq!(both(r#"{"amount":"1"}"#, "1"), (units(1), vec![]));
        assert_eq!(both("odd", "1"), (units(1), vec![UNREADABLE_OVERRIDES]));
    }
}
