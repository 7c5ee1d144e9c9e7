use std::os::unix::fs::PermissionsExt;

use tokio_util::sync::CancellationToken;

use super::*;

fn open(path: &Path, max_bytes: u64) -> anyhow::Result<Spool> {
    Spool::open(path, max_bytes, WholeOrNone(CancellationToken::new()))
}

fn records(count: u32) -> Records {
    let mut messages = Messages::default();
    (0..count).for_each(|n| messages.push(b"1123456789abcdef", &n).expect("serialises"));
    messages.into_records(|_| true)
}

#[tokio::test]
async fn what_was_appended_is_there_after_it_is_opened_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("spool");
    let spool = open(&path, 1_000_000).expect("opened");
    let error = open(&path, 1_000_000).expect_err("locked").to_string();
    assert!(error.contains("in use by another gateway"), "{error}");
    let waiting = (0..50).map(|_| spool.append(records(3)));
    assert!(futures::future::join_all(waiting).await.iter().all(Result::is_ok));
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o700);
    spool.close();
    assert_eq!(spool.append(records(1)).await, Err(Refused::Broken));
    drop(spool);
    let spool = open(&path, 1_000_000).expect("opened");
    assert_eq!(spool.fill().records, 150);
    let oldest = spool.oldest().await;
    fs::remove_file(&oldest.path).expect("removed");
    spool.forget(&oldest);
    assert_eq!(spool.fill(), Fill { bytes: 0, records: 0, oldest_ms: None });
    assert_eq!(spool.shared.bytes.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_full_spool_refuses_and_takes_again_when_there_is_room() {
    let directory = tempfile::tempdir().expect("a directory");
    let room = records(10).bytes.len() as u64 + segment::HEAD_BYTES as u64;
    let spool = open(directory.path(), room).expect("opened");
    assert_eq!(spool.append(records(11)).await, Err(Refused::Full));
    assert_eq!(spool.append(records(10)).await, Ok(()));
    assert_eq!(spool.append(records(1)).await, Err(Refused::Full));
    let oldest = spool.oldest().await;
    assert_eq!(oldest.records, 10);
    fs::remove_file(&oldest.path).expect("removed");
    spool.forget(&oldest);
    assert_eq!(spool.append(records(1)).await, Ok(()));
}

#[tokio::test]
async fn a_torn_tail_is_left_out_and_a_damaged_segment_keeps_its_place() {
    let directory = tempfile::tempdir().expect("a directory");
    for _ in 0..2 {
        let spool = open(directory.path(), 1_000_000).expect("opened");
        spool.append(records(5)).await.expect("kept");
        spool.append(records(5)).await.expect("kept");
        spool.close();
    }
    let segments = || {
        let all = fs::read_dir(directory.path()).expect("read").map(|entry| entry.expect("read").path());
        let mut segments: Vec<_> = all.filter(|path| segment::number_of(path).is_some()).collect();
        segments.sort();
        segments
    };
    let [first, second] = &segments()[..] else { panic!("{:?}", segments()) };
    let mut damaged = fs::read(first).expect("read");
    damaged[100] ^= 1;
    fs::write(first, damaged).expect("written");
    let torn = fs::read(second).expect("read");
    fs::write(second, &torn[..torn.len() - 3]).expect("written");
    let spool = open(directory.path(), 1_000_000).expect("opened");
    let read: Vec<_> = spool.shared.queue.lock().sealed.iter().map(|s| (s.number, s.records)).collect();
    assert_eq!(read, [(1, 2), (2, 9)]);
}
