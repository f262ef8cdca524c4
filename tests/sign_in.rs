//! Signing in with a wallet that has a pass (extension `sign-in-with-x`).

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{
    FakeRequest, NOW, World, decoded,
    shop::{ARTICLE, bought, document, get, pass_in, put, status, world},
    vectors,
    wallet::Wallet,
};
use serde_json::{Value, json};
use x402_edge::{extensions::sign_in_with_x::Proof, gate::Answer, passes::BadKeys, transports::http};

/// Signs in with the message of a 402.
fn signed_in(url: &str, proof: &Value) -> FakeRequest {
    FakeRequest::get(url).with("SIGN-IN-WITH-X", &http::encode_header(proof))
}

fn proof(world: &World, wallet: u8) -> Value {
    Wallet::new(wallet).proof(&world.ours(&FakeRequest::get(ARTICLE)))
}

#[test]
fn a_wallet_with_a_pass_comes_back_by_signing_and_gets_the_same_pass() {
    let world = world();
    let pass = bought(&world, FakeRequest::get(ARTICLE));
    world.later(60);
    world.calls.borrow_mut().clear();
    let (answer, edits) = world.origins(&signed_in(ARTICLE, &proof(&world, 0x11)));
    assert_eq!((answer.status, pass_in(&edits)), (200, Some(pass)));
    assert!(edits.append[0].1.contains("; Max-Age=3540;"), "{:?}", edits.append);
    assert_eq!(world.calls(), ["origin /articles/1"]);
    // Into the pass's scope as well.
    assert_eq!(status(&world, &signed_in("https://shop.example/archive/1", &proof(&world, 0x11))), 200);
    // Nothing of it reaches the origin.
    let forward = world.forwarded.borrow();
    assert!(forward.as_ref().unwrap().edits.remove.iter().any(|gone| gone == "sign-in-with-x"));
}

#[test]
fn a_402_offers_signing_in_where_passes_are_sold_and_writes_nothing() {
    let world = world();
    let answer = world.ours(&FakeRequest::get(&format!("{ARTICLE}?a=b")));
    let extension = &decoded(&answer, "PAYMENT-REQUIRED")["extensions"]["sign-in-with-x"];
    assert_eq!(
        extension["info"],
        json!({
            "domain": "shop.example", "uri": "https://shop.example/articles/1?a=b", "version": "1",
            "nonce": "00".repeat(16), "issuedAt": "2026-09-21T14:13:20.000Z",
            "expirationTime": "2026-09-21T14:18:20.000Z", "resources": ["https://shop.example/articles/1?a=b"],
        })
    );
    assert_eq!(extension["supportedChains"], json!([{"chainId": "eip155:84532", "type": "eip191"}]));
    assert_eq!(extension["schema"]["type"], "object");
    let next = decoded(&world.ours(&FakeRequest::get(ARTICLE)), "PAYMENT-REQUIRED");
    assert_eq!(next["extensions"]["sign-in-with-x"]["info"]["nonce"], "01".repeat(16), "fresh each time");
    assert!(world.pass_objects.borrow().is_empty() && world.clerks.borrow().is_empty());
    // The archive is in a pass's scope; nothing opens /plain but money.
    let offered = |world: &World, url: &str| {
        !decoded(&world.ours(&FakeRequest::get(url)), "PAYMENT-REQUIRED")["extensions"]["sign-in-with-x"].is_null()
    };
    assert!(offered(&world, "https://shop.example/archive/1"));
    assert!(!offered(&world, "https://shop.example/plain"));
    assert!(!offered(&world, "https://other.example/articles/1"), "no publicUrl there");
    assert!(!offered(&World { pass_keys: Err(BadKeys::Missing), ..self::world() }, ARTICLE));
    assert!(!offered(&World { with_ledger: false, ..self::world() }, ARTICLE));
    let long = format!("{ARTICLE}?{}", "x".repeat(1500));
    let uri = decoded(&world.ours(&FakeRequest::get(&long)), "PAYMENT-REQUIRED")["extensions"]["sign-in-with-x"]["info"]["uri"].clone();
    assert_eq!(uri, "https://shop.example/");
}

#[test]
fn a_signature_that_shows_nothing_gets_the_usual_402() {
    let world = world();
    bought(&world, FakeRequest::get(ARTICLE));
    let good = proof(&world, 0x11);
    let wallet = Wallet::new(0x11);
    let changed = |key: &str, value: Value| {
        let mut proof = good.clone();
        proof[key] = value;
        wallet.sign_proof(proof)
    };
    let mut other_signature = good.clone();
    other_signature["signature"] = proof(&world, 0x22)["signature"].clone();
    let mut unsigned = good.clone();
    unsigned.as_object_mut().unwrap().remove("signature");
    let mut statement_later = good.clone();
    statement_later["statement"] = json!("I pay for everything");
    for (what, proof) in [
        ("somebody without a pass", proof(&world, 0x22)),
        ("another wallet's signature", other_signature),
        ("no signature", unsigned),
        ("a changed message", statement_later),
        ("another site", changed("domain", json!("evil.example"))),
        ("another site", changed("uri", json!("https://evil.example/articles/1"))),
        ("another site", changed("uri", json!("https://shop.example.evil.example/"))),
        ("another site", changed("uri", json!("http://shop.example/articles/1"))),
        ("too old", changed("issuedAt", json!("2026-09-21T14:08:19.999Z"))),
        ("from the future", changed("issuedAt", json!("2026-09-21T14:13:20.001Z"))),
        ("no time", changed("issuedAt", json!("now"))),
        ("expired", changed("expirationTime", json!("2026-09-21T14:13:19.999Z"))),
        ("not yet", changed("notBefore", json!("2026-09-21T14:13:21.000Z"))),
        ("another chain", changed("chainId", json!("eip155:1"))),
        ("a contract's chain", changed("chainId", json!("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"))),
        ("another kind", changed("type", json!("eip1271"))),
        ("another version", changed("version", json!("2"))),
        ("a short nonce", changed("nonce", json!("1234567"))),
        ("a nonce with a line break", {
            let mut proof = good.clone();
            proof["nonce"] = json!("12345678\n");
            proof
        }),
        ("an address in lower case", changed("address", json!(wallet.address().to_string().to_lowercase()))),
        ("nothing", json!(null)),
        ("a list", json!([])),
    ] {
        let answer = world.ours(&signed_in(ARTICLE, &proof));
        assert_eq!(answer.status, 402, "{what}");
        assert!(common::header(&answer, "PAYMENT-REQUIRED").is_some());
    }
    assert_eq!(world.calls(), [""; 0]);
    for header in ["", "x", "bnVsbA==", &"A".repeat(20_000)] {
        assert_eq!(status(&world, &FakeRequest::get(ARTICLE).with("SIGN-IN-WITH-X", header)), 402);
    }
    let stranger = format!("passes:v1:shop.example:{}", Wallet::new(0x22).address()).to_lowercase();
    let objects = world.pass_objects.borrow();
    assert!(objects[&stranger].nonces.borrow().is_empty(), "who has no pass leaves nothing behind");
    drop(objects);
    assert_eq!(status(&world, &signed_in(ARTICLE, &good)), 200, "the same message, untouched");
    assert_eq!(status(&world, &signed_in("https://other.example/articles/1", &good)), 402);
}

#[test]
fn a_signed_message_is_good_once() {
    let world = world();
    bought(&world, FakeRequest::get(ARTICLE));
    let proof = proof(&world, 0x11);
    assert_eq!([0; 3].map(|_| status(&world, &signed_in(ARTICLE, &proof))), [200, 402, 402]);
    // The same message in another spelling of its signature.
    let mut again = proof;
    let signature = again["signature"].as_str().unwrap().to_owned();
    let last = if signature.ends_with("1b") { "00" } else { "01" };
    again["signature"] = json!(format!("{}{last}", &signature[..130]));
    assert_eq!(status(&world, &signed_in(ARTICLE, &again)), 402);
}

#[test]
fn signing_in_gives_no_more_uses_and_no_more_time() {
    let world = world();
    let url = "https://shop.example/tickets";
    let pass = bought(&world, FakeRequest::get(url));
    let sign_in = || {
        let proof = Wallet::new(0x11).proof(&world.ours(&FakeRequest::get(url)));
        world.serve(&signed_in(url, &proof))
    };
    assert_eq!(status(&world, &get(url, &pass)), 200);
    for _ in 0..2 {
        let Answer::Origins { edits, .. } = sign_in() else { panic!("not served") };
        assert_eq!(pass_in(&edits).as_ref(), Some(&pass));
    }
    assert!(matches!(sign_in(), Answer::Ours(answer) if answer.status == 402), "used up");
    assert_eq!(status(&world, &get(url, &pass)), 402);

    let world = self::world();
    bought(&world, FakeRequest::get(ARTICLE));
    world.later(3600);
    assert_eq!(status(&world, &signed_in(ARTICLE, &self::proof(&world, 0x11))), 402, "over");
}

#[test]
fn of_passes_for_one_path_a_wallet_gets_that_of_the_path() {
    let mut document = document();
    document.pointer_mut("/routes/GET ~1articles~1:slug").unwrap()["pass"] = json!({"ttl": 3600, "for": "path"});
    let world = put(World::new(), &document);
    let passes: Vec<String> = (0..30)
        .map(|article| bought(&world, FakeRequest::get(&format!("https://shop.example/articles/{article}"))))
        .collect();
    for (article, pass) in passes.iter().enumerate() {
        let url = format!("https://shop.example/articles/{article}");
        let proof = Wallet::new(0x11).proof(&world.ours(&FakeRequest::get(&url)));
        let (_, edits) = world.origins(&signed_in(&url, &proof));
        assert_eq!(pass_in(&edits).as_ref(), Some(pass));
    }
    let url = "https://shop.example/articles/unread";
    let proof = Wallet::new(0x11).proof(&world.ours(&FakeRequest::get(url)));
    assert_eq!(status(&world, &signed_in(url, &proof)), 402);
}

#[test]
fn a_revoked_payer_does_not_come_back_by_signing() {
    let world = world();
    bought(&world, FakeRequest::get(ARTICLE));
    let mut document = document();
    document["passes"] = json!({"revoked": [Wallet::new(0x11).address().to_string()]});
    let world = put(world, &document);
    assert_eq!(status(&world, &signed_in(ARTICLE, &proof(&world, 0x11))), 402);
}

#[test]
fn what_a_client_echoes_of_signing_in_is_ours_or_refused() {
    let world = world();
    let answer = world.ours(&FakeRequest::get(ARTICLE));
    let mut payload: Value =
        serde_json::from_slice(&http::decode_header("x", &Wallet::new(0x11).pays(&answer, 1, NOW + 60)).unwrap())
            .unwrap();
    payload["extensions"] = decoded(&answer, "PAYMENT-REQUIRED")["extensions"].clone();
    let send = |payload: &Value| {
        status(&world, &FakeRequest::get(ARTICLE).with("PAYMENT-SIGNATURE", &http::encode_header(payload)))
    };
    let mut changed = payload.clone();
    changed["extensions"]["sign-in-with-x"]["info"]["domain"] = json!("evil.example");
    assert_eq!(send(&changed), 402);
    assert_eq!(send(&payload), 200, "the nonce is another one by now");
}

/// Built by the official package with viem: the message to the letter, its digest, and what the official server says.
#[test]
fn messages_and_verdicts_are_those_of_the_official_package() {
    let file = vectors("extensions");
    let siwx = &file["siwx"];
    let now = file["now"].as_u64().unwrap() * 1000;
    let vectors = siwx["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 9);
    for vector in vectors {
        let id = &vector["id"];
        let json = http::decode_header("x", vector["header"].as_str().unwrap()).unwrap();
        let proof = Proof::read(&json).unwrap();
        assert_eq!(proof.message(), vector["message"].as_str().unwrap(), "{id}");
        assert_eq!(format!("0x{}", hex::encode(proof.digest())), vector["eip191Digest"].as_str().unwrap(), "{id}");
        let found = proof.check(siwx["origin"].as_str().unwrap(), &["eip155:8453".to_owned()], now);
        let official = [&vector["validate"], &vector["verify"]].into_iter().find(|verdict| verdict["isValid"] == false);
        match official {
            Some(verdict) => assert_eq!(found.unwrap_err().0, verdict["invalidReason"], "{id}"),
            None => assert_eq!(found.unwrap().payer.to_string(), vector["verify"]["payer"].as_str().unwrap(), "{id}"),
        }
    }
}
