//! Requests that a pass opens, and passes that a payment buys.

use std::{fmt, rc::Rc};

use crate::{
    extensions::sign_in_with_x::{self, Proof},
    ledger::{Pass, PassCommand, PassReply, passes_name},
    origin::{Paid, paid_answer_edits, pass_forward},
    passes::{BadKeys, Keys, PASS_HEADER, cookie_value, is_enough, is_live, opens, presented, set_cookie},
    ports::{Clock, Counter, Fetch, HeaderEdits, Journal, Ledger, LedgerDown, Origin, OriginAnswer, Random, Request},
    prices::{Quote, Target},
    time::UnixTime,
    transports::http,
};

use super::{
    Answer, Gate, Visit, answer,
    relay::{ORIGIN_WITHIN, hiding_origin, redirect},
};

/// What passes need from outside.
#[derive(Clone, Copy)]
pub struct Passes<'a> {
    /// The keys, or why there are none. Without them no pass is sold and none opens anything: requests pay.
    pub keys: Result<&'a Keys, BadKeys>,
    /// For nonces.
    pub random: &'a dyn Random,
}

impl fmt::Debug for Passes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passes").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// Digits of a payment's id that name the pass it buys: the same each time its answer is given.
const ID_DIGITS: usize = 32;

/// Longer URLs are not signed: the 402's header would grow beyond what clients take.
const MAX_SIGNED_URL_BYTES: usize = 512;

impl<F: Fetch, H: Clock + Journal, L: Ledger, N: Counter> Gate<'_, F, H, L, N> {
    /// Opens the request by a pass that it carries, or that the wallet has which signed in. Nothing where it has to
    /// be paid. Comes before any payment: nobody pays for what they have.
    pub(super) async fn open_by_pass<R: Request, O: Origin>(
        &self,
        quote: &Quote<'_>,
        visit: &Visit<'_, R>,
        origin: &O,
    ) -> Option<Answer<O::Answer>> {
        quote.route.openers().next()?;
        let keys = self.passes.keys.ok()?;
        let (host, now) = (visit.host(), self.host.now());
        let place = (host.as_str(), visit.target.path);
        match self.first_with_a_use(passes_brought(keys, quote, visit, now), visit).await {
            Ok(Some(pass)) => return Some(self.serve_by(&pass, false, visit, origin).await),
            Ok(None) => {}
            Err(LedgerDown) => return Some(self.ledger_down()),
        }
        let passes = match self.passes_of_wallet(quote, &host, now, visit).await? {
            Ok(passes) => {
                let opening = passes.into_iter().filter(|pass| opens(pass, quote, visit.table, place, now));
                opening.map(Rc::new).collect()
            }
            Err(LedgerDown) => return Some(self.ledger_down()),
        };
        match self.first_with_a_use(passes, visit).await {
            Ok(Some(pass)) => Some(self.serve_by(&pass, true, visit, origin).await),
            Ok(None) => None,
            Err(LedgerDown) => Some(self.ledger_down()),
        }
    }

    /// The first pass that can be used; of those with counted uses, one use is taken.
    async fn first_with_a_use<R: Request>(
        &self,
        passes: Vec<Rc<Pass>>,
        visit: &Visit<'_, R>,
    ) -> Result<Option<Rc<Pass>>, LedgerDown> {
        if let Some(uncounted) = passes.iter().find(|pass| pass.uses.is_none()) {
            return Ok(Some(Rc::clone(uncounted)));
        }
        for pass in passes {
            let Some(uses) = pass.uses else { continue };
            // Who spends a use on HEAD would get nothing for it. Without a ledger nothing can be counted.
            let Some(ledger) = self.ledger.filter(|_| !visit.request.method().eq_ignore_ascii_case("HEAD")) else {
                continue;
            };
            let take = PassCommand::Use { id: pass.id.clone(), uses, expires_at: pass.expires_at };
            if ledger.passes(&passes_name(&pass.host, &pass.payer), take).await? == PassReply::Done {
                return Ok(Some(pass));
            }
        }
        Ok(None)
    }

    /// Asks the origin; `fresh`: the client has to be given the pass.
    async fn serve_by<R: Request, O: Origin>(
        &self,
        pass: &Pass,
        fresh: bool,
        visit: &Visit<'_, R>,
        origin: &O,
    ) -> Answer<O::Answer> {
        let forward = pass_forward(visit.forward(), &pass.payer, &pass.id);
        let answer = match origin.send(forward, ORIGIN_WITHIN).await {
            Ok(answer) => answer,
            Err(error) => {
                self.host.fault(&format!("origin: {error}; asked by a pass"));
                self.give_back(pass).await;
                return answer::origin_failed(error).into();
            }
        };
        if self.is_free_of_charge(&answer, visit) {
            self.give_back(pass).await;
        }
        let mut edits = opened_edits(&answer, &visit.target, self.origin_url, visit.public_url());
        if fresh {
            self.hand_out(pass, visit, &mut edits);
        }
        Answer::Origins { answer, edits, delivery: None }
    }

    /// The origin failed: the use was none. If this is lost, so is the use.
    async fn give_back(&self, pass: &Pass) {
        let (Some(ledger), true) = (self.ledger, pass.uses.is_some()) else { return };
        let give_back = PassCommand::GiveBack { id: pass.id.clone() };
        if ledger.passes(&passes_name(&pass.host, &pass.payer), give_back).await.is_err() {
            self.host.fault(&format!("the ledger cannot be reached; a use of the pass {} is lost", pass.id));
        }
    }

    /// The passes of the wallet that signs in with this request. Nothing where none does, or not rightly.
    async fn passes_of_wallet<R: Request>(
        &self,
        quote: &Quote<'_>,
        host: &str,
        now: UnixTime,
        visit: &Visit<'_, R>,
    ) -> Option<Result<Vec<Pass>, LedgerDown>> {
        let header = visit.request.header(http::SIGN_IN_WITH_X)?;
        let (ledger, public_url) = (self.ledger?, visit.public_url()?);
        let proof = Proof::read(&http::decode_header(http::SIGN_IN_WITH_X, header).ok()?).ok()?;
        let wallet = proof.check(public_url, &chains(quote), self.host.millis()).ok()?;
        let object = passes_name(host, &wallet.payer.to_string());
        let sign_in = PassCommand::SignIn {
            nonce: wallet.nonce,
            until: now.plus(sign_in_with_x::MAX_AGE_MILLIS / 1000).0,
            routes: quote.route.openers().map(str::to_owned).collect(),
            path: visit.target.path.to_owned(),
        };
        Some(match ledger.passes(&object, sign_in).await {
            Ok(PassReply::Passes(passes)) => Ok(passes),
            Ok(PassReply::Done | PassReply::UsedUp) => Ok(Vec::new()),
            Err(down) => Err(down),
        })
    }

    /// What a 402 says of signing in: only where somebody could have a pass, and could be asked for it.
    pub(super) fn sign_in_offer<R: Request>(
        &self,
        quote: &Quote<'_>,
        visit: &Visit<'_, R>,
    ) -> Option<serde_json::Value> {
        quote.route.openers().next()?;
        let (Ok(_), Some(_), Some(public_url)) = (self.passes.keys, self.ledger, visit.public_url()) else {
            return None;
        };
        let whole = format!("{}{}", visit.target.path, visit.target.query);
        let path = if whole.len() <= MAX_SIGNED_URL_BYTES { &whole } else { "/" };
        let nonce = self.passes.random.bytes()?;
        Some(sign_in_with_x::declaration(public_url, path, &chains(quote), &nonce, self.host.millis()))
    }

    /// The pass that a settled payment buys, handed out with its answer. None where its route sells none, or where
    /// the price that was paid is one from before an edit and would not be enough now.
    pub(super) fn sell_pass<R: Request>(
        &self,
        quote: &Quote<'_>,
        paid: &Paid,
        settled_at: UnixTime,
        visit: &Visit<'_, R>,
        edits: &mut HeaderEdits,
    ) -> Option<Pass> {
        let terms = quote.route.pass()?;
        self.passes.keys.ok()?;
        let pass = Pass {
            id: paid.idempotency_key.get(..ID_DIGITS)?.to_owned(),
            host: visit.host(),
            payer: paid.payer.to_string(),
            route: quote.route.key().to_owned(),
            path: terms.only_its_path.then(|| visit.target.path.to_owned()),
            rule: quote.rule,
            network: paid.network.to_string(),
            asset: paid.asset.to_string(),
            amount: paid.amount.to_string(),
            issued_at: settled_at.0,
            expires_at: settled_at.plus(terms.ttl_seconds).0,
            uses: terms.uses,
            epoch: visit.table.revoked().epoch(),
        };
        let is_good = pass.expires_at > self.host.now().0 && is_enough(&pass, quote.accepts());
        (is_good && self.hand_out(&pass, visit, edits)).then_some(pass)
    }

    /// Signs the pass and puts it into the answer. The cookie keeps the passes that the client has already.
    fn hand_out<R: Request>(&self, pass: &Pass, visit: &Visit<'_, R>, edits: &mut HeaderEdits) -> bool {
        let Ok(keys) = self.passes.keys else { return false };
        let Some(token) = keys.sign(pass) else { return false };
        let (now, cookie) = (self.host.now().0, visit.request.header("Cookie"));
        let mut last = pass.expires_at;
        let mut tokens = vec![token.as_str()];
        for other in presented(None, cookie) {
            let is_other = |known: &Rc<Pass>| known.id != pass.id && known.host == pass.host && known.expires_at > now;
            if let Some(known) = keys.read(other).filter(is_other) {
                last = last.max(known.expires_at);
                tokens.push(other);
            }
        }
        edits.append.push(("Set-Cookie", set_cookie(&cookie_value(tokens), last.saturating_sub(now))));
        edits.set.push((PASS_HEADER, token));
        true
    }
}

/// The passes that a request brings and that open it now, in the order it has them.
pub(super) fn passes_brought<R: Request>(
    keys: &Keys,
    quote: &Quote<'_>,
    visit: &Visit<'_, R>,
    now: UnixTime,
) -> Vec<Rc<Pass>> {
    let host = visit.host();
    let place = (host.as_str(), visit.target.path);
    all_brought(keys, visit).into_iter().filter(|pass| opens(pass, quote, visit.table, place, now)).collect()
}

/// All passes that the request carries and that were signed here.
fn all_brought<R: Request>(keys: &Keys, visit: &Visit<'_, R>) -> Vec<Rc<Pass>> {
    presented(visit.request.header(PASS_HEADER), visit.cookies_with_passes())
        .into_iter()
        .filter_map(|token| keys.read(token))
        .collect()
}

/// The payer of a pass that the request carries, whatever it opens: somebody who has paid at this host.
pub(super) fn payer_of_pass<R: Request>(keys: &Keys, visit: &Visit<'_, R>, now: UnixTime) -> Option<String> {
    let host = visit.host();
    all_brought(keys, visit)
        .into_iter()
        .find(|pass| is_live(pass, visit.table, &host, now))
        .map(|pass| pass.payer.clone())
}

/// What changes in the origin's answer to a request that a pass opened.
pub(super) fn opened_edits(
    answer: &impl OriginAnswer,
    target: &Target<'_>,
    origin_url: Option<&str>,
    public_url: Option<&str>,
) -> HeaderEdits {
    let edits = paid_answer_edits(answer.header("Cache-Control").as_deref());
    let mut edits = hiding_origin(redirect(answer, target, origin_url, public_url), edits);
    edits.set.extend(answer::exposed_to_browsers(answer));
    edits
}

/// The chains that can be paid on: a wallet signs in on one of them.
fn chains(quote: &Quote<'_>) -> Vec<String> {
    let mut chains: Vec<String> = Vec::new();
    for chain in quote.accepts().iter().map(|offer| offer.network().to_string()) {
        if !chains.contains(&chain) {
            chains.push(chain);
        }
    }
    chains
}
