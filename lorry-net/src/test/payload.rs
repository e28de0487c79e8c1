//! The messages themselves: a pure function of seed and number.

/// Appends `{"id":17,"device":3,"value":21.57}`, padded to `size` bytes.
pub(super) fn write(id: u64, seed: u64, size: usize, out: &mut Vec<u8>) {
    let from = out.len();
    let random = mix(seed, id);
    out.extend_from_slice(b"{\"id\":");
    digits(id, out);
    out.extend_from_slice(b",\"device\":");
    digits(random >> 32 & 7, out);
    let hundredths = random % 4_000;
    out.extend_from_slice(b",\"value\":");
    digits(hundredths / 100, out);
    out.extend_from_slice(&[b'.', b'0' + (hundredths / 10 % 10) as u8, b'0' + (hundredths % 10) as u8]);
    pad(random, size.saturating_sub(out.len() - from + 1), out);
    out.push(b'}');
}

/// So many bytes: a member of its own where there is room for one, else blanks.
fn pad(random: u64, room: usize, out: &mut Vec<u8>) {
    const OPEN: &[u8] = b",\"pad\":\"";
    match room.checked_sub(OPEN.len() + 1) {
        Some(letters) => {
            out.extend_from_slice(OPEN);
            out.resize(out.len() + letters, b'a' + (random >> 40) as u8 % 26);
            out.push(b'"');
        }
        None => out.resize(out.len() + room, b' '),
    }
}

fn digits(mut number: u64, out: &mut Vec<u8>) {
    let mut text = [0; 20];
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return out.extend_from_slice(&text[at..]);
        }
    }
}

/// SplitMix64's output function over seed and counter (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
fn mix(seed: u64, id: u64) -> u64 {
    let mut z = seed.wrapping_add(id.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
