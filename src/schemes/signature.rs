//! Is this signature the payer's? What every scheme on EVM asks in the same way.

use crate::evm::{Address, Hash32, SignatureForm};

use super::{Deferral, Proof, SmartWallets};

/// The bytes of a signature as it is written on the wire.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    hex::decode(text.strip_prefix("0x")?).ok()
}

/// The same signature as it goes on: v as 27 or 28 where it is an ordinary one. Nothing where it is not hexadecimal.
pub(super) fn normalized(text: &str) -> Option<String> {
    let bytes = bytes(text)?;
    Some(match SignatureForm::of(&bytes) {
        SignatureForm::Ecdsa(signature) => signature.to_hex(),
        SignatureForm::NotEcdsa | SignatureForm::Erc6492 | SignatureForm::NotSixtyFiveBytes => {
            format!("0x{}", hex::encode(bytes))
        }
    })
}

/// Who signed, as far as it can be recovered. For reports: it judges nothing.
pub(super) fn signer(text: &str, hash: &Hash32) -> Option<Address> {
    match SignatureForm::of(&bytes(text)?) {
        SignatureForm::Ecdsa(signature) => signature.recover(hash).map(|signer| signer.address),
        SignatureForm::NotEcdsa | SignatureForm::Erc6492 | SignatureForm::NotSixtyFiveBytes => None,
    }
}

/// How good the signature is, and its text for the facilitator. Nothing where it is refused.
pub(super) fn judge(text: &str, hash: &Hash32, payer: Address, smart_wallets: SmartWallets) -> Option<(Proof, String)> {
    let bytes = bytes(text)?;
    let deferral = match SignatureForm::of(&bytes) {
        SignatureForm::Ecdsa(signature) => match signature.recover(hash) {
            Some(signer) if signer.address == payer && signer.low_s => {
                return Some((Proof::Recovered, signature.to_hex()));
            }
            // The payer's, but malleable: no token contract takes it, and neither does a wallet's.
            Some(signer) if signer.address == payer => return None,
            Some(_) => Deferral::RecoversToOther,
            None => Deferral::NotEcdsa,
        },
        SignatureForm::NotEcdsa => Deferral::NotEcdsa,
        SignatureForm::Erc6492 => Deferral::Erc6492,
        SignatureForm::NotSixtyFiveBytes => Deferral::NotSixtyFiveBytes,
    };
    match smart_wallets {
        SmartWallets::Refuse => None,
        SmartWallets::Defer => Some((Proof::Deferred(deferral), format!("0x{}", hex::encode(bytes)))),
    }
}
