use super::*;

/// One value of each kind, by its bytes, and how many of them are its own.
const VALUES: [&[u8]; 30] = [
    &[0x05],
    &[0xff],
    &[0xc0],
    &[0xc2],
    &[0xc3],
    &[0xcc, 1],
    &[0xcd, 1, 2],
    &[0xce, 1, 2, 3, 4],
    &[0xcf, 1, 2, 3, 4, 5, 6, 7, 8],
    &[0xd0, 1],
    &[0xd1, 1, 2],
    &[0xd2, 1, 2, 3, 4],
    &[0xd3, 1, 2, 3, 4, 5, 6, 7, 8],
    &[0xca, 0, 0, 0, 0],
    &[0xcb, 0, 0, 0, 0, 0, 0, 0, 0],
    &[0xa2, b'h', b'i'],
    &[0xd9, 2, b'h', b'i'],
    &[0xda, 0, 2, b'h', b'i'],
    &[0xdb, 0, 0, 0, 2, b'h', b'i'],
    &[0xc4, 2, 0, 1],
    &[0xc5, 0, 2, 0, 1],
    &[0xc6, 0, 0, 0, 2, 0, 1],
    &[0xd4, 3, 0],
    &[0xd6, 3, 0, 0, 0, 0],
    &[0xc7, 2, 3, 0, 1],
    &[0xc8, 0, 2, 3, 0, 1],
    &[0x92, 1, 0x91, 0xa1, b'x'],
    &[0xdc, 0, 1, 0x80],
    &[0x81, 0xa1, b'k', 0x91, 1],
    &[0xde, 0, 1, 1, 0xc0],
];

#[test]
fn a_value_of_any_kind_is_stepped_over_and_ends_where_it_ends() {
    for bytes in VALUES {
        let message = [bytes, &[0x2a]].concat();
        let mut cursor = Cursor::at(&message);
        assert_eq!(cursor.value(), Some(bytes));
        assert_eq!(cursor.unsigned(), Some(0x2a_u8));
        assert!(cursor.is_at_end());
        for short in 0..bytes.len() {
            assert_eq!(Cursor::at(&bytes[..short]).value(), None, "{bytes:?}");
        }
    }
    assert_eq!(Cursor::at(&[0xc1]).value(), None);
}

#[test]
fn a_message_may_nest_as_deep_as_it_is_long_and_tell_any_length() {
    let mut deep = vec![0x91; 1_000_000];
    deep.push(0xc0);
    assert_eq!(Cursor::at(&deep).value(), Some(&deep[..]));
    for lie in [0xdd, 0xdf, 0xdb, 0xc6, 0xc9] {
        let message = [lie, 0xff, 0xff, 0xff, 0xff, 0xc0];
        assert_eq!(Cursor::at(&message).value(), None);
    }
}

#[test]
fn numbers_and_texts_are_what_they_are() {
    let number = |bytes: &[u8]| Cursor::at(bytes).integer();
    assert_eq!(number(&[0xe0]), Some(-32));
    assert_eq!(number(&[0xd1, 0xff, 0x00]), Some(-256));
    assert_eq!(number(&[0xcf, 0xff, 0, 0, 0, 0, 0, 0, 0]), None);
    assert_eq!(number(&[0xa0]), None);
    assert_eq!(Cursor::at(&[0xff]).unsigned::<u32>(), None);
    assert_eq!(Cursor::at(&[0xcd, 1, 0]).unsigned::<u8>(), None);
    assert_eq!(Cursor::at(&[0xca, 0x3f, 0x80, 0, 0]).float(), Some(1.0));
    assert_eq!(Cursor::at(&[0x07]).float(), Some(7.0));
    assert_eq!(Cursor::at(&[0xa1, b'7']).float(), None);
    assert_eq!(Cursor::at(&[0xa1, 0xff]).text(), None);
    assert_eq!(Cursor::at(&[0xd4, 3, 9]).extension(3), Some(&[9][..]));
    assert_eq!(Cursor::at(&[0xd4, 4, 9]).extension(3), None);
}
