//! The payloads that clients send: deposit, voucher, refund.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    evm::{Address, Hash32, Uint256, signing_hash},
    schemes::{Refusal, permit2, signature},
};

use super::{
    ChannelConfig, ChannelFlaw, Voucher,
    channel::{domain, hex32},
    deposit::Deposit,
};

/// A payload of this scheme, read strictly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The channel's terms, as the client says them.
    pub config: ChannelConfig,
    /// The voucher.
    pub voucher: Voucher,
    /// Its signature.
    pub signature: String,
    /// What is wanted.
    pub kind: Kind,
}

/// What a payload wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Money into the channel, and the request paid.
    Deposit(Box<Deposit>),
    /// The request paid.
    Voucher,
    /// The rest back, or so much of it.
    Refund(Option<Uint256>),
}

impl Message {
    /// Reads `payload`: a malformed one is no payment; a well-formed one for another channel than it says is refused.
    pub(super) fn read(payload: &Value, chain_id: u64) -> Result<Self, Refusal> {
        let members = Members::read(payload).ok_or(Refusal::InvalidPayload)?;
        let Members { config, channel_id, max_claimable_amount, signature } = members;
        let channel_id = hex32::read(&channel_id).ok_or(Refusal::Channel(ChannelFlaw::ChannelIdInvalid))?;
        if config.channel_id(chain_id) != channel_id {
            return Err(Refusal::Channel(ChannelFlaw::ChannelIdMismatch));
        }
        let kind = match permit2::text(payload, "type") {
            Some("deposit") => {
                Kind::Deposit(Box::new(Deposit::read(payload.get("deposit")).ok_or(Refusal::InvalidPayload)?))
            }
            Some("voucher") => Kind::Voucher,
            Some("refund") => Kind::Refund(match payload.get("amount") {
                None | Some(Value::Null) => None,
                Some(amount) => {
                    let amount = amount.as_str().and_then(|text| text.parse().ok());
                    Some(amount.ok_or(Refusal::Channel(ChannelFlaw::RefundAmountInvalid))?)
                }
            }),
            _ => return Err(Refusal::Channel(ChannelFlaw::PayloadType)),
        };
        Ok(Self { config, voucher: Voucher { channel_id, max_claimable_amount }, signature, kind })
    }

    /// The voucher's signature as it is kept and claimed with: v as 27 or 28.
    pub fn voucher_signature(&self) -> String {
        signature::normalized(&self.signature).unwrap_or_default()
    }

    /// The payload as it goes on: what was read and nothing else, every v as 27 or 28.
    pub fn wire(&self) -> Value {
        let kind = match self.kind {
            Kind::Deposit(_) => "deposit",
            Kind::Voucher => "voucher",
            Kind::Refund(_) => "refund",
        };
        let mut wire = json!({
            "type": kind,
            "channelConfig": self.config,
            "voucher": {
                "channelId": hex32::write(&self.voucher.channel_id),
                "maxClaimableAmount": self.voucher.max_claimable_amount,
                "signature": self.voucher_signature(),
            },
        });
        match &self.kind {
            Kind::Deposit(deposit) => wire["deposit"] = deposit.wire(),
            Kind::Refund(Some(amount)) => wire["amount"] = json!(amount),
            Kind::Voucher | Kind::Refund(None) => {}
        }
        wire
    }

    /// Whether the channel's authorizer signed the voucher, where that can be seen: not for a contract wallet.
    pub(super) fn check_signature(&self, chain_id: u64) -> Result<(), ChannelFlaw> {
        if !self.is_proven() {
            // The payer's contract judges it; what is not hexadecimal is none.
            return signature::bytes(&self.signature).map(drop).ok_or(ChannelFlaw::VoucherSignature);
        }
        let hash = signing_hash(&domain(chain_id), &self.voucher);
        signature::judge(&self.signature, &hash, self.config.payer_authorizer, crate::schemes::SmartWallets::Refuse)
            .map(drop)
            .ok_or(ChannelFlaw::VoucherSignature)
    }
}

/// The hash of a payload's voucher, and who signed it.
pub(super) fn voucher_hash(payload: &Value, chain_id: u64) -> Option<(Hash32, Option<Address>)> {
    let Members { channel_id, max_claimable_amount, signature, .. } = Members::read(payload)?;
    let voucher = Voucher { channel_id: hex32::read(&channel_id)?, max_claimable_amount };
    let hash = signing_hash(&domain(chain_id), &voucher);
    Some((hash, signature::signer(&signature, &hash)))
}

struct Members {
    config: ChannelConfig,
    channel_id: String,
    max_claimable_amount: Uint256,
    signature: String,
}

impl Members {
    fn read(payload: &Value) -> Option<Self> {
        let voucher = payload.get("voucher")?;
        Some(Self {
            config: ChannelConfig::deserialize(payload.get("channelConfig")?).ok().filter(|config| {
                // uint40
                config.withdraw_delay < 1 << 40
            })?,
            channel_id: permit2::text(voucher, "channelId")?.to_owned(),
            max_claimable_amount: permit2::text(voucher, "maxClaimableAmount")?
                .parse()
                .ok()
                .filter(|amount: &Uint256| amount.fits_in_128_bits())?,
            signature: permit2::text(voucher, "signature")?.to_owned(),
        })
    }
}
