use super::*;

/// Much longer than anything takes here.
const SOON: Duration = Duration::from_secs(30);

fn in_an_hour() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

fn clients() -> Arc<Clients> {
    Arc::new(Clients::new(4, 3))
}

fn connect(clients: &Arc<Clients>, address: &str) -> Option<Connection> {
    clients.connect(address.parse().expect("an address"))
}

#[test]
fn connections_are_bounded_in_all_and_by_client() {
    let clients = clients();
    let one: Vec<_> = (0..3).map(|_| connect(&clients, "192.0.2.1:1").expect("taken")).collect();
    assert!(connect(&clients, "192.0.2.1:1").is_none(), "a client's own bound");
    let other = connect(&clients, "192.0.2.2:1").expect("taken");
    assert!(connect(&clients, "192.0.2.3:1").is_none(), "the bound of all");
    assert_eq!(clients.connections(), 4);
    drop(one);
    assert!(connect(&clients, "192.0.2.1:1").is_some());
    drop(other);
    clients.forget_gone();
    assert_eq!((clients.connections(), clients.loads.lock().len()), (0, 0));
}

#[tokio::test]
async fn a_place_is_free_again_when_its_scan_is_kept_and_batches_leave_a_quarter() {
    let admission = Admission::new(1000);
    admission.limit.store(100, Ordering::Relaxed);
    let (greedy, polite) = (Subject::default(), Subject::default());
    let soon = Instant::now() + Duration::from_millis(20);
    let batch = admission.wait_for_room(&greedy, 80, soon).await.expect("room");
    assert!(admission.wait_for_room(&greedy, 1, soon).await.is_none(), "a quarter is for the door");
    let scans: Vec<_> = (0..40).map_while(|_| admission.enter(&polite).ok()).collect();
    assert_eq!(scans.len(), 40, "the other client has its half");
    assert_eq!(admission.would_enter(&greedy), Err(IngestError::TooManyAtOnce));
    drop((batch, scans));
    assert_eq!((admission.waiting.load(Ordering::Relaxed), admission.clients.load(Ordering::Relaxed)), (0, 0));
    admission.enter(&greedy).expect("room").kept();
    assert!(admission.door.read().is_some());
    assert_eq!(admission.door.read(), None);
}

/// Thirty batches of three clients, over twelve places: none is forgotten. One that is would wait for an hour here.
#[tokio::test]
async fn batches_that_wait_get_in_as_places_become_free() {
    let admission = Admission::new(1000);
    admission.limit.store(16, Ordering::Relaxed);
    let clients = [(); 3].map(|()| Subject::default());
    let batches = (0..30).map(|at| {
        let (admission, client) = (&admission, &clients[at % 3]);
        async move {
            let permit = admission.wait_for_room(client, 4, in_an_hour()).await.expect("room");
            tokio::time::sleep(Duration::from_millis(5)).await;
            drop(permit);
        }
    });
    tokio::time::timeout(SOON, futures::future::join_all(batches)).await.expect("all get in");
    assert_eq!((admission.waiting.load(Ordering::Relaxed), admission.queue.load(Ordering::Relaxed)), (0, 0));
}

/// A batch whose client hangs up in the moment in which it is woken does not take the place with it.
#[tokio::test]
async fn a_batch_that_is_left_leaves_its_turn_to_the_next() {
    let admission = Admission::new(1000);
    admission.limit.store(8, Ordering::Relaxed);
    let (one, other) = (Subject::default(), Subject::default());
    let deadline = in_an_hour();
    let first = admission.wait_for_room(&one, 8, deadline).await.expect("room");
    let (mut left, mut next) =
        (Box::pin(admission.wait_for_room(&one, 8, deadline)), Box::pin(admission.wait_for_room(&one, 8, deadline)));
    assert!(futures::poll!(&mut left).is_pending() && futures::poll!(&mut next).is_pending());
    drop(first);
    drop(left);
    assert!(tokio::time::timeout(SOON, next).await.expect("woken").is_some());
    let full = admission.wait_for_room(&one, 8, deadline).await.expect("room");
    let soon = Instant::now() + Duration::from_millis(20);
    assert!(admission.wait_for_room(&other, 1, soon).await.is_none(), "none in time");
    assert_eq!(admission.queue.load(Ordering::Relaxed), 0);
    drop(full);
}

/// A limit that is raised is room as well.
#[tokio::test]
async fn a_raised_limit_wakes_whoever_waits() {
    let admission = Arc::new(Admission::new(1000));
    admission.limit.store(0, Ordering::Relaxed);
    let (pacing, stop) = (Arc::clone(&admission), CancellationToken::new());
    let client = Subject::default();
    let held = admission.take(&client, 1);
    let mut batch = Box::pin(admission.wait_for_room(&client, 1, in_an_hour()));
    assert!(futures::poll!(&mut batch).is_pending());
    let end = stop.clone();
    let pace = tokio::spawn(async move { pacing.keep_pace(end).await });
    admission.batches.add(Duration::from_millis(1));
    assert!(tokio::time::timeout(SOON, batch).await.expect("woken").is_some());
    stop.cancel();
    pace.await.expect("ends");
    drop(held);
}

#[test]
fn bodies_have_a_bound_together() {
    let admission = Admission::new(150);
    let request = |bytes: usize| Request::new(vec![b'x'; bytes].into());
    let one = admission.room_for_body(&request(100), 1000).expect("room");
    assert_eq!(admission.room_for_body(&request(51), 1000).err(), Some(IngestError::Overloaded));
    admission.room_for_body(&request(50), 1000).expect("room");
    drop(one);
    assert!(admission.room_for_body(&request(101), 1000).is_ok());
    let encoded = Request::builder().header("content-encoding", "gzip").body("x".into()).expect("a request");
    assert!(admission.room_for_body(&encoded, 151).is_err(), "it may become as long as it may be");
}
