//! What is bought out of a channel, and what has to be known of the channel for it.

use serde_json::json;

use crate::{
    chain,
    channels::{
        Asked, ChannelState, ClaimPolicy, Command, Means, Presentation, Receipt, Reply, Seen, Served, VoucherState,
        channel_name, voucher_payment_id,
    },
    evm::{Uint256, keccak256},
    facilitator::{ChannelSeen, ChannelVerification},
    money::Amount,
    origin::Paid,
    ports::{Clock, Counter, Fetch, Journal, Ledger, LedgerDown, Request},
    schemes::{
        Refusal,
        batch_settlement::{ChannelFlaw, CheckedMessage, Kind},
    },
    time::UnixTime,
    x402::{PaymentPayload, SettlementResponse, X402Version},
};

use super::{
    Gate, Visit,
    answer::{self, Challenge, OurAnswer},
    buy::time_to_verify,
    purchase::Purchase,
};

/// A block after the last second in which a deposit is valid takes none any more; clocks and blocks may lag so much.
const BLOCK_SECONDS: u64 = 60;

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
}

impl<'a, R: Request> Crossing<'a, R> {
    pub(super) fn of(
        payload: &'a PaymentPayload,
        checked: CheckedMessage,
        challenge: &'a Challenge<'a>,
        visit: &'a Visit<'a, R>,
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
        Self { purchase, payload, checked, object, request }
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
    fn as_voucher(&self) -> PaymentPayload {
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

impl Seen {
    /// What a facilitator says at `at`.
    pub(super) fn by_facilitator(seen: &ChannelSeen, at: UnixTime) -> Self {
        let ChannelSeen { balance, total_claimed, withdraw_requested_at, refund_nonce } = *seen;
        Self { balance, total_claimed, withdraw_requested_at, refund_nonce, at: at.0 }
    }
}

impl<F: Fetch, H: Clock + Journal, L: Ledger, N: Counter> Gate<'_, F, H, L, N> {
    /// Presents the payment to its channel.
    pub(super) async fn present<R: Request>(
        &self,
        crossing: &Crossing<'_, R>,
        found: Option<(Seen, Asked)>,
    ) -> Result<Reply, LedgerDown> {
        let ledger = self.ledger.ok_or(LedgerDown)?;
        let mut presentation = crossing.presentation(found);
        presentation.means.at = self.host.now().0;
        // With a key of the owner's a facilitator's is good for channels that were opened before.
        let is_own = self.channels.signer(presentation.config.receiver_authorizer).is_some();
        presentation.known_channel_only = self.channels.authorizer().is_some() && !is_own;
        ledger.channel(&crossing.object, Command::Present(Box::new(presentation))).await
    }

    /// What the channel holds, by the chain where that is enough and can be asked, else by a facilitator's word; and
    /// what is asked of it then. `late`: why it is not brought to the chain any more.
    pub(super) async fn look<R: Request>(
        &self,
        crossing: &Crossing<'_, R>,
        deposit_begun: bool,
        late: Option<&Refusal>,
    ) -> Result<(Seen, Asked), OurAnswer> {
        let (message, challenge) = (crossing.checked.message(), crossing.purchase.challenge);
        let is_voucher = message.kind == Kind::Voucher;
        let asked_at = self.host.now();
        if let Some(refusal) = late {
            if deposit_begun {
                return self.arrived(crossing, refusal).await;
            }
            return Err(challenge.refused(refusal, X402Version::V2));
        }
        if is_voucher
            && message.is_proven()
            && let Some(seen) = self.ask_chain(crossing).await
        {
            return Ok((seen, Asked::Voucher));
        }
        match self.verify_crossing(crossing, &crossing.restated()).await {
            ChannelVerification::Good(seen, _) => Ok((Seen::by_facilitator(&seen, asked_at), crossing.asked())),
            ChannelVerification::Refused(reason) if deposit_begun => {
                self.arrived(crossing, &Refusal::Facilitator(reason)).await
            }
            ChannelVerification::Refused(reason) => {
                Err(challenge.refused(&Refusal::Facilitator(reason), X402Version::V2))
            }
            ChannelVerification::Unreachable => Err(answer::facilitator_unreachable()),
            ChannelVerification::Nonsense => Err(self.nonsense()),
        }
    }

    /// A deposit that was brought before and is refused now: if it has arrived, its voucher is good by itself. It is
    /// refused once it cannot arrive any more; a 402 before that could have it paid twice.
    async fn arrived<R: Request>(
        &self,
        crossing: &Crossing<'_, R>,
        refusal: &Refusal,
    ) -> Result<(Seen, Asked), OurAnswer> {
        let (message, asked_at) = (crossing.checked.message(), self.host.now());
        let seen = match self.ask_chain(crossing).await {
            Some(seen) => Some(seen),
            None => match self.verify_crossing(crossing, &crossing.as_voucher()).await {
                ChannelVerification::Good(seen, _) => Some(Seen::by_facilitator(&seen, asked_at)),
                _ => None,
            },
        };
        if let Some(seen) = seen.filter(|seen| seen.balance >= message.voucher.max_claimable_amount) {
            return Ok((seen, Asked::Voucher));
        }
        let over = Uint256::from(UnixTime(asked_at.0.saturating_sub(BLOCK_SECONDS)));
        match &message.kind {
            Kind::Deposit(deposit) if deposit.valid_until() >= over => {
                Err(self.unknown(&crossing.purchase.paid, false))
            }
            _ => Err(crossing.purchase.challenge.refused(refusal, X402Version::V2)),
        }
    }

    async fn ask_chain<R: Request>(&self, crossing: &Crossing<'_, R>) -> Option<Seen> {
        let (table, network) = (crossing.purchase.visit.table, crossing.purchase.paid.network);
        let at = self.host.now().0;
        let known =
            chain::channels(self.fetch, table.rpc(network), &[crossing.channel_id()]).await?.into_iter().next()?;
        Some(Seen {
            balance: known.balance,
            total_claimed: known.total_claimed,
            withdraw_requested_at: known.withdraw_requested_at,
            refund_nonce: known.refund_nonce,
            at,
        })
    }

    async fn verify_crossing<R: Request>(
        &self,
        crossing: &Crossing<'_, R>,
        payload: &PaymentPayload,
    ) -> ChannelVerification {
        let table = crossing.purchase.visit.table;
        let within = time_to_verify(table);
        let terms = crossing.checked.requirements();
        self.facilitators().verify_channel(table.facilitators(), payload, terms, within).await
    }
}
