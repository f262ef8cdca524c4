//! The program as people and programs use it.

#![allow(clippy::unwrap_used)]

mod common;

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use common::vectors;
use serde_json::{Value, json};

fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_x402-edge"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn payment_check_judges_every_vector() {
    let mut questions = Vec::new();
    let mut expected = Vec::new();
    for file in ["exact-eip3009", "exact-v1", "exact-permit2", "upto-permit2"] {
        for vector in vectors(file)["vectors"].as_array().unwrap() {
            for (policy, key) in [("refuse", "expected"), ("defer", "expectedSmart")] {
                let mut question = json!({"smartWallets": policy});
                for key in ["requirements", "paymentPayload", "now"] {
                    question[key] = vector[key].clone();
                }
                questions.push(question.to_string());
                expected.push((vector.clone(), vector[key].clone()));
            }
        }
    }
    let channels = vectors("batch-settlement-evm");
    for vector in ["vouchers", "deposits"].iter().flat_map(|list| channels[list].as_array().unwrap()) {
        let mut question = json!({});
        for key in ["requirements", "paymentPayload", "now", "storedChannel"] {
            question[key] = vector[key].clone();
        }
        questions.push(question.to_string());
        let mut known = vector.clone();
        known["digest"] = known["voucherDigest"].clone();
        known["recovered"] = vector.get("recovered").or_else(|| vector.get("voucherRecovered")).cloned().into();
        expected.push((known, vector["expected"].clone()));
    }
    let output = run(&["payment", "check"], &questions.join("\n"));
    assert!(output.status.success());
    let answers = lines(&output);
    assert_eq!(answers.len(), 2 * (112 + 25 + 20) + 23 + 8);
    for (answer, (vector, expected)) in answers.iter().zip(&expected) {
        assert_eq!(
            (&answer["verdict"], &answer["reason"]),
            (&expected["verdict"], &expected["reason"]),
            "{}",
            vector["id"]
        );
        // Neither what we refuse to read nor what the client made by itself has a hash in the vectors.
        if !answer["digest"].is_null() && !vector["digest"].is_null() {
            assert_eq!(
                (&answer["digest"], &answer["recovered"]),
                (&vector["digest"], &vector["recovered"]),
                "{}",
                vector["id"]
            );
        }
    }
}

#[test]
fn a_line_that_is_no_question_is_told_and_the_others_are_answered() {
    let vector = &vectors("exact-eip3009")["vectors"][0];
    let good = json!({"requirements": vector["requirements"], "paymentPayload": vector["paymentPayload"], "now": vector["now"]});
    let mut odd = good.clone();
    odd["smartWallets"] = json!(true);
    let output = run(&["payment", "check"], &format!("{good}\n\nnonsense\n{{}}\n{odd}\n{good}\n"));
    assert_eq!(output.status.code(), Some(2));
    let answers = lines(&output);
    assert_eq!(answers.len(), 5);
    assert_eq!((&answers[0]["verdict"], &answers[4]["verdict"]), (&json!("valid"), &json!("valid")));
    assert!(answers[1..4].iter().all(|answer| answer["error"].is_string()));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("line 3: not JSON") && told.contains("line 5: smartWallets"), "{told}");
}

#[test]
fn payment_decode_shows_a_header() {
    let header = vectors("http")["headers"][0]["header"].as_str().unwrap().to_owned();
    let output = run(&["payment", "decode", &header], "");
    assert!(output.status.success());
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["x402Version"], 2);
    for nonsense in ["%%%", "aGVsbG8="] {
        assert_eq!(run(&["payment", "decode", nonsense], "").status.code(), Some(2));
    }
}

#[test]
fn the_program_explains_itself() {
    for arguments in [&["--help"][..], &["payment", "--help"], &["payment", "check", "--help"], &["--version"]] {
        let output = run(arguments, "");
        assert!(output.status.success() && !output.stdout.is_empty(), "{arguments:?}");
    }
    assert_eq!(run(&["nonsense"], "").status.code(), Some(2));
}
