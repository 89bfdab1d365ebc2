//! Every form finds what the definitions say, byte by byte.

use super::*;
use proptest::prelude::*;

const ALL: Shapes = Shapes {
    email: true,
    ipv4: true,
    ipv6: true,
    card: true,
    iban: true,
};

/// The places of the five kinds of candidates, by a search in strides.
type Places = [Vec<usize>; 5];

fn places(bytes: &[u8], stride: usize, next: impl Fn(&mut Scan, &[u8], usize) -> Option<Candidates>) -> Places {
    let mut scan = Scan::new(ALL);
    let mut places = Places::default();
    let mut until = 0;
    while until < bytes.len() {
        until += stride;
        while let Some(found) = next(&mut scan, bytes, until) {
            for (places, mask) in places
                .iter_mut()
                .zip([found.email, found.ipv4, found.ipv6, found.card, found.iban])
            {
                places.extend(found.places(mask));
            }
        }
    }
    places
}

/// The definitions, byte by byte.
fn expected(bytes: &[u8]) -> Places {
    let back = |place: usize, distance: usize| place.checked_sub(distance).map_or(0, |place| bytes[place]);
    let digit = |place, distance| back(place, distance).is_ascii_digit();
    let dotted =
        |place, distance| digit(place, distance) && back(place, distance + 1) == b'.' && digit(place, distance + 2);
    let third = |place, distance| (distance..distance + 3).all(|distance| digit(place, distance));
    let word = |place, distance| back(place, distance).is_ascii_alphanumeric();
    let letter = |place, distance| back(place, distance).is_ascii_alphabetic();
    let all = |is: &dyn Fn(usize) -> bool| (0..bytes.len()).filter(|&place| is(place)).collect();
    [
        all(&|place| bytes[place] == b'@'),
        all(&|place| {
            dotted(place, 0) && (2..=4).any(|one| dotted(place, one) && (2..=4).any(|two| dotted(place, one + two)))
        }),
        all(&|place| bytes[place] == b':' && (1..=5).any(|distance| back(place, distance) == b':')),
        all(&|place| third(place, 0) && (3..=6).any(|distance| third(place, distance))),
        all(&|place| digit(place, 0) && digit(place, 1) && letter(place, 2) && letter(place, 3) && !word(place, 4)),
    ]
}

fn assert_forms_agree(bytes: &[u8]) {
    let expected = expected(bytes);
    for stride in [1, 64, 100, 1 << 20] {
        let portably = |scan: &mut Scan, bytes: &[u8], until| scan.next_with(bytes, until, portable);
        assert_eq!(places(bytes, stride, portably), expected, "portable");
        assert_eq!(places(bytes, stride, Scan::next), expected, "by this processor");
    }
}

#[test]
fn every_byte_has_its_classes() {
    let bytes: Vec<u8> = (0..=255).collect();
    for block in bytes.as_chunks().0 {
        let classes = portable(block, ALL);
        for (bit, byte) in block.iter().enumerate() {
            let is = |mask: u64| mask >> bit & 1 == 1;
            assert_eq!(is(classes.at), *byte == b'@');
            assert_eq!(is(classes.dot), *byte == b'.');
            assert_eq!(is(classes.colon), *byte == b':');
            assert_eq!(is(classes.digit), byte.is_ascii_digit());
            assert_eq!(is(classes.letter), byte.is_ascii_alphabetic());
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            #[expect(
                unsafe_code,
                reason = "a function for a kind of processor is called after asking for it"
            )]
            // SAFETY: the processor has AVX2.
            let with_avx2 = unsafe { avx2::classes(block, ALL) };
            assert_eq!(with_avx2, classes);
        }
    }
}

#[test]
fn shapes_are_found_at_each_place_of_a_block() {
    for shape in [
        "@",
        "1.22.333.4",
        "a::b",
        "x:1234:",
        "123 456",
        "123\u{2011}456",
        "123456",
        " DE89",
        "é DE89",
    ] {
        for padding in 0..140 {
            let mut bytes = vec![b' '; padding];
            bytes.extend(shape.bytes());
            bytes.extend(shape.bytes());
            assert_forms_agree(&bytes);
        }
    }
}

proptest! {
    #[test]
    fn all_forms_find_what_the_definitions_say(text in "[0-9]{0,3}([0-9]|[0-9]\\.|[0-9]{3}|[.:@ -]|[a-zA-Z_é]|\\PC){0,150}", from in 0_usize..64) {
        let bytes = text.as_bytes();
        assert_forms_agree(&bytes[from.min(bytes.len())..]);
    }

    #[test]
    fn any_bytes_will_do(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        assert_forms_agree(&bytes);
    }
}
