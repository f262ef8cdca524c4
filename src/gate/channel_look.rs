//! What has to be known of a channel for what is bought out of it: by its object, the chain, or a facilitator's word.

use crate::{
    chain,
    channels::{Asked, Command, Reply, Seen},
    evm::Uint256,
    facilitator::{ChannelSeen, ChannelVerification},
    ports::{Clock, Counter, Fetch, Journal, Ledger, LedgerDown, Request},
    schemes::{Refusal, batch_settlement::Kind},
    time::UnixTime,
    x402::{PaymentPayload, X402Version},
};

use super::{
    Gate,
    answer::{self, OurAnswer},
    buy::time_to_verify,
    crossing::Crossing,
};

/// A block after the last second in which a deposit is valid takes none any more; clocks and blocks may lag so much.
const BLOCK_SECONDS: u64 = 60;

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
