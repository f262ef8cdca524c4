//! Every way in which a payment by channel can be wrong, and the code that says so.

use serde::{Deserialize, Serialize};

/// Why a payment by channel is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChannelFlaw {
    /// `channelId` is no 32 bytes.
    ChannelIdInvalid,
    /// The channel's terms have another id.
    ChannelIdMismatch,
    /// The voucher does not continue from what was charged: the client has lost sight of the channel.
    CumulativeAmountMismatch,
    /// Pays somebody else.
    ReceiverMismatch,
    /// Lets somebody else claim and refund.
    ReceiverAuthorizerMismatch,
    /// Another token.
    TokenMismatch,
    /// Another delay than the offer's.
    WithdrawDelayMismatch,
    /// A delay that the contract does not take.
    WithdrawDelayOutOfRange,
    /// The voucher is not signed by the channel's authorizer.
    VoucherSignature,
    /// More than the channel holds.
    CumulativeExceedsBalance,
    /// Not more than is claimed already.
    CumulativeBelowClaimed,
    /// Another request of the channel is being served.
    ChannelBusy,
    /// Not a payload of this scheme, or a deposit by another transfer than the offer's.
    PayloadType,
    /// A deposit by EIP-3009 without its authorization.
    Erc3009AuthorizationRequired,
    /// The offer lacks the token's EIP-712 name or version.
    MissingDomain,
    /// The deposit has expired, or is about to.
    ValidBefore,
    /// The deposit is not valid yet.
    ValidAfter,
    /// The deposit is not signed by the payer.
    ReceiveAuthorizationSignature,
    /// A deposit by Permit2 that another contract may take.
    Permit2Spender,
    /// A deposit by Permit2 of another amount than it says.
    Permit2Amount,
    /// A deposit by Permit2 that has expired, or is about to.
    Permit2DeadlineExpired,
    /// A deposit by Permit2 that is not signed by the payer.
    Permit2Signature,
    /// The chain knows no money in the channel.
    ChannelNotFound,
    /// More was to be charged than the voucher allows.
    ChargeExceedsSigned,
    /// Nothing is left to give back.
    RefundNoBalance,
    /// Nothing is asked back.
    RefundAmountInvalid,
}

impl ChannelFlaw {
    /// The code for the client.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ChannelIdInvalid => "invalid_batch_settlement_evm_channel_id_invalid",
            Self::ChannelIdMismatch => "invalid_batch_settlement_evm_channel_id_mismatch",
            Self::CumulativeAmountMismatch => "invalid_batch_settlement_evm_cumulative_amount_mismatch",
            Self::ReceiverMismatch => "invalid_batch_settlement_evm_receiver_mismatch",
            Self::ReceiverAuthorizerMismatch => "invalid_batch_settlement_evm_receiver_authorizer_mismatch",
            Self::TokenMismatch => "invalid_batch_settlement_evm_token_mismatch",
            Self::WithdrawDelayMismatch => "invalid_batch_settlement_evm_withdraw_delay_mismatch",
            Self::WithdrawDelayOutOfRange => "invalid_batch_settlement_evm_withdraw_delay_out_of_range",
            Self::VoucherSignature => "invalid_batch_settlement_evm_voucher_signature",
            Self::CumulativeExceedsBalance => "invalid_batch_settlement_evm_cumulative_exceeds_balance",
            Self::CumulativeBelowClaimed => "invalid_batch_settlement_evm_cumulative_below_claimed",
            Self::ChannelBusy => "invalid_batch_settlement_evm_channel_busy",
            Self::PayloadType => "invalid_batch_settlement_evm_payload_type",
            Self::Erc3009AuthorizationRequired => "invalid_batch_settlement_evm_erc3009_authorization_required",
            Self::MissingDomain => "invalid_batch_settlement_evm_missing_eip712_domain",
            Self::ValidBefore => "invalid_batch_settlement_evm_payload_authorization_valid_before",
            Self::ValidAfter => "invalid_batch_settlement_evm_payload_authorization_valid_after",
            Self::ReceiveAuthorizationSignature => "invalid_batch_settlement_evm_receive_authorization_signature",
            Self::Permit2Spender => "invalid_batch_settlement_evm_permit2_invalid_spender",
            Self::Permit2Amount => "invalid_batch_settlement_evm_permit2_amount_mismatch",
            Self::Permit2DeadlineExpired => "invalid_batch_settlement_evm_permit2_deadline_expired",
            Self::Permit2Signature => "invalid_batch_settlement_evm_permit2_invalid_signature",
            Self::ChannelNotFound => "invalid_batch_settlement_evm_channel_not_found",
            Self::ChargeExceedsSigned => "invalid_batch_settlement_evm_charge_exceeds_signed_cumulative",
            Self::RefundNoBalance => "invalid_batch_settlement_evm_refund_no_balance",
            Self::RefundAmountInvalid => "invalid_batch_settlement_evm_refund_amount_invalid",
        }
    }
}
