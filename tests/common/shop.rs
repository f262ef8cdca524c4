//! A site that sells passes, and what its clients do.

use serde_json::{Value, json};
use x402_edge::{gate::Answer, ports::HeaderEdits, time::UnixTime};

use super::{FakeRequest, World, wallet::Wallet};

pub const HOST: &str = "https://shop.example";
pub const ARTICLE: &str = "https://shop.example/articles/1";

pub fn document() -> Value {
    json!({
        "payTo": "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB", "network": "eip155:84532",
        "facilitators": ["https://facilitator.example/"], "publicUrl": HOST,
        "routes": {
            "GET /articles/:slug": {
                "price": "$0.05", "pass": {"ttl": 3600, "scope": ["/archive/*"]},
                "rules": [
                    {"when": {"country": "DE"}, "price": "$0.04"},
                    {"when": {"country": "FR"}, "price": "$0.10"},
                    {"when": {"country": "KP"}, "deny": true},
                ],
            },
            "/archive/*": {"price": "$0.04"},
            "/tickets": {"price": "$0.05", "pass": {"ttl": 3600, "uses": 3}},
            "/dear": {"price": "$9", "pass": {"ttl": 3600}},
            "/plain": {"price": "$0.05"},
        },
        "hosts": {"other.example": {"routes": {"GET /articles/:slug": {"price": "$0.05", "pass": {"ttl": 3600}}}}},
    })
}

pub fn world() -> World {
    put(World::new(), &document())
}

/// Another document is in force from now on.
pub fn put(world: World, document: &Value) -> World {
    let prices = world.prices.after_edit(&document.to_string(), UnixTime(world.time.get() / 1000));
    assert_eq!(prices.problems(), []);
    World { prices, ..world }
}

/// The header `X-402-Pass` of an answer.
pub fn pass_in(edits: &HeaderEdits) -> Option<String> {
    edits.set.iter().find(|(name, _)| *name == "X-402-Pass").map(|(_, value)| value.clone())
}

pub fn cookie_in(edits: &HeaderEdits) -> Option<String> {
    let cookie = edits.append.iter().find(|(name, _)| *name == "Set-Cookie").map(|(_, value)| value)?;
    Some(cookie.split(';').next().unwrap().to_owned())
}

pub fn paid(world: &World, request: FakeRequest, wallet: u8, nonce: u8) -> FakeRequest {
    let unpaid = FakeRequest {
        headers: vec![],
        client: request.client.clone(),
        ..FakeRequest::new(&request.method, &request.url)
    };
    let payment = Wallet::new(wallet).pays(&world.ours(&unpaid), nonce, world.time.get() / 1000 + 60);
    request.with("PAYMENT-SIGNATURE", &payment)
}

/// Pays, and returns the pass that came with the answer.
pub fn bought(world: &World, request: FakeRequest) -> String {
    let nonce = 100 + u8::try_from(world.sent.borrow().len()).unwrap();
    let (_, edits) = world.origins(&paid(world, request, 0x11, nonce));
    world.calls.borrow_mut().clear();
    pass_in(&edits).unwrap()
}

pub fn get(url: &str, pass: &str) -> FakeRequest {
    FakeRequest::get(url).with("X-402-Pass", pass)
}

pub fn status(world: &World, request: &FakeRequest) -> u16 {
    match world.serve(request) {
        Answer::Ours(answer) => answer.status,
        Answer::Origins { answer, .. } => answer.status,
        Answer::Kept(answer) => answer.status,
    }
}
