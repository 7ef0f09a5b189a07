//! Few bytes that unpack to very many: what a hostile file holds where readers unpack without a bound.

/// A mebibyte of zeros, deflated: the beginning of a block of its own, zeros, its end, and an empty stored block that
/// ends on a byte, so that any number of them stand one behind the other.
const UNIT_HEAD: &[u8] = b"\xec\xc1\x31\x01\0\0\0\xc2\xa0\xf5\x4f\x6d\x08\x5f\xa0";
const UNIT_ZEROS: usize = 1016;
const UNIT_TAIL: &[u8] = b"\x3e\x03\0\0\xff\xff";
/// Where the sum of Adler-32 begins anew.
const ADLER_MODULUS: u64 = 65_521;

/// A zlib stream (RFC 1950) of about a kilobyte for each of so many mebibytes of zeros that it unpacks to.
pub fn zlib_of_zeros(mebibytes: usize) -> Vec<u8> {
    let unit = [UNIT_HEAD, &[0; UNIT_ZEROS], UNIT_TAIL].concat();
    // Of zeros the one half of the sum stays 1, and the other counts them.
    let sum = (((mebibytes as u64) << 20) % ADLER_MODULUS) << 16 | 1;
    [b"\x78\x9c".as_slice(), &unit.repeat(mebibytes), b"\x01\0\0\xff\xff", &(sum as u32).to_be_bytes()]
        .concat()
}
