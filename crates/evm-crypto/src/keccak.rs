//! Keccak-256, as Ethereum uses it: the padding of the first submission, not that of SHA-3 (FIPS 202).

/// Bytes that go into the state between two permutations.
const RATE: usize = 136;

/// The Keccak-256 hash of `bytes`.
pub const fn keccak256(bytes: &[u8]) -> [u8; 32] {
    let mut state = [0; 25];
    let (blocks, rest) = bytes.as_chunks::<RATE>();
    let mut index = 0;
    while index < blocks.len() {
        absorb(&mut state, &blocks[index]);
        index += 1;
    }
    let mut last = [0; RATE];
    last.split_at_mut(rest.len()).0.copy_from_slice(rest);
    last[rest.len()] = 0x01;
    last[RATE - 1] |= 0x80;
    absorb(&mut state, &last);
    let mut hash = [0; 32];
    let (lanes, _) = hash.as_chunks_mut();
    let mut lane = 0;
    while lane < lanes.len() {
        lanes[lane] = state[lane].to_le_bytes();
        lane += 1;
    }
    hash
}

const fn absorb(state: &mut [u64; 25], block: &[u8; RATE]) {
    let (lanes, _) = block.as_chunks();
    let mut lane = 0;
    while lane < lanes.len() {
        state[lane] ^= u64::from_le_bytes(lanes[lane]);
        lane += 1;
    }
    permute(state);
}

/// Keccak-f[1600]. Lane (x, y) has the place x + 5 y.
const fn permute(state: &mut [u64; 25]) {
    let mut a = *state;
    let mut round = 0;
    while round < ROUND_CONSTANTS.len() {
        // θ
        let c = [
            a[0] ^ a[5] ^ a[10] ^ a[15] ^ a[20],
            a[1] ^ a[6] ^ a[11] ^ a[16] ^ a[21],
            a[2] ^ a[7] ^ a[12] ^ a[17] ^ a[22],
            a[3] ^ a[8] ^ a[13] ^ a[18] ^ a[23],
            a[4] ^ a[9] ^ a[14] ^ a[19] ^ a[24],
        ];
        let d = [
            c[4] ^ c[1].rotate_left(1),
            c[0] ^ c[2].rotate_left(1),
            c[1] ^ c[3].rotate_left(1),
            c[2] ^ c[4].rotate_left(1),
            c[3] ^ c[0].rotate_left(1),
        ];
        // ρ and π: lane (x, y) goes to (y, 2 x + 3 y).
        let b = [
            a[0] ^ d[0],
            (a[6] ^ d[1]).rotate_left(44),
            (a[12] ^ d[2]).rotate_left(43),
            (a[18] ^ d[3]).rotate_left(21),
            (a[24] ^ d[4]).rotate_left(14),
            (a[3] ^ d[3]).rotate_left(28),
            (a[9] ^ d[4]).rotate_left(20),
            (a[10] ^ d[0]).rotate_left(3),
            (a[16] ^ d[1]).rotate_left(45),
            (a[22] ^ d[2]).rotate_left(61),
            (a[1] ^ d[1]).rotate_left(1),
            (a[7] ^ d[2]).rotate_left(6),
            (a[13] ^ d[3]).rotate_left(25),
            (a[19] ^ d[4]).rotate_left(8),
            (a[20] ^ d[0]).rotate_left(18),
            (a[4] ^ d[4]).rotate_left(27),
            (a[5] ^ d[0]).rotate_left(36),
            (a[11] ^ d[1]).rotate_left(10),
            (a[17] ^ d[2]).rotate_left(15),
            (a[23] ^ d[3]).rotate_left(56),
            (a[2] ^ d[2]).rotate_left(62),
            (a[8] ^ d[3]).rotate_left(55),
            (a[14] ^ d[4]).rotate_left(39),
            (a[15] ^ d[0]).rotate_left(41),
            (a[21] ^ d[1]).rotate_left(2),
        ];
        // χ
        a = [
            b[0] ^ (!b[1] & b[2]),
            b[1] ^ (!b[2] & b[3]),
            b[2] ^ (!b[3] & b[4]),
            b[3] ^ (!b[4] & b[0]),
            b[4] ^ (!b[0] & b[1]),
            b[5] ^ (!b[6] & b[7]),
            b[6] ^ (!b[7] & b[8]),
            b[7] ^ (!b[8] & b[9]),
            b[8] ^ (!b[9] & b[5]),
            b[9] ^ (!b[5] & b[6]),
            b[10] ^ (!b[11] & b[12]),
            b[11] ^ (!b[12] & b[13]),
            b[12] ^ (!b[13] & b[14]),
            b[13] ^ (!b[14] & b[10]),
            b[14] ^ (!b[10] & b[11]),
            b[15] ^ (!b[16] & b[17]),
            b[16] ^ (!b[17] & b[18]),
            b[17] ^ (!b[18] & b[19]),
            b[18] ^ (!b[19] & b[15]),
            b[19] ^ (!b[15] & b[16]),
            b[20] ^ (!b[21] & b[22]),
            b[21] ^ (!b[22] & b[23]),
            b[22] ^ (!b[23] & b[24]),
            b[23] ^ (!b[24] & b[20]),
            b[24] ^ (!b[20] & b[21]),
        ];
        // ι
        a[0] ^= ROUND_CONSTANTS[round];
        round += 1;
    }
    *state = a;
}

const ROUND_CONSTANTS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];
