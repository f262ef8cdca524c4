//! The stablecoins built in: those of the official x402 packages 2.27 (and 1.2, for v1 networks).
//!
//! `name` differs from deployment to deployment: Base's USDC calls itself `USD Coin`, Base Sepolia's
//! `USDC`. A wrong name makes every signature look forged, so the tests pin the domain separators.

use serde::{Deserialize, Serialize};

use crate::evm::Address;

/// How a token lets somebody else move money with the holder's signature. Spelled as in `assetTransferMethod`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransferMethod {
    /// `transferWithAuthorization` of EIP-3009.
    #[default]
    Eip3009,
    /// Only through Uniswap's Permit2 contract.
    Permit2,
}

/// A token whose decimals and EIP-712 domain need not be written down by the owner.
#[derive(Debug, Clone, Copy)]
pub struct KnownAsset {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The ticker, as in `0.01 USDC`.
    pub symbol: &'static str,
    /// The contract, as text (EIP-55 or all lower case).
    pub address: &'static str,
    /// Digits after the point.
    pub decimals: u8,
    /// EIP-712 `name`.
    pub name: &'static str,
    /// EIP-712 `version`.
    pub version: &'static str,
    /// How it is moved.
    pub transfer: TransferMethod,
}

impl KnownAsset {
    /// The contract. The text's checksum is not computed again: a test has seen them all.
    pub fn contract(&self) -> Option<Address> {
        let mut bytes = [0; 20];
        hex::decode_to_slice(self.address.strip_prefix("0x")?, &mut bytes).ok()?;
        Some(Address::new(bytes))
    }
}

const fn eip3009(
    chain_id: u64,
    symbol: &'static str,
    address: &'static str,
    decimals: u8,
    name: &'static str,
    version: &'static str,
) -> KnownAsset {
    KnownAsset { chain_id, symbol, address, decimals, name, version, transfer: TransferMethod::Eip3009 }
}

const fn permit2(
    chain_id: u64,
    symbol: &'static str,
    address: &'static str,
    decimals: u8,
    name: &'static str,
    version: &'static str,
) -> KnownAsset {
    KnownAsset { chain_id, symbol, address, decimals, name, version, transfer: TransferMethod::Permit2 }
}

/// All of them; the first of a chain is what `$` means there.
#[rustfmt::skip]
pub const KNOWN_ASSETS: &[KnownAsset] = &[
    eip3009(8_453, "USDC", "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", 6, "USD Coin", "2"),
    eip3009(84_532, "USDC", "0x036CbD53842c5426634e7929541eC2318f3dCF7e", 6, "USDC", "2"),
    eip3009(1, "USDC", "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", 6, "USD Coin", "2"),
    eip3009(137, "USDC", "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359", 6, "USD Coin", "2"),
    eip3009(42_161, "USDC", "0xaf88d065e77c8cC2239327C5EDb3A432268e5831", 6, "USD Coin", "2"),
    eip3009(421_614, "USDC", "0x75faf114eafb1BDbe2F0316DF893fd58CE46AA4d", 6, "USD Coin", "2"),
    eip3009(43_114, "USDC", "0xB97EF9Ef8734C71904D8002F8b6Bc66Dd9c48a6E", 6, "USD Coin", "2"),
    eip3009(43_113, "USDC", "0x5425890298aed601595a70AB815c96711a31Bc65", 6, "USD Coin", "2"),
    eip3009(143, "USDC", "0x754704Bc059F8C67012fEd69BC8A327a5aafb603", 6, "USDC", "2"),
    eip3009(42_220, "USDC", "0xcebA9300f2b948710d2653dD7B07f33A8B32118C", 6, "USDC", "2"),
    eip3009(42_220, "USDT", "0x48065fbBE25f71C9282ddf5e1cD6D6A887483D5e", 6, "Tether USD", "1"),
    eip3009(42_220, "USAT", "0xD2ab3C9A02DBBAB236BfEC45D1d755DF4267F771", 6, "Tether America USD", "1"),
    eip3009(11_142_220, "USDC", "0x01C5C0122039549AD1493B8220cABEdD739BC44E", 6, "USDC", "2"),
    eip3009(1_329, "USDC", "0xe15fC38F6D8c56aF07bbCBe3BAf5708A2Bf42392", 6, "USDC", "2"),
    eip3009(1_328, "USDC", "0x4fCF1784B31630811181f670Aea7A7bEF803eaED", 6, "USDC", "2"),
    eip3009(50, "USDC", "0xfA2958CB79b0491CC627c1557F441eF849Ca8eb1", 6, "USDC", "2"),
    eip3009(51, "USDC", "0xb5AB69F7bBada22B28e79C8FFAECe55eF1c771D4", 6, "USDC", "2"),
    eip3009(988, "USDT0", "0x779Ded0c9e1022225f8E0630b35a9b54bE713736", 6, "USDT0", "1"),
    eip3009(2_201, "USDT0", "0x78Cf24370174180738C5B8E352B6D14c83a6c9A9", 6, "USDT0", "1"),
    eip3009(14, "USDT0", "0xe7cd86e13AC4309349F30B3435a9d337750fC82D", 6, "USD₮0", "1"),
    eip3009(36_900, "USDC.e", "0x9cb8142aEBBcdc60AF7c97Af897A67A8f3CA71C2", 6, "USDC.e", "2"),
    eip3009(190_415, "USDC.e", "0x401eCb1D350407f13ba348573E5630B83638E30D", 6, "Bridged USDC", "2"),
    eip3009(181_228, "USDC.e", "0x401eCb1D350407f13ba348573E5630B83638E30D", 6, "Bridged USDC", "2"),
    eip3009(80_002, "USDC", "0x41E94Eb019C0762f9Bfcf9Fb1E58725BfB0e7582", 6, "USDC", "2"),
    eip3009(4_689, "USDC", "0xcdf79194c6c285077a58da47641d4dbe51f63542", 6, "Bridged USDC", "2"),
    eip3009(3_338, "USDC", "0xbbA60da06c2c5424f03f7434542280FCAd453d10", 6, "USDC", "2"),
    eip3009(1_514, "USDC", "0xF1815bd50389c46847f0Bda824eC8da914045D14", 6, "Bridged USDC", "2"),
    eip3009(41_923, "USDC", "0x12a272A581feE5577A5dFa371afEB4b2F3a8C2F8", 6, "Bridged USDC (Stargate)", "2"),
    eip3009(2_741, "USDC", "0x84a71ccd554cc1b02749b35d22f684cc8ec987e1", 6, "Bridged USDC", "2"),
    eip3009(11_124, "USDC", "0xe4C7fBB0a626ed208021ccabA6Be1566905E2dFc", 6, "Bridged USDC", "2"),
    eip3009(324_705_682, "USDC", "0x2e08028E3C4c2356572E096d8EF835cD5C6030bD", 6, "Bridged USDC (SKALE Bridge)", "2"),
    permit2(4_326, "MegaUSD", "0xFAfDdbb3FC7688494971a79cc65DCa3EF82079E7", 18, "MegaUSD", "1"),
    permit2(31_612, "mUSD", "0xdD468A1DDc392dcdbEf6db6e34E89AA338F9F186", 18, "Mezo USD", "1"),
    permit2(31_611, "mUSD", "0x118917a40FAF1CD7a13dB0Ef56C86De7973Ac503", 18, "Mezo USD", "1"),
    permit2(723_487, "SBC", "0x33ad9e4BD16B69B5BFdED37D8B5D9fF9aba014Fb", 6, "Stable Coin", "1"),
    permit2(72_344, "SBC", "0x33ad9e4BD16B69B5BFdED37D8B5D9fF9aba014Fb", 6, "Stable Coin", "1"),
    permit2(38_833, "USDC", "0xA5b8BF902b2844dA17d4506cc827F7F1681735E7", 6, "", ""),
];

/// The token at this address.
pub fn known_asset(chain_id: u64, address: &Address) -> Option<&'static KnownAsset> {
    on_chain(chain_id).find(|asset| asset.contract() == Some(*address))
}

/// The token with this ticker, in any case.
pub fn known_symbol(chain_id: u64, symbol: &str) -> Option<&'static KnownAsset> {
    on_chain(chain_id).find(|asset| asset.symbol.eq_ignore_ascii_case(symbol))
}

/// What `$` means on a chain: its first token.
pub fn default_asset(chain_id: u64) -> Option<&'static KnownAsset> {
    on_chain(chain_id).next()
}

fn on_chain(chain_id: u64) -> impl Iterator<Item = &'static KnownAsset> {
    KNOWN_ASSETS.iter().filter(move |asset| asset.chain_id == chain_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evm::Eip712Domain;

    /// Computed with viem from the names and versions of the official packages.
    #[rustfmt::skip]
    const SEPARATORS: &[(u64, &str, &str)] = &[
        (8_453, "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", "02fa7265e7c5d81118673727957699e4d68f74cd74b7db77da710fe8a2c7834f"),
        (84_532, "0x036CbD53842c5426634e7929541eC2318f3dCF7e", "71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818"),
        (1, "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", "06c37168a7db5138defc7866392bb87a741f9b3d104deb5094588ce041cae335"),
        (137, "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359", "caa2ce1a5703ccbe253a34eb3166df60a705c561b44b192061e28f2a985be2ca"),
        (42_161, "0xaf88d065e77c8cC2239327C5EDb3A432268e5831", "08d11903f8419e68b1b8721bcbe2e9fc68569122a77ef18c216f10b3b5112c78"),
        (421_614, "0x75faf114eafb1BDbe2F0316DF893fd58CE46AA4d", "85944e1292d007732838d6eadfa67589b78ffcededbd4df60488d0af251308bb"),
        (43_114, "0xB97EF9Ef8734C71904D8002F8b6Bc66Dd9c48a6E", "bbea200329a938bc3438984a49cb0732e66d66d7bd59c127abacc1710e77f7b3"),
        (143, "0x754704Bc059F8C67012fEd69BC8A327a5aafb603", "fe22123edc0dd4aeb912eb7948c5f0e531592c2053b3067612f427db342c93c6"),
        (42_220, "0xcebA9300f2b948710d2653dD7B07f33A8B32118C", "b2ce31d2838445fa765a491f550e7c78ac7280ab0f3bc9d6063a86df9c3fb578"),
        (42_220, "0x48065fbBE25f71C9282ddf5e1cD6D6A887483D5e", "bcb4d62e4834b598d0eacecd84c0b397a0254e077c41cf2143e394d5701d1088"),
        (42_220, "0xD2ab3C9A02DBBAB236BfEC45D1d755DF4267F771", "e6bbb7920a85afd44befe87c998da24b8b655c972faf8a8acbdf38c829ff8bf2"),
        (11_142_220, "0x01C5C0122039549AD1493B8220cABEdD739BC44E", "23f491197bb8c5ea4fe8dd4c2293b600f073553f9814015e7a5eb57724df9578"),
        (1_329, "0xe15fC38F6D8c56aF07bbCBe3BAf5708A2Bf42392", "0a19136106ae98d2c245cbbd451f3cb2bbbb1670e1ee191abacb5a5e255c0255"),
        (1_328, "0x4fCF1784B31630811181f670Aea7A7bEF803eaED", "154bb5980ce1d584a1067dc67730720e6046d0364a2ade0b692dd488e71fe653"),
        (50, "0xfA2958CB79b0491CC627c1557F441eF849Ca8eb1", "e3bb44ae105af7e23bb39b117e22bbcbf435066554f45b3a9bbcba42c80fe56d"),
        (51, "0xb5AB69F7bBada22B28e79C8FFAECe55eF1c771D4", "3835afe643ce123f3bc71a8e3123e24651d2d4309bbf3ba58329a1db60b9b2c3"),
        (988, "0x779Ded0c9e1022225f8E0630b35a9b54bE713736", "f21cc02b28f1a6c8d5ae07aaf9d8954535a11acbaf36923aef1b21d0fc27b221"),
        (2_201, "0x78Cf24370174180738C5B8E352B6D14c83a6c9A9", "8ab6d6926f29d5cf5137b569b2033492d332e54bfc801640d48745da4ab8c1fe"),
        (14, "0xe7cd86e13AC4309349F30B3435a9d337750fC82D", "4c53d754dcb2f406ecf83695856d8c10b13296a318d9a481043412bf253d43ae"),
        (36_900, "0x9cb8142aEBBcdc60AF7c97Af897A67A8f3CA71C2", "4369b2ef8a73be962c9aaf8dcddc38d022dca40af0729d7e4c80a3b44f6698fa"),
        (4_326, "0xFAfDdbb3FC7688494971a79cc65DCa3EF82079E7", "26e1aa8b35bf8653b60726926f670a6ec590674f00b149826914c480d0e798bd"),
    ];

    #[test]
    fn domain_separators_are_those_of_the_official_packages() {
        for (chain_id, address, separator) in SEPARATORS {
            let asset = KNOWN_ASSETS
                .iter()
                .find(|asset| asset.chain_id == *chain_id && asset.address == *address)
                .expect(address);
            let domain = Eip712Domain {
                name: asset.name,
                version: Some(asset.version),
                chain_id: *chain_id,
                verifying_contract: asset.address.parse().expect(address),
            };
            assert_eq!(hex::encode(domain.separator()), *separator, "{} on {chain_id}", asset.symbol);
        }
        assert_eq!(SEPARATORS.len(), 21);
    }

    #[test]
    fn every_address_is_one_and_no_ticker_is_twice_on_a_chain() {
        for asset in KNOWN_ASSETS {
            assert!(asset.address.parse::<Address>().is_ok(), "{}", asset.address);
            let same = on_chain(asset.chain_id).filter(|other| other.symbol == asset.symbol).count();
            assert_eq!(same, 1, "{} on {}", asset.symbol, asset.chain_id);
        }
    }
}
