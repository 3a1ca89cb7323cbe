use super::*;

fn list(values: impl IntoIterator<Item = Value>) -> Value {
    Value::Array(values.into_iter().collect())
}

fn numbers(range: std::ops::Range<u32>) -> Value {
    list(range.map(Value::from))
}

fn stored(hashes: Value, parent: Value) -> Value {
    list([
        "BlockStored".into(),
        hashes,
        parent,
        numbers(0..4),
        4.into(),
        Value::Nil,
        "GPU".into(),
    ])
}

fn bytes(batch: Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &batch).unwrap();
    bytes
}

fn batch(events: impl IntoIterator<Item = Value>) -> Batch {
    read(&bytes(list([1.5.into(), list(events)]))).unwrap()
}

fn hashes_of(event: &RawKvEvent) -> (Vec<u64>, Option<u64>) {
    match event {
        RawKvEvent::BlockStored {
            block_hashes,
            parent_block_hash,
            ..
        } => (
            block_hashes.iter().map(|hash| hash.into_u64()).collect(),
            parent_block_hash.map(|hash| hash.into_u64()),
        ),
        RawKvEvent::BlockRemoved { block_hashes, .. } => (
            block_hashes.iter().map(|hash| hash.into_u64()).collect(),
            None,
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_rank_that_is_left_out_is_0() {
    let event = || stored(list([7.into()]), Value::Nil);
    for (behind, expected) in [
        (vec![], 0),
        (vec![Value::Nil], 0),
        (vec![3.into()], 3),
        (vec![3.into(), "of a newer engine".into()], 3),
    ] {
        let mut fields = vec![Value::from(1), list([event()])];
        fields.extend(behind);
        let read = read(&bytes(Value::Array(fields))).unwrap();
        assert_eq!((read.dp_rank, read.events.len()), (expected, 1));
        assert_eq!(read.wrong, [""; 0]);
    }
}

#[test]
fn a_batch_may_be_a_map_and_so_may_an_event() {
    let event = Value::Map(vec![
        ("type".into(), "BlockRemoved".into()),
        ("block_hashes".into(), list([Value::Binary(vec![1; 32])])),
    ]);
    let fields = vec![
        ("ts".into(), 1.5.into()),
        ("events".into(), list([event])),
        ("data_parallel_rank".into(), 2.into()),
    ];
    let read = read(&bytes(Value::Map(fields))).unwrap();
    assert_eq!(read.dp_rank, 2);
    assert_eq!(
        hashes_of(&read.events[0]),
        (vec![0x0101_0101_0101_0101], None)
    );
}

#[test]
fn of_a_digest_the_last_8_bytes_count() {
    let digest = |last: u8| {
        let mut digest = vec![0xAB; 32];
        digest[24..].copy_from_slice(&[0, 0, 0, 0, 0, 0, 1, last]);
        Value::Binary(digest)
    };
    let read = batch([
        stored(list([digest(1), digest(2)]), digest(3)),
        stored(list([(-1).into()]), u64::MAX.into()),
        list(["BlockRemoved".into(), list([digest(4)])]),
    ]);
    assert_eq!(read.wrong, [""; 0]);
    let told: Vec<_> = read.events.iter().map(hashes_of).collect();
    assert_eq!(
        told,
        [
            (vec![0x101, 0x102], Some(0x103)),
            (vec![u64::MAX], Some(u64::MAX)),
            (vec![0x104], None),
        ]
    );
}

#[test]
fn what_cannot_be_read_is_left_out_alone_and_named() {
    let good = || stored(list([7.into()]), Value::Nil);
    let with = |place: usize, value: Value| {
        let Value::Array(mut fields) = good() else {
            unreachable!()
        };
        fields[place] = value;
        Value::Array(fields)
    };
    for (event, field) in [
        (list(["BlockLost".into(), list([7.into()])]), "type"),
        (list([]), "type"),
        (Value::Nil, "type"),
        (with(1, list(["abc".into()])), "block_hashes"),
        (with(1, list([Value::Binary(vec![1; 7])])), "block_hashes"),
        (with(1, Value::Nil), "block_hashes"),
        (list(["BlockRemoved".into(), 7.into()]), "block_hashes"),
        (with(2, "abc".into()), "parent_block_hash"),
        (with(3, list([(-1).into()])), "token_ids"),
        (with(3, "abc".into()), "token_ids"),
        (with(4, "abc".into()), "block_size"),
        (with(6, 5.into()), "another field"),
    ] {
        let read = batch([good(), event, good()]);
        assert_eq!(read.wrong, [field]);
        assert_eq!(read.events.len(), 2, "{field}");
        assert!(FIELDS.contains(&field));
    }
}

#[test]
fn a_batch_that_is_none_is_named() {
    let rank = |rank: Value| list([1.5.into(), list([]), rank]);
    for (payload, field) in [
        (b"\xc1".to_vec(), "batch"),
        (Vec::new(), "batch"),
        (bytes("abc".into()), "batch"),
        (bytes(list([1.5.into()])), "batch"),
        (bytes(list([1.5.into(), "abc".into()])), "events"),
        (bytes(rank((-1).into())), "data_parallel_rank"),
        (bytes(rank("0".into())), "data_parallel_rank"),
    ] {
        assert_eq!(read(&payload).unwrap_err(), field);
        assert!(FIELDS.contains(&field));
    }
}
