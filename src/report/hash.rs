//! A hash that baselines and rollups keep.

/// The FNV-1a hash, mixed so that ids that begin alike are spread. It never changes, unlike that of the standard library.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, step);
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn the_hash_stays_the_same_in_every_version() {
        assert_eq!([hash(b""), hash(b"ada")], [0xf52a_15e9_a9b5_e89b, 0x7d3c_4ad3_72fc_321d]);
    }
}
