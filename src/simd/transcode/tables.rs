//! Which bytes of a block to keep, for processors that have no instruction to squeeze out the others.

/// What `pshufb` writes as zero.
const NOTHING: u8 = 0x80;

/// For each set of 8 bytes, where they stand.
pub(super) static BYTES: [[u8; 8]; 256] = {
    let mut table = [[NOTHING; 8]; 256];
    let mut set = 0;
    while set < 256 {
        let (mut byte, mut to) = (0, 0);
        while byte < 8 {
            if set >> byte & 1 == 1 {
                table[set][to] = byte as u8;
                to += 1;
            }
            byte += 1;
        }
        set += 1;
    }
    table
};

/// For each set of 8 lanes of two bytes, where their bytes stand.
pub(super) static PAIRS: [[u8; 16]; 256] = {
    let mut table = [[NOTHING; 16]; 256];
    let mut set = 0;
    while set < 256 {
        let (mut lane, mut to) = (0, 0);
        while lane < 8 {
            if set >> lane & 1 == 1 {
                table[set][to] = 2 * lane as u8;
                table[set][to + 1] = 2 * lane as u8 + 1;
                to += 2;
            }
            lane += 1;
        }
        set += 1;
    }
    table
};

/// For each set of 8 lanes of two bytes that are ASCII: both bytes of the other lanes, and the first byte of these.
pub(super) static UP_TO_TWO: [[u8; 16]; 256] = {
    let mut table = [[NOTHING; 16]; 256];
    let mut ascii = 0;
    while ascii < 256 {
        let (mut lane, mut to) = (0, 0);
        while lane < 8 {
            table[ascii][to] = 2 * lane as u8;
            to += 1;
            if ascii >> lane & 1 == 0 {
                table[ascii][to] = 2 * lane as u8 + 1;
                to += 1;
            }
            lane += 1;
        }
        ascii += 1;
    }
    table
};

/// For 4 lanes of four bytes (what an ASCII character is; the last byte of others; the first of three; the first of two
/// or second of three): the bytes to write, in order, and how many they are. Each lane has two bits in the index:
/// whether it is ASCII, and whether it has at most two bytes.
pub(super) static UP_TO_THREE: [([u8; 16], u8); 256] = {
    let mut table = [([NOTHING; 16], 0); 256];
    let mut set = 0;
    while set < 256 {
        let (mut lane, mut to) = (0, 0);
        while lane < 4 {
            let (first, bits) = (4 * lane as u8, set >> (2 * lane) & 3);
            if bits & 1 == 1 {
                table[set].0[to] = first;
                to += 1;
            } else {
                if bits & 2 == 0 {
                    table[set].0[to] = first + 2;
                    to += 1;
                }
                table[set].0[to] = first + 3;
                table[set].0[to + 1] = first + 1;
                to += 2;
            }
            lane += 1;
        }
        table[set].1 = to as u8;
        set += 1;
    }
    table
};
