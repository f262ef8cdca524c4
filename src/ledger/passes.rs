//! Passes: what they say, how often one was used, and who may come back with one.
//!
//! One object per host and payer ([`super::passes_name`]). A pass without `uses` asks nothing of it.

use serde::{Deserialize, Serialize};

use crate::time::UnixTime;

/// Whatever is past its time is remembered so much longer: clocks differ from place to place.
pub const PASS_MARGIN_SECONDS: u64 = 600;

/// Passes and nonces that one object keeps at most.
const MAX_ROWS: u64 = 10_000;

/// Passes that are told to a payer who signs in.
const MAX_TOLD: usize = 20;

/// What a pass says. Its names are those of JWT (RFC 7519 §4.1) where there are such.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// The payment it was sold with: the first 32 digits of [`super::payment_id`].
    #[serde(rename = "jti")]
    pub id: String,
    /// The host that sold it, lower case, without port.
    #[serde(rename = "aud")]
    pub host: String,
    /// Who paid (EIP-55).
    #[serde(rename = "sub")]
    pub payer: String,
    /// The key of the route that sold it.
    pub route: String,
    /// The only path that it opens, as it stood in the request; none: all that its routes cover.
    pub path: Option<String>,
    /// The rule by which it was sold, counted from 0; none for the route's own terms.
    pub rule: Option<usize>,
    /// What was paid: CAIP-2 id of the chain,
    pub network: String,
    /// token contract (EIP-55),
    pub asset: String,
    /// and atomic units.
    pub amount: String,
    /// When it was settled; Unix seconds.
    #[serde(rename = "iat")]
    pub issued_at: u64,
    /// The first second at which it is no good any more.
    #[serde(rename = "exp")]
    pub expires_at: u64,
    /// How often it can be used; none: as often as its holder likes.
    pub uses: Option<u64>,
    /// The price document's epoch when it was sold.
    pub epoch: u64,
}

/// What is kept of a pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptPass {
    /// The pass itself, once its sale is known here: a use may come first.
    pub pass: Option<Pass>,
    /// How often it was used.
    pub used: u64,
    /// As in [`Pass`].
    pub expires_at: u64,
}

/// What a pass object is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PassCommand {
    /// A pass was sold. Told again, it is the same one.
    Sold(Box<Pass>),
    /// Takes one of its uses.
    Use {
        /// Which.
        id: String,
        /// How many it has.
        uses: u64,
        /// As in [`Pass`].
        expires_at: u64,
    },
    /// The origin failed: the use was none.
    GiveBack {
        /// Which.
        id: String,
    },
    /// The payer has signed in. Where there is a pass, the nonce is spent.
    SignIn {
        /// The signed message's nonce.
        nonce: String,
        /// Until when the message could be signed in with again; Unix seconds.
        until: u64,
        /// Passes of these routes are asked for,
        routes: Vec<String>,
        /// that open this path.
        path: String,
    },
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PassReply {
    /// Written; for a use: it is taken.
    Done,
    /// No use is left, or no room to count it.
    UsedUp,
    /// The payer's live passes with uses left, those that last longest first; none where the nonce was spent.
    Passes(Vec<Pass>),
}

/// A pass object's storage. Nothing else happens in it while a command is applied.
pub trait PassStore {
    /// Storage that fails.
    type Error;
    /// What is kept of a pass.
    fn load(&self, id: &str) -> Result<Option<KeptPass>, Self::Error>;
    /// Keeps it.
    fn save(&self, id: &str, kept: &KeptPass) -> Result<(), Self::Error>;
    /// All that is kept of passes which expire after `now`.
    fn live(&self, now: UnixTime) -> Result<Vec<KeptPass>, Self::Error>;
    /// Remembers a nonce until then; false where it is remembered already.
    fn spend(&self, nonce: &str, until: UnixTime) -> Result<bool, Self::Error>;
    /// How many passes and nonces are kept.
    fn count(&self) -> Result<u64, Self::Error>;
}

/// Applies a command, whole or not at all.
pub fn apply_to_passes<S: PassStore>(store: &S, command: PassCommand, now: UnixTime) -> Result<PassReply, S::Error> {
    match command {
        PassCommand::Sold(pass) => {
            let known = store.load(&pass.id)?;
            if known.is_some() || store.count()? < MAX_ROWS {
                let (used, expires_at) = (known.map_or(0, |known| known.used), pass.expires_at);
                store.save(&pass.id.clone(), &KeptPass { pass: Some(*pass), used, expires_at })?;
            }
            Ok(PassReply::Done)
        }
        PassCommand::Use { id, uses, expires_at } => {
            let known = store.load(&id)?;
            let is_room = known.is_some() || store.count()? < MAX_ROWS;
            let mut kept = known.unwrap_or(KeptPass { pass: None, used: 0, expires_at });
            if expires_at <= now.0 || kept.used >= uses || !is_room {
                return Ok(PassReply::UsedUp);
            }
            kept.used += 1;
            store.save(&id, &kept)?;
            Ok(PassReply::Done)
        }
        PassCommand::GiveBack { id } => {
            if let Some(kept) = store.load(&id)? {
                store.save(&id, &KeptPass { used: kept.used.saturating_sub(1), ..kept })?;
            }
            Ok(PassReply::Done)
        }
        PassCommand::SignIn { nonce, until, routes, path } => {
            let mut passes: Vec<Pass> = store
                .live(now)?
                .into_iter()
                .filter_map(|kept| kept.pass.filter(|pass| pass.uses.is_none_or(|uses| kept.used < uses)))
                .filter(|pass| routes.contains(&pass.route) && pass.path.as_ref().is_none_or(|only| *only == path))
                .collect();
            // Who has no pass leaves nothing behind.
            let spends = !passes.is_empty() && store.count()? < MAX_ROWS;
            if !spends || !store.spend(&nonce, UnixTime(until))? {
                return Ok(PassReply::Passes(Vec::new()));
            }
            passes.sort_by_key(|pass| std::cmp::Reverse(pass.expires_at));
            passes.truncate(MAX_TOLD);
            Ok(PassReply::Passes(passes))
        }
    }
}
