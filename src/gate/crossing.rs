//! What is bought out of a channel.

use serde_json::json;

use crate::{
    channels::{
        Asked, ChannelState, ClaimPolicy, Means, Presentation, Receipt, Seen, Served, VoucherState, channel_name,
        voucher_payment_id,
    },
    evm::{Uint256, keccak256},
    money::Amount,
    origin::Paid,
    ports::Request,
    schemes::{
        Refusal,
        batch_settlement::{ChannelFlaw, CheckedMessage, Kind},
    },
    x402::{PaymentPayload, SettlementResponse, X402Version},
};

use super::{
    Visit,
    answer::{Challenge, OurAnswer},
    purchase::Purchase,
    terms::is_by_channel,
};

/// A checked payment by channel, and what it buys.
pub(super) struct Crossing<'a, R> {
    pub(super) purchase: Purchase<'a, R>,
    /// As the client sent it.
    pub(super) payload: &'a PaymentPayload,
    pub(super) checked: CheckedMessage,
    /// The channel's object.
    pub(super) object: String,
    /// Names the request.
    pub(super) request: String,
    /// The price document that asks for what is paid.
    pub(super) quoted: String,
}

impl<'a, R: Request> Crossing<'a, R> {
    pub(super) fn of(
        payload: &'a PaymentPayload,
        checked: CheckedMessage,
        challenge: &'a Challenge<'a>,
        visit: &'a Visit<'a, R>,
        prices: Option<&str>,
    ) -> Self {
        let (offer, request) = (checked.requirements(), visit.name());
        let network = offer.network();
        let key = format!("{}{request}", voucher_payment_id(network, &checked.digest()));
        let paid = Paid {
            payer: checked.message().config.payer,
            asset: offer.asset(),
            amount: offer.amount(),
            network,
            idempotency_key: hex::encode(keccak256(key.as_bytes())),
        };
        let object = channel_name(network, &checked.message().voucher.channel_id);
        let purchase = Purchase { visit, challenge, version: X402Version::V2, paid };
        let quoted = purchase.quoted(prices);
        Self { purchase, payload, checked, object, request, quoted }
    }

    /// What the request costs by the prices of now, by channel and in this token; more than anybody has where it is not
    /// sold so.
    pub(super) fn price_now(&self) -> Uint256 {
        let Paid { network, asset, .. } = self.purchase.paid;
        let offers = self.purchase.challenge.quote().accepts().iter();
        let same = offers.filter(|offer| is_by_channel(offer) && offer.network() == network && offer.asset() == asset);
        same.map(|offer| offer.amount().units()).min().unwrap_or(Uint256::MAX)
    }

    /// What the payload asks for.
    pub(super) fn asked(&self) -> Asked {
        match &self.checked.message().kind {
            Kind::Voucher => Asked::Voucher,
            Kind::Deposit(deposit) => {
                let text = self.checked.message().wire()["deposit"].to_string();
                Asked::Deposit { amount: deposit.amount, digest: hex::encode(keccak256(text.as_bytes())) }
            }
            Kind::Refund(amount) => Asked::Refund { amount: *amount },
        }
    }

    /// The payload as it goes to a facilitator: what was checked, with our offer and our name for what is bought.
    pub(super) fn restated(&self) -> PaymentPayload {
        self.checked.restated(self.payload).for_resource(self.purchase.challenge.resource())
    }

    /// The same without its deposit: only the voucher.
    pub(super) fn as_voucher(&self) -> PaymentPayload {
        let mut payload = self.checked.message().wire();
        payload["type"] = json!("voucher");
        if let Some(payload) = payload.as_object_mut() {
            payload.remove("deposit");
        }
        self.payload.restated(self.checked.requirements(), payload).for_resource(self.purchase.challenge.resource())
    }

    /// What the channel's object is told; `found` is what the chain holds and what is asked of it.
    pub(super) fn presentation(&self, found: Option<(Seen, Asked)>) -> Presentation {
        let Self { purchase, checked, request, .. } = self;
        let (message, offer, table) = (checked.message(), checked.requirements(), purchase.visit.table);
        let (seen, asked) = match found {
            Some((seen, asked)) => (Some(seen), asked),
            None => (None, self.asked()),
        };
        let (claims, network) = (table.claims(), offer.network());
        let decimals = table.ticker_and_decimals(network, offer.asset()).map(|(_, decimals)| decimals);
        let threshold = decimals.and_then(|decimals| claims.threshold(decimals)).map(Amount::units);
        let idle = claims.idle().unwrap_or(ClaimPolicy::DEFAULT_IDLE_SECONDS);
        Presentation {
            config: message.config.clone(),
            max: message.voucher.max_claimable_amount,
            signature: message.voucher_signature(),
            proven: message.is_proven(),
            price: checked.price(),
            asked,
            request: request.clone(),
            quoted: self.quoted.clone(),
            seen,
            means: Means {
                network: network.to_string(),
                facilitators: table.facilitators().to_vec(),
                rpc: table.rpc(network).to_vec(),
                claims: ClaimPolicy { every: claims.every(), idle, threshold },
                at: 0,
            },
            known_only: false,
            known_channel_only: false,
        }
    }

    /// What was served, once it was.
    pub(super) fn served(&self) -> Served {
        let message = self.checked.message();
        Served {
            max: message.voucher.max_claimable_amount,
            signature: message.voucher_signature(),
            price: self.checked.price(),
            request: self.request.clone(),
            quoted: self.quoted.clone(),
        }
    }

    /// The channel as clients know it.
    pub(super) fn channel_id(&self) -> String {
        format!("0x{}", hex::encode(self.checked.message().voucher.channel_id))
    }

    /// The answer to a payment that the channel refuses.
    pub(super) fn refused(&self, flaw: ChannelFlaw, known: Option<&(ChannelState, Option<VoucherState>)>) -> OurAnswer {
        let challenge = self.purchase.challenge;
        match known {
            Some(known) => challenge.corrected(flaw, self.checked.requirements(), known),
            None => challenge.refused(&Refusal::Channel(flaw), X402Version::V2),
        }
    }

    /// What the client is told of a charge: nothing moved on chain but a deposit.
    pub(super) fn receipt(&self, receipt: &Receipt) -> SettlementResponse {
        let amount = receipt.deposited.map_or_else(String::new, |amount| amount.to_string());
        let extra = json!({ "chargedAmount": receipt.charged, "channelState": receipt.state });
        SettlementResponse { extra: Some(extra), ..self.settled(receipt.transaction.clone(), amount) }
    }

    /// What the client is told of an answer whose cost shows when it has ended: what it charges is in the channel's state
    /// with the next answer.
    pub(super) fn metered(&self, deposited: Option<&(String, Option<Seen>)>) -> SettlementResponse {
        let (transaction, amount) = match (deposited, self.asked()) {
            (Some((transaction, _)), Asked::Deposit { amount, .. }) => (transaction.clone(), amount.to_string()),
            _ => (String::new(), String::new()),
        };
        let extra = json!({ "settlement": "queued" });
        SettlementResponse { extra: Some(extra), ..self.settled(transaction, amount) }
    }

    /// The receipt of what a facilitator did for the channel.
    pub(super) fn settled(&self, transaction: String, amount: String) -> SettlementResponse {
        SettlementResponse {
            success: true,
            error_reason: None,
            transaction,
            network: self.purchase.paid.network.to_string(),
            payer: Some(self.purchase.paid.payer.to_string()),
            amount: Some(amount),
            extra: None,
        }
    }

    /// The receipt of what a facilitator would not do.
    pub(super) fn unsettled(&self, reason: &str) -> SettlementResponse {
        SettlementResponse {
            success: false,
            error_reason: Some(reason.to_owned()),
            amount: None,
            ..self.settled(String::new(), String::new())
        }
    }
}
