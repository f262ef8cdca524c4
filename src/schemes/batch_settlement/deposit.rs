//! Money into a channel: by EIP-3009 or by Permit2, each through a collector contract.

use serde_json::{Value, json};

use crate::{
    evm::{Address, Hash32, TypedStruct, Uint256, address_word, keccak256, signing_hash, uint_word},
    schemes::{
        EXPIRY_BUFFER_SECONDS, SmartWallets, TokenPermissions, exact::Authorization, permit2, signature, token_domain,
    },
    time::UnixTime,
    x402::PaymentRequirements,
};

use super::{ChannelFlaw, Message, channel::hex32};

/// `ERC3009DepositCollector`, `0x4020806089470a89826cB9fB1f4059150b550004`.
const ERC3009_COLLECTOR: Address = Address::new([
    0x40, 0x20, 0x80, 0x60, 0x89, 0x47, 0x0a, 0x89, 0x82, 0x6c, 0xb9, 0xfb, 0x1f, 0x40, 0x59, 0x15, 0x0b, 0x55, 0x00,
    0x04,
]);
/// `Permit2DepositCollector`, `0x4020425FAf3B746C082C2f942b4E5159887B0005`.
const PERMIT2_COLLECTOR: Address = Address::new([
    0x40, 0x20, 0x42, 0x5f, 0xaf, 0x3b, 0x74, 0x6c, 0x08, 0x2c, 0x2f, 0x94, 0x2b, 0x4e, 0x51, 0x59, 0x88, 0x7b, 0x00,
    0x05,
]);

/// The `deposit` of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposit {
    /// Atomic units; below 2^128.
    pub amount: Uint256,
    erc3009: Option<Erc3009>,
    permit2: Option<ByPermit2>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Erc3009 {
    valid_after: Uint256,
    valid_before: Uint256,
    salt: Uint256,
    signature: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ByPermit2 {
    from: Address,
    permit: DepositPermit,
    signature: String,
}

/// EIP-3009 `ReceiveWithAuthorization`, of the same members: only the collector itself, as `to`, can take the money. The
/// nonce follows from the channel and the salt, so that the money can go nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveAuthorization(pub Authorization);

impl TypedStruct for ReceiveAuthorization {
    const ENCODE_TYPE: &'static str = "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)";

    fn encode_data(&self) -> Vec<[u8; 32]> {
        self.0.encode_data()
    }
}

/// Permit2's transfer with the channel as witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepositPermit {
    /// What may be moved.
    pub permitted: TokenPermissions,
    /// The collector.
    pub spender: Address,
    /// Spent once per owner.
    pub nonce: Uint256,
    /// Not valid after this second.
    pub deadline: Uint256,
    /// The channel.
    pub channel_id: Hash32,
}

impl TypedStruct for DepositPermit {
    const ENCODE_TYPE: &'static str = "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,DepositWitness witness)DepositWitness(bytes32 channelId)TokenPermissions(address token,uint256 amount)";

    fn encode_data(&self) -> Vec<[u8; 32]> {
        let mut witness = keccak256(b"DepositWitness(bytes32 channelId)").to_vec();
        witness.extend(self.channel_id);
        vec![
            self.permitted.hash_struct(),
            address_word(&self.spender),
            uint_word(self.nonce),
            uint_word(self.deadline),
            keccak256(&witness),
        ]
    }
}

impl Deposit {
    pub(super) fn read(deposit: Option<&Value>) -> Option<Self> {
        let deposit = deposit?;
        let authorization = deposit.get("authorization").filter(|authorization| authorization.is_object())?;
        let read = |key: &str| authorization.get(key);
        // There and unreadable is malformed; not there is told apart later.
        let erc3009 = match read("erc3009Authorization") {
            Some(authorization) => Some(Erc3009::read(authorization)?),
            None => None,
        };
        let permit2 = match read("permit2Authorization") {
            Some(authorization) => Some(ByPermit2::read(authorization)?),
            None => None,
        };
        let amount: Uint256 = permit2::text(deposit, "amount")?.parse().ok()?;
        amount.fits_in_128_bits().then_some(Self { amount, erc3009, permit2 })
    }

    pub(super) fn wire(&self) -> Value {
        let mut authorization = json!({});
        if let Some(Erc3009 { valid_after, valid_before, salt, signature }) = &self.erc3009 {
            authorization["erc3009Authorization"] = json!({
                "validAfter": valid_after,
                "validBefore": valid_before,
                "salt": hex32::write(&uint_word(*salt)),
                "signature": signature::normalized(signature),
            });
        }
        if let Some(ByPermit2 { from, permit, signature }) = &self.permit2 {
            authorization["permit2Authorization"] = json!({
                "from": from,
                "permitted": { "token": permit.permitted.token, "amount": permit.permitted.amount },
                "spender": permit.spender,
                "nonce": permit.nonce,
                "deadline": permit.deadline,
                "witness": { "channelId": hex32::write(&permit.channel_id) },
                "signature": signature::normalized(signature),
            });
        }
        json!({ "amount": self.amount, "authorization": authorization })
    }

    /// The last second in which it can be brought to the chain.
    pub fn valid_until(&self) -> Uint256 {
        let erc3009 = self.erc3009.as_ref().map(|erc3009| erc3009.valid_before);
        erc3009.max(self.permit2.as_ref().map(|permit2| permit2.permit.deadline)).unwrap_or(Uint256::ZERO)
    }

    /// Whether the payer has signed this deposit into the message's channel.
    pub(super) fn check(
        &self,
        message: &Message,
        requirements: &PaymentRequirements,
        now: UnixTime,
        smart_wallets: SmartWallets,
    ) -> Result<(), ChannelFlaw> {
        let method = requirements.extra("assetTransferMethod");
        match (method, &self.erc3009, &self.permit2) {
            // A facilitator chooses by the key where the offer does not say.
            (None, Some(_), Some(_)) | (Some("permit2"), _, None) => Err(ChannelFlaw::PayloadType),
            (Some("permit2"), _, Some(permit2)) | (None, None, Some(permit2)) => {
                permit2.check(self.amount, message, requirements, now, smart_wallets)
            }
            (None | Some("eip3009"), Some(erc3009), _) => {
                erc3009.check(self.amount, message, requirements, now, smart_wallets)
            }
            (None | Some("eip3009"), None, _) => Err(ChannelFlaw::Erc3009AuthorizationRequired),
            (Some(_), ..) => Err(ChannelFlaw::PayloadType),
        }
    }
}

impl Erc3009 {
    fn read(authorization: &Value) -> Option<Self> {
        Some(Self {
            valid_after: permit2::text(authorization, "validAfter")?.parse().ok()?,
            valid_before: permit2::text(authorization, "validBefore")?.parse().ok()?,
            salt: permit2::read_nonce(permit2::text(authorization, "salt")?)?,
            signature: permit2::text(authorization, "signature")?.to_owned(),
        })
    }

    fn check(
        &self,
        amount: Uint256,
        message: &Message,
        requirements: &PaymentRequirements,
        now: UnixTime,
        smart_wallets: SmartWallets,
    ) -> Result<(), ChannelFlaw> {
        let domain = token_domain(requirements).ok_or(ChannelFlaw::MissingDomain)?;
        if self.valid_before < Uint256::from(now.plus(EXPIRY_BUFFER_SECONDS)) {
            return Err(ChannelFlaw::ValidBefore);
        }
        if self.valid_after > Uint256::from(now) {
            return Err(ChannelFlaw::ValidAfter);
        }
        let nonce = [message.voucher.channel_id, uint_word(self.salt)].concat();
        let authorization = ReceiveAuthorization(Authorization {
            from: message.config.payer,
            to: ERC3009_COLLECTOR,
            value: amount,
            valid_after: self.valid_after,
            valid_before: self.valid_before,
            nonce: keccak256(&nonce),
        });
        let hash = signing_hash(&domain, &authorization);
        signature::judge(&self.signature, &hash, message.config.payer, smart_wallets)
            .map(drop)
            .ok_or(ChannelFlaw::ReceiveAuthorizationSignature)
    }
}

impl ByPermit2 {
    fn read(authorization: &Value) -> Option<Self> {
        let permitted = authorization.get("permitted")?;
        Some(Self {
            from: permit2::text(authorization, "from")?.parse().ok()?,
            permit: DepositPermit {
                permitted: TokenPermissions {
                    token: permit2::text(permitted, "token")?.parse().ok()?,
                    amount: permit2::text(permitted, "amount")?.parse().ok()?,
                },
                spender: permit2::text(authorization, "spender")?.parse().ok()?,
                nonce: permit2::read_nonce(permit2::text(authorization, "nonce")?)?,
                deadline: permit2::text(authorization, "deadline")?.parse().ok()?,
                channel_id: hex32::read(permit2::text(authorization.get("witness")?, "channelId")?)?,
            },
            signature: permit2::text(authorization, "signature")?.to_owned(),
        })
    }

    fn check(
        &self,
        amount: Uint256,
        message: &Message,
        requirements: &PaymentRequirements,
        now: UnixTime,
        smart_wallets: SmartWallets,
    ) -> Result<(), ChannelFlaw> {
        let Self { from, permit, signature } = self;
        let wrong = [
            (*from != message.config.payer, ChannelFlaw::Permit2Signature),
            (permit.spender != PERMIT2_COLLECTOR, ChannelFlaw::Permit2Spender),
            (permit.permitted.token != requirements.asset(), ChannelFlaw::TokenMismatch),
            (permit.permitted.amount != amount, ChannelFlaw::Permit2Amount),
            (permit.channel_id != message.voucher.channel_id, ChannelFlaw::ChannelIdMismatch),
            (permit.deadline < Uint256::from(now.plus(EXPIRY_BUFFER_SECONDS)), ChannelFlaw::Permit2DeadlineExpired),
        ];
        if let Some((_, flaw)) = wrong.into_iter().find(|(wrong, _)| *wrong) {
            return Err(flaw);
        }
        let hash = signing_hash(&permit2::domain(requirements.network().chain_id()), permit);
        signature::judge(signature, &hash, *from, smart_wallets).map(drop).ok_or(ChannelFlaw::Permit2Signature)
    }
}
