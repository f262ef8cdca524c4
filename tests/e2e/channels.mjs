// Payment channels on the local chain: what the contract says of them, and what their two sides can do there.
import { parseAbi } from "viem";
import { baseSepolia } from "viem/chains";
import { computeChannelId } from "@x402/evm/batch-settlement/client";
import { BATCH_SETTLEMENT, USDC } from "../../dev/local/chain.mjs";
import { walletOf } from "../../dev/local/wallet.mjs";

const CONFIG = "struct ChannelConfig { address payer; address payerAuthorizer; address receiver; address receiverAuthorizer; address token; uint40 withdrawDelay; bytes32 salt; }";
export const settlementAbi = parseAbi([
  CONFIG,
  "struct Voucher { ChannelConfig channel; uint128 maxClaimableAmount; }",
  "struct VoucherClaim { Voucher voucher; bytes signature; uint128 totalClaimed; }",
  "function deposit(ChannelConfig config, uint128 amount, address collector, bytes collectorData)",
  "function claim(VoucherClaim[] voucherClaims)",
  "function claimWithSignature(VoucherClaim[] voucherClaims, bytes authorizerSignature)",
  "function settle(address receiver, address token)",
  "function refund(ChannelConfig config, uint128 amount)",
  "function refundWithSignature(ChannelConfig config, uint128 amount, uint256 nonce, bytes receiverAuthorizerSignature)",
  "function initiateWithdraw(ChannelConfig config, uint128 amount)",
  "function finalizeWithdraw(ChannelConfig config)",
  "function channels(bytes32 channelId) view returns (uint128 balance, uint128 totalClaimed)",
  "function pendingWithdrawals(bytes32 channelId) view returns (uint128 amount, uint40 initiatedAt)",
  "function receivers(address receiver, address token) view returns (uint128 totalClaimed, uint128 totalSettled)",
  "function refundNonce(bytes32 channelId) view returns (uint256)",
  "function domainSeparator() view returns (bytes32)",
  "function CHANNEL_CONFIG_TYPEHASH() view returns (bytes32)",
  "function getChannelId(ChannelConfig config) view returns (bytes32)",
  "function getVoucherDigest(bytes32 channelId, uint128 maxClaimableAmount) view returns (bytes32)",
  "function getRefundDigest(bytes32 channelId, uint256 nonce, uint128 amount) view returns (bytes32)",
  "function getClaimBatchDigest(VoucherClaim[] voucherClaims) view returns (bytes32)",
  "event ChannelCreated(bytes32 indexed channelId, ChannelConfig config)",
  "event ChannelClosed(bytes32 indexed channelId, ChannelConfig config)",
  "event Deposited(bytes32 indexed channelId, address indexed sender, uint128 amount, uint128 newBalance)",
  "event Claimed(bytes32 indexed channelId, address indexed sender, uint128 claimAmount, uint128 newTotalClaimed)",
  "event Settled(address indexed receiver, address indexed token, address indexed sender, uint128 amount)",
  "event Refunded(bytes32 indexed channelId, address indexed sender, uint128 amount)",
  "error ClaimExceedsBalance()",
  "error ClaimExceedsCeiling()",
  "error InvalidChannel()",
  "error InvalidNonce()",
  "error InvalidSignature()",
  "error NotAuthorized()",
  "error TransferFailed()",
  "error WithdrawDelayOutOfRange()",
  "error WithdrawalNotPending()",
  "error WithdrawalPending()",
  "error WithdrawalTooEarly()",
  "error WithdrawalTooLarge()",
]);

/** The settlement contract of a chain that `startChain` has started. */
export function settlementOf({ url, chain }) {
  const read = (functionName, ...args) => chain.readContract({ address: BATCH_SETTLEMENT, abi: settlementAbi, functionName, args });
  /** A transaction of `account`, who gets gas money; throws with the contract's error where it would revert. */
  const write = async (account, functionName, ...args) => {
    await chain.setBalance({ address: account.address, value: 10n ** 18n });
    const { request } = await chain.simulateContract({ account, address: BATCH_SETTLEMENT, abi: settlementAbi, functionName, args });
    const hash = await walletOf(account, url).writeContract(request);
    return chain.getTransactionReceipt({ hash });
  };
  return {
    read,
    write,
    id: (config) => computeChannelId(config, baseSepolia.id),
    /** What the chain knows of a channel, and of who is paid by it. */
    state: async (config) => {
      const id = computeChannelId(config, baseSepolia.id);
      const [[balance, totalClaimed], [withdrawal, withdrawRequestedAt], refundNonce] = await Promise.all([
        read("channels", id), read("pendingWithdrawals", id), read("refundNonce", id),
      ]);
      return { balance, totalClaimed, withdrawal, withdrawRequestedAt, refundNonce };
    },
    receiver: async (receiver, token = USDC) => {
      const [totalClaimed, totalSettled] = await read("receivers", receiver, token);
      return { totalClaimed, totalSettled };
    },
  };
}

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** The same signature with the other s, which recovers to the same address. */
export function highS(signature) {
  const [r, s, v] = [signature.slice(2, 66), BigInt(`0x${signature.slice(66, 130)}`), parseInt(signature.slice(130), 16)];
  return `0x${r}${(ORDER - s).toString(16).padStart(64, "0")}${(v === 27 ? 28 : 27).toString(16)}`;
}
