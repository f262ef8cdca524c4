//! Numbers of 256 bits as eight words of 32 bits, the least significant first.

/// What bytes write, the most significant first.
pub(super) fn from_bytes(bytes: &[u8; 32]) -> [u32; 8] {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(bytes.rchunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    words
}

/// The other way.
pub(super) fn to_bytes(words: [u32; 8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.rchunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// A constant as the standards write it: hexadecimal digits in upper case, blanks anywhere.
pub(super) const fn constant(hex: &str) -> [u32; 8] {
    let mut words = [0; 8];
    let digits = hex.as_bytes();
    let (mut at, mut place) = (digits.len(), 0);
    while at > 0 {
        at -= 1;
        let digit = match digits[at] {
            b' ' => continue,
            digit @ b'0'..=b'9' => digit - b'0',
            digit => digit - b'A' + 10,
        };
        words[place / 8] |= (digit as u32) << (place % 8 * 4);
        place += 1;
    }
    words
}

/// The difference, where it is not negative.
pub(super) fn difference(a: [u32; 8], b: [u32; 8]) -> Option<[u32; 8]> {
    let mut difference = [0; 8];
    let mut borrow = false;
    for (word, (a, b)) in difference.iter_mut().zip(a.into_iter().zip(b)) {
        let (once, under) = a.overflowing_sub(b);
        let (twice, under_again) = once.overflowing_sub(u32::from(borrow));
        (*word, borrow) = (twice, under || under_again);
    }
    (!borrow).then_some(difference)
}
