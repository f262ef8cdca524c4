//! Held against `sha3`: every message has the same hash.

use evm_crypto::keccak256;
use sha3::{Digest, Keccak256};

#[test]
fn messages_of_every_length_around_a_block_have_the_same_hash() {
    let message: Vec<u8> = (0..700_u32).map(|index| (index * index / 7).to_le_bytes()[0]).collect();
    for length in 0..message.len() {
        let message = &message[..length];
        assert_eq!(keccak256(message), <[u8; 32]>::from(Keccak256::digest(message)), "{length}");
    }
}

proptest::proptest! {
    #[test]
    fn any_message_has_the_same_hash(message: Vec<u8>) {
        assert_eq!(keccak256(&message), <[u8; 32]>::from(Keccak256::digest(&message)));
    }
}
