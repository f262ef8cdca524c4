//! `payment check` and `payment decode`.

use std::{
    io::{self, BufRead, Write},
    process::ExitCode,
};

use clap::Subcommand;
use serde_json::{Map, Value, json};
use x402_edge::{
    gate,
    schemes::{self, Proof, Refusal, SmartWallets, batch_settlement},
    time::UnixTime,
    transports::http,
    x402::{PaymentPayload, PaymentRequirements, X402Version},
};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Judge payments as the edge does: JSON lines from stdin, one JSON line each to stdout.
    ///
    /// A line is {"requirements": {…}, "paymentPayload": {…}, "now": 1790000000, "smartWallets": "refuse"};
    /// `smartWallets` may be left out; a payment by channel (batch-settlement) may have "storedChannel": {…}, what
    /// the server knows of the channel, in the words of the official packages. The answer is {"verdict": "valid" | "invalid" | "defer",
    /// "reason"?, "digest"?, "recovered"?}. Exit code 2 where a line is no such question.
    Check,
    /// Show what a payment header says (PAYMENT-REQUIRED, PAYMENT-SIGNATURE, PAYMENT-RESPONSE, X-PAYMENT, …).
    Decode {
        /// The header's value: base64.
        header: String,
    },
}

/// A line or an argument that is not what the command takes.
const USAGE: u8 = 2;

pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Check => check_lines(),
        Command::Decode { header } => decode(header),
    }
}

fn decode(header: &str) -> ExitCode {
    let json = http::decode_header("value", header.trim()).map_err(|error| error.to_string());
    let value =
        json.and_then(|json| serde_json::from_slice::<Value>(&json).map_err(|error| format!("not JSON: {error}")));
    match value {
        Ok(value) => print_line(&format!("{value:#}")),
        Err(error) => {
            eprintln!("x402-edge: {error}");
            ExitCode::from(USAGE)
        }
    }
}

fn check_lines() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for (index, line) in io::stdin().lock().lines().enumerate() {
        let answer = line
            .map_err(|error| error.to_string())
            .and_then(|line| if line.trim().is_empty() { Ok(None) } else { check_line(&line).map(Some) });
        let line = match answer {
            Ok(None) => continue,
            Ok(Some(answer)) => answer,
            Err(error) => {
                eprintln!("x402-edge: line {}: {error}", index + 1);
                code = ExitCode::from(USAGE);
                json!({ "error": error })
            }
        };
        if print_line(&line.to_string()) != ExitCode::SUCCESS {
            return ExitCode::FAILURE;
        }
    }
    code
}

/// A reader that has gone away (`| head`) is no reason to panic.
fn print_line(line: &str) -> ExitCode {
    match writeln!(io::stdout(), "{line}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn check_line(line: &str) -> Result<Value, String> {
    let mut question: Value = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
    let now = question["now"].as_u64().map(UnixTime).ok_or("now must be Unix seconds")?;
    let smart_wallets = match &question["smartWallets"] {
        Value::Null => SmartWallets::default(),
        Value::String(policy) if policy == "refuse" => SmartWallets::Refuse,
        Value::String(policy) if policy == "defer" => SmartWallets::Defer,
        other => return Err(format!("smartWallets must be \"refuse\" or \"defer\", found {other}")),
    };
    let [requirements, payload, stored] =
        ["requirements", "paymentPayload", "storedChannel"].map(|key| question[key].take());
    let channel = batch_settlement::read_channel(&stored);
    if channel.is_none() && !stored.is_null() {
        return Err("storedChannel is no channel as the official servers keep it".to_owned());
    }
    if !requirements.is_object() || payload.is_null() {
        return Err("requirements and paymentPayload are needed".to_owned());
    }
    let Ok(payload) = PaymentPayload::from_value(payload) else {
        return Ok(json!({ "verdict": "invalid", "reason": "invalid_payload" }));
    };
    let requirements = match payload.version() {
        X402Version::V1 => PaymentRequirements::from_v1(requirements),
        X402Version::V2 => PaymentRequirements::from_v2(requirements),
    };
    Ok(match requirements {
        Ok(requirements) => judge(&payload, requirements, channel.as_ref(), now, smart_wallets),
        Err(_) => json!({ "verdict": "invalid", "reason": "invalid_payment_requirements" }),
    })
}

fn judge(
    payload: &PaymentPayload,
    requirements: PaymentRequirements,
    channel: Option<&batch_settlement::Channel>,
    now: UnixTime,
    smart_wallets: SmartWallets,
) -> Value {
    let version = payload.version();
    let signed = schemes::signing_hash_of(payload, &requirements);
    let offers = [requirements];
    let refused = |refusal: Refusal| json!({ "verdict": "invalid", "reason": refusal.reason(version).as_str() });
    let mut answer = if offers[0].scheme() == batch_settlement::SCHEME {
        match gate::judge_channel(payload, &offers, channel, now, smart_wallets) {
            Err(refusal) => refused(refusal),
            Ok(batch_settlement::Judgement::Valid) => json!({ "verdict": "valid" }),
            Ok(batch_settlement::Judgement::Defer(why)) => json!({ "verdict": "defer", "reason": why.as_str() }),
        }
    } else {
        match gate::judge(payload, &offers, &Map::new(), now, smart_wallets) {
            Err(refusal) => refused(refusal),
            Ok(payment) => match payment.proof() {
                Proof::Recovered => json!({ "verdict": "valid" }),
                Proof::Deferred(deferral) => json!({ "verdict": "defer", "reason": deferral.as_str() }),
            },
        }
    };
    if let Some((digest, recovered)) = signed {
        answer["digest"] = json!(format!("0x{}", hex::encode(digest)));
        if let Some(address) = recovered {
            answer["recovered"] = json!(address.to_string());
        }
    }
    answer
}
